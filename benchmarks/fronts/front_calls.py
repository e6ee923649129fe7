"""Holds the same calls in turn on every front, and measures what the gateway spends on them."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from voice_gateway.testing.fake_chat import FakeChat
from voice_gateway.testing.fake_riva import FakeRiva

from fronts.front_lines import FRONTS, PIECE_S, Line, Opens
from shared.clock import now
from shared.gateways import gateway, scripted_settings
from shared.processes import Child

_ANSWER = "It is sunny, so take a hat with you."  # 2.2 s of the scripted voice
_SETTLE_S = 1.0
_WARM_UP_CALLS = 2


@dataclass(frozen=True)
class Load:
    calls: int
    seconds: float
    """The length of each call."""
    turn_s: float = 4.0


@dataclass
class Front:
    """What was measured on one front."""

    cpu_ms_per_call_s: list[float] = field(default_factory=list[float])
    """One figure for each round."""
    first_audio_ms: list[float] = field(default_factory=list[float])
    """Milliseconds from the typed question, one figure for each turn."""
    asked: int = 0


async def measure(load: Load, rounds: int) -> dict[str, Front]:
    fronts = {name: Front() for name in FRONTS}
    async with FakeRiva(voice_first_audio_s=0.02) as riva, FakeChat([_ANSWER]) as chat:
        at = {"riva": riva.uri, "llm": chat.base_url}
        settings = scripted_settings(at, max(load.calls, _WARM_UP_CALLS))
        settings["RESUME_WINDOW_S"] = (
            "0.5"  # so that no call waits for its client in the next round
        )
        async with gateway("gateway", settings) as (process, ready):
            for opens in FRONTS.values():
                await _calls(opens, ready, Load(_WARM_UP_CALLS, load.turn_s), Front())
            for _ in range(rounds):
                for name, opens in FRONTS.items():
                    await _round(process, ready, opens, load, fronts[name])
    return fronts


async def _round(
    process: Child, ready: dict[str, str], opens: Opens, load: Load, front: Front
) -> None:
    await asyncio.sleep(_SETTLE_S)
    before_s = process.cpu_s()
    await _calls(opens, ready, load, front)
    used_s = process.cpu_s() - before_s
    front.cpu_ms_per_call_s.append(used_s / (load.calls * load.seconds) * 1000)


async def _calls(opens: Opens, ready: dict[str, str], load: Load, front: Front) -> None:
    async with asyncio.TaskGroup() as tasks:
        for ordinal in range(load.calls):
            late_s = load.turn_s * ordinal / load.calls
            tasks.create_task(_call(opens, ready, load, late_s, front))


async def _call(
    opens: Opens, ready: dict[str, str], load: Load, late_s: float, front: Front
) -> None:
    """One call; its turns begin `late_s` after the first caller's."""
    async with opens(ready) as line, asyncio.TaskGroup() as tasks:
        asked: list[float] = []
        reading = tasks.create_task(_read(line, asked, front.first_audio_ms))
        talking = tasks.create_task(_every(PIECE_S, line.send))
        await asyncio.sleep(late_s / 2)
        ends_at = now() + load.seconds - late_s / 2
        while ends_at - now() > load.turn_s - 0.1:
            asked.append(now())
            front.asked += 1
            await line.ask()
            await asyncio.sleep(load.turn_s)
        await asyncio.sleep(max(0.0, ends_at - now()))
        talking.cancel()
        reading.cancel()


async def _every(seconds: float, act: Callable[[], Awaitable[None]]) -> None:
    due = now()
    while True:
        await act()
        due += seconds
        await asyncio.sleep(due - now())


async def _read(line: Line, asked: list[float], waits_ms: list[float]) -> None:
    while True:
        if await line.read() == "audio" and asked:
            waits_ms.append((now() - asked.pop()) * 1000)
