"""Carries out one drawn call at a real gateway, and judges how it ended and what was told."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, cast

import aiohttp
import grpc
import grpc.aio
from voice_proto import voice_workflow_pb2 as pb

from malformed.plans import LAST_ITEM, LAST_RESPONSE, Front, Plan
from malformed.told import insides, strictly

ANSWER_S = 30.0
"""A call that is neither answered nor ended in so long hangs."""
_METHOD = "/voice_workflow.VoiceGateway/StreamAudio"
_CHANNELS = 8
_RAW_S = 0.5
_STATUSES = (
    grpc.StatusCode.OK,
    grpc.StatusCode.INVALID_ARGUMENT,
    grpc.StatusCode.RESOURCE_EXHAUSTED,
    grpc.StatusCode.CANCELLED,
)
_HIDDEN = "Internal error from Core"
"""What the client's library makes of a write that failed, as the call had ended meanwhile."""
_CLOSES = (1000, 1002, 1003, 1007, 1008, 1009)
_PROBE = "the probe"


@dataclass(slots=True)
class Tally:
    """What came of all calls."""

    calls: int = 0
    messages: int = 0
    """Written while the call was not known to be over."""
    ended: dict[str, int] = field(default_factory=dict[str, int])
    problems: list[str] = field(default_factory=list[str])

    def end(self, how: str) -> None:
        self.ended[how] = self.ended.get(how, 0) + 1


@dataclass(slots=True)
class Gateway:
    """Where the calls go."""

    address: str
    page: str
    http: aiohttp.ClientSession
    channels: Sequence[grpc.aio.Channel]


def channels(address: str) -> list[grpc.aio.Channel]:
    options = [("grpc.use_local_subchannel_pool", 1)]
    return [grpc.aio.insecure_channel(address, options=options) for _ in range(_CHANNELS)]


async def carry_out(at: Gateway, plan: Plan, number: int, tally: Tally) -> None:
    """Make the call; what is wrong with its end is noted with its number."""
    tally.calls += 1
    told: list[str] = []
    try:
        async with asyncio.timeout(ANSWER_S):
            how = await _CARRY[plan.front](at, plan, number, tally, told)
    except TimeoutError:
        how = "hung"
    tally.end(f"{plan.front}: {how}")
    wrong = [how] if how.startswith(("hung", "wrong")) else []
    found = {inside for text in told for inside in insides(text)}
    wrong += [f"{inside} was told" for inside in found]
    tally.problems += [f"call {number}, {plan.front}: {each}" for each in wrong]


# gRPC.


async def _talk(at: Gateway, plan: Plan, number: int, tally: Tally, told: list[str]) -> str:
    channel = at.channels[number % len(at.channels)]
    call = cast(Any, channel).stream_stream(_METHOD)()
    reading = asyncio.create_task(_listen(call, told))
    try:
        await _write_all(call, plan.messages, tally)
        if not plan.politely:
            call.cancel()
            return "cut"
        await reading
        return _status(await call.code(), await call.details() or "", told)
    finally:
        call.cancel()
        reading.cancel()
        with suppress(asyncio.CancelledError, grpc.aio.AioRpcError):
            await reading


def _status(code: grpc.StatusCode, details: str, told: list[str]) -> str:
    if details == _HIDDEN:
        return "status hidden by the client's own write"
    told.append(details)
    return code.name if code in _STATUSES else f"wrong status {code.name}: {details}"


async def _write_all(call: Any, messages: Sequence[bytes | str], tally: Tally) -> None:
    with suppress(grpc.aio.AioRpcError, asyncio.InvalidStateError):
        for message in messages:
            if call.done():
                return
            await call.write(message)
            tally.messages += 1
        await call.done_writing()


async def _listen(call: Any, told: list[str]) -> None:
    with suppress(grpc.aio.AioRpcError):
        while (data := await call.read()) is not grpc.aio.EOF:
            message = pb.ServerMessage.FromString(data)
            told.append(message.event.message or message.llm_response_chunk)


