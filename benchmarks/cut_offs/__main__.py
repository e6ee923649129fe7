"""False cut-offs against the wait: callers who think while they speak, and callers who are done.

    uv run python benchmarks/cut_offs.py [--say calls|orders|all] [--record] [--json FILE]
    uv run --with matplotlib python benchmarks/cut_offs.py --draw

Without an option it fits the weights of the end of a turn, and compares the ways to tell it, on
the stored evidence; that takes a minute and needs nothing. `--say` says recordings in real time to
the gateway as shipped, before the local stack's recogniser (calls and orders take 6 minutes each),
and `--record` stores the evidence of all anew. Everything runs on 127.0.0.1, and is stopped at the
end.
"""

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path

from voice_gateway.hearing.end_of_turn import load_turn_end

from cut_offs import evidence
from cut_offs.end_report import Found, as_json, examined, report
from cut_offs.labelled_turns import Turn, turns
from cut_offs.real_time import ear
from cut_offs.taken import as_text, taken
from shared.command import Options, status_of, write_figures

_PLOTS = Path(__file__).parents[2] / "docs" / "architecture" / "plots"
_NEVER = {f"TURN_{kind}SILENCE_MS": "20000" for kind in ("", "UNSURE_", "OPEN_", "HALTING_")}
"""Nothing is answered while the evidence is recorded: an answer would disturb it."""


async def record(asr: str, said: Sequence[Turn]) -> None:
    ends = load_turn_end()
    found: list[evidence.Silence] = []
    try:
        async with ear(asr, _NEVER | {"TURN_GUESSES": "0"}) as listener:
            heard = [(turn, await listener.hear(turn)) for turn in said]
        for turn, steps in heard:  # afterwards, as it takes the processors
            found += await evidence.silences(turn, steps, ends)
    finally:
        ends.close()
    evidence.write(found)


async def call(asr: str, said: Sequence[Turn]) -> str:
    async with ear(asr, {}) as listener:
        return as_text([taken(turn, await listener.hear(turn)) for turn in said])


def _arguments() -> argparse.Namespace:
    options = Options(__doc__)
    options.add_argument("--say", choices=("calls", "orders", "all"), help="to the gateway itself")
    options.add_argument("--record", action="store_true", help="store the evidence anew")
    options.add_argument("--draw", action="store_true", help="draw the curves for the documents")
    options.recogniser()
    options.figures_file()
    return options.parse_args()


async def _main(given: argparse.Namespace) -> int:
    if given.say:
        chosen = [each for each in turns() if given.say in ("all", each.set)]
        print(await call(given.asr, chosen))
        return 0
    if given.record:
        await record(given.asr, turns())
    stored = evidence.read()
    sets = examined(stored)
    print(report(stored, sets))
    print(json.dumps(as_json(sets)))
    write_figures(as_json(sets), given.json)
    if given.draw:
        return _draw(sets)
    return 0


def _draw(sets: Sequence[Found]) -> int:
    try:
        from cut_offs.plots import draw
    except ImportError:
        sys.stderr.write("no pictures: run with `uv run --with matplotlib`\n")
        return 1
    draw(sets, _PLOTS)
    return 0


if __name__ == "__main__":
    sys.exit(status_of(_main(_arguments())))
