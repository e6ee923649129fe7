"""Makes replies and sends them, from text to paced audio; imports nothing of `hearing`."""
