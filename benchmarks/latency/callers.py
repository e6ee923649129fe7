"""Callers in real time: each speaks its turns into one stream and notes what came when."""

import asyncio
import math
from dataclasses import dataclass, field
from typing import Any

import grpc.aio
from voice_proto import voice_workflow_pb2 as pb

from latency.scenario import Load, call_audio, silence_ends_s, tag_in
from shared.call_names import language_of
from shared.clock import now
from shared.connection import START_S, open_call, open_stub
from shared.recordings import RATE_HZ

_END_S = 15.0
"""How long a call may take to end once its caller has half-closed."""


@dataclass(slots=True)
class Turn:
    """The caller's side of one turn, by the loop's clock."""

    asked_at: float
    """When the chunk was sent that ends the silence after the words."""
    words_at: float | None = None
    text_at: float | None = None
    audio_at: float | None = None
    over_at: float | None = None


@dataclass(slots=True)
class Call:
    """What one caller saw."""

    ordinal: int
    started_at: float = 0.0
    sent_at: list[float] = field(default_factory=list[float])
    came_at: list[float] = field(default_factory=list[float])
    sizes: list[int] = field(default_factory=list[int])
    late_s: list[float] = field(default_factory=list[float])
    """Seconds by which the caller itself sent each chunk late."""
    turns: dict[str, Turn] = field(default_factory=dict[str, Turn])
    problems: list[str] = field(default_factory=list[str])

    def recording(self) -> list[tuple[float, int]]:
        """Each message's time since the call's config, and its size."""
        return [
            (came_at - self.started_at, size)
            for came_at, size in zip(self.came_at, self.sizes, strict=True)
        ]


class Caller:
    def __init__(self, ordinal: int, load: Load) -> None:
        self.call = Call(ordinal)
        self._load = load
        self._audio = call_audio(load, ordinal)
        self._stream: Any = None
        self._turn: Turn | None = None
        chunk_s = load.chunk_ms / 1000
        self._asks = [
            math.ceil(silence_ends_s(load, ordinal, turn) / chunk_s - 1e-6) - 1
            for turn in range(load.turns)
        ]

    async def hold(self, stub: Any, start_at: float) -> None:
        """Hold the whole call; what goes wrong is noted in `call.problems`."""
        await asyncio.sleep(start_at - now())
        within_s = self._load.seconds + _END_S
        called = open_call(stub, within_s, self.call.problems)
        async with called as self._stream, asyncio.TaskGroup() as tasks:
            tasks.create_task(self._listen())
            await self._speak(start_at)

    async def _speak(self, start_at: float) -> None:
        self.call.started_at = now()
        config = pb.VoiceConfig(
            language_code=language_of(self.call.ordinal),
            session_id=str(self.call.ordinal),
            sample_rate=RATE_HZ,
        )
        await self._stream.write(pb.ClientMessage(config=config))
        chunk_s = self._load.chunk_ms / 1000
        for ordinal, chunk in enumerate(self._audio):
            due_at = start_at + ordinal * chunk_s
            await asyncio.sleep(due_at - now())
            sent_at = now()
            self.call.late_s.append(sent_at - due_at)
            self.call.sent_at.append(sent_at)
            await self._stream.write(pb.ClientMessage(audio_chunk=chunk))
        await self._stream.done_writing()

    async def _listen(self) -> None:
        while (message := await self._stream.read()) is not grpc.aio.EOF:
            came_at = now()
            self.call.came_at.append(came_at)
            self.call.sizes.append(message.ByteSize())
            self._note(message, came_at)

    def _note(self, message: pb.ServerMessage, at: float) -> None:
        match message.WhichOneof("content"):
            case "transcript_chunk" if message.transcript.is_final:
                self._begin(message.transcript_chunk, at)
            case "llm_response_chunk" if self._turn and self._turn.text_at is None:
                self._turn.text_at = at
            case "audio_chunk" if self._turn and self._turn.audio_at is None:
                self._turn.audio_at = at
            case "event" if message.event.type == pb.END_OF_TURN and self._turn:
                self._turn.over_at = at
            case "event" if message.event.type == pb.ERROR:
                self.call.problems.append(message.event.message)
            case _:
                pass

    def _begin(self, words: str, at: float) -> None:
        ordinal = len(self.call.turns)
        if ordinal >= len(self._asks):
            self.call.problems.append(f"words that nobody said: {words!r}")
            return
        asked_at = self.call.sent_at[min(self._asks[ordinal], len(self.call.sent_at) - 1)]
        self._turn = self.call.turns[tag_in(words)] = Turn(asked_at, words_at=at)


async def hold_calls(uri: str, first: int, load: Load) -> list[Call]:
    """Hold all calls at once, their starts spread over one chunk; ordinals count from `first`."""
    callers = [Caller(first + ordinal, load) for ordinal in range(load.calls)]
    start_at = now() + START_S
    async with asyncio.TaskGroup() as tasks:
        for ordinal, caller in enumerate(callers):
            offset_s = ordinal / load.calls * load.chunk_ms / 1000
            tasks.create_task(_hold_call(uri, caller, start_at + offset_s))
    return [caller.call for caller in callers]


async def _hold_call(uri: str, caller: Caller, start_at: float) -> None:
    async with open_stub(uri) as stub:
        await caller.hold(stub, start_at)
