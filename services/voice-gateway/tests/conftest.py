"""A gateway on a free port in front of scripted upstreams, and a caller for it."""

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, cast

import grpc.aio
import pytest
from voice_gateway.server import GatewayServer
from voice_gateway.settings import Settings
from voice_gateway.testing.fake_chat import FakeChat
from voice_gateway.testing.fake_riva import FakeRiva
from voice_proto import voice_workflow_pb2 as pb
from voice_proto import voice_workflow_pb2_grpc as pb_grpc

ANSWER_S = 10.0


@dataclass
class Line:
    """One call as a client sees it."""

    call: Any
    received: list[pb.ServerMessage] = field(default_factory=list[pb.ServerMessage])

    async def say(self, **content: Any) -> None:
        await self.call.write(pb.ClientMessage(**content))

    async def speak(self, seconds: float, rate_hz: int = 16_000, chunk: int = 8192) -> None:
        """Send this much audio as fast as it goes, in the first version's chunks."""
        pcm = bytes(2 * int(seconds * rate_hz))
        for start in range(0, len(pcm), chunk):
            await self.say(audio_chunk=pcm[start : start + chunk])

    async def hang_up(self) -> None:
        await self.call.done_writing()

    async def until(self, event: "pb.EventType") -> pb.ServerEvent:
        """Read up to the next event of this type."""
        async with asyncio.timeout(ANSWER_S):
            while (message := await self.call.read()) is not grpc.aio.EOF:
                self.received.append(message)
                if message.WhichOneof("content") == "event" and message.event.type == event:
                    return message.event
        raise AssertionError(f"the stream ended before event {event}: {self.events()}")

    async def rest(self) -> list[pb.ServerMessage]:
        """Read to the end of the stream; raises AioRpcError where it ended badly."""
        async with asyncio.timeout(ANSWER_S):
            while (message := await self.call.read()) is not grpc.aio.EOF:
                self.received.append(message)
        return self.received

    async def refusal(self) -> tuple[grpc.StatusCode, str]:
        """The status the call ends with."""
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


@dataclass
class Gateway:
    """The gateway under test and its scripted upstreams."""

    port: int
    riva: FakeRiva
    chat: FakeChat
    server: GatewayServer
    stop: asyncio.Event

    def channel(self) -> grpc.aio.Channel:
        return grpc.aio.insecure_channel(f"127.0.0.1:{self.port}")

    @asynccontextmanager
    async def dial(self) -> AsyncGenerator[Line]:
        async with self.channel() as channel:
            stub: Any = pb_grpc.VoiceGatewayStub(channel)
            call = stub.StreamAudio()
            yield Line(call)
            call.cancel()


Serve = Callable[..., AbstractAsyncContextManager[Gateway]]


def settings(riva: FakeRiva, chat: FakeChat, **changes: Any) -> Settings:
    values: dict[str, Any] = {
        "grpc_host": "127.0.0.1",
        "grpc_port": 0,
        "riva_uri": riva.uri,
        "llm_base_url": chat.base_url,
        "drain_s": 2.0,
        "llm_warm_up": False,
        **changes,
    }
    return cast(Any, Settings)(_env_file=None, **values)


@asynccontextmanager
async def serving(riva: FakeRiva, chat: FakeChat, **changes: Any) -> AsyncGenerator[Gateway]:
    async with riva, chat:
        server = GatewayServer(settings(riva, chat, **changes))
        port = await server.start()
        stop = asyncio.Event()
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(server.run(stop), name="gateway")
            try:
                yield Gateway(port, riva, chat, server, stop)
            finally:
                stop.set()


@pytest.fixture
def serve() -> Serve:
    return serving
