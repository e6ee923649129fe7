"""Serves a scripted Riva in process: the real gRPC API, with a scripted recogniser and voice.

    async with FakeRiva(says=[Says("what is the weather", 0.5, 1.6)]) as riva:
        ...  # point the gateway at riva.uri
        call = await riva.asr_call(0)
        await call.ended.wait()
        assert call.half_closed

Everything may be changed while it runs: `riva.asr.fault = Hang()`, `riva.voice.fault = None`,
`riva.voice.first_audio_s = 2.0`; a call looks at its fault before each response.
"""

from collections.abc import Collection, Sequence
from types import TracebackType
from typing import Any, Self, cast

import grpc.aio
from grpc_health.v1 import health, health_pb2, health_pb2_grpc

from voice_gateway.testing.fake_faults import (
    WAIT_S,
    Changes,
    DieAfter,
    FaultScript,
    Hang,
    Refuse,
    RivaFault,
)
from voice_gateway.testing.fake_riva_asr import (
    AsrCall,
    AsrResponse,
    FakeRecogniser,
    SaysScript,
)
from voice_gateway.testing.fake_riva_transcripts import Recognition, Result, Says, TimedWord
from voice_gateway.testing.fake_riva_tts import FakeVoice, VoiceCall, voice_pcm

__all__ = [
    "AsrCall",
    "AsrResponse",
    "Changes",
    "DieAfter",
    "FakeRecogniser",
    "FakeRiva",
    "FakeVoice",
    "FaultScript",
    "Hang",
    "Recognition",
    "Refuse",
    "Result",
    "RivaFault",
    "Says",
    "TimedWord",
    "VoiceCall",
    "voice_pcm",
]

_SERVICES = (
    "",
    "nvidia.riva.asr.RivaSpeechRecognition",
    "nvidia.riva.tts.RivaSpeechSynthesis",
)
_health = cast(Any, health)  # the type stubs lack its asyncio part
_health_grpc = cast(Any, health_pb2_grpc)


class FakeRiva:
    """Recogniser, voice and health on one server; `asr` and `voice` hold scripts and records."""

    def __init__(
        self,
        says: SaysScript = (),
        *,
        endpoint_s: float = 0.5,
        stable_s: float | None = None,
        asr_delay_s: float = 0.0,
        asr_fault: FaultScript = None,
        idle_s: float = 60.0,
        voice_first_audio_s: float = 0.05,
        voice_real_time_factor: float = 0.1,
        voice_audio_s_per_char: float = 0.06,
        voice_chunk_s: float = 0.2,
        voice_fault: FaultScript = None,
        languages: Collection[str] = (),
        voices: Collection[str] = (),
        host: str = "127.0.0.1",
        port: int = 0,
    ) -> None:
        self.asr = FakeRecogniser(
            says=says,
            endpoint_s=endpoint_s,
            stable_s=stable_s,
            delay_s=asr_delay_s,
            languages=languages,
            fault=asr_fault,
            idle_s=idle_s,
        )
        self.voice = FakeVoice(
            first_audio_s=voice_first_audio_s,
            real_time_factor=voice_real_time_factor,
            audio_s_per_char=voice_audio_s_per_char,
            chunk_s=voice_chunk_s,
            languages=languages,
            voices=voices,
            fault=voice_fault,
        )
        self._address = f"{host}:{port}"
        self._server: grpc.aio.Server | None = None
        self._health: Any = None

    @property
    def uri(self) -> str:
        """host:port, the same before and after `down` and `up`."""
        return self._address

    @property
    def asr_calls(self) -> Sequence[AsrCall]:
        return self.asr.calls.records

    @property
    def voice_calls(self) -> Sequence[VoiceCall]:
        return self.voice.calls.records

    async def asr_call(self, ordinal: int, timeout_s: float = WAIT_S) -> AsrCall:
        """Wait for the `ordinal`-th recognition stream, from 0, and its config."""
        return await self.asr.calls.nth(ordinal, timeout_s)

    async def voice_call(self, ordinal: int, timeout_s: float = WAIT_S) -> VoiceCall:
        """Wait for the `ordinal`-th text given to the voice, from 0."""
        return await self.voice.calls.nth(ordinal, timeout_s)

    async def up(self) -> None:
        server = grpc.aio.server(options=[("grpc.so_reuseport", 0)])
        self.asr.add_to(server)
        self.voice.add_to(server)
        self._health = _health.aio.HealthServicer()
        _health_grpc.add_HealthServicer_to_server(self._health, server)
        port = server.add_insecure_port(self._address)
        self._address = f"{self._address.rpartition(':')[0]}:{port}"
        await self.serving(healthy=True)
        await server.start()
        self._server = server

    async def down(self) -> None:
        """End every running call as UNAVAILABLE, and stop listening until `up`."""
        if self._server is not None:
            await self._server.stop(None)
            self._server = None

    async def serving(self, *, healthy: bool) -> None:
        """Set what the health service answers from now on."""
        status = health_pb2.HealthCheckResponse.ServingStatus
        for name in _SERVICES:
            await self._health.set(name, status.SERVING if healthy else status.NOT_SERVING)

    async def __aenter__(self) -> Self:
        await self.up()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.down()
