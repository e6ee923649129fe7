"""Serves the web page, the probes and the metrics over HTTP, and routes the Realtime API."""

import asyncio
import logging
import ssl
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from http import HTTPStatus
from pathlib import Path

from aiohttp import hdrs, web
from aiohttp.web_protocol import RequestHandler

from voice_gateway.transports.http_access import Handler, HttpAccess, refused
from voice_gateway.transports.listener import ConnectionLimits, Connections, Listener

log = logging.getLogger(__name__)

_SERVER = "voice-gateway"  # the library would tell its version, and Python's
_PAGE_FOLDER = Path(__file__).parent / "web"
_FILES = frozenset(
    path.relative_to(_PAGE_FOLDER).as_posix() for path in _PAGE_FOLDER.rglob("*") if path.is_file()
)
_SHUTDOWN_S = 1.0  # for responses that are being written when the gateway stops

# The page may talk to its own gateway only and use the microphone; no other page may embed it.
_SECURITY_HEADERS = {
    "Content-Security-Policy": (
        "default-src 'self'; img-src 'self' data:; object-src 'none'; base-uri 'none'; "
        "form-action 'none'; frame-ancestors 'none'"
    ),
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "microphone=(self), camera=(), geolocation=()",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}


@dataclass(frozen=True, slots=True)
class Readiness:
    """Whether a call that begins now could be answered."""

    stopping: bool
    upstreams: Mapping[str, bool]

    @property
    def ready(self) -> bool:
        return not self.stopping and all(self.upstreams.values())


@dataclass(frozen=True, slots=True)
class PageOptions:
    """The languages and voices that the page offers, as far as Riva has listed them."""

    languages: Sequence[str]
    voices: Mapping[str, Sequence[str]]
    """The voices of each language."""
    language: str
    """The language of a call that names none."""
    voice: str
    """The voice of a call that names none; empty: Riva chooses."""
    needs_key: bool
    down: Sequence[str] = ()
    """The services that do not answer: of "asr", "tts" and "llm"."""


