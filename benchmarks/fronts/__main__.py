"""What a call costs on each front: the gateway's CPU per second of call, as a ratio to gRPC's.

    uv run python benchmarks/fronts.py [--calls 10] [--seconds 12] [--rounds 3] [--json FILE]

The same callers, in turn on every front: each sends its microphone in real time and types a
question every few seconds, whose spoken answer it reads to the end.
"""

import argparse
import sys
from dataclasses import asdict

from fronts.front_calls import Load, measure
from fronts.front_report import report
from shared.command import Options, status_after, status_of, write_figures


def _arguments() -> argparse.Namespace:
    options = Options(__doc__)
    options.count("--calls", 10, 1, 200, "at once")
    options.count("--seconds", 12, 8, 600, "of each call")
    options.count("--rounds", 3, 1, 20, "on every front")
    options.figures_file()
    return options.parse_args()


async def _main(given: argparse.Namespace) -> int:
    load = Load(given.calls, given.seconds)
    fronts = await measure(load, given.rounds)
    print(report(fronts))
    figures = {name: asdict(front) for name, front in fronts.items()}
    write_figures({"load": asdict(load), "fronts": figures}, given.json)
    lost = {name: front.asked - len(front.first_audio_ms) for name, front in fronts.items()}
    return status_after([f"{name}: {n} questions not answered" for name, n in lost.items() if n])


if __name__ == "__main__":
    sys.exit(status_of(_main(_arguments())))
