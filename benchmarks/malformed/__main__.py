"""Whether anything breaks of messages that no client should send, on every way in.

    uv run python benchmarks/malformed.py [--messages 20000] [--seed 1] [--calls 40] [--json FILE]
    uv run --with atheris python benchmarks/malformed.py --fuzz 60

Calls over gRPC, the Realtime WebSocket and the page's send bytes that are no protobuf, valid
messages changed a little, JSON with odd values and odd syntax, and events in no order, many calls
at once, to a gateway before scripted services; two good callers hold turns beside them. The exit
status is 1 where the gateway's process ended, its log has a traceback or an error, a call was
neither answered nor ended within 30 s, a status or a close code is one of a fault, something told
is no JSON or holds the gateway's insides (paths, tracebacks, addresses, keys), a good caller's turn
was not answered, or anything was left over afterwards. The seed draws the calls. Linux only.

With --fuzz, a coverage-guided fuzzer (atheris, which is to be installed beside) runs the parsers
alone, each for its share of so many seconds.
"""

import argparse
import asyncio
import itertools
import os
import re
import sys
import tempfile
from collections.abc import AsyncGenerator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path

import aiohttp

from malformed.fuzzing import fuzz
from malformed.good_callers import Turns, good_callers
from malformed.plans import drawn
from malformed.senders import Gateway, Tally, carry_out, channels
from malformed.told import PLANTED
from shared.clock import now
from shared.command import Options, status_after, status_of, write_figures
from shared.figures import spread
from shared.gateway_process import GatewayProcess
from shared.gateways import gateway, scripted_settings
from shared.processes import Child, ChildFailed, helper
from shared.table import machine

_BENCHMARKS = Path(__file__).parents[1]
_WARM_UP_MESSAGES = 1_500
_SETTLE_S = 40.0
_MOST_GROWTH_BYTES = 48 * 2**20
_BROKE = re.compile(
    r"Traceback|^.*\b(?:ERROR|CRITICAL)\b.*$|never retrieved|never awaited", re.MULTILINE
)


@dataclass(frozen=True, slots=True)
class Held:
    """What the gateway holds while nobody calls."""

    calls: int
    tasks: int
    threads: int
    descriptors: int
    used_bytes: int
    resident_bytes: int


@dataclass(slots=True)
class Measured:
    tally: Tally
    turns: Turns
    seconds: float = 0.0
    held: list[Held] = field(default_factory=list[Held])
    """After the first messages, and after all."""
    log: list[str] = field(default_factory=list[str])
    """Lines of the gateway's log that speak of a fault."""


@dataclass(slots=True)
class Site:
    """A running gateway, and a session of ours that leads to it."""

    process: Child
    at: Gateway
    looked: GatewayProcess

    async def settled(self, before: Held | None) -> Held:
        """What is held once it is no more than before, or after a while."""
        give_up_at = now() + _SETTLE_S
        while True:
            await asyncio.sleep(1.0)
            held = await self._held()
            if now() > give_up_at or not (held.calls or (before and _left_over(before, held))):
                return held

    async def _held(self) -> Held:
        looked = self.looked
        threads, files, resident = looked.threads(), looked.open_files(), looked.resident_bytes()
        inside, calls = await looked.inside(), await looked.calls()
        return Held(calls, len(inside.tasks), threads, len(files), inside.used_bytes, resident)


def _left_over(before: Held, after: Held) -> list[str]:
    """What there is more of; a connection to each service, and one thread, may be kept."""
    may_grow = {"calls": 0, "tasks": 0, "threads": 1, "descriptors": 4}
    more = {name: getattr(after, name) - getattr(before, name) for name in may_grow}
    left = [f"{n} more {name}" for name, n in more.items() if n > may_grow[name]]
    if (grown := after.used_bytes - before.used_bytes) > _MOST_GROWTH_BYTES:
        left.append(f"{grown / 2**20:.0f} MiB more memory")
    return left


@asynccontextmanager
async def _site(calls: int) -> AsyncGenerator[Site]:
    async with AsyncExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        upstreams = await stack.enter_async_context(helper("upstreams", "shared.quick_upstreams"))
        settings = _settings(await upstreams.ready(), calls, folder)
        started = gateway("gateway", settings, module="shared.gateway_watch")
        process, at = await stack.enter_async_context(started)
        http = await stack.enter_async_context(_session())
        lines = channels(at["grpc"])
        for line in lines:
            stack.push_async_callback(line.close)
        looked = GatewayProcess(process.process.pid, at["http"], folder / "held")
        yield Site(process, Gateway(at["grpc"], at["http"], http, lines), looked)


