"""The running processes of a benchmark, its rounds, and what they have measured so far."""

import json
from collections.abc import Sequence
from contextlib import AsyncExitStack
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

from callers import Call, hold_calls
from lines import Json
from measure import Cost, figures_of, round_trips
from processes import Child, child
from scenario import Delays, Load

_HERE = Path(__file__).parent


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
        """One turn of one caller, thrown away: connections are made, code is loaded."""
        load = replace(self.load, calls=1, turns=1, together=True)
        calls = await self._hold(self.gateway_uri, load)
        await self._mirror(calls)
        await self._hold(self.passthrough_uri, load)
        await self._take()

    async def round(self) -> None:
        """One arm after the other; the second gets, byte for byte, what the first one got."""
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
        self.figures += figures_of(calls, seen["turns"], Delays())
        self.late_s += [late for call in calls for late in call.late_s]
        self.problems += [problem for call in calls for problem in call.problems]


async def start(stack: AsyncExitStack, load: Load, profile: Path | None) -> Bench:
    upstreams = await stack.enter_async_context(
        child("upstreams", [str(_HERE / "upstreams.py"), json.dumps(asdict(load))])
    )
    at = await upstreams.ready()
    command = ["-m", "cProfile", "-o", str(profile)] if profile else []
    gateway = await stack.enter_async_context(
        child("gateway", [*command, "-m", "voice_gateway"], gateway_settings(at, load.calls))
    )
    passthrough = await stack.enter_async_context(
        child("pass-through", [str(_HERE / "passthrough.py"), at["mirror"]])
    )
    gateway_at, passthrough_at = await gateway.ready(), await passthrough.ready()
    return Bench(load, upstreams, gateway, gateway_at["grpc"], passthrough, passthrough_at["grpc"])


def gateway_settings(at: dict[str, str], calls: int) -> dict[str, str]:
    """The environment of a gateway before these upstreams, for so many calls at once."""
    return {
        "GRPC_HOST": "127.0.0.1",
        "GRPC_PORT": "0",
        "HTTP_HOST": "127.0.0.1",
        "HTTP_PORT": "0",
        "RIVA_URI": at["riva"],
        "LLM_BASE_URL": at["llm"],
        "MAX_CALLS": str(calls * 2),
        "LOG_LEVEL": "WARNING",
        "LLM_WARM_UP": "false",
        "TTS_TRIM_MS": "0",  # the scripted voice is no speech: its ramp would pass for silence
    }
