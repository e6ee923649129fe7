"""Rows of the benchmarks' tables, and the machine that stands beside their figures."""

import platform
from collections.abc import Sequence
from importlib.metadata import version
from os import cpu_count

from shared.figures import Spread, spread
from shared.lines import Json


def row(name: str, cells: Sequence[str]) -> str:
    return f"  {name:<40}" + "".join(f"{cell:>9}" for cell in cells)


def spread_row(name: str, of: Spread) -> str:
    """A row of a name, p50, p95 and p99."""
    return row(name, tuple(f"{value:.1f}" for value in (of.p50, of.p95, of.p99)))


def counted_row(name: str, seconds: Sequence[float]) -> str:
    """A row of a name, p50, p95, p99 and how many samples there are."""
    of = spread(seconds)
    return spread_row(name, of) + f"{of.count:>9}"


def machine() -> Json:
    return {
        "processors": cpu_count(),
        "system": platform.platform(),
        "python": platform.python_version(),
        "grpcio": version("grpcio"),
    }
