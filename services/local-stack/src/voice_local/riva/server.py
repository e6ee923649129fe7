"""The gRPC server that speaks Riva: services, health, port, and an orderly end."""

from collections.abc import Callable

from grpc import aio

from voice_local.bench import Bench
from voice_local.engines import Recogniser, Voice, VoiceActivity
from voice_local.riva import asr_wire, tts_wire
from voice_local.riva.asr import AsrLimits, Recognition
from voice_local.riva.health import Health
from voice_local.riva.tts import Synthesis, TtsLimits

MESSAGE_LIMIT_BYTES = 16 * 1024 * 1024
"""The longest message taken: a recording of eight minutes at 16 kHz."""

_OPTIONS = [
    ("grpc.so_reuseport", 0),  # a second server on the port fails instead of sharing its calls
    ("grpc.max_receive_message_length", MESSAGE_LIMIT_BYTES),
    ("grpc.http2.bdp_probe", 0),  # else a client sends 4 MB, two minutes of audio, unread
    ("grpc.http2.min_ping_interval_without_data_ms", 5_000),
    ("grpc.keepalive_permit_without_calls", 1),
]


class RivaServer:
    """Serves Riva's speech API from these engines. Start it once, stop it once."""

    def __init__(
        self,
        recogniser: Recogniser,
        voice: Voice,
        listeners: Callable[[], VoiceActivity],
        *,
        host: str,
        port: int,
        asr_limits: AsrLimits | None = None,
        tts_limits: TtsLimits | None = None,
    ) -> None:
        self._bench = Bench(recogniser, voice, listeners)
        self._asr_limits = asr_limits or AsrLimits()
        self._tts_limits = tts_limits or TtsLimits()
        self._host = host
        self._port = port
        self._health = Health((asr_wire.SERVICE, tts_wire.SERVICE))
        self._server: aio.Server | None = None

    async def start(self) -> int:
        """Serve; return the port, which is any free one where 0 was asked for.

        Raises OSError where the port is taken or may not be used.
        """
        server = aio.server(options=_OPTIONS)
        asr_wire.register(Recognition(self._bench, self._asr_limits), server)
        tts_wire.register(Synthesis(self._bench, self._tts_limits), server)
        self._health.register(server)
        port = self._bind(server)
        await server.start()
        self._server = server
        await self._health.serving()
        return port

    async def stop(self, grace_s: float) -> None:
        """Say NOT_SERVING, take no new calls, give running ones `grace_s`, free the engines."""
        if self._server is not None:
            await self._health.leaving()
            await self._server.stop(grace_s)
        await self._bench.close()

    def _bind(self, server: aio.Server) -> int:
        host = f"[{self._host}]" if ":" in self._host else self._host
        try:
            port = server.add_insecure_port(f"{host}:{self._port}")
        except RuntimeError:
            port = 0
        if port == 0:
            raise OSError(f"cannot listen on {host}:{self._port}: taken, or not allowed")
        return port
