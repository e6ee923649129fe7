"""What callers notice while connections are cut, gateways are replaced in turn, and one is killed.

    uv run python benchmarks/rolling.py [--calls 64] [--json FILE]

Two gateways stand behind a TCP balancer and share a Redis (redis-server must be there). Callers
with an open microphone type questions all the time. Every connection is cut once, and all callers
come back to one gateway, which half of them had been at; then both gateways are replaced one after
the other, with SIGTERM; then one is killed with SIGKILL. The exit status is 1 where a call was
lost, a word was missing or came twice, or a gap was too long.
"""

import argparse
import asyncio
import contextlib
import os
import shutil
import signal
import sys
from collections.abc import AsyncGenerator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import asdict

from voice_gateway.testing.balancer import Balancer, balancing

from rolling.rolling_callers import Tally, hold_call
from shared.command import Options, status_after, status_of, write_figures
from shared.gateways import gateway, scripted_settings
from shared.processes import Child, helper

_STEADY_S = 6.0
_PHASE_S = 6.0
_CALL_S = 60.0
_LONGEST_GAP_S = {"cut": 2.0, "replaced": 0.5, "killed": 2.0}


def _arguments() -> argparse.Namespace:
    options = Options(__doc__)
    options.count("--calls", 64, 2, 500, "at once")
    options.figures_file()
    return options.parse_args()


async def _main(given: argparse.Namespace) -> int:
    if shutil.which("redis-server") is None:
        print("rolling.py: no redis-server here (apt install redis-server)", file=sys.stderr)
        return 1
    tally = Tally()
    async with AsyncExitStack() as stack:
        upstreams = await stack.enter_async_context(
            helper("upstreams", "rolling.rolling_upstreams")
        )
        at = await upstreams.ready()
        redis = await stack.enter_async_context(_redis())
        settings = {**scripted_settings(at, given.calls), "CALL_STATE_URL": redis, "DRAIN_S": "20"}
        fleet = await stack.enter_async_context(_fleet(settings))
        await _hold_calls(fleet, tally, given.calls)
    print(_report(tally))
    write_figures(asdict(tally), given.json)
    return status_after(_problems(tally))


class Fleet:
    """The gateways behind one balancer."""

    def __init__(self, stack: AsyncExitStack, settings: Mapping[str, str]) -> None:
        self._stack = stack
        self._settings = settings
        self._running: dict[int, Child] = {}
        self.balancer = Balancer([])

    async def add(self) -> None:
        name = f"gateway {len(self._running)}"
        child, at = await self._stack.enter_async_context(gateway(name, self._settings))
        port = int(at["grpc"].rpartition(":")[2])
        self._running[port] = child
        self.balancer.targets.append(port)

    async def remove_oldest(self, number: int) -> None:
        """Send it no more connections, and a signal; wait until it is gone."""
        child = self._running[self.balancer.targets.pop(0)]
        os.kill(child.process.pid, number)
        await child.process.wait()


@asynccontextmanager
async def _fleet(settings: Mapping[str, str]) -> AsyncGenerator[Fleet]:
    async with balancing([]) as balancer, AsyncExitStack() as stack:
        fleet = Fleet(stack, settings)
        fleet.balancer = balancer
        await fleet.add()
        await fleet.add()
        yield fleet


@asynccontextmanager
async def _redis() -> AsyncGenerator[str]:
    """A redis-server of this run's own; its address."""
    with contextlib.ExitStack() as held:
        port = _free_port(held)
    process = await asyncio.create_subprocess_exec(
        *("redis-server", "--port", str(port), "--bind", "127.0.0.1", "--save", ""),
        stdout=asyncio.subprocess.PIPE,
    )
    assert process.stdout
    try:
        while b"Ready to accept" not in (line := await process.stdout.readline()):
            assert line, "redis-server ended"
        yield f"redis://127.0.0.1:{port}/0"
    finally:
        process.terminate()
        await process.wait()


def _free_port(held: contextlib.ExitStack) -> int:
    import socket

    sock = held.enter_context(socket.socket())
    sock.bind(("127.0.0.1", 0))
    return int(sock.getsockname()[1])


async def _hold_calls(fleet: Fleet, tally: Tally, calls: int) -> None:
    address = f"127.0.0.1:{fleet.balancer.port}"
    until = asyncio.get_running_loop().time() + _CALL_S
    async with asyncio.TaskGroup() as tasks:
        for number in range(calls):
            tasks.create_task(hold_call(address, tally, number, until))
            await asyncio.sleep(2.0 / calls)
        await _trouble(fleet, tally)


async def _trouble(fleet: Fleet, tally: Tally) -> None:
    await asyncio.sleep(_STEADY_S)
    tally.phase = "cut"
    both, fleet.balancer.targets = fleet.balancer.targets, fleet.balancer.targets[:1]
    fleet.balancer.cut()
    await asyncio.sleep(_PHASE_S)
    fleet.balancer.targets = both
    tally.phase = "replaced"
    for _ in range(2):
        await fleet.add()
        await fleet.remove_oldest(signal.SIGTERM)
    await asyncio.sleep(_PHASE_S)
    tally.phase = "killed"
    await fleet.remove_oldest(signal.SIGKILL)
    await asyncio.sleep(_PHASE_S)
    tally.phase = "after"


def _report(tally: Tally) -> str:
    lines = [
        f"{tally.calls} calls, {tally.lost.total()} lost; {tally.asked} questions, "
        f"{tally.answered} answered",
        f"words missing {tally.missing}, repeated {tally.repeated}; holes in the sound "
        f"{tally.holes}",
        "",
        f"{'gap, ms':<12}{'times':>8}{'anew':>8}{'p50':>8}{'p95':>8}{'longest':>9}",
    ]
    for phase, gaps in tally.gaps.items():
        ranked = sorted(gap * 1000 for gap in gaps)
        p50, p95 = (ranked[int(part * (len(ranked) - 1))] for part in (0.5, 0.95))
        figures = f"{p50:>8.0f}{p95:>8.0f}{ranked[-1]:>9.0f}"
        lines.append(f"{phase:<12}{len(ranked):>8}{tally.anew[phase]:>8}{figures}")
    return "\n".join(lines)


def _problems(tally: Tally) -> list[str]:
    problems = [f"a call was lost: {how}" for how in tally.lost.elements()]
    problems += ["a word was missing"] * tally.missing + ["a word came twice"] * tally.repeated
    problems += ["the sound of a reply has a hole"] * tally.holes
    for phase, gaps in tally.gaps.items():
        longest_s = _LONGEST_GAP_S.get(phase, 0.0)
        problems += [
            f"a gap ({phase}) was longer than {longest_s:g} s" for g in gaps if g > longest_s
        ]
    return problems


if __name__ == "__main__":
    sys.exit(status_of(_main(_arguments())))
