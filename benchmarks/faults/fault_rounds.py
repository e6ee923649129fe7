"""Runs a gateway, its services and its callers, and lets one fault happen after the other."""

import asyncio
import json
import os
import sys
import tempfile
from collections.abc import AsyncGenerator, Callable, Iterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from faults.fault_callers import Caller
from faults.fault_plan import Fault
from faults.heard_turns import Turn
from faults.leftovers import Held, Looked
from faults.service_control import Services, every, settings_of, start_services
from faults.spoken_questions import ANSWER, name_of
from shared.clock import now
from shared.gateway_process import GatewayProcess
from shared.gateways import gateway, scripted_settings
from shared.processes import Child, ChildFailed

_BENCHMARKS = Path(__file__).parents[1]
_LOOK_S = 0.1
_WARM_UP_S = 60.0
_LEFT_OVER_S = 30.0


@dataclass(frozen=True, slots=True)
class Happened:
    """A fault, and when it began and was over, by the machine's monotonic clock."""

    fault: Fault
    at: float
    over_at: float
    recovered_at: float
    """When every call had been answered again, or was no longer waited for."""


@dataclass(slots=True)
class Measured:
    """What one gateway's calls came to."""

    happened: list[Happened] = field(default_factory=list[Happened])
    callers: Sequence[Caller] = ()
    requests: list[list[str]] = field(default_factory=list[list[str]])
    """The words of all requests that the model had."""
    before: Held | None = None
    after: Held | None = None

    @property
    def turns(self) -> list[Turn]:
        return [turn for caller in self.callers for turn in caller.turns]


@dataclass(slots=True)
class Site:
    """A running gateway with its services."""

    process: Child
    uri: str
    page: str
    folder: Path
    services: Services

    async def held(self) -> Held:
        streams = [await service.open_streams() for service in every(self.services)]
        ports = {name: [one.port for one in each] for name, each in self.services.items()}
        process = GatewayProcess(self.process.process.pid, self.page, self.folder / "held")
        return await Looked(process, ports).held(sum(streams))

    async def settled(self, before: Held | None, calls: int) -> Held:
        """What is held once nothing is more than before the calls, or after a while."""
        give_up_at = now() + _LEFT_OVER_S
        while True:
            await asyncio.sleep(1.0)
            held = await self.held()
            busy = held.more_than(before, calls) if before else held.calls or held.open_streams
            if not busy or now() > give_up_at:
                return held


@dataclass(frozen=True, slots=True)
class Load:
    calls: int
    addresses: int
    limit_s: float
    settings: Mapping[str, str]
    """Of the gateway, besides those of its services."""


async def measure(load: Load, faults: Sequence[Fault], questions: Iterator[int]) -> Measured:
    """Hold calls at one gateway while these faults happen."""
    measured = Measured()
    async with _site(load) as site:
        await _warm_up(load, site, questions)
        measured.before = await site.settled(None, load.calls)
        measured.callers = [Caller(n, load.limit_s, questions) for n in range(load.calls)]
        async with asyncio.TaskGroup() as tasks:
            for caller in measured.callers:
                tasks.create_task(caller.call(site.uri))
            for ordinal, fault in enumerate(faults):
                await asyncio.sleep(fault.gap_s)
                measured.happened.append(await _happen(load, site, fault, measured.callers))
                _say(ordinal + 1, len(faults), measured.happened[-1])
            for caller in measured.callers:
                caller.hang_up()
        measured.after = await site.settled(measured.before, load.calls)
        measured.requests = _requests(site.folder / "asked")
    return measured


@asynccontextmanager
async def _site(load: Load) -> AsyncGenerator[Site]:
    async with AsyncExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        services = await start_services(stack, load.addresses, folder / "asked")
        settings = _settings(load, services, folder)
        started = gateway("gateway", settings, module="shared.gateway_watch")
        process, at = await stack.enter_async_context(started)
        yield Site(process, at["grpc"], at["http"], folder, services)


def _settings(load: Load, services: Services, folder: Path) -> dict[str, str]:
    path = os.pathsep.join(filter(None, (str(_BENCHMARKS), os.environ.get("PYTHONPATH"))))
    named = settings_of(services)
    at = {"riva": services["asr"][0].address, "llm": services["llm"][0].address}
    inside = {"PYTHONPATH": path, "HELD_FILE": str(folder / "held"), "TTS_TRIM_MS": "300"}
    return scripted_settings(at, load.calls) | named | inside | dict(load.settings)


async def _warm_up(load: Load, site: Site, questions: Iterator[int]) -> None:
    """Let each caller ask once, so that connections are made and code is loaded."""
    callers = [Caller(n, load.limit_s, questions) for n in range(load.calls)]
    async with asyncio.timeout(_WARM_UP_S), asyncio.TaskGroup() as tasks:
        for caller in callers:
            tasks.create_task(caller.call(site.uri))
        await _until(lambda: all(caller.turns for caller in callers), site, _WARM_UP_S)
        for caller in callers:
            caller.hang_up()


async def _happen(load: Load, site: Site, fault: Fault, callers: Sequence[Caller]) -> Happened:
    at = now()
    await site.services[fault.service][fault.address].happen(fault)
    over_at = now()

    def recovered() -> bool:
        return all(_answered_since(caller, over_at) for caller in callers)

    await _until(recovered, site, 2 * load.limit_s)
    return Happened(fault, at, over_at, now())


def _answered_since(caller: Caller, at: float) -> bool:
    """Whether a turn was answered that this caller spoke, or went on speaking, after that time."""
    return any(
        _heard_an_answer(turn, its_own=turn.began_at < at)
        for turn in reversed(caller.turns[-3:])
        if turn.ended_at > at
    )


def _heard_an_answer(turn: Turn, *, its_own: bool) -> bool:
    """Whether an answer was heard to its end; half a question has one of another name."""
    heard = {word for one in turn.audio for word in one.words}
    return ANSWER[-1] in heard and (not its_own or name_of(turn.question.words) in heard)


async def _until(condition: Callable[[], bool], site: Site, timeout_s: float) -> None:
    """Wait for it, but not for ever; raises ChildFailed where the gateway has stopped."""
    give_up_at = now() + timeout_s
    while not condition() and now() < give_up_at:
        if site.process.process.returncode is not None:
            raise ChildFailed("the gateway stopped while calls ran")
        await asyncio.sleep(_LOOK_S)


def _requests(asked_file: Path) -> list[list[str]]:
    lines = asked_file.read_text().splitlines() if asked_file.exists() else []
    return [json.loads(line)["words"] for line in lines]


def _say(ordinal: int, of: int, happened: Happened) -> None:
    fault = happened.fault
    took_s = happened.recovered_at - happened.at
    text = f"fault {ordinal} of {of}: {fault.service} {fault.kind} for {fault.lasts_s:.1f} s"
    print(f"{text}, all answered again after {took_s:.1f} s", file=sys.stderr)
