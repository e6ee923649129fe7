"""Ends of turns in recorded speech: what the network hears, what it costs, what it changes.

    uv run python benchmarks/turn_end.py [--no-calls] [--asr moonshine-tiny] [--json FILE]

Everything runs on 127.0.0.1, bounded in count and time, and is stopped at the end. The calls need
the local stack's models, fetched on its first start.
"""

import argparse
import json
import sys
from collections.abc import Sequence

from voice_gateway.hearing.end_of_turn import load_turn_end

from shared.command import Options, status_after, status_of, write_figures
from turn_end.end_report import Found, as_json, report
from turn_end.prediction_price import price
from turn_end.predictions import Clip, clips, cut_off, judged, silences
from turn_end.whole_chain import ClipTurns, call, gateways

WAYS = {
    "words alone": {"TURN_END_MODEL": "off"},
    "words and sound": {"TURN_END_MODEL": "on"},
}


async def run(asr: str, *, calls: bool) -> Found:
    spoken = clips()
    ends = load_turn_end()
    try:
        found = [await judged(clip, each, ends) for clip in spoken for each in silences(clip)]
        cuts = [each for clip in spoken for each in await cut_off(clip, _end_s(clip), ends)]
        cost = await price(spoken[0].pcm, ends)
    finally:
        ends.close()
    return Found(found, cuts, cost, asr, await _calls(asr, spoken) if calls else {})


def _end_s(clip: Clip) -> float:
    return silences(clip)[-1].at_s


async def _calls(asr: str, spoken: Sequence[Clip]) -> dict[str, list[ClipTurns]]:
    async with gateways(asr, WAYS) as addresses:
        made: dict[str, list[ClipTurns]] = {}
        for way, address in addresses.items():
            print(f"calls: {way}", file=sys.stderr)
            made[way] = [await call(address, clip, _end_s(clip)) for clip in spoken]
        return made


def _arguments() -> argparse.Namespace:
    options = Options(__doc__)
    options.add_argument("--no-calls", action="store_true", help="leave out the local stack")
    options.recogniser()
    options.figures_file()
    return options.parse_args()


async def _main(given: argparse.Namespace) -> int:
    found = await run(given.asr, calls=not given.no_calls)
    figures = as_json(found)
    print(report(found))
    print(json.dumps(figures))
    write_figures(figures, given.json)
    all_calls = [each for calls in found.calls.values() for each in calls]
    return status_after(
        [f"no turn was taken in {each.clip}" for each in all_calls if not each.turns]
    )


if __name__ == "__main__":
    sys.exit(status_of(_main(_arguments())))
