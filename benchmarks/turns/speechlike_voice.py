"""The scripted voice of the benchmark: recorded speech without its pauses.

A tone would not do: the gateway tells a caller from an echo by how their loudness changes.
"""

from voice_gateway.testing.fake_riva import FakeVoice

from shared.recordings import RATE_HZ, bytes_of, without_pauses

_CLIP = "en_nlp_question"  # its speaker is not the callers'


class AudibleVoice(FakeVoice):
    """Sounds from its first sample on and never pauses: a gateway that trims silence finds none."""

    def pcm(self, text: str, rate_hz: int) -> bytes:
        if rate_hz != RATE_HZ:
            raise ValueError(f"speaks at {RATE_HZ} Hz, not at {rate_hz}")
        size, speech = bytes_of(self.duration_s(text)), without_pauses(_CLIP)
        return (speech * (size // len(speech) + 1))[:size]
