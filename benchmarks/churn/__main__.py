"""Whether a gateway grows while calls come and go, 20 a second, in every way that they can end.

    uv run python benchmarks/churn.py [--minutes 3] [--rate 20] [--plant 0] [--json FILE]

Calls over gRPC and the WebSocket are hung up, cancelled, cut in a reply and in a message, badly
configured, refused, resumed and never resumed, closed with each code and half closed, in turn, at a
gateway before scripted services. A round of calls follows the other; after each, once no call is
left, its memory, descriptors, threads and tasks are looked at. The exit status is 0 where they are
flat: after the warm-up the memory in use grows by less than 1,000 bytes a call with 99 %
confidence, and nothing else by more than a few. --plant has the gateway keep so many bytes of each
call, by the benchmark's own launcher: the exit status must then be 1. Linux only.
"""

import argparse
import asyncio
import itertools
import os
import sys
import tempfile
from collections import Counter
from collections.abc import AsyncGenerator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path

from churn.endings import ENDINGS, KEY, Site
from churn.flatness import Sample, problems, settled, slope
from shared.clock import now
from shared.command import Options, status_after, status_of, write_figures
from shared.gateway_process import GatewayProcess
from shared.gateways import gateway, scripted_settings
from shared.processes import Child, ChildFailed, helper
from shared.table import machine

_BENCHMARKS = Path(__file__).parents[1]
_ROUNDS, _SHORTEST_ROUND_S = 24, 1.0
_CALL_S, _SETTLE_S = 60.0, 30.0
_LIVE = 400
"""At once, far more than there should be."""
_WINDOW_S = 1


@dataclass(slots=True)
class Churned:
    """What came of the calls, and what the gateway held after each round."""

    calls: int = 0
    ended: Counter[str] = field(default_factory=Counter[str])
    problems: list[str] = field(default_factory=list[str])
    samples: list[Sample] = field(default_factory=list[Sample])


@dataclass(frozen=True, slots=True)
class Running:
    """The gateway under test."""

    child: Child
    looked: GatewayProcess
    address: str

    async def sample(self, calls: int) -> Sample:
        """What it holds once no call is left; raises ChildFailed where one stays."""
        looked, give_up_at = self.looked, now() + _SETTLE_S
        while left := await looked.calls():
            if now() > give_up_at:
                raise ChildFailed(f"{left} calls are left {_SETTLE_S:g} s after the last one")
            await asyncio.sleep(0.2)
        await asyncio.sleep(0.5)  # connections are closed after their calls
        inside = await looked.inside()
        return Sample(
            calls,
            inside.used_bytes,
            looked.resident_bytes(),
            len(inside.tasks),
            looked.threads(),
            len(looked.open_files()),
        )


@asynccontextmanager
async def _running(plant: int) -> AsyncGenerator[Running]:
    async with AsyncExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        upstreams = await stack.enter_async_context(helper("upstreams", "shared.quick_upstreams"))
        path = os.pathsep.join(filter(None, (str(_BENCHMARKS), os.environ.get("PYTHONPATH"))))
        settings = {
            **scripted_settings(await upstreams.ready(), _LIVE),
            "API_KEYS": KEY,
            "RESUME_WINDOW_S": str(_WINDOW_S),
            "PYTHONPATH": path,
            "HELD_FILE": str(folder / "held"),
            "LEAK_BYTES": str(plant),
        }
        started = gateway("gateway", settings, module="churn.leaking_gateway")
        child, at = await stack.enter_async_context(started)
        looked = GatewayProcess(child.process.pid, at["http"], folder / "held", KEY)
        yield Running(child, looked, at["grpc"])


async def _churn(running: Running, given: argparse.Namespace) -> Churned:
    churned, over_at = Churned(), now() + given.minutes * 60
    round_s = max(_SHORTEST_ROUND_S, given.minutes * 60 / _ROUNDS - _WINDOW_S - 1)
    numbers = itertools.count()
    while now() < over_at:
        await _round(running, given.rate, round_s, numbers, churned)
        churned.samples.append(await running.sample(churned.calls))
    return churned


async def _round(
    running: Running, rate: int, seconds: float, numbers: Iterator[int], churned: Churned
) -> None:
    """Begin calls at their rate, whatever the others do; wait for all of them.

    Each way to end comes as often as the others, so that all rounds leave the same.
    """
    names, began_at = tuple(ENDINGS), now()
    calls = max(1, round(rate * seconds / len(names))) * len(names)
    async with asyncio.TaskGroup() as tasks:
        for place in range(calls):
            await asyncio.sleep(began_at + place / rate - now())
            number = next(numbers)
            site = Site(running.address, running.looked.page, number)
            tasks.create_task(_call(names[number % len(names)], site, churned))


async def _call(name: str, site: Site, churned: Churned) -> None:
    churned.calls += 1
    try:
        async with asyncio.timeout(_CALL_S):
            await ENDINGS[name](site)
    except Exception as error:  # noqa: BLE001  # whatever it is, this call did not go as it should
        churned.problems.append(f"{name}: {type(error).__name__}: {str(error)[:120]}")
    else:
        churned.ended[name] += 1


def _report(churned: Churned, seconds: float) -> str:
    after = settled(churned.samples)
    first, last = asdict(after[0]), asdict(after[-1])
    lines = [
        f"{churned.calls} calls in {seconds:.0f} s, ended in {len(churned.ended)} ways",
        f"after the warm-up ({len(after)} of {len(churned.samples)} samples):",
        *(f"  {name:<16}{first[name]:>14}{last[name]:>14}" for name in first),
    ]
    if len(after) > 2:
        lines += [f"  {name}: {slope(after, name)}" for name in ("used_bytes", "resident_bytes")]
    return "\n".join(lines)


def _arguments() -> argparse.Namespace:
    options = Options(__doc__)
    options.add_argument(
        "--minutes", type=_minutes, default=3.0, metavar="N", help="of churn (0.2 to 1440; 3)"
    )
    options.count("--rate", 20, 1, 200, "calls a second")
    options.count("--plant", 0, 0, 1_000_000, "bytes to leak of each call that is admitted")
    options.figures_file()
    given = options.parse_args()
    if not Path("/proc/self/fd").exists():
        options.error("needs Linux: it looks at the gateway's process through /proc")
    return given


def _minutes(text: str) -> float:
    try:
        minutes = float(text)
    except ValueError:
        minutes = 0.0
    if not 0.2 <= minutes <= 1440:
        raise argparse.ArgumentTypeError(f"{text!r} is no number of minutes from 0.2 to 1440")
    return minutes


async def _main(given: argparse.Namespace) -> int:
    async with _running(given.plant) as running:
        began_at = now()
        churned = await _churn(running, given)
        seconds = now() - began_at
        broke = running.child.whole_log().count("Traceback")
    print(_report(churned, seconds))
    figures = {"machine": machine(), "seconds": seconds, "ended": dict(churned.ended)}
    samples = [asdict(sample) for sample in churned.samples]
    write_figures(figures | {"plant": given.plant, "samples": samples}, given.json)
    found = [*churned.problems, *problems(churned.samples)]
    return status_after(found + ["the gateway's log has a traceback"] * broke)


if __name__ == "__main__":
    sys.exit(status_of(_main(_arguments())))
