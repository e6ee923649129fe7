"""A gateway that follows a script, for tests: the contract without anything behind it."""

# pyright: reportUnknownMemberType=false, reportUntypedBaseClass=false
# (the generated stubs ship no types)

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, cast

import grpc
import grpc.aio
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from voice_proto import voice_workflow_pb2 as wire
from voice_proto import voice_workflow_pb2_grpc as stubs

from voice_client.readiness import SERVICE

Context = grpc.aio.ServicerContext[wire.ClientMessage, wire.ServerMessage]

WAIT_S = 60.0


class HungUpError(Exception):
    """The caller half-closed while the script still waited for more."""


@dataclass(slots=True)
class Caller:
    """A call as the script sees it: what came in, and the means to answer."""

    context: Context
    config: wire.VoiceConfig = field(default_factory=wire.VoiceConfig)
    pcm: bytearray = field(default_factory=bytearray)
    others: list[wire.ClientMessage] = field(default_factory=list[wire.ClientMessage])
    """Everything but config and audio, in order."""

    async def receive(self) -> wire.ClientMessage:
        """Take the next message; raise HungUpError at the half-close."""
        async with asyncio.timeout(WAIT_S):
            message = await self.context.read()
        if message == grpc.aio.EOF:
            raise HungUpError
        match message.WhichOneof("content"):
            case "config":
                self.config = message.config
            case "audio_chunk":
                self.pcm += message.audio_chunk
            case _:
                self.others.append(message)
        return message

    async def accept(self) -> None:
        """Take the config and say that we listen."""
        await self.receive()
        await self.context.send_initial_metadata(())
        await self.event(wire.LISTENING)

    async def samples(self, count: int) -> None:
        """Wait until so many samples have come in all."""
        while len(self.pcm) < 2 * count:
            await self.receive()

    async def next_other(self) -> wire.ClientMessage:
        """Wait for the next message that is not audio."""
        known = len(self.others)
        while len(self.others) == known:
            await self.receive()
        return self.others[-1]

    async def half_close(self) -> None:
        """Wait until the caller has finished."""
        try:
            while True:
                await self.receive()
        except HungUpError:
            return

    async def heard(self, text: str, *, final: bool = False) -> None:
        detail = wire.Transcript(is_final=final)
        await self.send(wire.ServerMessage(transcript_chunk=text, transcript=detail))

    async def write(self, text: str, reply_id: int = 1) -> None:
        await self.send(wire.ServerMessage(llm_response_chunk=text, reply_id=reply_id))

    async def voice(self, pcm: bytes, reply_id: int = 1, offset_ms: int = 0) -> None:
        await self.send(
            wire.ServerMessage(audio_chunk=pcm, reply_id=reply_id, audio_offset_ms=offset_ms)
        )

    async def event(
        self,
        kind: wire.EventType,
        *,
        note: str = "",
        fault: wire.Fault | None = None,
        interruption: wire.Interruption | None = None,
        latency: wire.TurnLatency | None = None,
    ) -> None:
        event = wire.ServerEvent(
            type=kind, message=note, fault=fault, interruption=interruption, latency=latency
        )
        await self.send(wire.ServerMessage(event=event))

    async def send(self, message: wire.ServerMessage) -> None:
        """Send a message as it is."""
        async with asyncio.timeout(WAIT_S):
            await self.context.write(message)

    async def answer(self, text: str, pcm: bytes, reply_id: int = 1) -> None:
        """Give a whole reply, from PROCESSING to END_OF_TURN."""
        await self.event(wire.PROCESSING)
        await self.write(text, reply_id)
        await self.event(wire.SPEAKING)
        await self.voice(pcm, reply_id)
        latency = wire.TurnLatency(endpoint_ms=300, model_ms=200, voice_ms=50, total_ms=550)
        await self.event(wire.END_OF_TURN, latency=latency)


Script = Callable[[Caller], Awaitable[None]]


class ScriptedGateway(stubs.VoiceGatewayServicer):
    """Runs the script for each call; a script that fails is kept, for the test to see."""

    def __init__(self, script: Script) -> None:
        self.address = ""
        self.callers: list[Caller] = []
        self.failures: list[BaseException] = []
        self._script = script

    @property
    def caller(self) -> Caller:
        """The latest call."""
        return self.callers[-1]

    async def StreamAudio(  # noqa: N802 (named by the contract)
        self, request_iterator: object, context: Context
    ) -> None:
        del request_iterator  # read() and the iterator do not mix
        caller = Caller(context)
        self.callers.append(caller)
        try:
            await self._script(caller)
        except HungUpError:
            return
        except (TimeoutError, AssertionError) as failure:
            self.failures.append(failure)
            await context.abort(grpc.StatusCode.INTERNAL, f"the script failed: {failure!r}")


@asynccontextmanager
async def scripted_gateway(
    script: Script,
    port: int = 0,
    *,
    down: Sequence[str] | None = None,
    unknown: Sequence[str] = (),
) -> AsyncGenerator[ScriptedGateway]:
    """Serve the script on 127.0.0.1 and stop at once on the way out.

    With `down` it tells of its health, in which these services do not answer, and nothing is known
    of the `unknown` ones yet.
    """
    server = grpc.aio.server(options=[("grpc.so_reuseport", 0)])
    gateway = ScriptedGateway(script)
    stubs.add_VoiceGatewayServicer_to_server(gateway, server)
    if down is not None:
        states = await _health(down, unknown)
        cast("Any", health_pb2_grpc).add_HealthServicer_to_server(states, server)
    gateway.address = f"127.0.0.1:{server.add_insecure_port(f'127.0.0.1:{port}')}"
    await server.start()
    try:
        yield gateway
    finally:
        await server.stop(None)


async def _health(down: Sequence[str], unknown: Sequence[str]) -> object:
    states, status = cast("Any", health).aio.HealthServicer(), health_pb2.HealthCheckResponse
    for service in ("asr", "llm", "tts"):
        known = status.NOT_SERVING if service in down else status.SERVING
        await states.set(service, status.UNKNOWN if service in unknown else known)
    await states.set(SERVICE, status.NOT_SERVING if down or unknown else status.SERVING)
    return states
