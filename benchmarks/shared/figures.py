"""Percentiles of many samples, and the CPU time of calls. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Spread:
    """Percentiles of samples, in milliseconds."""

    p50: float
    p95: float
    p99: float
    count: int


@dataclass(frozen=True, slots=True)
class Cost:
    """What a process used while it served calls."""

    cpu_s: float
    call_s: float
    """Seconds of callers' audio, all calls together."""

    @property
    def cpu_ms_per_call_s(self) -> float:
        return self.cpu_s / self.call_s * 1000


def spread(seconds: Sequence[float]) -> Spread:
    ordered = sorted(seconds)
    p50, p95, p99 = (_percentile(ordered, part) * 1000 for part in (0.5, 0.95, 0.99))
    return Spread(p50, p95, p99, len(ordered))


def _percentile(ordered: Sequence[float], part: float) -> float:
    if not ordered:
        return float("nan")
    position = part * (len(ordered) - 1)
    below = int(position)
    above = min(below + 1, len(ordered) - 1)
    return ordered[below] + (ordered[above] - ordered[below]) * (position - below)
