"""How samples are written as bytes, and back."""

from collections.abc import Callable
from enum import Enum, IntEnum

import numpy as np
from numpy.typing import NDArray

from voice_local.engines import Samples
from voice_local.riva import g711


class Encoding(IntEnum):
    """Riva's AudioEncoding, by its numbers on the wire."""

    ENCODING_UNSPECIFIED = 0
    LINEAR_PCM = 1
    FLAC = 2
    MULAW = 3
    OGGOPUS = 4
    ALAW = 20


class Coding(Enum):
    """One sample as bytes, little-endian; the value is its width in bytes and a name."""

    U8 = (1, "u8")
    S16 = (2, "s16")
    S24 = (3, "s24")
    S32 = (4, "s32")
    F32 = (4, "f32")
    MULAW = (1, "mulaw")
    ALAW = (1, "alaw")

    @property
    def width(self) -> int:
        return self.value[0]

    def read(self, data: bytes) -> Samples:
        """Read whole samples, channels still interleaved."""
        return _READERS[self](np.frombuffer(data, np.uint8))


def write_samples(samples: Samples, encoding: Encoding) -> bytes:
    """Write samples as LINEAR_PCM (s16le), MULAW or ALAW; what is beyond -1 to 1 is clipped."""
    pcm = np.clip(np.rint(samples * 32_767), -32_768, 32_767).astype("<i2")
    if encoding is Encoding.MULAW:
        return g711.to_mulaw(pcm).tobytes()
    if encoding is Encoding.ALAW:
        return g711.to_alaw(pcm).tobytes()
    return pcm.tobytes()


def _read_u8(data: NDArray[np.uint8]) -> Samples:
    return ((data.astype(np.float32) - 128) / 128).astype(np.float32)


def _read_s16(data: NDArray[np.uint8]) -> Samples:
    return (data.view("<i2") / np.float32(32_768)).astype(np.float32)


def _read_s24(data: NDArray[np.uint8]) -> Samples:
    wide = np.zeros((len(data) // 3, 4), np.uint8)
    wide[:, 1:] = data.reshape(-1, 3)
    return _read_s32(wide.reshape(-1))


def _read_s32(data: NDArray[np.uint8]) -> Samples:
    return (data.view("<i4") / 2_147_483_648).astype(np.float32)


def _read_f32(data: NDArray[np.uint8]) -> Samples:
    return np.clip(np.nan_to_num(data.view("<f4")), -1, 1).astype(np.float32)


_READERS: dict[Coding, Callable[[NDArray[np.uint8]], Samples]] = {
    Coding.U8: _read_u8,
    Coding.S16: _read_s16,
    Coding.S24: _read_s24,
    Coding.S32: _read_s32,
    Coding.F32: _read_f32,
    Coding.MULAW: g711.from_mulaw,
    Coding.ALAW: g711.from_alaw,
}
