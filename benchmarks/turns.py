"""How turns pass: voice to voice, interruptions, and what counts as heard, with recorded speech.

    uv run python benchmarks/turns.py [--calls 25] [--rounds 1] [--heard 500] [--json FILE]

Everything runs on 127.0.0.1, bounded in count and time, and is stopped at the end.
"""

import argparse
import gc
import json
import sys
from collections.abc import Sequence
from contextlib import AsyncExitStack
from pathlib import Path

import heard
from command import check_limits, status_of
from heard_calls import Arm, Counted
from turn_report import as_json, report
from turn_rounds import Bench, start
from turn_script import Delays


async def run(calls: int, rounds: int, delays: Delays) -> Bench:
    async with AsyncExitStack() as stack:
        bench = await start(stack, calls, delays)
        await bench.warm_up()
        gc.collect()
        gc.freeze()  # a pause of the callers would be measured as the gateway's
        for ordinal in range(rounds):
            print(f"round {ordinal + 1} of {rounds}", file=sys.stderr)
            await bench.round()
        return bench


def _arguments(argv: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--calls", type=int, default=25, help="callers at once (2 to 200)")
    parser.add_argument("--rounds", type=int, default=1, help="times all is run (1 to 20)")
    parser.add_argument(
        "--endpoint-ms", type=int, default=300, help="silence after which the recogniser finalises"
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all figures there")
    parser.add_argument(
        "--heard", type=int, default=500, help="interruptions on a virtual clock, of each kind"
    )
    given = parser.parse_args(argv)
    check_limits(parser, given, ("calls", 2, 200), ("rounds", 1, 20), ("endpoint_ms", 80, 3000))
    check_limits(parser, given, ("heard", heard.LEAST, heard.MOST))
    return given


async def _main(given: argparse.Namespace, kinds: Sequence[tuple[Arm, Counted]]) -> int:
    bench = await run(given.calls, given.rounds, Delays(endpoint_s=given.endpoint_ms / 1000))
    bench.problems += heard.problems(kinds)
    figures = as_json(bench, given.rounds) | {"heard": heard.as_json(kinds)}
    print(
        "\n".join([report(bench), "", "what was heard, on a virtual clock", *heard.report(kinds)])
    )
    print(json.dumps(figures))
    if given.json:
        given.json.write_text(json.dumps(figures, indent=2) + "\n")
    for problem in sorted(set(bench.problems)):
        print(f"problem ({bench.problems.count(problem)} times): {problem}", file=sys.stderr)
    return 1 if bench.problems else 0


if __name__ == "__main__":
    arguments = _arguments(sys.argv[1:])
    # Before anything else runs: it has an event loop of its own, and all of a processor.
    heard_kinds = heard.measured(arguments.heard)
    sys.exit(status_of(_main(arguments, heard_kinds)))
