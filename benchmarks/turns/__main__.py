"""How turns pass: voice to voice, interruptions, and what counts as heard, with recorded speech.

    uv run python benchmarks/turns.py [--calls 25] [--rounds 1] [--heard 500] [--json FILE]

Everything runs on 127.0.0.1, bounded in count and time, and is stopped at the end.
"""

import argparse
import json
import sys
from contextlib import AsyncExitStack

from shared.command import Options, status_after, status_of, write_figures
from shared.delays import Delays
from shared.lines import Json
from shared.processes import benchmark
from shared.repeat import repeat
from turns.rounds import Bench, start
from turns.turn_report import as_json, report


async def run(given: argparse.Namespace, delays: Delays) -> Bench:
    async with AsyncExitStack() as stack:
        alone = given.first_answers
        bench = await start(stack, given.calls, delays, first_answers_alone=alone)
        await repeat(bench, given.rounds)
        return bench


async def what_was_heard(calls: int) -> tuple[str, Json]:
    """Run `heard.py`, and return its table and its figures."""
    print(f"what was heard: {calls} interruptions of each kind", file=sys.stderr)
    async with benchmark("heard", "--calls", str(calls)) as process:
        table, _, figures = (await process.whole_output()).rstrip().rpartition("\n")
    return table, json.loads(figures)


def _arguments() -> argparse.Namespace:
    options = Options(__doc__)
    options.count("--calls", 25, 2, 200, "callers at once")
    options.count("--rounds", 1, 1, 20, "times all is run")
    options.count(
        "--endpoint-ms", 300, 80, 3000, "silence after which the recogniser finalises by itself"
    )
    options.figures_file()
    options.add_argument(
        "--first-answers", action="store_true", help="only the interruptions of first answers"
    )
    options.count("--heard", 500, 20, 5_000, "interruptions on a virtual clock, of each kind")
    return options.parse_args()


async def _main(given: argparse.Namespace) -> int:
    heard_table, heard = "", None
    if not given.first_answers:
        heard_table, heard = await what_was_heard(given.heard)  # alone, as it fills a processor
    delays = Delays(given.endpoint_ms / 1000, first_token_s=0.12, token_s=0.01, voice_s=0.06)
    bench = await run(given, delays)
    figures = as_json(bench, given.rounds)
    print(report(bench))
    if heard:
        bench.problems += heard["problems"]
        figures |= {"heard": heard["heard"]}
        print(f"\nwhat was heard, on a virtual clock\n{heard_table}")
    print(json.dumps(figures))
    write_figures(figures, given.json)
    return status_after(bench.problems)


if __name__ == "__main__":
    sys.exit(status_of(_main(_arguments())))
