"""The gateway as a server: builds it from the settings, starts, drains and stops it."""

import asyncio
import logging
from collections.abc import Callable
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass
from functools import partial
from typing import Any

import grpc.aio
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection
from voice_proto import voice_workflow_pb2 as pb

from voice_gateway import wiring
from voice_gateway.access.opened import Access, Watch
from voice_gateway.access.watched import WatchedFiles
from voice_gateway.adapters.chat_addresses import ChatAddresses
from voice_gateway.adapters.pool import Listeners
from voice_gateway.adapters.riva_asr import RivaRecogniser
from voice_gateway.adapters.riva_tts import RivaVoice
from voice_gateway.call.calls import Calls
from voice_gateway.call.guarded import Guard
from voice_gateway.call.languages import Offer
from voice_gateway.call.resumptions import Resumptions
from voice_gateway.call.session import CallOptions
from voice_gateway.language import languages
from voice_gateway.messages import CallConfig
from voice_gateway.observe.metrics import Metrics
from voice_gateway.observe.recording import Recorder
from voice_gateway.observe.upstreams import UpstreamWatch, kept_up
from voice_gateway.ports import CallRecord, Services
from voice_gateway.settings import BadSetting, Settings
from voice_gateway.speaking.apology import Apologies
from voice_gateway.transports import tls
from voice_gateway.transports.grpc import VoiceGateway, calm
from voice_gateway.transports.grpc_access import KeyedMethods
from voice_gateway.transports.http import HttpFront, Readiness
from voice_gateway.transports.http_access import HttpAccess
from voice_gateway.transports.realtime.client_secrets import ClientSecrets
from voice_gateway.transports.realtime.front import RealtimeFront
from voice_gateway.transports.wire import MOST_AUDIO_BYTES

log = logging.getLogger(__name__)

SERVICE = pb.DESCRIPTOR.services_by_name["VoiceGateway"].full_name

_OPTIONS = [
    ("grpc.so_reuseport", 0),  # a second gateway on the same port fails to start
    # This is above the gateway's own limit, so that the gateway answers a chunk that is too large.
    ("grpc.max_receive_message_length", 4 * MOST_AUDIO_BYTES),
    # A connection that does not speak HTTP/2 in time, or on which no call runs, is closed.
    ("grpc.server_handshake_timeout_ms", 10_000),
    ("grpc.max_connection_idle_ms", 600_000),
    # Proxies drop idle connections, so both sides may send keepalive pings.
    ("grpc.keepalive_time_ms", 30_000),
    ("grpc.keepalive_timeout_ms", 20_000),
    ("grpc.keepalive_permit_without_calls", 1),
    ("grpc.http2.min_ping_interval_without_data_ms", 10_000),
    ("grpc.http2.max_pings_without_data", 0),
]

_STREAMS_BESIDE_CALLS = 100  # on one connection: calls that are being refused, and health checks
_CHECK_S = 15.0  # for an upstream's check, beside the prompt that the model reads at the first one


class PortTaken(Exception):
    """An address cannot be bound; the text names it and says what to do."""


@dataclass(frozen=True, slots=True)
class BoundPorts:
    grpc: int
    http: int
    internal: int | None = None


