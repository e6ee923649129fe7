"""Carries a Realtime call that outlives its connection over one WebSocket after the other.

The protocol has nothing for this. A client that wants it says so in the address; any other gets
none of what is here.
"""

import json
from dataclasses import dataclass

from aiohttp import (
    ClientConnectionError,
    WebSocketError,
    WSCloseCode,
    WSMessage,
    WSMsgType,
    hdrs,
    web,
)

from voice_gateway.call.journal import Journal
from voice_gateway.call.resumable import Channel, Line
from voice_gateway.call.resumptions import ResumableCall, Resumptions
from voice_gateway.errors import CallerGone, CallerSlow, CallLost
from voice_gateway.messages import Played
from voice_gateway.transports.lines import ConnectionLine
from voice_gateway.transports.realtime.caller import Socket
from voice_gateway.transports.realtime.fields import Json, as_text, not_allowed
from voice_gateway.transports.realtime.state import random_id
from voice_gateway.transports.wire import MOST_NAME_CHARS

TOKEN_PROTOCOL = "voice-gateway-resume."
"""A token comes as a subprotocol's name, as a key does: addresses are written to logs."""
_MOST_BYTES = 2 * 1024 * 1024  # as long as over gRPC: 32 s of s16le at 24 kHz, in base64
_MOST_WAITING = 1  # a frame may have megabytes
_MOST_DIGITS = 15
_HANGS_UP = (0, WSCloseCode.OK, WSCloseCode.GOING_AWAY, 1005)
"""What a client that leaves gives for its reason; 0 and 1005: none. Any other will come back."""


@dataclass(frozen=True, slots=True)
class Wish:
    """What a client asks for as it connects."""

    resumable: bool = False
    """The call is to outlive its connection."""
    token: str = ""
    """Opens the call to go on with; empty: a new one is to begin."""
    received: int = 0
    """The sequence of the last event that the client has of it."""
    conversation_id: str = ""
    """The conversation that a new call continues, as over gRPC; empty: none."""


def wish_of(request: web.Request) -> Wish:
    """Raises BadEvent."""
    resume, received = request.query.get("resume", "false"), request.query.get("received", "0")
    if resume not in ("true", "false"):
        raise not_allowed("resume", resume, "'true' or 'false'")
    if not (received.isascii() and received.isdigit() and len(received) <= _MOST_DIGITS):
        raise not_allowed("received", received, "the sequence of an event, or 0")
    conversation_id = request.query.get("conversation_id", "")
    as_text(conversation_id, "conversation_id", MOST_NAME_CHARS)
    if resume == "false":
        return Wish(conversation_id=conversation_id)
    return Wish(True, _token(request), int(received), conversation_id)


def _token(request: web.Request) -> str:
    offered = request.headers.get(hdrs.SEC_WEBSOCKET_PROTOCOL, "")
    names = [name.strip() for name in offered.split(",")]
    tokens = [name for name in names if name.startswith(TOKEN_PROTOCOL)]
    return tokens[0].removeprefix(TOKEN_PROTOCOL) if tokens else ""


def resync() -> str:
    """The event that tells a client that its call is not to be gone on with: a new one begins."""
    return _told("gateway.resync")


@dataclass(frozen=True, slots=True)
class Sent:
    """One event as it is sent."""

    frame: str
    audio: Played | None
    """Where the audio in it begins in its reply; None: it has none."""


class SocketChannel(Channel[str | bytes, Sent], Socket):
    """What a call takes for its WebSocket, whichever that is."""

    def __init__(self) -> None:
        super().__init__(Journal(most_bytes=_MOST_BYTES), most_waiting=_MOST_WAITING)

    async def send(self, frame: str, audio: Played | None) -> None:
        await self.put([Sent(frame, audio)], lambda sent: len(sent.frame))

    def audio_in(self, message: Sent) -> Played | None:
        return message.audio


class SocketLine(ConnectionLine[SocketChannel]):
    """One WebSocket of a call."""

    def __init__(
        self,
        resumptions: Resumptions,
        call: ResumableCall[SocketChannel],
        line: Line,
        socket: web.WebSocketResponse,
    ) -> None:
        super().__init__(resumptions, call, line)
        self._socket = socket
        self._taken = call.caller.taken  # before anything comes over this one

    async def serve(self, *, resumed: bool) -> None:
        try:
            await super().serve(resumed=resumed)
        except CallLost as lost:
            if self._call.caller.over.is_set():
                raise
            raise CallerSlow(str(lost)) from None  # it takes no goodbye, either

    async def _receive(self) -> None:
        channel = self._call.caller
        while (message := await self._socket.receive()).type in (WSMsgType.TEXT, WSMsgType.BINARY):
            await channel.arrive(self._line, message.data)
            if channel.confirmed:
                self._call.tokens.arrived()
        if _is_hang_up(message):
            channel.hang_up(self._line)
        else:
            self._end(CallerGone("the client's connection broke"))

    async def _write_all(self, *, resumed: bool) -> None:
        if resumed:
            values = {**self._offer(), "taken_events": self._taken}
            await self._put(_told("gateway.reconnected", values))
        while (message := await self._call.caller.next_for(self._line)) is not None:
            await self._put(self._numbered(*message))

    def _numbered(self, sequence: int, sent: Sent) -> str:
        """The event with its number; the first one says how to go on with the call."""
        more: Json = {"sequence": sequence}
        if sequence == 1:
            more["resumption"] = self._offer()
        return f"{sent.frame[:-1]},{json.dumps(more, separators=(',', ':'))[1:]}"

    def _offer(self) -> Json:
        window_ms = round(self._resumptions.window_s * 1000)
        return {"token": self._call.tokens.issue(), "window_ms": window_ms}

    async def _put(self, frame: str) -> None:
        try:
            await self._socket.send_str(frame)
        except (ClientConnectionError, RuntimeError):
            raise CallerGone("the client's connection broke") from None


def _told(kind: str, values: Json | None = None) -> str:
    """An event about the connection, which has no number: the next one has others."""
    return json.dumps({"type": kind, "event_id": random_id("event"), **(values or {})})


def _is_hang_up(message: WSMessage) -> bool:
    """Whether the client means to end the call, or sends what is no WebSocket's."""
    if message.type is WSMsgType.CLOSE:
        return message.data in _HANGS_UP
    return message.type is WSMsgType.ERROR and isinstance(message.data, WebSocketError)
