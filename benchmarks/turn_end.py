"""Ends of turns in recorded speech: what the network hears, what it costs, what it changes.

    uv run python benchmarks/turn_end.py [--no-calls] [--asr moonshine-tiny] [--json FILE]

Everything runs on 127.0.0.1, bounded in count and time, and is stopped at the end. The calls need
the local stack's models, fetched on its first start.
"""

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path

from command import status_of
from turn_end_calls import Heard, call, gateways
from turn_end_report import Found, as_json, report
from turn_end_sound import Clip, clips, cut_off, judged, price, silences
from voice_gateway.hearing.end_of_turn import load_turn_end

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
        cost = await price(ends)
    finally:
        ends.close()
    return Found(found, cuts, cost, asr, await _calls(asr, spoken) if calls else {})


def _end_s(clip: Clip) -> float:
    return silences(clip)[-1].at_s


async def _calls(asr: str, spoken: Sequence[Clip]) -> dict[str, list[Heard]]:
    async with gateways(asr, WAYS) as addresses:
        made: dict[str, list[Heard]] = {}
        for way, address in addresses.items():
            print(f"calls: {way}", file=sys.stderr)
            made[way] = [await call(address, clip, _end_s(clip)) for clip in spoken]
        return made


def _arguments(argv: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--no-calls", action="store_true", help="leave out the local stack")
    parser.add_argument(
        "--asr",
        choices=("moonshine-tiny", "moonshine-base", "whisper-base"),
        default="moonshine-tiny",
        help="the local stack's recogniser",
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all figures there")
    return parser.parse_args(argv)


async def _main(given: argparse.Namespace) -> int:
    found = await run(given.asr, calls=not given.no_calls)
    figures = as_json(found)
    print(report(found))
    print(json.dumps(figures))
    if given.json:
        given.json.write_text(json.dumps(figures, indent=2) + "\n")
    unanswered = [each.clip for calls in found.calls.values() for each in calls if not each.turns]
    if unanswered:
        print(f"problem: no turn was taken in {', '.join(unanswered)}", file=sys.stderr)
    return 1 if unanswered else 0


if __name__ == "__main__":
    sys.exit(status_of(_main(_arguments(sys.argv[1:]))))
