"""Callers who ask, listen to the answer's end, and ask again; in silence they wait for the limit.

Each sends its microphone in real time all the while, and reads the words from what it hears.
"""

import asyncio
import random
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import grpc.aio
from voice_proto import voice_workflow_pb2 as pb

from faults.heard_turns import Came, Turn
from faults.spoken_questions import Question, name_of, seconds_of
from faults.words_in_sound import Reader
from shared.clock import now
from shared.connection import open_stub
from shared.recordings import RATE_HZ, bytes_of

CHUNK_S = 0.04
_CHUNK = bytes_of(CHUNK_S)
_LOOK_S = 0.05  # between looks whether a turn is over
_GRACE_S = 2.0  # after a reply that was no answer: another one may follow
_LONGEST_REPLY_S = 10.0
_LONGEST_GAP_S, _SHORTEST_GAP_S = 1.8, 0.3
_REDIAL_S = 0.5
_SPREAD_S = 4.0  # calls begin within it
_HANG_UP_S = 20.0
_FLOOR = (pb.LISTENING, pb.END_OF_TURN)


@dataclass(slots=True)
class Caller:
    """One caller; its call is dialled again where it ends by itself."""

    ordinal: int
    limit_s: float
    questions: Iterator[int]
    turns: list[Turn] = field(default_factory=list[Turn])
    ended: list[str] = field(default_factory=list[str])
    """How calls ended that their caller had not ended."""
    late_s: list[float] = field(default_factory=list[float])
    _stream: Any = None
    _hanging_up: bool = False
    _to_say: deque[bytes] = field(default_factory=deque[bytes])
    _reader: Reader = field(default_factory=Reader)
    _reply: int = 0
    _plays_until: float = 0.0
    _busy: bool = False
    """The gateway has the floor."""
    _last_at: float = 0.0

    def hang_up(self) -> None:
        """Ask nothing more, and end the call after the turn that runs."""
        self._hanging_up = True

    async def call(self, uri: str) -> None:
        """Call until it is to hang up."""
        while not self._hanging_up:
            async with open_stub(uri) as stub:
                await self._hold(stub)
            if not self._hanging_up:
                await asyncio.sleep(_REDIAL_S)

    async def _hold(self, stub: Any) -> None:
        self._stream = stub.StreamAudio()
        self._busy, self._to_say = False, deque()
        try:
            async with asyncio.TaskGroup() as tasks:
                reading = tasks.create_task(self._read())
                talking = tasks.create_task(self._talk(reading))
                await self._send(talking)
                async with asyncio.timeout(_HANG_UP_S):
                    await reading
        except* TimeoutError:
            self.ended.append("the call did not end when its caller hung up")
        except* (grpc.aio.AioRpcError, asyncio.InvalidStateError) as broken:
            self.ended.append(_said_of(broken.exceptions[0]))
        finally:
            self._stream.cancel()
            self._stream = None  # a call that is kept keeps its connection open

    async def _send(self, talking: asyncio.Task[None]) -> None:
        """Send the microphone until there is nothing more to say."""
        config = pb.VoiceConfig(sample_rate=RATE_HZ)
        await self._stream.write(pb.ClientMessage(config=config))
        due_at, silence = now(), bytes(_CHUNK)
        while not talking.done():
            due_at += CHUNK_S
            await asyncio.sleep(due_at - now())
            self.late_s.append(now() - due_at)
            chunk = self._to_say.popleft() if self._to_say else silence
            await self._stream.write(pb.ClientMessage(audio_chunk=chunk))
        await self._stream.done_writing()

    async def _talk(self, reading: asyncio.Task[None]) -> None:
        dice = random.Random(self.ordinal)
        await asyncio.sleep(dice.uniform(0, _SPREAD_S))
        while not (self._hanging_up or reading.done()):
            await asyncio.sleep(dice.uniform(_SHORTEST_GAP_S, _LONGEST_GAP_S))
            question = Question(next(self.questions))
            turn = Turn(self.ordinal, question, now())
            self.turns.append(turn)
            try:
                await self._ask(turn)
                await self._listen_to_the_end(turn, reading)
            finally:
                turn.over_at = now()

    async def _ask(self, turn: Turn) -> None:
        pcm = turn.question.pcm
        pcm += bytes(-len(pcm) % _CHUNK)
        chunks = [pcm[start : start + _CHUNK] for start in range(0, len(pcm), _CHUNK)]
        self._to_say.extend(chunks)
        turn.ended_at = now() + len(chunks) * CHUNK_S
        await asyncio.sleep(turn.ended_at - now())

    async def _listen_to_the_end(self, turn: Turn, reading: asyncio.Task[None]) -> None:
        """Return once the answer was heard, a reply was over that was none, or patience is."""
        while not (reading.done() or self._is_over(turn, now())):  # noqa: ASYNC110  # time ends it
            await asyncio.sleep(_LOOK_S)

    def _is_over(self, turn: Turn, at: float) -> bool:
        sounded = turn.audio and turn.audio[-1].at >= turn.ended_at
        patience_s = self.limit_s + (_LONGEST_REPLY_S if sounded else 0.0)
        if at > turn.ended_at + patience_s:
            return True
        if self._busy or at < self._plays_until:
            return False
        if name_of(turn.question.words) in (word for one in turn.audio for word in one.words):
            return True
        replied = any(one.kind == "floor" and one.at > turn.ended_at for one in turn.came)
        return replied and at > max(self._last_at, self._plays_until) + _GRACE_S

    async def _read(self) -> None:
        while (message := await self._stream.read()) is not grpc.aio.EOF:
            self._note(message, now())
        if not self._hanging_up:
            self.ended.append("OK, though its caller had not hung up")

    def _note(self, message: pb.ServerMessage, at: float) -> None:
        came = self._came(message, at)
        if came and self.turns:
            self.turns[-1].came.append(came)
            self._last_at = at

    def _came(self, message: pb.ServerMessage, at: float) -> Came | None:
        event = message.event
        match message.WhichOneof("content"):
            case "audio_chunk":
                return self._heard(message, at)
            case "event" if event.type == pb.ERROR:
                return Came(at, "error", failed=f"{event.fault.stage} {event.fault.code}")
            case "event" if event.type == pb.PROCESSING:
                self._busy = True
                return Came(at, "processing", message.reply_id)
            case "event" if event.type in _FLOOR:
                self._busy = False
                return Came(at, "floor", message.reply_id)
            case _:
                return None

    def _heard(self, message: pb.ServerMessage, at: float) -> Came:
        if message.reply_id != self._reply:
            self._reply, self._reader = message.reply_id, Reader()
        heard = self._reader.read(message.audio_chunk)
        self._plays_until = max(at, self._plays_until) + seconds_of(message.audio_chunk)
        return Came(at, "audio", message.reply_id, tuple(one.word for one in heard))


def _said_of(error: Exception) -> str:
    if isinstance(error, grpc.aio.AioRpcError):
        return f"{error.code().name}: {error.details()}"
    return f"{type(error).__name__}: {error}"
