"""Whether figures that were taken again and again stay flat: slopes, with how sure they are. Pure.

The first quarter of the samples, and two at least, are the warm-up: caches fill, and pools reach
their size. A line is fitted by least squares through the memory of the others over the calls so
far, and what counts is the range that its slope is in with 99 % confidence.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import sqrt
from statistics import NormalDist, fmean

MOST_BYTES_PER_CALL = 1_000
"""Memory in use that grows by more, for certain, is a leak."""
TOLD_BYTES_PER_CALL = 2_000
"""A leak that is as large has to be told: where it may be there, the calls were too few."""
MOST_RESIDENT_BYTES_PER_CALL = 4_000
"""Resident memory is what the allocators keep as well, which goes up in steps."""
_LEAST_RESIDENT_CALLS = 1_000
"""Over fewer calls those steps are all there is to see."""
_MOST_MORE = {"tasks": 2, "threads": 2, "descriptors": 6}
_LEAST_SAMPLES = 5
_CONFIDENCE = 0.99


@dataclass(frozen=True, slots=True)
class Sample:
    """What the gateway held at a moment when nobody called."""

    calls: int
    """Made so far."""
    used_bytes: int
    resident_bytes: int
    tasks: int
    threads: int
    descriptors: int


@dataclass(frozen=True, slots=True)
class Slope:
    """Bytes for each call, and the range that they are in with confidence."""

    of: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{self.of:.0f} bytes a call ({self.low:.0f} to {self.high:.0f})"


def settled(samples: Sequence[Sample]) -> Sequence[Sample]:
    """The samples after the warm-up."""
    return samples[max(2, len(samples) // 4) :]


def slope(samples: Sequence[Sample], name: str) -> Slope:
    """How a figure goes up with the calls."""
    calls = [float(sample.calls) for sample in samples]
    values = [float(getattr(sample, name)) for sample in samples]
    mean_calls, mean_value = fmean(calls), fmean(values)
    spread = sum((x - mean_calls) ** 2 for x in calls)
    pairs = zip(calls, values, strict=True)
    of = sum((x - mean_calls) * (y - mean_value) for x, y in pairs) / spread
    off = (y - mean_value - of * (x - mean_calls) for x, y in zip(calls, values, strict=True))
    free = len(samples) - 2
    error = sqrt(sum(each**2 for each in off) / free / spread)
    within = _quantile(free) * error
    return Slope(of, of - within, of + within)


def _quantile(free: int) -> float:
    """Student's t for the confidence, by its expansion around the normal distribution."""
    z = NormalDist().inv_cdf((1 + _CONFIDENCE) / 2)
    terms = (
        (z**3 + z) / 4,
        (5 * z**5 + 16 * z**3 + 3 * z) / 96,
        (3 * z**7 + 19 * z**5 + 17 * z**3 - 15 * z) / 384,
    )
    return z + sum(term / free**power for power, term in enumerate(terms, start=1))


def problems(samples: Sequence[Sample]) -> list[str]:
    """What grew, or cannot be told."""
    after = settled(samples)
    if len(after) < _LEAST_SAMPLES:
        return [f"only {len(after)} samples after the warm-up; at least {_LEAST_SAMPLES}"]
    used, resident = slope(after, "used_bytes"), slope(after, "resident_bytes")
    found: list[str] = []
    if used.low > MOST_BYTES_PER_CALL:
        found.append(f"memory in use grows by {used}")
    elif used.high > TOLD_BYTES_PER_CALL:
        found.append(f"whether memory in use grows cannot be told: {used}; churn for longer")
    long = after[-1].calls - after[0].calls >= _LEAST_RESIDENT_CALLS
    if long and resident.low > MOST_RESIDENT_BYTES_PER_CALL:
        found.append(f"resident memory grows by {resident}")
    return found + _more(after)


def _more(after: Sequence[Sample]) -> list[str]:
    """What there is more of, a few that may be kept aside, in all of the last third's samples."""
    last, first = after[-max(1, len(after) // 3) :], after[0]
    grown = {
        name: min(getattr(sample, name) for sample in last) - getattr(first, name)
        for name in _MOST_MORE
    }
    return [f"{n} more {name} than at first" for name, n in grown.items() if n > _MOST_MORE[name]]
