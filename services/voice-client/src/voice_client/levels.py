"""The levels of the microphone and the loudspeaker: peaks, in dB below full scale."""

import array
import math
import sys
from dataclasses import dataclass

QUIETEST_DB = -90.0
FULL_SCALE = 32768


@dataclass(slots=True)
class Levels:
    """The current input and output levels; the devices' threads write them, anyone reads them."""

    microphone_db: float = QUIETEST_DB
    loudspeaker_db: float = QUIETEST_DB


def peak_db(pcm: bytes) -> float:
    """Return the peak of s16le audio; QUIETEST_DB for silence and for nothing."""
    samples = samples_of(pcm)
    peak = max(max(samples), -min(samples)) if samples else 0
    return max(QUIETEST_DB, 20 * math.log10(peak / FULL_SCALE)) if peak else QUIETEST_DB


def tone(hz: float, seconds: float, rate_hz: int, db: float) -> bytes:
    """Return a tone, s16le mono, faded in and out so that it does not click."""
    count, fade = round(seconds * rate_hz), round(0.02 * rate_hz)
    loudest = FULL_SCALE * 10 ** (db / 20)
    wave = (
        loudest * min(1.0, n / fade, (count - n) / fade) * math.sin(2 * math.pi * hz * n / rate_hz)
        for n in range(count)
    )
    return _little_endian(array.array("h", (round(sample) for sample in wave))).tobytes()


def samples_of(pcm: bytes) -> "array.array[int]":
    """Return s16le audio as numbers; half a sample at its end is dropped."""
    return _little_endian(array.array("h", pcm[: len(pcm) // 2 * 2]))


def _little_endian(samples: "array.array[int]") -> "array.array[int]":
    if sys.byteorder == "big":
        samples.byteswap()
    return samples