# The WebSockets.


async def _converse(at: Gateway, plan: Plan, _number: int, tally: Tally, told: list[str]) -> str:
    query = "?events=all" if plan.front == "page" else "?model=m"
    async with at.http.ws_connect(f"{at.page}v1/realtime{query}", max_msg_size=0) as socket:
        newest, answered = dict[str, str](), asyncio.Event()
        reading = asyncio.create_task(_hear(socket, newest, answered, told))
        try:
            await _send_all(socket, plan.messages, newest, tally)
            if not plan.politely:
                _cut(socket)
                return "cut"
            answers = asyncio.create_task(answered.wait())
            await asyncio.wait((answers, reading), return_when=asyncio.FIRST_COMPLETED)
            answers.cancel()
            await socket.close()
            return await _closed(socket, reading, answered)
        finally:
            reading.cancel()


async def _closed(
    socket: aiohttp.ClientWebSocketResponse, reading: asyncio.Task[str], answered: asyncio.Event
) -> str:
    if wrong := await reading:
        return wrong
    if answered.is_set():
        return "answered to its end"
    code = socket.close_code
    return f"closed with {code}" if code in _CLOSES else f"wrong close code {code}"


def _cut(socket: aiohttp.ClientWebSocketResponse) -> None:
    if transport := cast(Any, socket)._conn.transport:  # None once it is closed
        transport.abort()


async def _send_all(
    socket: aiohttp.ClientWebSocketResponse,
    frames: Sequence[bytes | str],
    newest: Mapping[str, str],
    tally: Tally,
) -> None:
    with suppress(ConnectionError, aiohttp.ClientError):
        for frame in frames:
            if socket.closed:
                return
            if isinstance(frame, bytes):
                await socket.send_bytes(frame)
            else:
                await socket.send_str(_with_ids(frame, newest))
            tally.messages += 1
        probe = {"type": "conversation.item.retrieve", "item_id": "none", "event_id": _PROBE}
        await socket.send_json(probe)


def _with_ids(frame: str, newest: Mapping[str, str]) -> str:
    for name, value in newest.items():
        frame = frame.replace(name, value)
    return frame


async def _hear(
    socket: aiohttp.ClientWebSocketResponse,
    newest: dict[str, str],
    answered: asyncio.Event,
    told: list[str],
) -> str:
    """Read to the end; return what was wrong with a frame."""
    async for frame in socket:
        if frame.type is not aiohttp.WSMsgType.TEXT:
            continue
        try:
            event: Any = strictly(frame.data)
        except ValueError as error:
            answered.set()
            return f"wrong JSON: {error}"
        if event["type"] != "response.output_audio.delta":
            told.append(frame.data)
        if event["type"] == "error" and event["error"]["event_id"] == _PROBE:
            answered.set()
        for name, part in ((LAST_ITEM, "item"), (LAST_RESPONSE, "response")):
            if part in event:
                newest[name] = event[part]["id"]
    return ""


# Neither.


async def _say_bytes(at: Gateway, plan: Plan, number: int, tally: Tally, told: list[str]) -> str:
    """Send what is no protocol to one of the ports; it need not be answered, as it may wait."""
    port = at.address.rpartition(":")[2] if number % 2 else at.page.rstrip("/").rpartition(":")[2]
    reader, writer = await asyncio.open_connection("127.0.0.1", int(port))
    try:
        writer.write(cast(bytes, plan.messages[0]))
        tally.messages += 1
        with suppress(TimeoutError, ConnectionError):
            async with asyncio.timeout(_RAW_S):
                told.append((await reader.read()).decode(errors="replace"))
        return "said"
    finally:
        writer.transport.abort()


_Carry = Callable[[Gateway, Plan, int, Tally, list[str]], Awaitable[str]]
_CARRY: Mapping[Front, _Carry] = {
    "grpc": _talk,
    "realtime": _converse,
    "page": _converse,
    "bytes": _say_bytes,
}
