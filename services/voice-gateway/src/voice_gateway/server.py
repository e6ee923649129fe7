"""The gateway as a running server: built from its settings, started, drained, stopped."""

import asyncio
import logging
from collections.abc import Callable
from contextlib import AsyncExitStack
from typing import Any

import grpc.aio
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection
from voice_proto import voice_workflow_pb2 as pb
from voice_proto import voice_workflow_pb2_grpc as pb_grpc

from voice_gateway.adapters.chat import ChatEndpoint, ChatRules
from voice_gateway.adapters.riva_asr import EarRules, RivaRecogniser
from voice_gateway.adapters.riva_link import RivaLine
from voice_gateway.adapters.riva_tts import RivaVoice
from voice_gateway.audio.vad import VoiceActivity, load_silero
from voice_gateway.observe.recording import Recorder
from voice_gateway.observe.upstreams import UpstreamWatch
from voice_gateway.policy import TurnPolicy
from voice_gateway.ports import CallConfig, CallRecord, Services
from voice_gateway.reply import Manner
from voice_gateway.session import CallRules
from voice_gateway.settings import Settings
from voice_gateway.transports.grpc import Admission, VoiceGateway
from voice_gateway.transports.wire import MOST_AUDIO, Defaults

log = logging.getLogger(__name__)

SERVICE = pb.DESCRIPTOR.services_by_name["VoiceGateway"].full_name

_OPTIONS = [
    (
        "grpc.so_reuseport",
        0,
    ),  # a second gateway on the port fails, and takes no calls
    # Above our own limit, so that a chunk too large is answered in our words.
    ("grpc.max_receive_message_length", 4 * MOST_AUDIO),
    # Callers sit behind tunnels that drop idle connections: ask after them, and let them ask.
    ("grpc.keepalive_time_ms", 30_000),
    ("grpc.keepalive_timeout_ms", 20_000),
    ("grpc.keepalive_permit_without_calls", 1),
    ("grpc.http2.min_ping_interval_without_data_ms", 10_000),
    ("grpc.http2.max_pings_without_data", 0),
]


class PortTaken(Exception):
    """The address cannot be bound; the text says which and what to do."""


