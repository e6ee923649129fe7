"""What a call notices of callers who mean ill: the delay of its typed turns beside each of them.

    uv run python benchmarks/abuse.py [--seconds 8] [--kinds K,K] [--json FILE]

Five callers type in turn, every 100 ms, and note how long after a turn they are told PROCESSING;
first alone, then beside each kind of abuse, which comes from a process of its own, one gateway
each. While it goes on, `/healthz` is asked over new connections. The exit status is 0 where no turn
was later than 50 ms because of an abuse. The machine is to be otherwise idle: whatever else takes
its processors is measured as the gateway's delay.
"""

import argparse
import asyncio
import sys
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import cast

import aiohttp

from abuse.abusers import KINDS
from abuse.kept_pace import Pace, paced_calls
from shared.clock import now
from shared.command import Options, status_after, status_of, write_figures
from shared.figures import spread
from shared.gateways import ADMITS_ALL, gateway, scripted_settings
from shared.lines import Json
from shared.processes import Child, ChildFailed, helper
from shared.table import machine, row

_BENCHMARKS = Path(__file__).parents[1]
_MOST_S = 0.05
_BEGUN_S = 1.5
"""From its start until a kind of abuse is in full swing."""
_NO_ANSWER_S = 10.0
_ALONE = "alone"


@dataclass(frozen=True, slots=True)
class Kept:
    """The pace of the calls beside one kind of abuse."""

    worst_ms: float
    p50_ms: float
    p95_ms: float
    turns: int
    health_ms: float
    """The longest that `/healthz` took; infinite: it was not answered."""
    trouble: str = ""


async def _beside(kind: str, seconds: int, upstreams: dict[str, str]) -> Kept:
    usual = dict.fromkeys(ADMITS_ALL, "")  # an empty setting is its default
    settings = scripted_settings(upstreams, 50) | usual | {"PYTHONPATH": str(_BENCHMARKS)}
    async with gateway("gateway", settings, module="abuse.few_files") as (process, at):
        address = at["grpc"]
        async with paced_calls(address) as pace:
            await pace.hold(1)
            pace.delays_s.clear()
            if kind == _ALONE:
                return await _measured(pace, at, seconds)
            arguments = (kind, address, at["http"].rstrip("/"), str(seconds + _BEGUN_S))
            async with helper(kind, "abuse.abusers", *arguments) as abuser:
                return await _suffered(pace, at, seconds, abuser, process)


async def _suffered(
    pace: Pace, at: dict[str, str], seconds: int, abuser: Child, process: Child
) -> Kept:
    await abuser.ready()
    try:
        return await _measured(pace, at, seconds + _BEGUN_S)
    except Exception as trouble:  # noqa: BLE001  # a call that is lost is a figure, too
        with suppress(ChildFailed):
            process.cpu_s()
            return Kept(float("inf"), 0, 0, len(pace.delays_s), 0, _said(trouble))
        return Kept(float("inf"), 0, 0, len(pace.delays_s), 0, "the gateway is gone")


def _said(trouble: BaseException) -> str:
    while isinstance(trouble, BaseExceptionGroup):
        trouble = cast("BaseExceptionGroup[BaseException]", trouble).exceptions[0]
    return f"{type(trouble).__name__}: {str(trouble)[:80]}"


async def _measured(pace: Pace, at: dict[str, str], seconds: float) -> Kept:
    asking = asyncio.create_task(_health_s(f"{at['http']}healthz"))
    try:
        await pace.hold(seconds)
    finally:
        asking.cancel()
    of, worst_s = spread(pace.delays_s), max(pace.delays_s)
    health = await asking
    return Kept(worst_s * 1000, of.p50, of.p95, of.count, health * 1000)


async def _health_s(url: str) -> float:
    """The longest that an answer took, over a new connection each, until it is cancelled."""
    longest_s = 0.0
    while True:
        asked_at = now()
        try:
            async with (
                asyncio.timeout(_NO_ANSWER_S),
                aiohttp.ClientSession() as http,
                http.get(url) as answer,
            ):
                await answer.read()
            longest_s = max(longest_s, now() - asked_at)
            await asyncio.sleep(0.2)
        except asyncio.CancelledError:
            return max(longest_s, (now() - asked_at) if now() - asked_at > 1 else 0)
        except (OSError, TimeoutError, aiohttp.ClientError):
            longest_s = float("inf")


def _row(kind: str, kept: Kept) -> str:
    cells = [f"{ms:.1f}" for ms in (kept.p50_ms, kept.p95_ms, kept.worst_ms, kept.health_ms)]
    return row(kind, [*cells, str(kept.turns)]) + (f"   {kept.trouble}" if kept.trouble else "")


def _arguments() -> argparse.Namespace:
    options = Options(__doc__)
    options.count("--seconds", 8, 2, 600, "beside each kind of abuse")
    options.add_argument(
        "--kinds", type=_some, default=tuple(KINDS), metavar="K,K", help=", ".join(KINDS)
    )
    options.figures_file()
    return options.parse_args()


def _some(text: str) -> tuple[str, ...]:
    some = tuple(text.split(","))
    if unknown := [one for one in some if one not in KINDS]:
        raise argparse.ArgumentTypeError(f"{unknown[0]!r} is none of {', '.join(KINDS)}")
    return some


async def _main(given: argparse.Namespace) -> int:
    kept: dict[str, Kept] = {}
    print(row("typed turn to PROCESSING, ms, beside", ["p50", "p95", "worst", "healthz", "turns"]))
    async with helper("upstreams", "shared.quick_upstreams") as upstreams:
        addresses = await upstreams.ready()
        for kind in (_ALONE, *given.kinds):
            kept[kind] = await _beside(kind, given.seconds, addresses)
            print(_row(kind, kept[kind]), flush=True)
    figures: Json = {kind: asdict(one) for kind, one in kept.items()}
    write_figures({"machine": machine(), "beside": figures}, given.json)
    slow = [kind for kind, one in kept.items() if one.worst_ms > _MOST_S * 1000]
    return status_after([f"beside {kind} a turn was later than 50 ms" for kind in slow])


if __name__ == "__main__":
    sys.exit(status_of(_main(_arguments())))
