"""Replays a recorded call, as it was and with other settings."""
