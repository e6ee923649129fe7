"""Measures a call's pace: how long after a typed turn the caller is told that it is taken."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field

from voice_gateway.testing.line import Line, dial
from voice_proto import voice_workflow_pb2 as pb

from shared.clock import now

_CALLS = 5
"""So many take turns, so that none of them asks more often than a person would."""
_EVERY_S = 0.1
_TOO_LATE_S = 20.0


@dataclass
class Pace:
    """The delays of the typed turns so far, in seconds."""

    lines: list[Line]
    delays_s: list[float] = field(default_factory=list[float])

    async def hold(self, seconds: float) -> None:
        """Type a turn every 100 ms, the calls in turn; waits for all of their answers."""
        async with asyncio.TaskGroup() as tasks:
            for place, line in enumerate(self.lines):
                tasks.create_task(self._type(line, place * _EVERY_S, seconds))

    async def _type(self, line: Line, after_s: float, seconds: float) -> None:
        until = now() + seconds
        await asyncio.sleep(after_s)
        while now() < until:
            asked_at = now()
            await line.say(text_input="and now?")
            await line.until(pb.PROCESSING)
            self.delays_s.append(now() - asked_at)
            await asyncio.sleep(max(0.0, asked_at + _EVERY_S * _CALLS - now()))


@asynccontextmanager
async def paced_calls(address: str) -> AsyncGenerator[Pace]:
    """Calls that are up before anybody does harm."""
    async with AsyncExitStack() as stack:
        dialled = [dial(address, _TOO_LATE_S) for _ in range(_CALLS)]
        lines = [await stack.enter_async_context(line) for line in dialled]
        for line in lines:
            await line.say(config=pb.VoiceConfig(session_id="paced"))
            await line.until(pb.LISTENING)
        yield Pace(lines)
