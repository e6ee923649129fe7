"""Serves calls over gRPC: one `StreamAudio` call is one session."""

import asyncio
import logging
from contextlib import suppress
from typing import Any

import grpc
import grpc.aio
from google.protobuf.message import DecodeError
from voice_proto import voice_workflow_pb2 as pb
from voice_proto import voice_workflow_pb2_grpc as pb_grpc

from voice_gateway.access.callers import Callers
from voice_gateway.call.calls import Call, Calls
from voice_gateway.errors import (
    BadMessage,
    CallerGone,
    CallError,
    CallerSilent,
    CallerSlow,
    CallLost,
    GatewayFull,
    NotPermitted,
    Unauthenticated,
)
from voice_gateway.messages import Audio, FromCaller, Goodbye, Listening, ToCaller
from voice_gateway.ports import Caller
from voice_gateway.transports import wire
from voice_gateway.transports.codec import Codec, agree
from voice_gateway.transports.grpc_access import bearer

log = logging.getLogger(__name__)

Context = grpc.aio.ServicerContext[pb.ClientMessage, pb.ServerMessage]

_STATUS_BY_ERROR: dict[type[CallError], grpc.StatusCode] = {
    BadMessage: grpc.StatusCode.INVALID_ARGUMENT,
    CallerSilent: grpc.StatusCode.DEADLINE_EXCEEDED,
    CallerSlow: grpc.StatusCode.ABORTED,
    GatewayFull: grpc.StatusCode.RESOURCE_EXHAUSTED,
    NotPermitted: grpc.StatusCode.PERMISSION_DENIED,
    CallLost: grpc.StatusCode.UNAVAILABLE,
}
_HALF_CLOSE_S = 2.0  # for the caller's half-close after the goodbye
_RETRY_METADATA = (("retry-after-s", "1"),)  # sent when the gateway is full


class StreamCaller(Caller):
    """The caller at the other end of a gRPC stream; one task reads, and one writes."""

    def __init__(
        self, context: Context, first: pb.ClientMessage | None, codec: Codec, *, asked: bool = False
    ) -> None:
        self._context = context
        self._first = first
        self._codec = codec
        self._owes_encoding = asked
        self._sent = 0
        self._said_goodbye = False

    async def receive(self) -> FromCaller | None:
        while True:
            message, self._first = self._first, None
            if message is None:
                message = await _read(self._context)
            if message is None:
                return None
            content = wire.from_client(message)
            if isinstance(content, Audio):
                content = Audio(self._codec.decode(content.pcm))
            if content is not None:
                return content

    async def send(self, message: ToCaller) -> None:
        if wire.is_for_programs(message):
            return
        for part in self._codec.encode(message):
            await self._write(part)
        self._said_goodbye = isinstance(message, Goodbye)

    async def part(self) -> None:
        """Wait for a half-close after a goodbye, since what the caller writes hides our status."""
        if not self._said_goodbye:
            return
        with suppress(TimeoutError, BadMessage):
            async with asyncio.timeout(_HALF_CLOSE_S):
                while await _read(self._context) is not None:
                    pass

    async def _write(self, message: ToCaller) -> None:
        self._sent += 1
        written = wire.to_server(message, self._sent)
        if self._owes_encoding and isinstance(message, Listening):
            wire.say_encoding(written, self._codec.encoding)
            self._owes_encoding = False
        try:
            await self._context.write(written)
        except grpc.aio.BaseError:  # the stream is closed, and its cancellation will follow
            raise CallerGone("the caller hung up") from None


class VoiceGateway(pb_grpc.VoiceGatewayServicer):
    """Implements the contract's service."""

    def __init__(
        self,
        calls: Calls,
        defaults: wire.Defaults,
        first_message_timeout_s: float,
        callers: Callers,
    ) -> None:
        self._callers = callers
        self._calls = calls
        self._defaults = defaults
        self._first_message_timeout_s = first_message_timeout_s

    async def StreamAudio(self, request_iterator: Any, context: Context) -> None:  # noqa: N802
        """Serve one call. Every failure becomes a status with a text of ours."""
        try:
            shown: Any = context.invocation_metadata()
            who = await self._callers.authenticate(bearer(shown))
            with self._calls.admitted("grpc", who) as call:
                await self._serve(call, context)
        except CallerGone:
            return
        except Unauthenticated as error:
            self._calls.turned_away("grpc")
            await _abort(context, grpc.StatusCode.UNAUTHENTICATED, str(error))
        except CallError as error:
            trailing = _RETRY_METADATA if isinstance(error, GatewayFull) else ()
            await _abort(context, _STATUS_BY_ERROR[type(error)], str(error), trailing)
        except grpc.aio.AbortError:
            raise
        except Exception:  # a bug ends this call only, and the caller sees no details
            if not context.done():
                log.exception("a call broke")
                await _abort(context, grpc.StatusCode.INTERNAL, "the gateway failed; see its log")

    async def _serve(self, call: Call, context: Context) -> None:
        first = await self._first_message(context)
        if first is None:
            return  # the caller hung up without a message
        asked = pb.VoiceConfig()
        if first.WhichOneof("content") == "config":
            asked, first = first.config, None
        config = wire.to_config(asked, self._defaults, call.who)
        codec = agree(asked, config.rate_hz)
        await accept(context)
        caller = StreamCaller(context, first, codec, asked=asked.audio_encoding != 0)
        await call.run(caller, config)
        await caller.part()

    async def _first_message(self, context: Context) -> pb.ClientMessage | None:
        try:
            async with asyncio.timeout(self._first_message_timeout_s):
                return await _read(context)
        except TimeoutError:
            said = f"no message came within {self._first_message_timeout_s:g} s; send config"
            raise CallerSilent(said) from None


async def _read(context: Context) -> pb.ClientMessage | None:
    """Read the caller's next message; None when no more come. Raises BadMessage."""
    try:
        message = await context.read()
    except DecodeError:
        raise BadMessage("a message is no ClientMessage; see voice_workflow.proto") from None
    return None if message is grpc.aio.EOF else message


async def accept(context: Context) -> None:
    """Tell the caller that the call was accepted; raises CallerGone."""
    try:
        await context.send_initial_metadata(())
    except grpc.aio.BaseError:
        raise CallerGone("the caller hung up") from None


def calm(loop: asyncio.AbstractEventLoop, failure: dict[str, Any]) -> None:
    """An exception handler for the loop: gRPC's own tasks may fail once a caller has vanished."""
    if isinstance(failure.get("exception"), grpc.aio.BaseError):
        log.debug("a caller was gone before its call ended: %s", failure["exception"])
    else:
        loop.default_exception_handler(failure)


async def _abort(
    context: Context, code: grpc.StatusCode, said: str, trailing: tuple[tuple[str, str], ...] = ()
) -> None:
    """End the call with a status, which waits until the caller reads or is gone."""
    try:
        await context.abort(code, said, trailing)
    except grpc.aio.AbortError:
        raise
    except grpc.aio.BaseError:
        log.info("the caller was gone before it heard: %s", said)
