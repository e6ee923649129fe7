"""What the gateway adds: latency per turn, and CPU beside a bare pass-through in the same run.

    uv run python benchmarks/latency.py [--calls 25] [--turns 2] [--seconds 15] [--rounds 3]

Everything runs on 127.0.0.1, bounded in count and time, and is stopped at the end.
"""

import argparse
import sys
from contextlib import AsyncExitStack
from pathlib import Path

from latency.rounds import Bench, start
from latency.scenario import LONGEST_TURN_S, SHORTEST_TURN_S, Load
from latency.stage_report import as_json, report
from shared.command import Options, status_after, status_of, write_figures
from shared.repeat import repeat


async def run(load: Load, rounds: int, profile: Path | None) -> Bench:
    async with AsyncExitStack() as stack:
        bench = await start(stack, load, profile)
        await repeat(bench, rounds)
        return bench


def _arguments() -> argparse.Namespace:
    options = _options()
    given = options.parse_args()
    given.profile = given.profile and given.profile.resolve()
    slots = given.turns + (0 if given.together else 1)
    given.turn_s = given.seconds / slots
    if not SHORTEST_TURN_S <= given.turn_s <= LONGEST_TURN_S:
        options.error(
            f"--seconds {given.seconds:g} for --turns {given.turns}: from"
            f" {SHORTEST_TURN_S * slots:g} to {LONGEST_TURN_S * slots:g} seconds"
        )
    return given


def _options() -> Options:
    options = Options(__doc__)
    options.count("--calls", 25, 1, 500, "callers at once")
    options.count("--turns", 2, 1, 1000, "turns of each call")
    options.add_argument(
        "--seconds", type=float, default=15.0, metavar="S", help="length of each call (%(default)s)"
    )
    options.count("--rounds", 3, 1, 20, "times both arms are run")
    options.count("--chunk-ms", 40, 10, 500, "audio in one message")
    options.add_argument(
        "--together", action="store_true", help="end all calls' turns at once: the worst case"
    )
    options.figures_file()
    options.add_argument(
        "--profile", type=Path, metavar="FILE", help="run the gateway under cProfile"
    )
    return options


async def _main(given: argparse.Namespace) -> int:
    load = Load(given.calls, given.turns, given.turn_s, given.chunk_ms, given.together)
    bench = await run(load, given.rounds, given.profile)
    print(report(bench, given.rounds))
    write_figures(as_json(bench, given.rounds), given.json)
    lost = load.calls * load.turns * given.rounds - len(bench.figures)
    return status_after(bench.problems) or int(lost > 0)


if __name__ == "__main__":
    sys.exit(status_of(_main(_arguments())))
