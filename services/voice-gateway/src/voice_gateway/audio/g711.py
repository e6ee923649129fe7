"""G.711, the codec of telephones: converts 8-bit mu-law and A-law to and from s16le samples."""

from functools import cache
from typing import Any, Literal

Law = Literal["mu", "a"]

RATE_HZ = 8_000
_NEGATIVE_ZERO = 0x7F  # the mu-law code


def decode(codes: bytes, law: Law) -> bytes:
    """Take one byte a sample; return s16le samples."""
    import numpy as np  # only calls in G.711 need it

    return _levels(law)[np.frombuffer(codes, np.uint8)].tobytes()


def encode(pcm: bytes, law: Law) -> bytes:
    """Take whole s16le samples; return one byte a sample, the code with the nearest level."""
    import numpy as np

    return _codes(law)[np.frombuffer(pcm, "<u2")].tobytes()


@cache
def _levels(law: Law) -> Any:
    """The level of each of the 256 codes by ITU-T G.711, scaled to 16 bits."""
    import numpy as np

    level = _mu_level if law == "mu" else _a_level
    return np.array([level(code) for code in range(256)], dtype="<i2")


@cache
def _codes(law: Law) -> Any:
    """The code for each of the 65536 samples, by the sample's bits."""
    import numpy as np

    levels = _levels(law).astype(np.int32)
    order = np.argsort(levels, kind="stable")
    if law == "mu":
        order = order[order != _NEGATIVE_ZERO]  # silence is the positive zero
    borders = (levels[order][1:] + levels[order][:-1]) / 2
    samples = np.arange(65536, dtype=np.uint16).astype(np.int16).astype(np.int32)
    return order[np.searchsorted(borders, samples)].astype(np.uint8)


def _mu_level(code: int) -> int:
    code ^= 0xFF
    magnitude = (((code & 0x0F) << 3) + 0x84) << ((code & 0x70) >> 4)
    return 0x84 - magnitude if code & 0x80 else magnitude - 0x84


def _a_level(code: int) -> int:
    code ^= 0x55
    segment, step = (code & 0x70) >> 4, (code & 0x0F) << 4
    magnitude = step + 8 if segment == 0 else (step + 0x108) << (segment - 1)
    return magnitude if code & 0x80 else -magnitude
