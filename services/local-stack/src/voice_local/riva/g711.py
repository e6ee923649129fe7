"""G.711: the two eight-bit codings of telephony, to and from floats (ITU-T G.711)."""

import numpy as np
from numpy.typing import NDArray

from voice_local.engines import Samples

_BIAS = 0x84
_MULAW_CLIP = 32_635


def _mulaw_levels() -> NDArray[np.float32]:
    code = ~np.arange(256, dtype=np.uint8)
    exponent = (code >> 4 & 7).astype(np.int32)
    magnitude = (((code & 15).astype(np.int32) << 3) + _BIAS << exponent) - _BIAS
    return (np.where(code & 0x80, -magnitude, magnitude) / 32_768).astype(np.float32)


def _alaw_levels() -> NDArray[np.float32]:
    code = np.arange(256, dtype=np.uint8) ^ 0x55
    exponent = (code >> 4 & 7).astype(np.int32)
    mantissa = ((code & 15).astype(np.int32) << 4) + 8
    magnitude = np.where(exponent == 0, mantissa, mantissa + 0x100 << np.maximum(exponent, 1) - 1)
    return (np.where(code & 0x80, magnitude, -magnitude) / 32_768).astype(np.float32)


_MULAW = _mulaw_levels()
_ALAW = _alaw_levels()


def from_mulaw(code: NDArray[np.uint8]) -> Samples:
    return _MULAW[code]


def from_alaw(code: NDArray[np.uint8]) -> Samples:
    return _ALAW[code]


def to_mulaw(pcm: NDArray[np.int16]) -> NDArray[np.uint8]:
    wide = pcm.astype(np.int32)
    magnitude = np.minimum(np.abs(wide), _MULAW_CLIP) + _BIAS
    exponent = _top_bit(magnitude) - 7
    code = exponent << 4 | (magnitude >> exponent + 3 & 15) | np.where(wide < 0, 0x80, 0)
    return ~code.astype(np.uint8)


def to_alaw(pcm: NDArray[np.int16]) -> NDArray[np.uint8]:
    wide = pcm.astype(np.int32)
    magnitude = np.where(wide < 0, -wide - 1, wide) >> 4
    exponent = np.maximum(_top_bit(np.maximum(magnitude, 1)) - 3, 0)
    shift = np.maximum(exponent, 1) - 1
    code = exponent << 4 | (magnitude >> shift & 15) | np.where(wide < 0, 0, 0x80)
    return code.astype(np.uint8) ^ np.uint8(0x55)


def _top_bit(value: NDArray[np.int32]) -> NDArray[np.int32]:
    """The position of the highest bit that is set; values above 0."""
    return np.frexp(value.astype(np.float64))[1].astype(np.int32) - 1
