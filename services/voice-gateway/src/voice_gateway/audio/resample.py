"""Converts audio from one sample rate to another, chunk by chunk."""

from typing import Any

from voice_gateway.audio.pcm import WholeSamples


class Resampler:
    """Takes s16le mono chunks, cut anywhere, at one rate; returns whole samples at another.

    It keeps its state between chunks (soxr's streaming mode), so that the joins are inaudible. At
    equal rates it only joins samples that were cut between two chunks.
    """

    def __init__(self, from_hz: int, to_hz: int) -> None:
        self._whole = WholeSamples()
        self._stream: Any = None
        if from_hz != to_hz:
            import soxr  # it imports numpy; only calls at another rate need it

            self._stream = soxr.ResampleStream(from_hz, to_hz, 1, dtype="int16", quality="MQ")

    def feed(self, chunk: bytes) -> bytes:
        samples = self._whole.feed(chunk)
        return samples if self._stream is None else self._convert(samples, last=False)

    def flush(self) -> bytes:
        """Return the samples that are left after the last chunk."""
        return b"" if self._stream is None else self._convert(b"", last=True)

    def _convert(self, samples: bytes, *, last: bool) -> bytes:
        import numpy as np

        converted = self._stream.resample_chunk(np.frombuffer(samples, "<i2"), last=last)
        return converted.astype("<i2", copy=False).tobytes()
