"""Callers on loudspeakers: is the gateway's own voice ever taken for theirs, and theirs for its?

    uv run python benchmarks/echo.py [--quiet 50] [--over 42] [--calls 3] [--ways voice,asr]

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
from contextlib import AsyncExitStack, suppress
from dataclasses import replace
from pathlib import Path

from command import check_limits, status_of
from echo_calls import Alone, Calls, Chat, Clear, hold_calls, say_in_silence
from echo_report import Found, as_json, report
from echo_script import Plan, clips, plans
from processes import Child, child

_FETCH_S = 900.0  # the first start fetches the models
_LOCAL = {"GRPC_HOST": "127.0.0.1", "GRPC_PORT": "0", "HTTP_HOST": "127.0.0.1", "HTTP_PORT": "0"}
WAYS = {"voice": {}, "asr": {"TURN_DETECTION": "asr"}}


async def run(given: argparse.Namespace) -> Found:
    chosen = plans(given.quiet, given.over, given.seed, given.echo_db)
    found = Found(given.echo_db, given.asr, given.seed, {}, [])
    async with AsyncExitStack() as stack:
        options = ["--riva-port", "0", "--llm", "none", "--asr", given.asr]
        voices = await stack.enter_async_context(
            child("voice-local", ["-m", "voice_local", *options])
        )
        riva = (await _ready(voices, _FETCH_S))["riva"]
        for way in given.ways:
            print(f"turns by {way}: {len(chosen)} calls, {given.calls} at once", file=sys.stderr)
            calls, clear = await _hold(way, riva, chosen, given)
            found.ways[f"TURN_DETECTION={way}"] = calls
            found = replace(found, clear=clear or found.clear)
    return found


async def _hold(
    way: str, riva: str, chosen: Sequence[Plan], given: argparse.Namespace
) -> tuple[Calls, list[Clear]]:
    chat = Chat(chosen)
    with tempfile.TemporaryDirectory() as logs:
        async with chat.served as model:
            upstreams = {"RIVA_URI": riva, "LLM_BASE_URL": model.base_url, "SYSTEM_PROMPT": "warm"}
            own = {"RECORD_EVENTS_DIR": logs} | WAYS[way]
            async with child(way, ["-m", "voice_gateway"], _LOCAL | upstreams | own) as gateway:
                address = (await _ready(gateway, 60.0))["grpc"]
                _go_first()
                clear = await say_in_silence(address, clips()) if way == given.ways[0] else []
                calls = await hold_calls(address, chosen, chat, given.calls)
        if given.logs:
            _keep(Path(logs), given.logs / way)
        calls.alone = [_with_pauses(each, Path(logs)) for each in calls.alone]
    return calls, clear


def _go_first() -> None:
    """A sound card plays on while a machine is busy: so do these callers, where that is allowed."""
    with suppress(PermissionError):
        os.setpriority(os.PRIO_PROCESS, 0, -10)


def _keep(logs: Path, where: Path) -> None:
    where.mkdir(parents=True, exist_ok=True)
    for path in logs.iterdir():
        (where / path.name).write_bytes(path.read_bytes())


def _with_pauses(alone: Alone, logs: Path) -> Alone:
    """Only callers who can pause are told of pauses: the gateway's event log knows of all."""
    pauses = 0
    for path in logs.glob(f"*{alone.call}.*"):
        for step in map(json.loads, path.read_text().splitlines()):
            at = step.get("event", {}).get("at", 0.0)
            if alone.began_at <= at <= alone.ended_at:
                pauses += sum(command["is"] == "PauseReply" for command in step["commands"])
    return replace(alone, pauses=pauses)


async def _ready(process: Child, timeout_s: float) -> dict[str, str]:
    line = await process.line(timeout_s)
    return dict(part.split("=", 1) for part in line.split()[1:])


def _arguments(argv: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument(
        "--quiet", type=int, default=50, help="replies nobody talks over (0 to 500)"
    )
    parser.add_argument("--over", type=int, default=42, help="replies talked over (0 to 500)")
    parser.add_argument("--calls", type=int, default=3, help="callers at once (1 to 20)")
    parser.add_argument("--ways", type=_ways, default=["voice"], help="of ending turns: voice,asr")
    parser.add_argument("--echo-db", type=float, default=-10.0, help="over what is played")
    parser.add_argument("--seed", type=int, default=1, help="of texts, clips, times and rooms")
    parser.add_argument(
        "--asr",
        choices=("moonshine-tiny", "moonshine-base", "whisper-base"),
        default="moonshine-tiny",
        help="the local stack's recogniser",
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all figures there")
    parser.add_argument("--logs", type=Path, metavar="DIR", help="keep the gateway's event logs")
    given = parser.parse_args(argv)
    check_limits(parser, given, ("quiet", 0, 500), ("over", 0, 500), ("calls", 1, 20))
    return given


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
    if given.json:
        given.json.write_text(json.dumps(figures, indent=2) + "\n")
    problems = [problem for calls in found.ways.values() for problem in calls.problems]
    for problem in problems:
        print(f"problem: {problem}", file=sys.stderr)
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(status_of(_main(_arguments(sys.argv[1:]))))