class GatewayServer:
    """Owns the fronts, the calls, the upstream adapters and the watch over them."""

    def __init__(self, settings: Settings) -> None:
        """Raises BadSetting where a file that a setting names cannot be used."""
        self._settings = settings
        self._stack = AsyncExitStack()
        self._access, self._certificates = _opened(settings)
        self._stack.push_async_callback(self._access.close)
        self._keyed = KeyedMethods(
            self._access.callers, open_methods=[f"/{SERVICE}/StreamAudio"], probed=["", SERVICE]
        )
        streams = ("grpc.max_concurrent_streams", settings.max_calls + _STREAMS_BESIDE_CALLS)
        self._server = grpc.aio.server(options=[*_OPTIONS, streams], interceptors=[self._keyed])
        self._health: Any = _untyped(health).aio.HealthServicer()
        self._changed = asyncio.Event()
        self._stopping = False
        self._metrics = Metrics()
        self._guard = Guard()
        self._build()

    def _build(self) -> None:
        settings = self._settings
        languages()  # so that no call waits for the import
        recogniser = RivaRecogniser(
            wiring.riva_channel(settings, "asr"),
            wiring.recogniser_options(settings),
            self._listeners("asr"),
        )
        voice = RivaVoice(
            wiring.riva_channel(settings, "tts"),
            settings.tts_timeout_s,
            self._listeners("tts"),
            {tag: row.tts_language for tag, row in settings.language_rows().items()},
        )
        model = ChatAddresses(wiring.chat_options(settings), self._listeners("llm"))
        for adapter in (recogniser, voice, model):
            self._stack.push_async_callback(adapter.close)
        self._watch = UpstreamWatch(
            {"asr": recogniser, "tts": voice, "llm": model},
            self._on_change,
            longest_check_s=_CHECK_S + settings.llm_first_token_timeout_s,
        )
        self._languages = wiring.languages(
            settings, Offer(lambda: recogniser.served, lambda: voice.served)
        )
        options = wiring.call_options(settings, self._languages)
        turn_ends = wiring.turn_ends(settings, self._predicted)
        if turn_ends:
            self._stack.callback(turn_ends.close)
        memories = wiring.memories(settings)
        self._stack.push_async_callback(memories.close)
        self._apologies = Apologies(voice, settings.apology.strip())
        services = Services(
            recogniser,
            model,
            voice,
            wiring.activity(settings),
            self._record(options),
            turn_ends,
            memories.open,
            self._apologies,
        )
        self._calls = Calls(
            services,
            options,
            most=settings.max_calls,
            metrics=self._metrics,
            limits=wiring.call_limits(settings),
        )
        self._resumptions = Resumptions(settings.resume_window_s, self._metrics)
        self._http = self._http_front()

    def _http_front(self) -> HttpFront:
        settings, languages = self._settings, self._languages
        access = HttpAccess(self._access.callers, wiring.sites(settings))
        defaults = wiring.defaults(settings, languages)
        proxies = wiring.proxies(settings)
        realtime = RealtimeFront(self._calls, defaults, access, proxies, self._resumptions)
        return HttpFront(
            readiness=self._readiness,
            exposition=self._metrics.exposition,
            choices=lambda: wiring.page_options(settings, languages, self._watch.checked),
            access=access,
            realtime=realtime.answer,
            models=[settings.llm_model],
            client_secrets=ClientSecrets(self._access.callers, access, defaults).answer,
            connections=wiring.http_connections(settings),
        )

    async def start(self) -> BoundPorts:
        """Bind and serve. Raises PortTaken."""
        asyncio.get_running_loop().set_exception_handler(calm)
        self._add_services()
        grpc_port = self._bind()
        http_port = await self._start_http()
        internal_port = await self._start_internal()
        self._say_who_may_call()
        await self._server.start()
        await self._set_health("", serving=True)
        await self._say_health()
        return BoundPorts(grpc_port, http_port, internal_port)

    def _add_services(self) -> None:
        gateway = VoiceGateway(
            self._calls,
            wiring.defaults(self._settings, self._languages),
            self._settings.first_message_timeout_s,
            self._access.callers,
            self._resumptions,
            wiring.proxies(self._settings),
        )
        gateway.add_to(self._server)
        _untyped(health_pb2_grpc).add_HealthServicer_to_server(self._health, self._server)
        reflection.enable_server_reflection(
            (SERVICE, health.SERVICE_NAME, reflection.SERVICE_NAME), self._server
        )

    async def run(self, stop: asyncio.Event) -> None:
        """Serve until `stop` is set; then let running turns end, and close everything."""
        self._stack.push_async_callback(self._server.stop, None)  # also where `run` is cancelled
        self._stack.push_async_callback(self._http.stop)
        certificates = self._certificates
        async with self._stack, asyncio.TaskGroup() as tasks:
            watching = [
                tasks.create_task(kept_up(name, part), name=name)
                for name, part in (
                    ("http", self._http.accept),
                    ("watch", self._watch.run),
                    ("health", self._keep_health),
                    ("loop lag", partial(self._metrics.watch_loop, self._calls.measured)),
                    ("apologies", self._apologies.run),
                    *self._access.watches.items(),
                    *self._lapses(),
                    *([("certificates", certificates.run)] if certificates else []),
                )
            ]
            watching.append(tasks.create_task(self._resumptions.run(), name="resumptions"))
            await stop.wait()
            await self._drain()
            for task in watching:
                task.cancel()

    def _lapses(self) -> list[tuple[str, Watch]]:
        """What ends calls and other streams as what opened them goes, if it can."""
        callers = self._access.callers
        if not (callers.asks or callers.revokes):
            return []
        return [("lapses", self._calls.end_lapsed), ("streams", self._keyed.end_lapsed)]

    def _record(self, options: CallOptions) -> Callable[[CallConfig], CallRecord] | None:
        if self._settings.record_events_dir is None:
            return None
        recorder = Recorder(
            self._settings.record_events_dir,
            options.policy,
            keep_s=self._settings.record_events_keep_s,
            policy_in=partial(self._languages.policy, options.policy),
        )
        self._stack.push_async_callback(recorder.close)
        return recorder.begin

    def _bind(self) -> int:
        host = self._settings.bound_host(self._settings.grpc_host)
        address = f"{host}:{self._settings.grpc_port}"
        certificates = self._certificates
        try:
            if certificates is None:
                return self._server.add_insecure_port(address)
            credentials = tls.grpc_credentials(lambda: certificates.value)
            return self._server.add_secure_port(address, credentials)
        except RuntimeError:
            raise _port_taken(address, "GRPC") from None

    async def _start_http(self) -> int:
        host, port = self._settings.bound_host(self._settings.http_host), self._settings.http_port
        certificates = self._certificates
        context = tls.http_context(lambda: certificates.value) if certificates else None
        try:
            return await self._http.start(host, port, context)
        except OSError:
            raise _port_taken(f"{host}:{port}", "HTTP") from None

    async def _start_internal(self) -> int | None:
        if self._settings.internal_port is None:
            return None
        host, port = (
            self._settings.bound_host(self._settings.http_host),
            self._settings.internal_port,
        )
        try:
            return await self._http.start_internal(host, port)
        except OSError:
            raise PortTaken(
                f"cannot listen on {host}:{port}: the port is taken; set INTERNAL_PORT"
            ) from None

    def _say_who_may_call(self) -> None:
        settings = self._settings
        if settings.is_open() and not (settings.grpc_host and settings.http_host):
            log.warning(
                "ONLY THIS MACHINE CAN CALL, as no key is asked for: set API_KEYS, API_KEYS_FILE "
                "or JWT_JWKS, or ALLOW_ANYONE=true to serve whoever comes (docs/security.md)"
            )
        elif settings.serves_strangers():
            log.warning(
                "ANYONE WHO REACHES THESE PORTS MAY CALL (ALLOW_ANYONE): set API_KEYS, "
                "API_KEYS_FILE or JWT_JWKS to ask for a key (docs/security.md)"
            )

    async def _drain(self) -> None:
        drain_s = self._settings.drain_s
        log.info("stopping: %d calls run, for at most %g s", len(self._calls), drain_s)
        self._stopping = True
        await self._health.enter_graceful_shutdown()
        self._calls.drain("the gateway is stopping; call again")
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._server.stop(drain_s), name="stop gRPC")
            with suppress(TimeoutError):
                async with asyncio.timeout(drain_s):
                    await self._calls.over()

    def _readiness(self) -> Readiness:
        return Readiness(self._stopping, self._watch.up)

    def _listeners(self, stage: str) -> Listeners:
        def count(configured: str, up: int, down: int) -> None:
            self._guard(
                "metric addresses",
                lambda: self._metrics.addresses(stage, configured, up=up, down=down),
                None,
            )

        return Listeners(on_trouble=lambda: self._watch.hurry(stage), on_count=count)

    def _predicted(self, outcome: str) -> None:
        self._calls.predicted(outcome)
        self._guard("metric predicted", lambda: self._metrics.predicted(outcome), None)

    def _on_change(self, name: str, up: bool) -> None:
        self._changed.set()
        self._metrics.upstream(name, up)
        if name == "tts" and up:
            self._apologies.voice_is_up(wiring.usual_calls(self._settings, self._languages))
        if up and name in ("asr", "tts"):
            for said in self._languages.missing():
                log.warning("not every configured language can be served: %s", said)

    async def _keep_health(self) -> None:
        """Set readiness by the upstreams; liveness (the empty name) stays true."""
        while True:
            self._changed.clear()
            await self._say_health()
            await self._changed.wait()

    async def _say_health(self) -> None:
        """The service's own health, and that of each upstream by its name: "asr", "llm", "tts"."""
        await self._set_health(SERVICE, serving=self._watch.all_up)
        for name in self._watch.up:
            await self._set_health(name, serving=self._watch.checked.get(name))

    async def _set_health(self, service: str, *, serving: bool | None) -> None:
        """`serving` is None where it is not known yet."""
        status = health_pb2.HealthCheckResponse
        known = status.SERVING if serving else status.NOT_SERVING
        await self._health.set(service, status.UNKNOWN if serving is None else known)


def _opened(settings: Settings) -> tuple[Access, WatchedFiles[tls.Certificates] | None]:
    """Read the files of keys and certificates; raises BadSetting."""
    files = wiring.tls_files(settings)
    try:
        access = Access(wiring.access_options(settings))
    except ValueError as error:
        raise BadSetting(str(error)) from None
    try:
        return access, tls.watched(files) if files else None
    except (OSError, ValueError) as error:
        raise BadSetting(f"TLS_CERT cannot be used: {error}") from None


def _port_taken(address: str, which: str) -> PortTaken:
    return PortTaken(
        f"cannot listen on {address}: the port is taken or the address is not ours; "
        f"set {which}_PORT (0 takes any free one) or {which}_HOST"
    )


def _untyped(module: Any) -> Any:
    """A generated or gRPC module whose names ship without types."""
    return module
