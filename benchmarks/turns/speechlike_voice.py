"""The scripted voice of the benchmark: recorded speech without its pauses.

A tone would not do: the gateway tells a caller from an echo by how their loudness changes.
"""

from array import array
from functools import cache

from voice_gateway.testing.fake_riva import FakeVoice

from shared.recordings import RATE_HZ, bytes_of, recording

_CLIP = "en_nlp_question"  # its speaker is not the callers'
_FRAME = RATE_HZ // 50
_SOFT_SHARE = 0.05  # of the loudest frame's swing; a softer frame is left out
_PEAK = 16_000


class AudibleVoice(FakeVoice):
    """Sounds from its first sample on and never pauses: a gateway that trims silence finds none."""

    def pcm(self, text: str, rate_hz: int) -> bytes:
        if rate_hz != RATE_HZ:
            raise ValueError(f"speaks at {RATE_HZ} Hz, not at {rate_hz}")
        size, speech = bytes_of(self.duration_s(text)), _speech()
        return (speech * (size // len(speech) + 1))[:size]


@cache
def _speech() -> bytes:
    samples = array("h", recording(_CLIP))
    frames = [samples[at : at + _FRAME] for at in range(0, len(samples) - _FRAME, _FRAME)]
    loudest = max(max(frame) - min(frame) for frame in frames)
    voiced = [
        one for frame in frames if max(frame) - min(frame) > _SOFT_SHARE * loudest for one in frame
    ]
    gain = _PEAK / max(map(abs, voiced))
    return array("h", (round(sample * gain) for sample in voiced)).tobytes()
