"""The voice gateway: one call in, Riva and a chat model behind it."""
