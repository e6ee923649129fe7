"""What the gateway adds: latency per turn, and CPU beside a bare pass-through in the same run.

    uv run python benchmarks/latency.py [--calls 25] [--turns 2] [--seconds 15] [--rounds 3]

Everything runs on 127.0.0.1, bounded in count and time, and is stopped at the end.
"""

import argparse
import gc
import json
import sys
from collections.abc import Sequence
from contextlib import AsyncExitStack
from pathlib import Path

from command import check_limits, status_of
from report import as_json, report
from rounds import Bench, start
from scenario import LONGEST_TURN_S, SHORTEST_TURN_S, Load


async def run(load: Load, rounds: int, profile: Path | None) -> Bench:
    async with AsyncExitStack() as stack:
        bench = await start(stack, load, profile)
        await bench.warm_up()
        gc.collect()
        gc.freeze()  # a pause of the callers would be measured as the gateway's
        for ordinal in range(rounds):
            print(f"round {ordinal + 1} of {rounds}", file=sys.stderr)
            await bench.round()
        return bench


def _arguments(argv: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--calls", type=int, default=25, help="callers at once (1 to 500)")
    parser.add_argument("--turns", type=int, default=2, help="turns of each call")
    parser.add_argument("--seconds", type=float, default=15.0, help="length of each call")
    parser.add_argument("--rounds", type=int, default=3, help="times both arms are run (1 to 20)")
    parser.add_argument("--chunk-ms", type=int, default=40, help="audio in one message (10 to 500)")
    parser.add_argument(
        "--together", action="store_true", help="end all calls' turns at once: the worst case"
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all figures there")
    parser.add_argument(
        "--profile", type=Path, metavar="FILE", help="run the gateway under cProfile"
    )
    given = parser.parse_args(argv)
    given.profile = given.profile and given.profile.resolve()
    check_limits(parser, given, ("calls", 1, 500), ("rounds", 1, 20), ("chunk_ms", 10, 500))
    slots = given.turns + (0 if given.together else 1)
    given.turn_s = given.seconds / max(slots, 1)
    if given.turns < 1 or not SHORTEST_TURN_S <= given.turn_s <= LONGEST_TURN_S:
        parser.error(
            f"--seconds {given.seconds:g} for --turns {given.turns}: from"
            f" {SHORTEST_TURN_S * slots:g} to {LONGEST_TURN_S * slots:g} seconds"
        )
    return given


async def _main(given: argparse.Namespace) -> int:
    load = Load(given.calls, given.turns, given.turn_s, given.chunk_ms, given.together)
    bench = await run(load, given.rounds, given.profile)
    print(report(bench, given.rounds))
    if given.json:
        given.json.write_text(json.dumps(as_json(bench, given.rounds), indent=2) + "\n")
    for problem in sorted(set(bench.problems)):
        print(f"problem ({bench.problems.count(problem)} times): {problem}", file=sys.stderr)
    lost = load.calls * load.turns * given.rounds - len(bench.figures)
    return 1 if lost or bench.problems else 0


if __name__ == "__main__":
    sys.exit(status_of(_main(_arguments(sys.argv[1:]))))
