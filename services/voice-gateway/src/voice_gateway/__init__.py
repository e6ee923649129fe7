"""The voice gateway: serves calls with Riva ASR, a chat model and Riva TTS."""
