"""The bundled recordings of speech, as callers send them."""

import wave

import voice_client.speech

RATE_HZ = 16_000
SAMPLE_BYTES = 2


def recording(name: str) -> bytes:
    """The samples of a recording: s16le mono at RATE_HZ, as all of them are."""
    with wave.open(str(voice_client.speech.clip(name))) as file:
        if (file.getframerate(), file.getnchannels(), file.getsampwidth()) != (RATE_HZ, 1, 2):
            raise ValueError(f"{name} is not {RATE_HZ} Hz mono of 16 bits")
        return file.readframes(file.getnframes())


def bytes_of(seconds: float) -> int:
    """Bytes of `seconds` of audio, in whole samples."""
    return round(seconds * RATE_HZ) * SAMPLE_BYTES
