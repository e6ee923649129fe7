"""Mono s16le audio: durations, silence, whole samples and pieces."""

from collections.abc import Iterator

SAMPLE_BYTES = 2


def seconds(pcm: bytes, rate_hz: int) -> float:
    return len(pcm) / (SAMPLE_BYTES * rate_hz)


def silence(duration_s: float, rate_hz: int) -> bytes:
    return bytes(SAMPLE_BYTES * round(duration_s * rate_hz))


class WholeSamples:
    """Joins chunks cut anywhere into chunks of whole samples.

    A last odd byte is half a sample: it never comes out.
    """

    def __init__(self) -> None:
        self._half = b""

    def feed(self, chunk: bytes) -> bytes:
        if not self._half and not len(chunk) % SAMPLE_BYTES:
            return chunk
        joined = self._half + chunk
        whole = len(joined) - len(joined) % SAMPLE_BYTES
        self._half = joined[whole:]
        return joined[:whole]


def pieces(pcm: bytes, longest_s: float, rate_hz: int) -> Iterator[bytes]:
    """Cut whole samples into pieces of at most `longest_s`."""
    size = SAMPLE_BYTES * max(1, int(longest_s * rate_hz))
    if len(pcm) <= size:
        yield pcm
        return
    for start in range(0, len(pcm), size):
        yield pcm[start : start + size]
