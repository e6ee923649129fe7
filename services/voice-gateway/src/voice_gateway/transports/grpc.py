"""Serves calls over gRPC: one `StreamAudio` call is one session."""

import asyncio
import logging
from contextlib import ExitStack, suppress
from dataclasses import replace
from typing import Any, cast

import grpc
import grpc.aio
from google.protobuf.message import DecodeError
from voice_proto import voice_workflow_pb2 as pb
from voice_proto import voice_workflow_pb2_grpc as pb_grpc

from voice_gateway.access.callers import Callers
from voice_gateway.call.allowance import Allowance
from voice_gateway.call.calls import Call, Calls
from voice_gateway.call.resumable import Resumable
from voice_gateway.call.resumptions import Resumptions
from voice_gateway.errors import (
    BadMessage,
    CallBroke,
    CallerElsewhere,
    CallerGone,
    CallError,
    CallerSilent,
    CallerSlow,
    CallLost,
    GatewayFull,
    NotPermitted,
    TooManyCalls,
    Unauthenticated,
)
from voice_gateway.messages import Audio, CallConfig, FromCaller, Goodbye, Listening, ToCaller
from voice_gateway.ports import Caller
from voice_gateway.principals import Grant, Lapsed
from voice_gateway.transports import wire
from voice_gateway.transports.callers_address import FORWARDED, Proxies, grpc_peer
from voice_gateway.transports.codec import Codec, agree
from voice_gateway.transports.grpc_access import bearer, certificate
from voice_gateway.transports.lines import HALF_CLOSE_S, StreamLine, WireEncoding
from voice_gateway.whole_reads import Whole

log = logging.getLogger(__name__)

Context = grpc.aio.ServicerContext[pb.ClientMessage, pb.ServerMessage]

_STATUS_BY_ERROR: dict[type[CallError], grpc.StatusCode] = {
    BadMessage: grpc.StatusCode.INVALID_ARGUMENT,
    CallerSilent: grpc.StatusCode.DEADLINE_EXCEEDED,
    CallerSlow: grpc.StatusCode.ABORTED,
    GatewayFull: grpc.StatusCode.RESOURCE_EXHAUSTED,
    NotPermitted: grpc.StatusCode.PERMISSION_DENIED,
    Unauthenticated: grpc.StatusCode.UNAUTHENTICATED,
    TooManyCalls: grpc.StatusCode.RESOURCE_EXHAUSTED,
    CallLost: grpc.StatusCode.UNAVAILABLE,
    CallerElsewhere: grpc.StatusCode.ABORTED,
    CallBroke: grpc.StatusCode.INTERNAL,
}
_FIRST_WORDS_S = 0.5  # in a rush the loop takes that long, and who was not read lost the reason
_LARGEST_CONTROL_BYTES = 64 * 1024  # of a message that is no audio: all texts at their longest
_AUDIO_TAG = pb.ClientMessage(audio_chunk=b"-").SerializeToString()[:1]
_ACKNOWLEDGEMENT_BYTES = 11  # at most: its tag, and 64 bits as a varint


