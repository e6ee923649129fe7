"""A call from its first message to its end: its session, replies and memory."""
