"""From one sample rate to another, chunk by chunk."""

from typing import Any

from voice_gateway.audio.pcm import WholeSamples


class Resampler:
    """s16le mono chunks, cut anywhere, at one rate in; whole samples at another rate out.

    Keeps its state between chunks (soxr's streaming mode), so the joins cannot be heard. At equal
    rates only the odd byte is kept back.
    """

    def __init__(self, from_hz: int, to_hz: int) -> None:
        self._whole = WholeSamples()
        self._stream: Any = None
        if from_hz != to_hz:
            import soxr  # brings numpy: only calls at another rate pay for it

            self._stream = soxr.ResampleStream(from_hz, to_hz, 1, dtype="int16", quality="MQ")

    def feed(self, chunk: bytes) -> bytes:
        samples = self._whole.feed(chunk)
        return samples if self._stream is None else self._convert(samples, last=False)

    def flush(self) -> bytes:
        """What is still inside after the last chunk."""
        return b"" if self._stream is None else self._convert(b"", last=True)

    def _convert(self, samples: bytes, *, last: bool) -> bytes:
        import numpy as np

        converted = self._stream.resample_chunk(np.frombuffer(samples, "<i2"), last=last)
        return converted.astype("<i2", copy=False).tobytes()