class StreamCaller(Caller):
    """The caller at the other end of a gRPC stream; one task reads, and one writes."""

    def __init__(
        self,
        context: Context,
        first: pb.ClientMessage | None,
        codec: Codec,
        allowance: Allowance,
        *,
        asked: bool = False,
    ) -> None:
        self._context = context
        self._allowance = allowance
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
            else:
                await self._allowance.message()
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
            async with asyncio.timeout(HALF_CLOSE_S):
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
        resumptions: Resumptions,
        proxies: Proxies | None = None,
    ) -> None:
        self._callers = callers
        self._proxies = proxies or Proxies()
        self._calls = calls
        self._defaults = defaults
        self._first_message_timeout_s = first_message_timeout_s
        self._resumptions = resumptions

    def add_to(self, server: grpc.aio.Server) -> None:
        """Serve on this server; a message is checked before it is parsed."""
        method = cast(Any, grpc).stream_stream_rpc_method_handler(
            self.StreamAudio,
            request_deserializer=message_of,
            response_serializer=pb.ServerMessage.SerializeToString,
        )
        service = pb.DESCRIPTOR.services_by_name["VoiceGateway"].full_name
        handlers = {"StreamAudio": method}
        server.add_generic_rpc_handlers([grpc.method_handlers_generic_handler(service, handlers)])

    async def StreamAudio(self, request_iterator: Any, context: Context) -> None:  # noqa: N802
        """Serve one call. Every failure becomes a status with a text of ours."""
        try:
            await self._answer(await self._granted(context), context)
        except CallerGone:
            return
        except CallError as error:
            full = isinstance(error, GatewayFull)
            trailing = (("retry-after-s", str(error.retry_after_s)),) if full else ()
            await _abort(context, _STATUS_BY_ERROR[type(error)], str(error), trailing)
        except grpc.aio.AbortError:
            raise
        except Exception:  # a bug ends this call only, and the caller sees no details
            if not context.done():
                log.exception("a call broke")
                await _abort(context, grpc.StatusCode.INTERNAL, "the gateway failed; see its log")

    async def _granted(self, context: Context) -> Grant:
        shown: Any = context.invocation_metadata()
        try:
            return await self._callers.admit(bearer(shown), certificate(context))
        except Unauthenticated:
            self._calls.turned_away("grpc")
            raise

    async def _answer(self, grant: Grant, context: Context) -> None:
        address = self._address(context)
        with ExitStack() as admission:
            try:
                admitted = self._calls.admitted("grpc", grant.principal, address, grant.lapsed)
                call = admission.enter_context(admitted)
            except GatewayFull:
                if await self._resumed_though_full(grant, context):
                    return
                raise
            await self._serve(call, admission, context)

    async def _serve(self, call: Call, admission: ExitStack, context: Context) -> None:
        first = await self._first_message(call, context)
        if first is None:
            return  # the caller hung up without a message
        asked = pb.VoiceConfig()
        if first.WhichOneof("content") == "config":
            asked, first = first.config, None
        config = wire.to_config(asked, self._defaults, call.who)
        codec = agree(asked, config.rate_hz)
        if await self._resumed(asked, config, context, call.lapsed, call, admission):
            return
        await accept(context, wire.resync() if asked.resume_token else None)
        call.check_begins()  # the gateway may have begun to stop meanwhile
        told = asked.audio_encoding != 0
        if asked.resume and self._resumptions.offered:
            encoding = WireEncoding(codec, asked=told)
            await self._serve_resumable(call, admission.pop_all(), config, encoding, context)
            return
        caller = StreamCaller(context, first, codec, call.allowance, asked=told)
        await call.run(caller, config)
        await caller.part()

    def _address(self, context: Context) -> str:
        metadata = context.invocation_metadata() or ()
        forwarded = ",".join(str(value) for key, value in metadata if key == FORWARDED)
        return self._proxies.caller(grpc_peer(context.peer()), forwarded)

    async def _serve_resumable(
        self,
        call: Call,
        admission: ExitStack,
        config: CallConfig,
        encoding: WireEncoding,
        context: Context,
    ) -> None:
        """Begin a call that outlives this stream, and keeps its admission until it is over."""
        caller = Resumable(encoding, pace=call.allowance.message)

        async def run() -> None:
            with admission:
                await call.run(caller, replace(config, can_resume=True))

        kept, line = self._resumptions.begin(caller, config.principal, run)
        kept.renew = call.renew
        await StreamLine(self._resumptions, kept, line, context, _read).serve(resumed=False)

    async def _resumed(
        self,
        asked: pb.VoiceConfig,
        config: CallConfig,
        context: Context,
        lapsed: Lapsed,
        call: Call | None,
        admission: ExitStack,
    ) -> bool:
        """Go on with the call of the config's token, where it has a good one; tell whether so.

        That call has its place already: what this stream was admitted as, if it was, is over. It
        lasts from now on by what its client showed this time.
        """
        if not asked.resume_token:
            return False
        found = await self._resumptions.resume(
            asked.resume_token, config.principal, asked.received_sequence, Resumable
        )
        if found is None:
            return False
        found[0].renew(lapsed)
        if call:
            call.outcome = "resumed"
        admission.close()
        await accept(context)
        await StreamLine(self._resumptions, *found, context, _read).serve(resumed=True)
        return True

    async def _resumed_though_full(self, grant: Grant, context: Context) -> bool:
        """Let the client of a call that has its place already go on with it.

        The first message is read in any case: what a caller writes as it is refused hides why.
        """
        first = await _first_words(context)
        if first is None or not self._resumptions.anybody_away:
            return False
        config = wire.to_config(first.config, self._defaults, grant.principal)
        return await self._resumed(first.config, config, context, grant.lapsed, None, ExitStack())

    async def _first_message(self, call: Call, context: Context) -> pb.ClientMessage | None:
        try:
            async with asyncio.timeout(self._first_message_timeout_s) as limit:
                call.on_drain = lambda: limit.reschedule(0)
                return await _read(context)
        except TimeoutError:
            call.check_begins()
            said = f"no message came within {self._first_message_timeout_s:g} s; send config"
            raise CallerSilent(said) from None
        finally:
            call.on_drain = lambda: None


