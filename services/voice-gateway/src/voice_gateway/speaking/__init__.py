"""From text to the caller's loudspeaker; imports nothing of `hearing`."""
