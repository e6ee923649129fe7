"""Converts audio from one sample rate to another, chunk by chunk."""

from typing import Any

from voice_gateway.audio import pcm
from voice_gateway.audio.pcm import SAMPLE_BYTES, WholeSamples

_QUALITY = "sinc_medium"
"""libsamplerate's: it holds 3 ms back at 24 kHz and 6 ms at 8 kHz, and keeps what is spoken there.
"sinc_fastest" costs half, and takes 9 dB off at 3.4 kHz of a telephone. soxr costs a tenth, and
holds back up to 37 and 118 ms, by which every turn would be later."""
_HELD_BACK_S = 0.01  # more than that: silence of this length behind the last sample drives all out


class Resampler:
    """Takes s16le mono chunks, cut anywhere, at one rate; returns whole samples at another.

    It keeps its state between chunks, so that the joins are inaudible. At equal rates it only joins
    samples that were cut between two chunks.
    """

    def __init__(self, from_hz: int, to_hz: int) -> None:
        self._whole = WholeSamples()
        self._from_hz = from_hz
        self._ratio = to_hz / from_hz
        self._taken = self._given = 0  # samples
        self._stream: Any = None
        if from_hz != to_hz:
            import samplerate  # it imports numpy; only calls at another rate need it

            self._stream = samplerate.Resampler(  # pyright: ignore[reportUnknownMemberType]
                _QUALITY, channels=1
            )

    def feed(self, chunk: bytes) -> bytes:
        samples = self._whole.feed(chunk)
        if self._stream is None:
            return samples
        self._taken += len(samples) // SAMPLE_BYTES
        return self._convert(samples)

    def flush(self) -> bytes:
        """Return the samples that are left after the last chunk."""
        if self._stream is None:
            return b""
        left = round(self._taken * self._ratio) - self._given
        behind = pcm.silence(_HELD_BACK_S, self._from_hz)
        return self._convert(behind)[: max(0, left) * SAMPLE_BYTES]

    def _convert(self, samples: bytes) -> bytes:
        import numpy as np

        taken = np.frombuffer(samples, "<i2").astype(np.float32)
        given = self._stream.process(taken, self._ratio)
        self._given += len(given)
        return np.clip(np.rint(given), -32_768, 32_767).astype("<i2").tobytes()
