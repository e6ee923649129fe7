"""Reports the stages of turns and the cost of calls, as a table and as JSON."""

from dataclasses import asdict

from latency.rounds import Bench
from latency.scenario import DELAYS
from latency.stages import ADDED, BESIDE, LATENESS, STAGES, WIRE, ratios
from shared.figures import Spread, spread
from shared.lines import Json
from shared.table import machine, row, spread_row


def report(bench: Bench, rounds: int) -> str:
    load, figures = bench.load, bench.figures
    wanted = load.calls * load.turns * rounds
    lines = [
        f"{load.calls} calls at once, {load.turns} turns in {load.seconds:g} s each"
        f"{', all ending together' if load.together else ''},"
        f" {rounds} rounds, chunks of {load.chunk_ms} ms:"
        f" {len(figures)} of {wanted} turns answered",
        "",
        row("milliseconds", ("p50", "p95", "p99")),
    ]
    by_stage = _spreads(bench)
    lines += [spread_row(name, by_stage[name]) for name in (*STAGES, ADDED, LATENESS, WIRE)]
    lines.append("beside the way to the reply's audio:")
    lines += [spread_row(name, by_stage[name]) for name in BESIDE]
    lines.append("for comparison:")
    lines.append(spread_row("pass-through, there and back", spread(bench.trips_s)))
    lines.append(spread_row("callers' own lateness", spread(bench.late_s)))
    return "\n".join([*lines, "", *_cost_lines(bench)])


def _spreads(bench: Bench) -> dict[str, Spread]:
    names = (*STAGES, ADDED, LATENESS, WIRE, *BESIDE)
    return {name: spread([figure[name] for figure in bench.figures]) for name in names}


def _cost_lines(bench: Bench) -> list[str]:
    average, least, greatest = ratios(bench.gateway_costs, bench.passthrough_costs)
    rows = [row("CPU ms per second of a call", ("gateway", "bare", "ratio"))]
    for ours, bare in zip(bench.gateway_costs, bench.passthrough_costs, strict=True):
        cells = (ours.cpu_ms_per_call_s, bare.cpu_ms_per_call_s, ours.cpu_s / bare.cpu_s)
        rows.append(row("", tuple(f"{cell:.2f}" for cell in cells)))
    rows.append(f"CPU of the gateway / pass-through: {average:.2f} ({least:.2f} to {greatest:.2f})")
    return rows


def as_json(bench: Bench, rounds: int) -> Json:
    average, least, greatest = ratios(bench.gateway_costs, bench.passthrough_costs)
    return {
        "load": asdict(bench.load) | {"seconds": bench.load.seconds, "rounds": rounds},
        "delays_s": asdict(DELAYS),
        "machine": machine(),
        "latency_ms": {name: asdict(of) for name, of in _spreads(bench).items()},
        "passthrough_round_trip_ms": asdict(spread(bench.trips_s)),
        "callers_lateness_ms": asdict(spread(bench.late_s)),
        "gateway_cpu": [asdict(cost) for cost in bench.gateway_costs],
        "passthrough_cpu": [asdict(cost) for cost in bench.passthrough_costs],
        "cpu_ratio": {"mean": average, "least": least, "greatest": greatest},
        "problems": bench.problems,
    }
