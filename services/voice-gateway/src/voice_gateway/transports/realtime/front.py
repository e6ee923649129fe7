"""Accepts WebSockets at `/v1/realtime`, checks who may open one, and ends its call."""

import asyncio
import logging
import uuid

from aiohttp import ClientConnectionError, WSCloseCode, WSMsgType, hdrs, web

from voice_gateway.call.calls import Call, Calls
from voice_gateway.errors import (
    CallerGone,
    CallError,
    CallerSilent,
    CallerSlow,
    CallLost,
    GatewayFull,
    TooManyCalls,
    Unauthenticated,
)
from voice_gateway.messages import CallConfig
from voice_gateway.principals import Grant, Principal
from voice_gateway.transports.callers_address import FORWARDED, Proxies
from voice_gateway.transports.http_access import HttpAccess, refused, unauthenticated
from voice_gateway.transports.realtime import frames, outbound
from voice_gateway.transports.realtime.caller import RealtimeCaller, Socket
from voice_gateway.transports.realtime.out_of_band import OutOfBandResponses
from voice_gateway.transports.realtime.session_options import RATE_HZ, SessionOptions
from voice_gateway.transports.realtime.state import State
from voice_gateway.transports.wire import Defaults

log = logging.getLogger(__name__)

_LARGEST_FRAME_BYTES = frames.LARGEST_BYTES  # a larger one closes the socket
_HEARTBEAT_S = 20.0  # browsers and proxies drop connections that stay silent
_CLOSE_TIMEOUT_S = 2.0
_SUBPROTOCOL = "realtime"
_LONGEST_NAME_CHARS = 128
_LONGEST_REASON_BYTES = 120
_UNAUTHORIZED = 3000  # as IANA's registry of close codes has it, and OpenAI uses it
_CLOSE_CODES: dict[type[CallError], int] = {
    GatewayFull: WSCloseCode.TRY_AGAIN_LATER,
    TooManyCalls: WSCloseCode.TRY_AGAIN_LATER,
    CallLost: WSCloseCode.SERVICE_RESTART,
    CallerSilent: WSCloseCode.GOING_AWAY,
    Unauthenticated: _UNAUTHORIZED,
}


class RealtimeFront:
    """Answers requests for a WebSocket; one socket is one call."""

    def __init__(
        self, calls: Calls, defaults: Defaults, access: HttpAccess, proxies: Proxies
    ) -> None:
        self._calls = calls
        self._defaults = defaults
        self._access = access
        self._proxies = proxies

    async def answer(self, request: web.Request) -> web.StreamResponse:
        if refusal := self._access.site_refusal(request):
            return refusal
        try:
            grant = await self._access.grant(request)
        except Unauthenticated as error:
            self._calls.turned_away("realtime")
            return unauthenticated(error)
        # A page is not told why its WebSocket is refused, so it asks with a plain request, which
        # must get the reasons above first.
        if request.headers.get(hdrs.UPGRADE, "").lower() != "websocket":
            upgrade = refused(426, "upgrade_required", "This address speaks WebSocket.")
            return self._full() or upgrade
        socket = web.WebSocketResponse(
            protocols=(_SUBPROTOCOL,),
            heartbeat=_HEARTBEAT_S,
            max_msg_size=_LARGEST_FRAME_BYTES,
            compress=False,  # base64 audio costs more to compress than to send
            timeout=_CLOSE_TIMEOUT_S,
        )
        await socket.prepare(request)
        await self._serve(request, socket, grant)
        return socket

    def _full(self) -> web.Response | None:
        """Why no call could begin now, for a page that asks with a plain request."""
        try:
            self._calls.check()
        except GatewayFull as full:
            busy = refused(503, "gateway_full", str(full))
            busy.headers[hdrs.RETRY_AFTER] = str(full.retry_after_s)
            return busy
        except CallLost as stopping:
            return refused(503, "call_ended", str(stopping))
        return None

    async def _serve(
        self, request: web.Request, socket: web.WebSocketResponse, grant: Grant
    ) -> None:
        who = grant.principal
        extended = request.query.get("events") == "all"
        config = self._config(who, can_pause=extended)
        model = request.query.get("model", "")[:_LONGEST_NAME_CHARS] or "default"
        options = SessionOptions(config.call_id, model, config, who.rights)
        state = State(options, extended=extended)
        caller = RealtimeCaller(_AioSocket(socket), state)
        code, why = WSCloseCode.OK, "the call is over"
        try:
            address = self._address(request)
            with self._calls.admitted("realtime", who, address, grant.lapsed) as call:
                caller.allowance = call.allowance
                await _converse(call, caller, options.config)
        except CallerGone:
            return
        except CallerSlow:
            # A client that does not read gets no goodbye: a send that timed out cannot be repeated.
            if request.transport:
                request.transport.abort()
            return
        except CallError as error:
            code, why = _CLOSE_CODES.get(type(error), WSCloseCode.POLICY_VIOLATION), str(error)
            await _say_goodbye(caller, state, error)
        except Exception:  # a bug ends this call only, and the client sees no details
            log.exception("call %s broke", config.call_id)
            code, why = WSCloseCode.INTERNAL_ERROR, "the gateway failed; see its log"
        await socket.close(code=code, message=_reason(why))

    def _address(self, request: web.Request) -> str:
        forwarded = ",".join(request.headers.getall(FORWARDED, ()))
        return self._proxies.caller(request.remote or "", forwarded)

    def _config(self, who: Principal, *, can_pause: bool) -> CallConfig:
        return CallConfig(
            call_id=uuid.uuid4().hex[:12],
            language=self._defaults.language,
            rate_hz=RATE_HZ,
            voice=self._defaults.voice,
            system_prompt=self._defaults.system_prompt,
            can_pause=can_pause,
            line_echo=self._defaults.line_echo,
            principal=who.name,
        )


class _AioSocket(Socket):
    def __init__(self, socket: web.WebSocketResponse) -> None:
        self._socket = socket

    async def receive(self) -> str | bytes | None:
        message = await self._socket.receive()
        if message.type in (WSMsgType.TEXT, WSMsgType.BINARY):
            return message.data
        return None  # the socket was closed by either side, or broke

    async def send(self, frame: str) -> None:
        try:
            await self._socket.send_str(frame)
        except (ClientConnectionError, RuntimeError):
            raise ConnectionResetError from None


async def _converse(call: Call, caller: RealtimeCaller, config: CallConfig) -> None:
    """Run the call; its out-of-band responses end with it."""
    ended: CallError | None = None
    async with asyncio.TaskGroup() as tasks:
        caller.out_of_band = out_of_band = OutOfBandResponses(call, tasks)
        try:
            await call.run(caller, config)
        except CallError as error:
            ended = error
        out_of_band.cancel()
    if ended:
        raise ended


async def _say_goodbye(caller: RealtimeCaller, state: State, error: CallError) -> None:
    try:
        await caller.say([outbound.ended(state, error)])
    except CallError:
        log.info("the client was gone before it heard: %s", error)


def _reason(why: str) -> bytes:
    """As much of a text as a close frame may hold, in whole characters."""
    return why.encode()[:_LONGEST_REASON_BYTES].decode(errors="ignore").encode()
