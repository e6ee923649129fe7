"""Callers who speak recorded questions in real time, and have a loudspeaker.

A caller plays what it gets: from the first audio on, or a buffer's length later, until the reply is
cut off. The benchmark knows to the millisecond what has left its loudspeaker.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import grpc.aio
from voice_proto import voice_workflow_pb2 as pb

from shared.call_names import language_of
from shared.clock import now
from shared.connection import open_call, open_stub
from shared.loudspeaker import Loudspeaker
from shared.recordings import RATE_HZ, SAMPLE_BYTES
from turns.talk_plans import CHUNK_S, Plan

_END_S = 10.0
_REPORT_EVERY_CHUNKS = 5  # ten times a second

Kind = Literal["processing", "audio", "cut", "over"]
_KINDS: "dict[pb.EventType, Kind]" = {pb.PROCESSING: "processing", pb.END_OF_TURN: "over"}


@dataclass(frozen=True, slots=True)
class Came:
    """A message from the gateway, by the loop's clock."""

    at: float
    kind: Kind
    reply: int
    heard: str = ""
    """On a cut: the words that the gateway takes to be heard."""
    heard_s: float = 0.0


@dataclass(slots=True)
class Talk:
    """What one caller sent, saw and played."""

    plan: Plan
    sent_at: list[float] = field(default_factory=list[float])
    late_s: list[float] = field(default_factory=list[float])
    came: list[Came] = field(default_factory=list[Came])
    speakers: dict[int, Loudspeaker] = field(default_factory=dict[int, Loudspeaker])
    problems: list[str] = field(default_factory=list[str])

    def sent(self, position_s: float) -> float:
        """When the chunk with this position of the audio was sent."""
        ordinal = int(position_s / CHUNK_S - 1e-6)
        return self.sent_at[min(ordinal, len(self.sent_at) - 1)]


class Talker:
    def __init__(self, plan: Plan) -> None:
        self.talk = Talk(plan)
        self._audio = plan.audio()
        self._stream: Any = None

    async def hold(self, stub: Any, start_at: float) -> None:
        """Hold the whole call; it ends when everything was said. Problems are noted in `talk`."""
        await asyncio.sleep(start_at - now())
        called = open_call(stub, self.talk.plan.seconds + _END_S, self.talk.problems)
        async with called as self._stream, asyncio.TaskGroup() as tasks:
            listening = tasks.create_task(self._listen())
            await self._speak(start_at)
            listening.cancel()

    async def _speak(self, start_at: float) -> None:
        plan = self.talk.plan
        language = language_of(plan.ordinal)
        config = pb.VoiceConfig(
            language_code=language, sample_rate=RATE_HZ, line_echo=plan.line_echo
        )
        await self._stream.write(pb.ClientMessage(config=config))
        for ordinal, chunk in enumerate(self._audio):
            due_at = start_at + (ordinal + 1) * CHUNK_S  # a microphone gives a full chunk
            await asyncio.sleep(due_at - now())
            sent_at = now()
            self.talk.late_s.append(sent_at - due_at)
            self.talk.sent_at.append(sent_at)
            await self._stream.write(pb.ClientMessage(audio_chunk=chunk))
            if plan.reports and ordinal % _REPORT_EVERY_CHUNKS == 0:
                await self._report()

    async def _report(self) -> None:
        if self.talk.speakers:
            reply, speaker = max(self.talk.speakers.items())
            played_ms = round(speaker.played_s(now()) * 1000)
            progress = pb.PlaybackProgress(reply_id=reply, played_ms=played_ms)
            await self._stream.write(pb.ClientMessage(playback=progress))

    async def _listen(self) -> None:
        while (message := await self._stream.read()) is not grpc.aio.EOF:
            self._note(message, now())

    def _note(self, message: pb.ServerMessage, at: float) -> None:
        reply, event = message.reply_id, message.event
        match message.WhichOneof("content"):
            case "audio_chunk":
                self.talk.came.append(Came(at, "audio", reply))
                seconds = len(message.audio_chunk) / SAMPLE_BYTES / RATE_HZ
                buffer_s = self.talk.plan.buffer_s
                self.talk.speakers.setdefault(reply, Loudspeaker(buffer_s)).add(seconds, at)
            case "event" if event.HasField("interruption"):
                cut = event.interruption
                heard_s = cut.heard_ms / 1000
                self.talk.came.append(Came(at, "cut", reply, cut.heard_text, heard_s))
            case "event" if event.type in _KINDS:
                self.talk.came.append(Came(at, _KINDS[event.type], reply))
            case "event" if event.type == pb.ERROR:
                self.talk.problems.append(event.message)
            case _:
                pass


async def hold_talks(uri: str, plans: Sequence[Plan], start_at: float) -> list[Talk]:
    """Hold all calls at once, their chunks spread over one chunk's length."""
    talkers = [Talker(plan) for plan in plans]
    async with asyncio.TaskGroup() as tasks:
        for ordinal, talker in enumerate(talkers):
            offset_s = ordinal / len(talkers) * CHUNK_S
            tasks.create_task(_hold(uri, talker, start_at + offset_s))
    return [talker.talk for talker in talkers]


async def _hold(uri: str, talker: Talker, start_at: float) -> None:
    async with open_stub(uri) as stub:
        await talker.hold(stub, start_at)