class HttpFront:
    """Owns the HTTP server. `exposition` gives the metrics in the format a reader accepts."""

    def __init__(
        self,
        *,
        readiness: Callable[[], Readiness],
        exposition: Callable[[str], tuple[bytes, str]],
        choices: Callable[[], PageOptions],
        access: HttpAccess,
        realtime: Handler | None = None,
        client_secrets: Handler | None = None,
        models: Sequence[str] = (),
        connections: ConnectionLimits | None = None,
    ) -> None:
        self._access = access
        self._realtime = realtime
        self._readiness = readiness
        self._choices = choices
        self._exposition = exposition
        self._models = models
        self._limits = connections or ConnectionLimits()
        self._connections = Connections(self._limits)
        app = self._with_probes(self._say_ready, access.keyed(self._show_metrics))
        if realtime:
            app.router.add_get("/v1/realtime", realtime, allow_head=False)
        if client_secrets:
            app.router.add_post("/v1/realtime/client_secrets", client_secrets)
        app.router.add_get("/v1/models", access.keyed(self._list_models))
        app.router.add_route("*", "/v1/{unknown:.*}", _refuse_unknown)
        app.router.add_get("/choices", access.keyed(self._show_choices))
        app.router.add_get("/", _show_page)
        app.router.add_get("/{file:.+}", _show_file)
        self._runner = _runner(app)
        self._internal = _runner(self._with_probes(self._say_all, self._show_metrics))
        self._listener = Listener(self._connection, self._connections, self._limits)

    def _with_probes(self, ready: Handler, metrics: Handler) -> web.Application:
        app = web.Application(middlewares=[self._at_work])
        app.on_response_prepare.append(_add_headers)
        app.router.add_get("/healthz", _say_alive)
        app.router.add_get("/readyz", ready)
        app.router.add_get("/metrics", metrics)
        return app

    async def start(self, host: str, port: int, tls: ssl.SSLContext | None = None) -> int:
        """Serve, and return the port; raises OSError if the address cannot be bound."""
        await self._runner.setup()
        try:
            return await self._listener.start(host, port, tls)
        except OSError:
            await self._runner.cleanup()
            raise

    async def start_internal(self, host: str, port: int) -> int:
        """Serve probes and metrics to whoever reaches this port; as `start`."""
        await self._internal.setup()
        await web.TCPSite(self._internal, host, port).start()
        return self._internal.addresses[0][1]

    async def accept(self) -> None:
        """Accept connections until cancelled."""
        await self._listener.accept()

    async def stop(self) -> None:
        self._listener.stop()
        await self._runner.cleanup()
        await self._internal.cleanup()

    def _connection(self) -> "_Connection":
        assert self._runner.server
        return _Connection(self._runner.server, self._connections)

    @web.middleware
    async def _at_work(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        async with self._connections.at_work(request.protocol):
            try:
                return self._revoked(request) or await handler(request)
            except web.HTTPClientError as error:
                return _in_json(request, error)

    def _revoked(self, request: web.Request) -> web.Response | None:
        """Why a revoked certificate gets nothing; the WebSocket says it in its own way."""
        handles = request.match_info.handler
        return None if handles is self._realtime else self._access.revoked(request)

    async def _say_ready(self, request: web.Request) -> web.Response:
        """Say it all to who shows a key, where one is asked for; to others yes or no alone."""
        if await self._access.may_know(request):
            return await self._say_all(request)
        now = self._readiness()
        return web.json_response({"ready": now.ready}, status=200 if now.ready else 503)

    async def _say_all(self, request: web.Request) -> web.Response:
        now = self._readiness()
        said = {"ready": now.ready, "stopping": now.stopping, "upstreams": dict(now.upstreams)}
        return web.json_response(said, status=200 if now.ready else 503)

    async def _show_choices(self, request: web.Request) -> web.Response:
        return web.json_response(asdict(self._choices()))

    async def _list_models(self, request: web.Request) -> web.Response:
        """The chat models, in the shape that OpenAI's clients read."""
        owned = {"object": "model", "created": 0, "owned_by": "voice-gateway"}
        models = [{"id": name, **owned} for name in self._models]
        return web.json_response({"object": "list", "data": models})

    async def _show_metrics(self, request: web.Request) -> web.Response:
        body, content_type = self._exposition(request.headers.get(hdrs.ACCEPT, ""))
        return web.Response(body=body, headers={hdrs.CONTENT_TYPE: content_type})


def _runner(app: web.Application) -> web.AppRunner:
    return web.AppRunner(app, access_log=None, shutdown_timeout=_SHUTDOWN_S)


class _Connection(RequestHandler):
    """A connection that says when it is over."""

    __slots__ = ("_connections",)

    def __init__(self, server: web.Server, connections: Connections) -> None:
        super().__init__(server, loop=asyncio.get_running_loop(), access_log=None)  # pyright: ignore
        self._connections = connections

    def connection_lost(self, exc: BaseException | None) -> None:
        super().connection_lost(exc)
        self._connections.closed(self)

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        """Answer what is no request, or broke.

        The library would quote a stranger's bytes, and write a traceback for each of them.
        """
        if status < HTTPStatus.INTERNAL_SERVER_ERROR:
            log.debug("a connection sent what is no HTTP request: %s", message)
            return _last(refused(status, "bad_request", "This is no HTTP request."))
        super().handle_error(request, status, exc, message)
        return _last(refused(status, "internal_error", "The gateway failed; see its log."))


def _last(answer: web.Response) -> web.Response:
    """The answer, after which its connection is closed."""
    answer.headers[hdrs.SERVER] = _SERVER
    answer.force_close()
    return answer


async def _refuse_unknown(request: web.Request) -> web.Response:
    """Tell an API's client in its own form that this is not served."""
    return refused(404, "unknown_url", _unknown(request))


def _unknown(request: web.Request) -> str:
    return f"Unknown request URL: {request.method} {request.path[:200]}."


def _in_json(request: web.Request, error: web.HTTPClientError) -> web.Response:
    """What the library refuses by itself, in the form of all that is refused here."""
    match error:
        case web.HTTPMethodNotAllowed():
            allowed = ", ".join(sorted(error.allowed_methods))
            said = f"{_unknown(request)} Allowed: {allowed}."
            answer = refused(error.status, "method_not_allowed", said)
            answer.headers[hdrs.ALLOW] = error.headers[hdrs.ALLOW]
            return answer
        case web.HTTPNotFound():
            return refused(404, "unknown_url", _unknown(request))
        case _:
            return refused(error.status, "bad_request", f"{error.reason}.")


async def _say_alive(request: web.Request) -> web.Response:
    return web.Response(text="alive\n")


async def _show_page(request: web.Request) -> web.FileResponse:
    return web.FileResponse(_PAGE_FOLDER / "index.html")


async def _show_file(request: web.Request) -> web.StreamResponse:
    name = request.match_info["file"]
    return (
        web.FileResponse(_PAGE_FOLDER / name) if name in _FILES else await _refuse_unknown(request)
    )


async def _add_headers(request: web.Request, response: web.StreamResponse) -> None:
    # Files keep their names from version to version, so the browser must ask each time whether
    # they have changed.
    is_file = isinstance(response, web.FileResponse)
    response.headers.setdefault(hdrs.CACHE_CONTROL, "no-cache" if is_file else "no-store")
    response.headers[hdrs.SERVER] = _SERVER
    for name, value in _SECURITY_HEADERS.items():
        response.headers.setdefault(name, value)
