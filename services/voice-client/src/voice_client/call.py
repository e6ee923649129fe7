"""One call to the gateway: its channel, its stream and the only writer to it."""

# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false
# (the generated stub ships no types)

import asyncio
from collections import deque
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from itertools import chain, repeat
from typing import cast

import grpc
import grpc.aio
from voice_proto import voice_workflow_pb2 as wire
from voice_proto import voice_workflow_pb2_grpc as stubs

from voice_client.failures import CallBrokenError, UnreachableError
from voice_client.messages import Message, Reconnected, ReplyAudio, from_wire
from voice_client.opus import OpusLine
from voice_client.readiness import trouble
from voice_client.resumption import Resumption

MOST_TURN_CHARS = 4_000
"""The longest turn that the gateway asks again."""
CONNECT_S = 10.0
"""The limit of a handshake, which takes well under a second even through a tunnel."""

REASON_LOST = "gRPC lost the gateway's reason, as audio was being sent; the gateway's log has it"
_LOST_REASON = "Internal error from Core"  # grpc.aio's text where a write broke before the status

_OPTIONS = (
    # Tunnels drop a connection that is silent; the gateway allows a ping every ten seconds.
    ("grpc.keepalive_time_ms", 30_000),
    ("grpc.keepalive_timeout_ms", 20_000),
    # The receiver's window decides how much stale audio can be under way: 14 KB instead of 4 MB.
    ("grpc.http2.bdp_probe", 0),
    ("grpc.http2.lookahead_bytes", 16_384),
    # Each channel has a connection of its own, which may lead to another gateway than the last one.
    ("grpc.use_local_subchannel_pool", 1),
)
_BREAKS = {"UNAVAILABLE", "UNKNOWN", "INTERNAL", "CANCELLED"}
"""What a connection that breaks looks like, and a gateway that goes."""
_FULL = "RESOURCE_EXHAUSTED"
_PAUSES_S = (0.0, 0.05, 0.1, 0.2, 0.4, 0.8)
_IN_VAIN_S, _MOST_IN_VAIN = 2.0, 5
"""So many connections in a row that last no longer are a failure of the call."""
_LEAVES_S = 0.3
"""How long the gateway has to see that the client leaves, and keeps no call for it."""

_LOOPBACK = ("localhost", "127.", "[::1]")

Stream = grpc.aio.StreamStreamCall[wire.ClientMessage, wire.ServerMessage]


@dataclass(frozen=True, slots=True)
class Gateway:
    """Where the gateway is and how to get there."""

    address: str
    tls: bool = False
    authority_pem: bytes | None = None
    """The certificates to trust instead of the usual ones."""
    key: str = field(default="", repr=False)
    """The key that the gateway asks for; empty: none is sent."""

    @property
    def metadata(self) -> list[tuple[str, str]]:
        """What every request shows."""
        return [("authorization", f"Bearer {self.key}")] if self.key else []

    def channel(self) -> grpc.aio.Channel:
        """Open a channel; nothing is sent before the first call."""
        options: list[tuple[str, int]] = list(_OPTIONS)
        if self.address.startswith(_LOOPBACK):
            options.append(("grpc.enable_http_proxy", 0))
        if not self.tls:
            return grpc.aio.insecure_channel(self.address, options=options)
        trust = grpc.ssl_channel_credentials(self.authority_pem)
        return grpc.aio.secure_channel(self.address, trust, options=options)


@dataclass(frozen=True, slots=True)
class Hello:
    """What the call begins with; empty fields leave the choice to the server."""

    rate_hz: int
    language: str = ""
    voice: str = ""
    prompt: str = ""
    can_pause: bool = False
    """The client stops its loudspeaker when told to, and goes on when told to."""
    conversation_id: str = ""
    """Calls with the same id go on with each other's conversation."""
    line_echo: "wire.LineEcho" = wire.LINE_ECHO_UNSPECIFIED
    """What of the replies the microphone picks up."""
    opus: bool = False
    """Ask for Opus packets instead of raw audio, for a slow connection."""
    resume: bool = False
    """Go on with the call over another connection where one breaks."""