def message_of(data: bytes) -> pb.ClientMessage:
    """Parse a client's message; raises BadMessage for one that would take long to be parsed.

    Only audio may be long, and that is one field, which is copied at once; an acknowledgement may
    stand behind it.
    """
    if len(data) > _LARGEST_CONTROL_BYTES and not _is_one_chunk(data):
        raise BadMessage(
            f"a message has {len(data)} bytes and is not one audio_chunk alone; allowed: at most "
            f"{_LARGEST_CONTROL_BYTES} bytes for any other message"
        )
    return pb.ClientMessage.FromString(data)


def _is_one_chunk(data: bytes) -> bool:
    """Whether the message is an audio_chunk, and next to nothing else."""
    if data[:1] != _AUDIO_TAG:
        return False
    length = shift = 0
    for place, byte in enumerate(data[1:6], start=2):  # a varint of up to 32 bits
        length |= (byte & 0x7F) << shift
        shift += 7
        if byte < 0x80:
            return 0 <= len(data) - (place + length) <= _ACKNOWLEDGEMENT_BYTES
    return False


async def _read(context: Context) -> pb.ClientMessage | None:
    """Read the caller's next message; None when no more come. Raises BadMessage."""
    try:
        message = await Whole(cast(Any, context.read()))
    except DecodeError:
        raise BadMessage("a message is no ClientMessage; see voice_workflow.proto") from None
    return None if message is grpc.aio.EOF else message


async def accept(context: Context, first: pb.ServerMessage | None = None) -> None:
    """Tell the caller that the call was accepted, and what comes first; raises CallerGone."""
    try:
        await context.send_initial_metadata(())
        if first:
            await context.write(first)
    except grpc.aio.BaseError:
        raise CallerGone("the caller hung up") from None


def calm(loop: asyncio.AbstractEventLoop, failure: dict[str, Any]) -> None:
    """An exception handler for the loop: gRPC's own tasks may fail once a caller has vanished."""
    if isinstance(failure.get("exception"), grpc.aio.BaseError):
        log.debug("a caller was gone before its call ended: %s", failure["exception"])
    else:
        loop.default_exception_handler(failure)


async def _first_words(context: Context) -> pb.ClientMessage | None:
    """What a caller who is refused says first; None: nothing that can be read came in time."""
    with suppress(TimeoutError, BadMessage):
        async with asyncio.timeout(_FIRST_WORDS_S):
            return await _read(context)
    return None


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
