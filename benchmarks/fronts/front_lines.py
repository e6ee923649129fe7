"""A caller's end of a call on each front: the same call in each front's messages."""

import asyncio
import json
from base64 import b64encode
from collections.abc import AsyncGenerator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, Protocol

import aiohttp
import grpc.aio
from voice_gateway.audio import g711
from voice_gateway.testing.line import dial
from voice_gateway.testing.program import typed
from voice_proto import voice_workflow_pb2 as pb

PIECE_S = 0.04
_ACKNOWLEDGES_AFTER = 25  # pieces: a second
_QUESTION = "what is the weather"


class Line(Protocol):
    """One caller's end of a call."""

    async def send(self) -> None:
        """Send one piece of microphone audio."""
        ...

    async def ask(self) -> None: ...

    async def read(self) -> str:
        """Read the next message: "audio" for reply audio, "" for any other."""
        ...


@dataclass
class GrpcLine:
    call: Any
    piece: bytes
    acknowledges: bool = False
    received: int = 0
    writing: asyncio.Lock = field(default_factory=asyncio.Lock)

    async def send(self) -> None:
        received = self.received if self.acknowledges else 0
        await self._write(pb.ClientMessage(audio_chunk=self.piece, acknowledged=received))

    async def ask(self) -> None:
        await self._write(pb.ClientMessage(text_input=_QUESTION))

    async def _write(self, message: pb.ClientMessage) -> None:
        async with self.writing:
            await self.call.write(message)

    async def read(self) -> str:
        message = await self.call.read()
        assert message is not grpc.aio.EOF
        self.received = message.sequence
        return "audio" if message.audio_chunk else ""


@dataclass
class SocketLine:
    socket: aiohttp.ClientWebSocketResponse
    event: str
    acknowledges: bool = False
    received: int = 0
    pieces: int = 0

    async def send(self) -> None:
        await self.socket.send_str(self.event)
        self.pieces += 1
        if self.acknowledges and self.pieces % _ACKNOWLEDGES_AFTER == 0:
            acknowledged = {"type": "gateway.acknowledge", "sequence": self.received}
            await self.socket.send_json(acknowledged)

    async def ask(self) -> None:
        item = {"type": "conversation.item.create", "item": typed(_QUESTION)}
        await self.socket.send_json(item)
        await self.socket.send_json({"type": "response.create"})

    async def read(self) -> str:
        frame = (await self.socket.receive()).data
        assert isinstance(frame, str), frame
        self.received += 1  # as the sequence of each has it
        return "audio" if frame.startswith('{"type":"response.output_audio.delta"') else ""


Opens = Callable[[dict[str, str]], AbstractAsyncContextManager[Line]]


def grpc_at(rate_hz: int, *, resume: bool = False) -> Opens:
    @asynccontextmanager
    async def opened(at: dict[str, str]) -> AsyncGenerator[Line]:
        async with dial(at["grpc"]) as line:
            await line.say(config=pb.VoiceConfig(sample_rate=rate_hz, resume=resume))
            yield GrpcLine(line.call, bytes(2 * round(rate_hz * PIECE_S)), resume)

    return opened


def socket_with(sound: str, *, resume: bool = False) -> Opens:
    @asynccontextmanager
    async def opened(at: dict[str, str]) -> AsyncGenerator[Line]:
        url = f"{at['http']}v1/realtime?model=m&resume={str(resume).lower()}"
        async with aiohttp.ClientSession() as http, http.ws_connect(url) as socket:
            form = {"format": {"type": sound}}
            session = {"type": "realtime", "audio": {"input": form, "output": form}}
            await socket.send_json({"type": "session.update", "session": session})
            yield SocketLine(socket, _append(sound), resume)

    return opened


def _append(sound: str) -> str:
    """The event that carries one piece of silence."""
    if sound == "audio/pcm":
        data = bytes(2 * round(24_000 * PIECE_S))
    else:
        data = g711.encode(bytes(2 * round(8_000 * PIECE_S)), "mu")
    return json.dumps({"type": "input_audio_buffer.append", "audio": b64encode(data).decode()})


FRONTS: dict[str, Opens] = {
    "gRPC, 24 kHz": grpc_at(24_000),
    "gRPC, 24 kHz, can resume": grpc_at(24_000, resume=True),
    "WebSocket, PCM at 24 kHz": socket_with("audio/pcm"),
    "WebSocket, PCM at 24 kHz, can resume": socket_with("audio/pcm", resume=True),
    "gRPC, 16 kHz": grpc_at(16_000),
    "WebSocket, G.711 at 8 kHz": socket_with("audio/pcmu"),
}
BASE = next(iter(FRONTS))
