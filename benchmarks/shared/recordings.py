"""The bundled recordings of speech, as callers send them."""

import wave
from array import array
from functools import cache

import voice_client.speech

RATE_HZ = 16_000
SAMPLE_BYTES = 2
_FRAME = RATE_HZ // 50
_SOFT_SHARE = 0.05  # of the loudest frame's swing; a softer frame is left out
_PEAK = 16_000


def recording(name: str) -> bytes:
    """The samples of a recording: s16le mono at RATE_HZ, as all of them are."""
    with wave.open(str(voice_client.speech.clip(name))) as file:
        if (file.getframerate(), file.getnchannels(), file.getsampwidth()) != (RATE_HZ, 1, 2):
            raise ValueError(f"{name} is not {RATE_HZ} Hz mono of 16 bits")
        return file.readframes(file.getnframes())


def bytes_of(seconds: float) -> int:
    """Bytes of `seconds` of audio, in whole samples."""
    return round(seconds * RATE_HZ) * SAMPLE_BYTES


@cache
def without_pauses(clip: str) -> bytes:
    """The clip's speech, all of it loud, so that something sounds in each of its frames."""
    samples = array("h", recording(clip))
    frames = [samples[at : at + _FRAME] for at in range(0, len(samples) - _FRAME, _FRAME)]
    loudest = max(max(frame) - min(frame) for frame in frames)
    voiced = [
        one for frame in frames if max(frame) - min(frame) > _SOFT_SHARE * loudest for one in frame
    ]
    gain = _PEAK / max(map(abs, voiced))
    return array("h", (round(sample * gain) for sample in voiced)).tobytes()
