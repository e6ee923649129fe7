"""Calls that end in every way that a call can end, each a few words long."""

import asyncio
import json
from base64 import b64encode
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import Any, cast

import aiohttp
import grpc
import grpc.aio
from voice_gateway.testing.balancer import Balancer, balancing
from voice_gateway.testing.line import Line, dial
from voice_proto import voice_workflow_pb2 as pb

KEY = "the-key-of-the-churn"
_UNAUTHORIZED = 3000  # the close code
_ANSWER_S = 30.0
_CLOSE_CODES = (1000, 1001, 1003, 1007, 1008, 1009, 1011, 3000, 4999)
_SOUND = bytes(512 * 1024)
_HELLO: Mapping[str, Any] = {
    "type": "conversation.item.create",
    "item": {
        "type": "message",
        "role": "user",
        "content": [{"type": "input_text", "text": "and now?"}],
    },
}


@dataclass(frozen=True, slots=True)
class Site:
    address: str
    """Of gRPC."""
    page: str
    number: int
    """The call's."""

    @property
    def port(self) -> int:
        return int(self.address.rpartition(":")[2])


# gRPC.


@asynccontextmanager
async def _line(address: str, **config: Any) -> AsyncGenerator[Line]:
    """A call that has begun."""
    async with dial(address, _ANSWER_S, KEY) as line:
        await line.say(config=pb.VoiceConfig(session_id="churn", **config))
        await line.until(pb.LISTENING)
        yield line


@asynccontextmanager
async def _line_to_cut(at: Site, **config: Any) -> AsyncGenerator[tuple[Line, Balancer]]:
    """A call whose connection can be reset."""
    async with balancing([at.port]) as way, _line(f"127.0.0.1:{way.port}", **config) as line:
        yield line, way


async def hung_up(at: Site) -> None:
    """After an answer, politely."""
    async with _line(at.address) as line:
        await line.say(text_input="and now?")
        await line.until(pb.END_OF_TURN)
        await line.hang_up()
        await line.rest()


async def hung_up_before_the_answer(at: Site) -> None:
    """Half closed at once: what was asked is answered, then the stream ends."""
    async with _line(at.address) as line:
        await line.say(text_input="and now?")
        await line.hang_up()
        await line.rest()
        assert "END_OF_TURN" in line.events(), line.events()


async def cancelled(at: Site) -> None:
    async with _line(at.address) as line:
        await line.speak(0.2)
        line.call.cancel()


async def cancelled_in_a_reply(at: Site) -> None:
    async with _line(at.address) as line:
        await line.say(text_input="and now?")
        await line.until(pb.SPEAKING)
        line.call.cancel()


async def vanished(at: Site) -> None:
    """The connection is reset, while nothing happens."""
    async with _line_to_cut(at) as (_, way):
        way.cut()


async def vanished_in_a_reply(at: Site) -> None:
    async with _line_to_cut(at) as (line, way):
        await line.say(text_input="and now?")
        await line.until(pb.SPEAKING)
        way.cut()


async def vanished_in_a_message(at: Site) -> None:
    """The connection is reset while audio is under way."""
    async with _line_to_cut(at) as (line, way):
        writing = asyncio.create_task(line.say(audio_chunk=_SOUND))
        await asyncio.sleep(0.002)
        way.cut()
        with suppress(grpc.aio.AioRpcError, asyncio.InvalidStateError):
            await writing


async def never_spoke(at: Site) -> None:
    """The stream is opened and cancelled without a message."""
    async with dial(at.address, _ANSWER_S, KEY) as line:
        await asyncio.sleep(0.05)
        line.call.cancel()


async def badly_configured(at: Site) -> None:
    async with dial(at.address, _ANSWER_S, KEY) as line:
        await line.say(config=pb.VoiceConfig(sample_rate=1))
        code, _ = await line.refusal()
        assert code is grpc.StatusCode.INVALID_ARGUMENT, code


async def refused(at: Site) -> None:
    async with dial(at.address, _ANSWER_S, "another-key") as line:
        code, _ = await line.refusal()
        assert code is grpc.StatusCode.UNAUTHENTICATED, code


async def resumed(at: Site) -> None:
    """Cut in a reply, gone on with over another connection, and hung up."""
    async with _line_to_cut(at, resume=True) as (line, way):
        token = _token(line)
        await line.say(text_input="and now?")
        await line.until(pb.SPEAKING)
        way.cut()
        had = max(message.sequence for message in line.received)
    async with dial(at.address, _ANSWER_S, KEY) as line:
        await line.say(config=pb.VoiceConfig(resume_token=token, received_sequence=had))
        await line.until(pb.END_OF_TURN)
        assert line.events()[0] == "RESUMED", line.events()
        await line.hang_up()
        await line.rest()