class Call:
    """A running call. Writes wait for each other; every write and every status has a time limit.

    Where `hello` says so, it goes on over another connection when one breaks, as long as somebody
    reads `messages`: what is sent meanwhile waits, and is sent then.
    """

    def __init__(
        self, gateway: Gateway, hello: Hello, patience_s: float, stream: Stream | None = None
    ) -> None:
        self._gateway = gateway
        self._hello = hello
        self._patience_s = patience_s
        self._channel = gateway.channel()
        self._next_channel: grpc.aio.Channel | None = None
        """Connected ahead, as the gateway goes."""
        self._stream: Stream = stream or self._open_stream()
        self._writing = asyncio.Lock()
        self._early: deque[object] = deque()
        """Messages that were read before anyone asked for them."""
        self._opus: OpusLine | None = None
        self._resumption = Resumption() if hello.resume else None
        self._up = asyncio.Event()
        self._finished = False
        self._in_vain = 0
        self._now = asyncio.get_running_loop().time
        self._connected_at = self._broke_at = self._now()
        self.audio_bytes = 0
        """Audio as it went over the wire so far, both ways."""

    async def reach(self) -> None:
        """Connect; raises UnreachableError."""
        await _reach(self._channel, self._gateway.address, min(self._patience_s, CONNECT_S))

    async def greet(self) -> None:
        """Send the config and wait until it is accepted, so that a refusal's text is not lost."""
        hello, before = self._hello, self._resumption
        config = wire.VoiceConfig(
            language_code=hello.language,
            sample_rate=hello.rate_hz,
            voice_name=hello.voice,
            system_prompt=hello.prompt,
            can_pause=hello.can_pause,
            conversation_id=hello.conversation_id,
            line_echo=hello.line_echo,
            audio_encoding=wire.OPUS if hello.opus else wire.AUDIO_ENCODING_UNSPECIFIED,
            resume=hello.resume,
            resume_token=before.token if before else "",
            received_sequence=before.received if before else 0,
            turn_under_way=before.under_way[:MOST_TURN_CHARS] if before else "",
        )
        await self._write(wire.ClientMessage(config=config))
        try:
            async with asyncio.timeout(self._patience_s):
                await self._stream.initial_metadata()
        except TimeoutError:
            raise CallBrokenError(
                f"the gateway accepted no call within {self._patience_s:g} s"
            ) from None
        if self._stream.done():
            raise await self._broken()

    async def begin(self) -> None:
        """Start the call; raises ClientError."""
        await self.reach()
        await self.greet()
        if self._hello.opus:
            await self._agree()
        self._up.set()

    @property
    def is_opus(self) -> bool:
        """Tell whether the gateway has agreed to Opus."""
        return self._opus is not None

    async def trouble(self) -> str:
        """Say which services behind the gateway do not answer; empty: none is known."""
        return await trouble(self._channel, self._gateway.metadata)

    async def speak(self, pcm: bytes) -> None:
        for chunk in self._opus.pack(pcm) if self._opus else [pcm]:
            await self._speak(chunk)

    async def type(self, text: str) -> None:
        await self._send(wire.ClientMessage(text_input=text))

    async def end_utterance(self) -> None:
        """Say that the caller has finished, without waiting for silence."""
        await self._send(wire.ClientMessage(end_of_utterance=wire.EndOfUtterance()))

    async def played(self, reply_id: int, played_ms: int) -> None:
        """Report how far the loudspeaker has got with a reply."""
        progress = wire.PlaybackProgress(reply_id=reply_id, played_ms=played_ms)
        await self._send(wire.ClientMessage(playback=progress))

    async def finish(self) -> None:
        """Half-close: nothing more will be said; what was said is still answered."""
        for chunk in self._opus.pack_rest() if self._opus else []:
            await self._speak(chunk)
        self._finished = True
        if not self._stream.done():
            await self._stream.done_writing()

    async def messages(self) -> AsyncGenerator[Message]:
        """Yield the gateway's messages until the call ends with OK; else raise CallBrokenError."""
        while (message := await self._next()) is not grpc.aio.EOF:
            if isinstance(message, Reconnected):
                yield message
                continue
            known = from_wire(cast("wire.ServerMessage", message))
            if isinstance(known, ReplyAudio):
                self.audio_bytes += len(known.pcm)
                known = self._opus.unpack(known) if self._opus else known
            if known is not None:
                yield known

    def hang_up(self) -> None:
        """End the call at once; harmless when it is over."""
        self._stream.cancel()

    async def close(self) -> None:
        """Hang up, and close the connection; a gateway that would wait is told."""
        if self._resumption and self._resumption.token and not self._stream.done():
            with suppress(TimeoutError, grpc.aio.AioRpcError, asyncio.InvalidStateError):
                async with asyncio.timeout(_LEAVES_S):
                    await self._stream.done_writing()
                    await self._stream.code()
        self.hang_up()
        await self._channel.close()
        if self._next_channel:
            await self._next_channel.close()

    def _open_stream(self) -> Stream:
        stub = stubs.VoiceGatewayStub(self._channel)
        return cast("Stream", stub.StreamAudio(metadata=self._gateway.metadata))

    async def _agree(self) -> None:
        """Wait for the first LISTENING, which says whether it is going to be Opus."""
        try:
            async with asyncio.timeout(self._patience_s):
                encoding = await self._answer()
        except TimeoutError:
            raise CallBrokenError(
                f"the gateway did not say that it listens within {self._patience_s:g} s"
            ) from None
        self._take_encoding(encoding)

    def _take_encoding(self, encoding: int) -> None:
        if self._hello.opus and encoding == wire.OPUS:
            self._opus = OpusLine(self._hello.rate_hz)

    async def _answer(self) -> int:
        """Return the encoding that the first LISTENING names; keep the messages before it."""
        while (message := await self._read()) is not grpc.aio.EOF:
            self._early.append(message)
            event = cast("wire.ServerMessage", message).event
            if event.type == wire.LISTENING:
                return event.audio_encoding
        self._early.append(grpc.aio.EOF)
        return wire.PCM_S16LE

    async def _speak(self, chunk: bytes) -> None:
        self.audio_bytes += len(chunk)
        await self._send(wire.ClientMessage(audio_chunk=chunk))

    async def _next(self) -> object:
        """The next message, over whatever connection; `Reconnected` where there is another."""
        if self._early:
            return self._early.popleft()
        try:
            return await self._read()
        except CallBrokenError as broken:
            return await self._go_on(broken)

    async def _read(self) -> object:
        try:
            message = await self._stream.read()
        except grpc.aio.AioRpcError:
            raise await self._broken() from None
        if self._resumption and message is not grpc.aio.EOF:
            self._resumption.see(cast("wire.ServerMessage", message))
            if self._resumption.moves and self._next_channel is None:
                self._next_channel = self._gateway.channel()
                self._next_channel.get_state(try_to_connect=True)
        return message

    async def _go_on(self, broken: CallBrokenError) -> Reconnected:
        """Go on over another connection within the window; else raise what broke the last one."""
        self._up.clear()
        self._broke_at = self._now()
        lasted_s = self._broke_at - self._connected_at
        self._in_vain = self._in_vain + 1 if lasted_s < _IN_VAIN_S else 0
        before = self._resumption
        if not (before and before.token) or broken.code not in _BREAKS:
            raise broken
        if self._in_vain > _MOST_IN_VAIN:
            raise broken
        pauses = chain(_PAUSES_S, repeat(_PAUSES_S[-1]))
        try:
            async with asyncio.timeout(before.window_s):
                while True:
                    await asyncio.sleep(next(pauses))
                    with suppress(UnreachableError, _RetryError):
                        return await self._reconnect(before)
        except TimeoutError:
            raise broken from None

    async def _reconnect(self, before: Resumption) -> Reconnected:
        """Open another connection, and send what the last one lost."""
        await self._channel.close()
        self._channel, self._next_channel = self._next_channel or self._gateway.channel(), None
        self._stream = self._open_stream()
        self._early.clear()
        self._connected_at = self._now()
        try:
            await self.reach()
            await self.greet()
            first = cast("wire.ServerMessage", await self._stream.read())
        except (CallBrokenError, grpc.aio.AioRpcError) as error:
            code = error.code if isinstance(error, CallBrokenError) else error.code().name
            if code in (*_BREAKS, _FULL):
                raise _RetryError from None
            raise
        if first is grpc.aio.EOF:
            raise _RetryError
        anew = first.event.type != wire.RESUMED
        async with self._writing:
            await self._catch_up(before, first, anew=anew)
            self._up.set()
            if self._finished:
                await self._stream.done_writing()
        return Reconnected(anew, self._now() - self._broke_at)

    async def _catch_up(
        self, before: Resumption, first: "wire.ServerMessage", *, anew: bool
    ) -> None:
        """Send what the gateway did not take, or in a new call what no turn has."""
        if not anew:
            before.see(first)
            for message in before.unsent(first.event.resumption.taken_messages):
                await self._put(message)
            return
        asked_again = first.event.type == wire.RESYNC
        self._resumption = fresh = before.anew(before.under_way if asked_again else "")
        again = before.open_turn()
        self._opus = None
        if asked_again:
            if self._hello.opus:
                await self._agree()
        else:  # a gateway that knows nothing of it
            self._early.append(first)
            fresh.see(first)
            self._take_encoding(first.event.audio_encoding)
            if before.under_way:
                again.insert(0, wire.ClientMessage(text_input=before.under_way))
        for message in again:
            fresh.send(message)
            await self._put(message)

    async def _send(self, message: wire.ClientMessage) -> None:
        """Send a message; one that a broken connection does not take is sent over the next."""
        if not self._resumption:
            await self._write(message)
            return
        if self._resumption.is_full and not self._up.is_set():
            await self._wait_until_up()
        async with self._writing:
            self._resumption.send(message)
            if self._up.is_set():
                await self._put(message)

    async def _wait_until_up(self) -> None:
        try:
            async with asyncio.timeout(self._patience_s):
                await self._up.wait()
        except TimeoutError:
            raise CallBrokenError(
                f"the connection was not back within {self._patience_s:g} s"
            ) from None

    async def _put(self, message: wire.ClientMessage) -> None:
        """Write to the connection; where it breaks, whoever reads notices."""
        try:
            async with asyncio.timeout(self._patience_s):
                await self._stream.write(message)
        except TimeoutError:
            self._stream.cancel()
        except (grpc.aio.AioRpcError, asyncio.InvalidStateError):
            self._up.clear()

    async def _write(self, message: wire.ClientMessage) -> None:
        try:
            async with asyncio.timeout(self._patience_s), self._writing:
                await self._stream.write(message)
        except TimeoutError:
            text = f"the gateway took nothing for {self._patience_s:g} s"
            raise CallBrokenError(text) from None
        except (grpc.aio.AioRpcError, asyncio.InvalidStateError):
            raise await self._broken() from None

    async def _broken(self) -> CallBrokenError:
        """Tell how the call ended; grpc.aio may lose the status of a server that refuses."""
        async with asyncio.timeout(self._patience_s):
            code, text = await self._stream.code(), await self._stream.details()
        if code is grpc.StatusCode.OK:
            return CallBrokenError("the gateway ended the call before all was said", code="OK")
        if text and text.startswith(_LOST_REASON):
            text = REASON_LOST
        return CallBrokenError(
            f"the call ended with {code.name}: {text or 'no reason given'}", code=code.name
        )


@asynccontextmanager
async def dial(gateway: Gateway, hello: Hello, patience_s: float) -> AsyncGenerator[Call]:
    """Connect and start a call; hang up on the way out."""
    call = Call(gateway, hello, patience_s)
    try:
        await call.begin()
        yield call
    finally:
        await call.close()


class _RetryError(Exception):
    """The connection did not come about, and the next may."""


async def _reach(channel: grpc.aio.Channel, address: str, within_s: float) -> None:
    """Connect first: an unreachable port and a refused call are different failures."""
    try:
        async with asyncio.timeout(within_s):
            state = channel.get_state(try_to_connect=True)
            while state is not grpc.ChannelConnectivity.READY:
                if state is grpc.ChannelConnectivity.TRANSIENT_FAILURE:
                    raise UnreachableError(
                        f"cannot reach a gateway at {address}: no gRPC server answers there "
                        "(is it running, is the tunnel open, does it speak TLS?)"
                    )
                await channel.wait_for_state_change(state)
                state = channel.get_state(try_to_connect=True)
    except TimeoutError:
        raise UnreachableError(f"no answer from {address} within {within_s:g} s") from None
