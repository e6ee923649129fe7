"""A recorded call again: as it was, and with other settings."""