async def never_resumed(at: Site) -> None:
    """Cut, and waited for until nobody came."""
    async with _line_to_cut(at, resume=True) as (line, way):
        assert _token(line)
        way.cut()


def _token(line: Line) -> str:
    return line.received[-1].event.resumption.token


# The WebSocket.


@asynccontextmanager
async def _socket(at: Site, key: str = KEY) -> AsyncGenerator[aiohttp.ClientWebSocketResponse]:
    headers = {"Authorization": f"Bearer {key}"}
    async with (
        aiohttp.ClientSession(headers=headers) as http,
        http.ws_connect(f"{at.page}v1/realtime?events=all") as socket,
    ):
        yield socket


async def _ask(socket: aiohttp.ClientWebSocketResponse) -> None:
    await socket.send_json(_HELLO)
    await socket.send_json({"type": "response.create"})


async def _until(socket: aiohttp.ClientWebSocketResponse, kind: str) -> None:
    async with asyncio.timeout(_ANSWER_S):
        while (frame := await socket.receive()).type is aiohttp.WSMsgType.TEXT:
            if json.loads(frame.data)["type"] == kind:
                return
    raise AssertionError(f"the socket was closed before {kind}")


async def socket_closed(at: Site) -> None:
    """With each code in turn, after an answer."""
    async with _socket(at) as socket:
        await _ask(socket)
        await _until(socket, "response.done")
        await socket.close(code=_CLOSE_CODES[at.number % len(_CLOSE_CODES)])


async def socket_closed_in_a_reply(at: Site) -> None:
    async with _socket(at) as socket:
        await _ask(socket)
        await _until(socket, "response.output_audio.delta")
        await socket.close(code=_CLOSE_CODES[at.number % len(_CLOSE_CODES)])


async def socket_vanished_in_a_reply(at: Site) -> None:
    async with _socket(at) as socket:
        await _ask(socket)
        await _until(socket, "response.output_audio.delta")
        _transport(socket).abort()


async def socket_vanished_in_a_message(at: Site) -> None:
    """Half a frame, and a reset."""
    async with _socket(at) as socket:
        sound = b64encode(bytes(4_800)).decode()
        await socket.send_json({"type": "input_audio_buffer.append", "audio": sound})
        _transport(socket).write(b"\x81\xfe\x10\x00\x00\x00\x00\x00" + b'{"type":')
        await asyncio.sleep(0.002)
        _transport(socket).abort()


async def socket_half_closed(at: Site) -> None:
    """The client's half of the connection ends, without a word of the protocol."""
    async with _socket(at) as socket:
        await _ask(socket)
        await _until(socket, "response.created")
        _transport(socket).write_eof()
        async with asyncio.timeout(_ANSWER_S):
            while (await socket.receive()).type is aiohttp.WSMsgType.TEXT:
                pass


async def socket_closed_after_nonsense(at: Site) -> None:
    async with _socket(at) as socket:
        await socket.send_str("{")
        await socket.send_json({"type": "session.update", "session": {"voice": 7}})
        await _until(socket, "error")
        await socket.close()


async def socket_refused(at: Site) -> None:
    async with _socket(at, "another-key") as socket, asyncio.timeout(_ANSWER_S):
        while (await socket.receive()).type is aiohttp.WSMsgType.TEXT:
            pass
    if socket.close_code != _UNAUTHORIZED:
        raise AssertionError(f"a wrong key was not refused: close {socket.close_code}")


def _transport(socket: aiohttp.ClientWebSocketResponse) -> asyncio.Transport:
    return cast(Any, socket)._conn.transport


ENDINGS: Mapping[str, Callable[[Site], Awaitable[None]]] = {
    one.__name__.replace("_", " "): one
    for one in (
        hung_up,
        hung_up_before_the_answer,
        cancelled,
        cancelled_in_a_reply,
        vanished,
        vanished_in_a_reply,
        vanished_in_a_message,
        never_spoke,
        badly_configured,
        refused,
        resumed,
        never_resumed,
        socket_closed,
        socket_closed_in_a_reply,
        socket_vanished_in_a_reply,
        socket_vanished_in_a_message,
        socket_half_closed,
        socket_closed_after_nonsense,
        socket_refused,
    )
}
