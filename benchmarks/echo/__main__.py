"""Callers on loudspeakers: is the gateway's own voice ever taken for theirs, and theirs for its?

    uv run python benchmarks/echo.py [--quiet 50] [--over 42] [--answers 20] [--calls 3]

The gateway as shipped, the local stack's recogniser and voice, a scripted model. Everything runs
on 127.0.0.1, bounded in count and time, and is stopped at the end.
"""

import argparse
import json
import logging
import os
import sys
import tempfile
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from echo.call_plans import Plan, answered_plans, clips, plans
from echo.caller_voice import CallerVoice
from echo.event_logs import keep, with_pauses
from echo.floor_report import Found, as_json, report
from echo.outcomes import Calls, Clear
from echo.phone_calls import hold_calls, say_in_silence
from echo.scripted_chat import Chat
from shared.command import Options, status_after, status_of, write_figures
from shared.gateways import gateway, local_stack, upstreams

WAYS = {"voice": {}, "asr": {"TURN_DETECTION": "asr"}}


async def run(given: argparse.Namespace) -> Found:
    chosen = plans(given.quiet, given.over, given.seed, given.echo_db)
    chosen += answered_plans(given.answers, given.seed, given.echo_db, CallerVoice())
    found = Found(given.echo_db, given.asr, given.seed, {}, [])
    async with local_stack("--llm", "none", "--asr", given.asr) as at:
        for way in given.ways:
            print(f"turns by {way}: {len(chosen)} calls, {given.calls} at once", file=sys.stderr)
            calls, clear = await _hold(way, at["riva"], chosen, given)
            found.ways[f"TURN_DETECTION={way}"] = calls
            found = replace(found, clear=clear or found.clear)
    return found


async def _hold(
    way: str, riva: str, chosen: Sequence[Plan], given: argparse.Namespace
) -> tuple[Calls, list[Clear]]:
    chat = Chat(chosen)
    with tempfile.TemporaryDirectory() as logs:
        async with chat.served as model:
            at = upstreams({"riva": riva, "llm": model.base_url})
            own = {"RECORD_EVENTS_DIR": logs, "SYSTEM_PROMPT": "warm"} | WAYS[way]
            async with gateway(way, at | own) as (_, address):
                _go_first()
                first = way == given.ways[0]
                clear = await say_in_silence(address["grpc"], clips()) if first else []
                calls = await hold_calls(address["grpc"], chosen, chat, given.calls)
        if given.logs:
            keep(Path(logs), given.logs / way)
        calls.alone = [with_pauses(each, Path(logs)) for each in calls.alone]
    return calls, clear


def _go_first() -> None:
    """Raise the callers' priority where allowed: a sound card plays on while a machine is busy."""
    with suppress(PermissionError):
        os.setpriority(os.PRIO_PROCESS, 0, -10)


def _arguments() -> argparse.Namespace:
    options = Options(__doc__)
    options.count("--quiet", 50, 0, 500, "replies nobody talks over")
    options.count("--over", 42, 0, 500, "replies talked over")
    options.count("--answers", 20, 0, 100, "short answers in the question's own words")
    options.count("--calls", 3, 1, 20, "callers at once")
    options.add_argument(
        "--ways", type=_ways, default=["voice"], help="of ending turns: voice,asr (voice)"
    )
    options.add_argument(
        "--echo-db", type=float, default=-10.0, help="over what is played (%(default)s)"
    )
    options.add_argument(
        "--seed", type=int, default=1, help="of texts, clips, times and rooms (%(default)s)"
    )
    options.recogniser()
    options.figures_file()
    options.add_argument("--logs", type=Path, metavar="DIR", help="keep the gateway's event logs")
    return options.parse_args()


def _ways(text: str) -> list[str]:
    ways = text.split(",")
    if unknown := [way for way in ways if way not in WAYS]:
        raise argparse.ArgumentTypeError(f"{unknown[0]!r} is none of {', '.join(WAYS)}")
    return ways


async def _main(given: argparse.Namespace) -> int:
    logging.getLogger("aiohttp.server").disabled = True  # cut replies break their requests off
    found = await run(given)
    figures = as_json(found)
    print(report(found))
    print(json.dumps(figures))
    write_figures(figures, given.json)
    return status_after([problem for calls in found.ways.values() for problem in calls.problems])


if __name__ == "__main__":
    sys.exit(status_of(_main(_arguments())))
