"""Sends recorded speech through the whole chain in real time, and notes when turns are taken."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass

import grpc.aio
from voice_gateway.testing.line import Line, dial
from voice_proto import voice_workflow_pb2 as pb

from shared.clock import now
from shared.gateways import gateway, local_stack, upstreams
from shared.recordings import RATE_HZ
from turn_end.predictions import Clip

_PATIENCE_S = 60.0
_CHUNK_S = 0.02
_REST_OF_TURN_S = 0.5  # after the answer's first audio, for what still comes of the turn


@dataclass(frozen=True, slots=True)
class Taken:
    """One turn that the gateway took, in seconds of the clip."""

    at_s: float
    words: str
    audio_s: float | None = None


@dataclass(frozen=True, slots=True)
class ClipTurns:
    """The turns that the gateway took of one clip."""

    clip: str
    end_s: float
    """The second at which its speech ends."""
    turns: tuple[Taken, ...]

    @property
    def early(self) -> int:
        """Turns taken before the speech had ended."""
        return sum(turn.at_s < self.end_s for turn in self.turns)

    @property
    def early_audio(self) -> int:
        """Answers that were heard before the speech had ended."""
        return sum(turn.audio_s is not None and turn.audio_s < self.end_s for turn in self.turns)

    @property
    def decided_s(self) -> float | None:
        """Seconds from the end of the speech to the turn that was taken after it."""
        return next((t.at_s - self.end_s for t in self.turns if t.at_s >= self.end_s), None)

    @property
    def answered_s(self) -> float | None:
        after = [t.audio_s for t in self.turns if t.audio_s is not None and t.at_s >= self.end_s]
        return after[0] - self.end_s if after else None


@asynccontextmanager
async def gateways(asr: str, ways: dict[str, dict[str, str]]) -> AsyncGenerator[dict[str, str]]:
    """Run the local stack, and in front of it one gateway for each way of taking turns."""
    options = ("--llm-port", "0", "--llm", "smollm2", "--asr", asr)
    async with AsyncExitStack() as running:
        at = await running.enter_async_context(local_stack(*options))
        addresses: dict[str, str] = {}
        for name, settings in ways.items():
            started = gateway(name, {**upstreams(at), "LLM_MAX_TOKENS": "24", **settings})
            addresses[name] = (await running.enter_async_context(started))[1]["grpc"]
        yield addresses


async def call(address: str, clip: Clip, end_s: float) -> ClipTurns:
    """Say the clip once, in real time, and note which turns were taken."""
    async with dial(address, _PATIENCE_S) as line, asyncio.TaskGroup() as tasks:
        await line.say(config=pb.VoiceConfig(language_code="en-US", sample_rate=RATE_HZ))
        began = now()
        speaking = tasks.create_task(_speak(line, clip, began))
        async with asyncio.timeout(_PATIENCE_S):
            turns = await _turns(line, began, end_s)
        speaking.cancel()
    return ClipTurns(clip.name, end_s, tuple(turns))


async def _speak(line: Line, clip: Clip, began: float) -> None:
    """Send the clip, then silence until cancelled; each chunk when its last sample is due."""
    size = 2 * round(_CHUNK_S * RATE_HZ)
    position = 0
    while True:
        chunk = clip.pcm[position : position + size].ljust(size, b"\0")
        position += size
        due = began + position / 2 / RATE_HZ
        await asyncio.sleep(due - now())
        await line.say(audio_chunk=chunk)


async def _turns(line: Line, began: float, end_s: float) -> list[Taken]:
    """Read until an answer to what was said by `end_s` is heard, and half a second more."""
    turns: list[Taken] = []
    words, final = "", ""
    until: float | None = None
    while (message := await _next(line, until)) is not None:
        now_s = now() - began
        match message.WhichOneof("content"):
            case "transcript_chunk":
                words = message.transcript_chunk
                final = words if message.transcript.is_final else final
            case "event" if message.event.type == pb.PROCESSING:
                turns.append(Taken(now_s, final or words))
            case "audio_chunk" if turns and turns[-1].audio_s is None:
                turns[-1] = Taken(turns[-1].at_s, turns[-1].words, now_s)
                if turns[-1].at_s >= end_s:
                    until = now_s + began + _REST_OF_TURN_S
            case _:
                pass
    return turns


async def _next(line: Line, until: float | None) -> pb.ServerMessage | None:
    """The next message; None where none comes by `until`."""
    try:
        async with asyncio.timeout_at(until):
            message = await line.call.read()
    except TimeoutError:
        return None
    return None if message is grpc.aio.EOF else message
