"""One call to the gateway: its channel, its stream and the only writer to it."""

# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false
# (the generated stub ships no types)

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import cast

import grpc
import grpc.aio
from voice_proto import voice_workflow_pb2 as wire
from voice_proto import voice_workflow_pb2_grpc as stubs

from voice_client.failures import CallBrokenError, UnreachableError
from voice_client.messages import Message, ReplyAudio, from_wire
from voice_client.opus import OpusLine
from voice_client.readiness import trouble

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
)
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


class Call:
    """A running call. Writes wait for each other; every write and every status has a time limit."""

    def __init__(
        self,
        stream: Stream,
        patience_s: float,
        channel: grpc.aio.Channel,
        metadata: Sequence[tuple[str, str]] = (),
    ) -> None:
        self._metadata = metadata
        self._stream = stream
        self._patience_s = patience_s
        self._channel = channel
        self._writing = asyncio.Lock()
        self._early: deque[object] = deque()
        """Messages that were read before anyone asked for them."""
        self._opus: OpusLine | None = None
        self.audio_bytes = 0
        """Audio as it went over the wire so far, both ways."""

    async def greet(self, hello: Hello) -> None:
        """Send the config and wait until it is accepted, so that a refusal's text is not lost."""
        config = wire.VoiceConfig(
            language_code=hello.language,
            sample_rate=hello.rate_hz,
            voice_name=hello.voice,
            system_prompt=hello.prompt,
            can_pause=hello.can_pause,
            conversation_id=hello.conversation_id,
            line_echo=hello.line_echo,
            audio_encoding=wire.OPUS if hello.opus else wire.AUDIO_ENCODING_UNSPECIFIED,
        )
        await self._send(wire.ClientMessage(config=config))
        try:
            async with asyncio.timeout(self._patience_s):
                await self._stream.initial_metadata()
        except TimeoutError:
            raise CallBrokenError(
                f"the gateway accepted no call within {self._patience_s:g} s"
            ) from None
        if self._stream.done():
            raise await self._broken()
        if hello.opus:
            await self._agree(hello.rate_hz)

    @property
    def is_opus(self) -> bool:
        """Tell whether the gateway has agreed to Opus."""
        return self._opus is not None

    async def trouble(self) -> str:
        """Say which services behind the gateway do not answer; empty: none is known."""
        return await trouble(self._channel, self._metadata)

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
        if not self._stream.done():
            await self._stream.done_writing()

    async def messages(self) -> AsyncGenerator[Message]:
        """Yield the gateway's messages until the call ends with OK; else raise CallBrokenError."""
        while (message := await self._next()) is not grpc.aio.EOF:
            known = from_wire(cast("wire.ServerMessage", message))
            if isinstance(known, ReplyAudio):
                self.audio_bytes += len(known.pcm)
                known = self._opus.unpack(known) if self._opus else known
            if known is not None:
                yield known

    def hang_up(self) -> None:
        """End the call at once; harmless when it is over."""
        self._stream.cancel()

    async def _agree(self, rate_hz: int) -> None:
        """Wait for the first LISTENING, which says whether it is going to be Opus."""
        try:
            async with asyncio.timeout(self._patience_s):
                encoding = await self._answer()
        except TimeoutError:
            raise CallBrokenError(
                f"the gateway did not say that it listens within {self._patience_s:g} s"
            ) from None
        if encoding == wire.OPUS:
            self._opus = OpusLine(rate_hz)

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
        return self._early.popleft() if self._early else await self._read()

    async def _read(self) -> object:
        try:
            return await self._stream.read()
        except grpc.aio.AioRpcError:
            raise await self._broken() from None

    async def _send(self, message: wire.ClientMessage) -> None:
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
    async with gateway.channel() as channel:
        await _reach(channel, gateway.address, min(patience_s, CONNECT_S))
        opened = stubs.VoiceGatewayStub(channel).StreamAudio(metadata=gateway.metadata)
        call = Call(cast("Stream", opened), patience_s, channel, gateway.metadata)
        try:
            await call.greet(hello)
            yield call
        finally:
            call.hang_up()


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
