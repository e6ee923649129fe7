"""Runs the rounds of the benchmark's processes, and keeps what they have measured so far."""

import json
from collections.abc import Sequence
from contextlib import AsyncExitStack
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

from latency.callers import Call, hold_calls
from latency.scenario import Load
from latency.stages import figures_of, round_trips
from shared.figures import Cost
from shared.gateways import gateway, scripted_settings
from shared.lines import Json
from shared.processes import Child, helper


@dataclass(slots=True)
class Bench:
    """The running processes, and what has been measured so far."""

    load: Load
    upstreams: Child
    gateway: Child
    gateway_uri: str
    passthrough: Child
    passthrough_uri: str
    calls_held: int = 0
    gateway_costs: list[Cost] = field(default_factory=list[Cost])
    passthrough_costs: list[Cost] = field(default_factory=list[Cost])
    figures: list[dict[str, float]] = field(default_factory=list[dict[str, float]])
    trips_s: list[float] = field(default_factory=list[float])
    late_s: list[float] = field(default_factory=list[float])
    problems: list[str] = field(default_factory=list[str])

    async def warm_up(self) -> None:
        """Hold one turn and discard it, so that connections are made and code is loaded."""
        load = replace(self.load, calls=1, turns=1, together=True)
        calls = await self._hold(self.gateway_uri, load)
        await self._mirror(calls)
        await self._hold(self.passthrough_uri, load)
        await self._take()

    async def round(self) -> None:
        """Measure one arm after the other; the second gets, byte for byte, what the first got."""
        before_s = self.gateway.cpu_s()
        calls = await self._hold(self.gateway_uri, self.load)
        self.gateway_costs.append(self._cost(self.gateway, before_s))
        self._note(calls, await self._take())
        await self._mirror(calls)
        before_s = self.passthrough.cpu_s()
        calls = await self._hold(self.passthrough_uri, self.load)
        self.passthrough_costs.append(self._cost(self.passthrough, before_s))
        self.trips_s += round_trips(calls, (await self._take())["mirrored"])

    async def _hold(self, uri: str, load: Load) -> list[Call]:
        first = self.calls_held
        self.calls_held += self.load.calls  # a multiple of it: each call's place stays the same
        return await hold_calls(uri, first, load)

    async def _mirror(self, calls: Sequence[Call]) -> None:
        recordings = [call.recording() for call in calls]
        await self.upstreams.ask(json.dumps({"recordings": recordings}))

    async def _take(self) -> Json:
        return json.loads(await self.upstreams.ask(json.dumps({"take": True})))

    def _cost(self, process: Child, before_s: float) -> Cost:
        return Cost(process.cpu_s() - before_s, self.load.calls * self.load.seconds)

    def _note(self, calls: Sequence[Call], seen: Json) -> None:
        self.figures += figures_of(calls, seen["turns"])
        self.late_s += [late for call in calls for late in call.late_s]
        self.problems += [problem for call in calls for problem in call.problems]


async def start(stack: AsyncExitStack, load: Load, profile: Path | None) -> Bench:
    upstreams = await stack.enter_async_context(
        helper("upstreams", "latency.scripted_upstreams", json.dumps(asdict(load)))
    )
    at = await upstreams.ready()
    profiler = ["-m", "cProfile", "-o", str(profile)] if profile else []
    ours, ours_at = await stack.enter_async_context(
        gateway("gateway", scripted_settings(at, load.calls), profiler)
    )
    bare = await stack.enter_async_context(
        helper("pass-through", "latency.passthrough", at["mirror"])
    )
    bare_at = await bare.ready()
    return Bench(load, upstreams, ours, ours_at["grpc"], bare, bare_at["grpc"])
