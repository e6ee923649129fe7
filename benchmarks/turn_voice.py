"""What the scripted voice of `turns.py` sounds like: recorded speech, its pauses taken out.

A tone would be no voice: what comes in beside it is told from its echo by how loudness changes.
"""

import wave
from array import array
from functools import cache

import voice_client.speech
from scenario import RATE_HZ, SAMPLE_BYTES
from voice_gateway.testing.fake_riva import FakeVoice

_CLIP = "en_nlp_question"  # another speaker than the callers'
_FRAME = RATE_HZ // 50
_PAUSE = 0.05  # of the loudest frame's swing: a softer frame is left out
_PEAK = 16_000


class AudibleVoice(FakeVoice):
    """Sounds from its first sample on and never pauses: a gateway that trims silence finds none."""

    def pcm(self, text: str, rate_hz: int) -> bytes:
        if rate_hz != RATE_HZ:
            raise ValueError(f"speaks at {RATE_HZ} Hz, not at {rate_hz}")
        size, speech = round(self.duration_s(text) * rate_hz) * SAMPLE_BYTES, _speech()
        return (speech * (size // len(speech) + 1))[:size]


@cache
def _speech() -> bytes:
    with wave.open(str(voice_client.speech.clip(_CLIP))) as file:
        if (file.getframerate(), file.getnchannels(), file.getsampwidth()) != (RATE_HZ, 1, 2):
            raise ValueError(f"{_CLIP} is not {RATE_HZ} Hz mono of 16 bits")
        samples = array("h", file.readframes(file.getnframes()))
    frames = [samples[at : at + _FRAME] for at in range(0, len(samples) - _FRAME, _FRAME)]
    loudest = max(max(frame) - min(frame) for frame in frames)
    voiced = [
        one for frame in frames if max(frame) - min(frame) > _PAUSE * loudest for one in frame
    ]
    gain = _PEAK / max(map(abs, voiced))
    return array("h", (round(sample * gain) for sample in voiced)).tobytes()