def _session() -> aiohttp.ClientSession:
    return aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0, force_close=True))


def _settings(at: dict[str, str], calls: int, folder: Path) -> dict[str, str]:
    secrets = dict.fromkeys(("LLM_API_KEY", "RIVA_API_KEY"), PLANTED)
    return {
        **scripted_settings(at, calls * 3),
        **secrets,
        "TOKEN_SECRET": f"{PLANTED} with at least 32 characters",
        "RESUME_WINDOW_S": "2",  # calls that nobody comes back to are not to fill the gateway
        "PYTHONPATH": os.pathsep.join(
            filter(None, (str(_BENCHMARKS), os.environ.get("PYTHONPATH")))
        ),
        "HELD_FILE": str(folder / "held"),
    }


async def _measured(given: argparse.Namespace) -> Measured:
    async with _site(given.calls) as site:
        numbers, warm = itertools.count(), Tally()
        await _send(site, given, min(_WARM_UP_MESSAGES, given.messages), numbers, warm)
        before = await site.settled(None)
        async with good_callers(site.at.address, site.at.page) as turns:
            measured, began_at = Measured(Tally(), turns), now()
            await _send(site, given, given.messages, numbers, measured.tally)
            measured.seconds = now() - began_at
        measured.held = [before, await site.settled(before)]
        measured.tally.problems += warm.problems
        measured.log = _BROKE.findall(site.process.whole_log())
        return measured


async def _send(
    site: Site, given: argparse.Namespace, messages: int, numbers: Iterator[int], tally: Tally
) -> None:
    """Make calls, so many at once, until so many messages were sent."""

    async def call_on() -> None:
        while tally.messages < messages:
            if site.process.process.returncode is not None:
                raise ChildFailed("the gateway's process ended")
            number = next(numbers)
            try:
                await carry_out(site.at, drawn(given.seed, number), number, tally)
            except (OSError, aiohttp.ClientError) as error:
                tally.problems.append(f"call {number}: {type(error).__name__}: {error}")

    async with asyncio.TaskGroup() as tasks:
        for _ in range(given.calls):
            tasks.create_task(call_on())


def _problems(measured: Measured) -> list[str]:
    before, after = measured.held
    problems = [*measured.tally.problems, *measured.turns.problems]
    problems += [f"left over: {more}" for more in _left_over(before, after)]
    problems += [f"the gateway's log: {line}" for line in measured.log]
    if not measured.turns.answers_s:
        problems.append("no turn of a good caller was answered")
    return problems


def _report(measured: Measured) -> str:
    tally, answers = measured.tally, spread(measured.turns.answers_s)
    before, after = (asdict(held) for held in measured.held)
    rate = tally.messages / measured.seconds
    lines = [
        f"{tally.messages} messages in {tally.calls} calls, {rate:.0f} a second",
        *(f"  {count:>8}  {how}" for how, count in sorted(tally.ended.items())),
        f"good callers: {answers.count} turns answered, p50 {answers.p50:.0f} ms, "
        f"p95 {answers.p95:.0f} ms",
        "held before and after: "
        + ", ".join(f"{name} {before[name]} and {after[name]}" for name in before),
    ]
    return "\n".join(lines)


def _arguments() -> argparse.Namespace:
    options = Options(__doc__)
    options.count("--messages", 20_000, 100, 100_000_000, "to send")
    options.count("--calls", 40, 1, 500, "at once")
    options.count("--seed", 1, 0, 2**31, "draws the calls")
    options.count("--fuzz", 0, 0, 86_400, "seconds for the fuzzer, in place of calls")
    options.figures_file()
    given = options.parse_args()
    if not Path("/proc/self/fd").exists():
        options.error("needs Linux: it looks at the gateway's process through /proc")
    return given


async def _main(given: argparse.Namespace) -> int:
    if given.fuzz:
        return status_after(await fuzz(given.fuzz, given.seed))
    measured = await _measured(given)
    print(_report(measured))
    write_figures(
        {
            "machine": machine(),
            "messages": measured.tally.messages,
            "calls": measured.tally.calls,
            "seconds": measured.seconds,
            "ended": measured.tally.ended,
            "good_turns": len(measured.turns.answers_s),
            "held": [asdict(held) for held in measured.held],
        },
        given.json,
    )
    return status_after(_problems(measured))


if __name__ == "__main__":
    sys.exit(status_of(_main(_arguments())))
