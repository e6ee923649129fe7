"""The figures of a benchmark as a table for people and as JSON for machines."""

import platform
from collections.abc import Sequence
from dataclasses import asdict
from importlib.metadata import version
from os import cpu_count

from measure import ADDED, BESIDE, LATENESS, STAGES, WIRE, Json, Spread, ratios, spread
from rounds import Bench
from scenario import Delays


def report(bench: Bench, rounds: int) -> str:
    load, figures = bench.load, bench.figures
    wanted = load.calls * load.turns * rounds
    lines = [
        f"{load.calls} calls at once, {load.turns} turns in {load.seconds:g} s each"
        f"{', all ending together' if load.together else ''},"
        f" {rounds} rounds, chunks of {load.chunk_ms} ms:"
        f" {len(figures)} of {wanted} turns answered",
        "",
        _row("milliseconds", ("p50", "p95", "p99")),
    ]
    by_stage = _spreads(bench)
    lines += [_spread_row(name, by_stage[name]) for name in (*STAGES, ADDED, LATENESS, WIRE)]
    lines.append("beside the way to the reply's audio:")
    lines += [_spread_row(name, by_stage[name]) for name in BESIDE]
    lines.append("for comparison:")
    lines.append(_spread_row("pass-through, there and back", spread(bench.trips_s)))
    lines.append(_spread_row("callers' own lateness", spread(bench.late_s)))
    return "\n".join([*lines, "", *_cost_lines(bench)])


def _spreads(bench: Bench) -> dict[str, Spread]:
    names = (*STAGES, ADDED, LATENESS, WIRE, *BESIDE)
    return {name: spread([figure[name] for figure in bench.figures]) for name in names}


def _cost_lines(bench: Bench) -> list[str]:
    average, least, greatest = ratios(bench.gateway_costs, bench.passthrough_costs)
    rows = [_row("CPU ms per second of a call", ("gateway", "bare", "ratio"))]
    for ours, bare in zip(bench.gateway_costs, bench.passthrough_costs, strict=True):
        cells = (ours.cpu_ms_per_call_s, bare.cpu_ms_per_call_s, ours.cpu_s / bare.cpu_s)
        rows.append(_row("", tuple(f"{cell:.2f}" for cell in cells)))
    rows.append(f"CPU of the gateway / pass-through: {average:.2f} ({least:.2f} to {greatest:.2f})")
    return rows


def _spread_row(name: str, of: Spread) -> str:
    return _row(name, tuple(f"{value:.1f}" for value in (of.p50, of.p95, of.p99)))


def _row(name: str, cells: Sequence[str]) -> str:
    return f"  {name:<40}" + "".join(f"{cell:>9}" for cell in cells)


def as_json(bench: Bench, rounds: int) -> Json:
    average, least, greatest = ratios(bench.gateway_costs, bench.passthrough_costs)
    return {
        "load": asdict(bench.load) | {"seconds": bench.load.seconds, "rounds": rounds},
        "delays_s": asdict(Delays()),
        "machine": {
            "processors": cpu_count(),
            "system": platform.platform(),
            "python": platform.python_version(),
            "grpcio": version("grpcio"),
        },
        "latency_ms": {name: asdict(of) for name, of in _spreads(bench).items()},
        "passthrough_round_trip_ms": asdict(spread(bench.trips_s)),
        "callers_lateness_ms": asdict(spread(bench.late_s)),
        "gateway_cpu": [asdict(cost) for cost in bench.gateway_costs],
        "passthrough_cpu": [asdict(cost) for cost in bench.passthrough_costs],
        "cpu_ratio": {"mean": average, "least": least, "greatest": greatest},
        "problems": bench.problems,
    }
