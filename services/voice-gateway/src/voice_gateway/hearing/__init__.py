"""From caller audio to voice activity and transcripts; imports nothing of `speaking`."""
