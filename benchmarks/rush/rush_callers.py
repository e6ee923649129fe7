"""Callers who want a line: each speaks in real time, types now and then, and notes its waits.

One who is refused comes back when it was told to.
"""

import asyncio
import itertools
from array import array
from dataclasses import dataclass, field
from random import Random, random
from typing import Any

import grpc
import grpc.aio
from voice_proto import voice_workflow_pb2 as pb

from shared.clock import now
from shared.connection import open_stub
from shared.recordings import RATE_HZ

CHUNK_S = 0.1
_ASK_EVERY_S = 4.0
_LOUDEST = 100
"""Of the noise of a room: the gateway listens for voice in it, and finds none."""
_PIECES = 20
_ANSWER_S = 30.0


@dataclass(slots=True)
class Waits:
    """What all callers of one phase noted, in seconds."""

    answers_s: list[float] = field(default_factory=list[float])
    """From a typed turn to the first audio of its answer."""
    refusals_s: list[float] = field(default_factory=list[float])
    """From a call's beginning to its refusal."""
    reasons: dict[str, int] = field(default_factory=dict[str, int])
    problems: list[str] = field(default_factory=list[str])
    late_s: list[float] = field(default_factory=list[float])
    """How late the callers themselves were."""
    admitted: int = 0


@dataclass(slots=True)
class Caller:
    uri: str
    waits: Waits
    ordinal: int

    async def hold(self, begins_at: float, until: float) -> None:
        """Call, again and again while there is no room, and talk until it is time."""
        async with open_stub(self.uri) as stub:
            await asyncio.sleep(begins_at - now())
            while now() < until:
                if (after_s := await self._call(stub, until)) is None:
                    return
                await asyncio.sleep(after_s)

    async def _call(self, stub: Any, until: float) -> float | None:
        """One call; returns when to come back, where it was refused."""
        called_at, stream = now(), stub.StreamAudio()
        try:
            await stream.write(pb.ClientMessage(config=pb.VoiceConfig(sample_rate=RATE_HZ)))
            await stream.read()
            self.waits.admitted += 1
            await self._talk(stream, until)
        except (grpc.aio.AioRpcError, asyncio.InvalidStateError, ExceptionGroup):
            return await self._refused(stream, called_at)
        finally:
            stream.cancel()
        return None

    async def _refused(self, stream: Any, called_at: float) -> float | None:
        code, said = await stream.code(), await stream.details() or ""
        if code is not grpc.StatusCode.RESOURCE_EXHAUSTED:
            self.waits.problems.append(f"{code.name}: {said}")
            return None
        self.waits.refusals_s.append(now() - called_at)
        reason = "".join(c for c in said if not c.isdecimal())
        self.waits.reasons[reason] = self.waits.reasons.get(reason, 0) + 1
        trailing: list[tuple[str, str]] = list(await stream.trailing_metadata() or ())
        return float(dict(trailing).get("retry-after-s", "1")) + random()

    async def _talk(self, stream: Any, until: float) -> None:
        writing = asyncio.Lock()
        async with asyncio.TaskGroup() as tasks:
            speaking = tasks.create_task(self._speak(stream, writing))
            await self._ask(stream, writing, until)
            speaking.cancel()

    async def _speak(self, stream: Any, writing: asyncio.Lock) -> None:
        noise, pieces = Random(self.ordinal), list[bytes]()
        for _ in range(_PIECES):
            samples = (noise.randint(-_LOUDEST, _LOUDEST) for _ in range(round(RATE_HZ * CHUNK_S)))
            pieces.append(array("h", samples).tobytes())
        begun_at = now()
        for n, piece in enumerate(itertools.cycle(pieces)):
            due_at = begun_at + n * CHUNK_S
            await asyncio.sleep(due_at - now())
            self.waits.late_s.append(now() - due_at)
            async with writing:
                await stream.write(pb.ClientMessage(audio_chunk=piece))

    async def _ask(self, stream: Any, writing: asyncio.Lock, until: float) -> None:
        await asyncio.sleep(self.ordinal * 0.37 % _ASK_EVERY_S)
        while now() < until:
            asked_at = now()
            async with asyncio.timeout(_ANSWER_S):
                async with writing:
                    await stream.write(pb.ClientMessage(text_input="and now?"))
                await _first_audio(stream)
                self.waits.answers_s.append(now() - asked_at)
                await _end_of_turn(stream)
            await asyncio.sleep(max(0.0, asked_at + _ASK_EVERY_S - now()))


async def _first_audio(stream: Any) -> None:
    """Read on to the first audio of the answer to what was typed just now."""
    asked = False
    while True:
        message = await stream.read()
        if message is grpc.aio.EOF:
            raise asyncio.InvalidStateError("the call ended")
        asked = asked or message.event.type == pb.PROCESSING
        if asked and message.audio_chunk:
            return


async def _end_of_turn(stream: Any) -> None:
    while (message := await stream.read()) is not grpc.aio.EOF:
        if message.event.type == pb.END_OF_TURN:
            return


def first_call_at(calls: int) -> float:
    """When so many callers may begin, once all have dialled."""
    return now() + 1 + calls * 0.005


async def hold_calls(
    uri: str, calls: int, seconds: float, within_s: float, first_at: float | None = None
) -> Waits:
    """So many callers, who all begin within a time."""
    waits, first_at = Waits(), first_at or first_call_at(calls)
    until = first_at + within_s + seconds
    async with asyncio.TaskGroup() as tasks:
        for n in range(calls):
            begins_at = first_at + n / calls * within_s
            tasks.create_task(Caller(uri, waits, n).hold(begins_at, until))
    return waits
