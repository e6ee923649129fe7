"""Owns a caller's real gRPC stream for tests and probes: sends, reads, and keeps what came."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import grpc
import grpc.aio
from voice_proto import voice_workflow_pb2 as pb
from voice_proto import voice_workflow_pb2_grpc as pb_grpc

ANSWER_S = 60.0


@dataclass
class Line:
    """One call as a client sees it."""

    call: Any
    received: list[pb.ServerMessage] = field(default_factory=list[pb.ServerMessage])
    patience_s: float = ANSWER_S
    writing: asyncio.Lock = field(default_factory=asyncio.Lock)

    async def say(self, **content: Any) -> None:
        async with self.writing:  # a stream allows one write in flight
            await self.call.write(pb.ClientMessage(**content))

    async def speak(self, seconds: float, rate_hz: int = 16_000, chunk: int = 8192) -> None:
        """Send this much audio without pacing, in chunks of the first version's size."""
        pcm = bytes(2 * int(seconds * rate_hz))
        for start in range(0, len(pcm), chunk):
            await self.say(audio_chunk=pcm[start : start + chunk])

    async def hang_up(self) -> None:
        await self.call.done_writing()

    async def until(self, event: "pb.EventType") -> pb.ServerEvent:
        """Read up to the next event of this type."""
        async with asyncio.timeout(self.patience_s):
            while (message := await self.call.read()) is not grpc.aio.EOF:
                self.received.append(message)
                if message.WhichOneof("content") == "event" and message.event.type == event:
                    return message.event
        raise AssertionError(f"the stream ended before event {event}: {self.events()}")

    async def rest(self) -> list[pb.ServerMessage]:
        """Read to the end of the stream; raises AioRpcError if it failed."""
        async with asyncio.timeout(self.patience_s):
            while (message := await self.call.read()) is not grpc.aio.EOF:
                self.received.append(message)
        return self.received

    async def refusal(self) -> tuple[grpc.StatusCode, str]:
        """Read to the end; return the call's final status."""
        try:
            await self.rest()
        except grpc.aio.AioRpcError as error:
            return error.code(), error.details() or ""
        return grpc.StatusCode.OK, ""

    def events(self) -> list[str]:
        return [
            pb.EventType.Name(m.event.type)
            for m in self.received
            if m.WhichOneof("content") == "event"
        ]

    def text(self) -> str:
        return "".join(m.llm_response_chunk for m in self.received)

    def audio(self) -> bytes:
        return b"".join(m.audio_chunk for m in self.received)

    def finals(self) -> list[str]:
        return [m.transcript_chunk for m in self.received if m.transcript.is_final]


@asynccontextmanager
async def dial(address: str, patience_s: float = ANSWER_S, key: str = "") -> AsyncGenerator[Line]:
    """Open one call to the gateway at HOST:PORT; it is cancelled at the end."""
    async with grpc.aio.insecure_channel(address) as channel:
        stub: Any = pb_grpc.VoiceGatewayStub(channel)
        call = stub.StreamAudio(metadata=[("authorization", f"Bearer {key}")] if key else None)
        yield Line(call, patience_s=patience_s)
        call.cancel()
