"""From the caller's audio to its voice and its words; imports nothing of `speaking`."""