class GatewayServer:
    """Owns the gRPC server, the upstream adapters and the watch over them."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._stack = AsyncExitStack()
        self._server = grpc.aio.server(options=_OPTIONS)
        self._health: Any = _untyped(health).aio.HealthServicer()
        self._ready = asyncio.Event()

    async def start(self) -> int:
        """Bind and serve; return the port. Raises PortTaken."""
        settings = self._settings
        ear = RivaRecogniser(_line(settings, "asr"), _ear_rules(settings))
        voice = RivaVoice(_line(settings, "tts"), settings.tts_timeout_s)
        model = ChatEndpoint(_chat_rules(settings))
        for adapter in (ear, voice, model):
            self._stack.push_async_callback(adapter.close)
        rules = _call_rules(settings)
        self._gateway = VoiceGateway(
            Services(ear, model, voice, _activity(settings), self._record(rules)),
            rules,
            _defaults(settings),
            _admission(settings),
        )
        _untyped(pb_grpc).add_VoiceGatewayServicer_to_server(self._gateway, self._server)
        _untyped(health_pb2_grpc).add_HealthServicer_to_server(self._health, self._server)
        reflection.enable_server_reflection(
            (SERVICE, health.SERVICE_NAME, reflection.SERVICE_NAME), self._server
        )
        port = self._bind()
        await self._server.start()
        await self._say("", serving=True)
        await self._say(SERVICE, serving=False)
        self._watch = UpstreamWatch({"asr": ear, "tts": voice, "llm": model}, self._on_change)
        return port

    async def run(self, stop: asyncio.Event) -> None:
        """Serve until `stop` is set; then let running turns end, and close everything."""
        self._stack.push_async_callback(self._server.stop, None)  # also where this is cancelled
        async with self._stack, asyncio.TaskGroup() as tasks:
            watching = [
                tasks.create_task(self._watch.run(), name="watch"),
                tasks.create_task(self._keep_health(), name="health"),
            ]
            await stop.wait()
            await self._drain()
            for task in watching:
                task.cancel()

    def _record(self, rules: CallRules) -> Callable[[CallConfig], CallRecord] | None:
        if self._settings.record_events_dir is None:
            return None
        recorder = Recorder(self._settings.record_events_dir, rules.policy)
        self._stack.push_async_callback(recorder.close)
        return recorder.begin

    def _bind(self) -> int:
        address = f"{self._settings.grpc_host}:{self._settings.grpc_port}"
        try:
            return self._server.add_insecure_port(address)
        except RuntimeError:
            raise PortTaken(
                f"cannot listen on {address}: the port is taken or the address is not ours; "
                "set GRPC_PORT (0 takes any free one) or GRPC_HOST"
            ) from None

    async def _drain(self) -> None:
        log.info(
            "stopping: %d calls run, for at most %g s", self._gateway.calls, self._settings.drain_s
        )
        await self._health.enter_graceful_shutdown()
        self._gateway.drain("the gateway is stopping; call again")
        await self._server.stop(self._settings.drain_s)

    def _on_change(self, name: str, up: bool) -> None:
        self._ready.set()

    async def _keep_health(self) -> None:
        """Readiness follows the upstreams; liveness (the empty name) is always there."""
        while True:
            await self._ready.wait()
            self._ready.clear()
            await self._say(SERVICE, serving=self._watch.all_up)

    async def _say(self, service: str, *, serving: bool) -> None:
        status = health_pb2.HealthCheckResponse
        await self._health.set(service, status.SERVING if serving else status.NOT_SERVING)


def _untyped(module: Any) -> Any:
    """A generated or gRPC module whose names ship without types."""
    return module


def _line(settings: Settings, stage: str) -> RivaLine:
    asr = stage == "asr"
    return RivaLine(
        stage="asr" if asr else "tts",
        uri=settings.asr_uri() if asr else settings.tts_uri(),
        tls=settings.riva_tls,
        tls_ca=settings.riva_tls_ca,
        api_key=settings.riva_api_key.get_secret_value(),
        function_id=settings.riva_asr_function_id if asr else settings.riva_tts_function_id,
    )


def _activity(settings: Settings) -> Callable[[int], VoiceActivity] | None:
    return load_silero() if settings.turn_detection == "voice" else None


def _ear_rules(settings: Settings) -> EarRules:
    return EarRules(
        model=settings.asr_model,
        punctuation=settings.asr_punctuation,
        stop_history_ms=settings.asr_stop_history_ms,
        stop_history_eou_ms=settings.asr_stop_history_eou_ms,
        force_eou=settings.asr_force_eou,
        timeout_s=settings.asr_timeout_s,
        keepalive_s=settings.asr_keepalive_s,
    )


def _chat_rules(settings: Settings) -> ChatRules:
    return ChatRules(
        base_url=settings.llm_base_url,
        model=settings.llm_model,
        api_key=settings.llm_api_key.get_secret_value(),
        warm_up=settings.system_prompt if settings.llm_warm_up else "",
        temperature=settings.llm_temperature,
        max_tokens=settings.llm_max_tokens,
        connect_timeout_s=settings.llm_connect_timeout_s,
        first_token_timeout_s=settings.llm_first_token_timeout_s,
        token_timeout_s=settings.llm_token_timeout_s,
    )


def _call_rules(settings: Settings) -> CallRules:
    return CallRules(
        ear_rate_hz=settings.sample_rate,
        playback_lead_s=settings.playback_lead_ms / 1000,
        idle_timeout_s=settings.call_idle_timeout_s,
        longest_s=settings.call_max_s,
        manner=Manner(
            normalise=settings.tts_normalise,
            min_words=settings.tts_min_words,
            trim_s=settings.tts_trim_ms / 1000,
        ),
        policy=TurnPolicy(
            settle_s=settings.turn_settle_ms / 1000,
            silence_s=settings.turn_silence_ms / 1000,
            unsure_silence_s=settings.turn_unsure_silence_ms / 1000,
            open_silence_s=settings.turn_open_silence_ms / 1000,
            final_wait_s=settings.turn_final_wait_ms / 1000,
            max_silence_s=settings.turn_max_silence_ms / 1000,
            reopen_s=settings.turn_reopen_ms / 1000,
            guesses=settings.turn_guesses,
            words_to_interrupt=settings.interrupt_min_words,
            memory_messages=2 * settings.memory_turns,
        ),
    )


def _defaults(settings: Settings) -> Defaults:
    return Defaults(
        language=settings.asr_language,
        rate_hz=settings.sample_rate,
        voice=settings.tts_voice,
        system_prompt=settings.system_prompt,
    )


def _admission(settings: Settings) -> Admission:
    return Admission(settings.max_calls, settings.first_message_timeout_s)
