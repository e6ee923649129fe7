"""Accepts WebSockets at `/v1/realtime`, checks who may open one, and ends its call."""

import asyncio
import json
import logging
import uuid
from collections.abc import AsyncGenerator
from contextlib import ExitStack, asynccontextmanager, suppress
from dataclasses import replace

from aiohttp import ClientConnectionError, WSCloseCode, WSMsgType, hdrs, web

from voice_gateway.call.calls import Call, Calls
from voice_gateway.call.resumptions import Resumptions
from voice_gateway.errors import (
    CallBroke,
    CallerElsewhere,
    CallerGone,
    CallError,
    CallerSilent,
    CallerSlow,
    CallLost,
    GatewayFull,
    TooManyCalls,
    Unauthenticated,
)
from voice_gateway.messages import CallConfig, Played
from voice_gateway.principals import Grant, Principal
from voice_gateway.transports.callers_address import FORWARDED, Proxies
from voice_gateway.transports.http_access import HttpAccess, refused, unauthenticated
from voice_gateway.transports.realtime import (
    client_secrets,
    frames,
    outbound,
    transcription_session,
)
from voice_gateway.transports.realtime.caller import RealtimeCaller, Socket
from voice_gateway.transports.realtime.clips import Clips
from voice_gateway.transports.realtime.fields import BadEvent
from voice_gateway.transports.realtime.out_of_band import OutOfBandResponses
from voice_gateway.transports.realtime.reconnecting import (
    SocketChannel,
    SocketLine,
    Wish,
    resync,
    wish_of,
)
from voice_gateway.transports.realtime.session_options import RATE_HZ, SessionOptions
from voice_gateway.transports.realtime.state import State
from voice_gateway.transports.wire import Defaults

log = logging.getLogger(__name__)

_LARGEST_FRAME_BYTES = frames.LARGEST_BYTES  # a larger one closes the socket
_LARGEST_OF_A_STRANGER_BYTES = 4096  # from a client that is told why it is not let in
_HEARTBEAT_S = 20.0  # browsers and proxies drop connections that stay silent
_CLOSE_TIMEOUT_S = 2.0
_SUBPROTOCOL = "realtime"
_LONGEST_NAME_CHARS = 128
_LONGEST_REASON_BYTES = 120
_UNAUTHORIZED = 3000  # as IANA's registry of close codes has it, and OpenAI uses it
_BETA_CLOSED = 4000  # as the cloud closes a socket that asks for the beta's events
_BETA_PROTOCOL = "openai-beta.realtime-v1"
_CLOSE_CODES: dict[type[CallError], int] = {
    GatewayFull: WSCloseCode.TRY_AGAIN_LATER,
    TooManyCalls: WSCloseCode.TRY_AGAIN_LATER,
    CallLost: WSCloseCode.SERVICE_RESTART,
    CallerSilent: WSCloseCode.GOING_AWAY,
    CallerElsewhere: 4001,  # of those that the protocol leaves to applications
    CallBroke: WSCloseCode.INTERNAL_ERROR,
    Unauthenticated: _UNAUTHORIZED,
}


class RealtimeFront:
    """Answers requests for a WebSocket; one socket is one call, unless the call outlives it."""

    def __init__(
        self,
        calls: Calls,
        defaults: Defaults,
        access: HttpAccess,
        proxies: Proxies,
        resumptions: Resumptions,
    ) -> None:
        self._calls = calls
        self._defaults = defaults
        self._access = access
        self._proxies = proxies
        self._resumptions = resumptions

    async def answer(self, request: web.Request) -> web.StreamResponse:
        if refusal := self._access.site_refusal(request):
            return refusal
        upgrades = request.headers.get(hdrs.UPGRADE, "").lower() == "websocket"
        try:
            grant = await self._access.grant(request)
        except Unauthenticated as error:
            self._calls.turned_away("realtime")
            if not upgrades:
                return unauthenticated(error)
            wrong_key = BadEvent("invalid_api_key", str(error))
            return await _turned_away(request, wrong_key, _UNAUTHORIZED)
        # A page asks with a plain request why its WebSocket was refused before it opened.
        if not upgrades:
            upgrade = refused(426, "upgrade_required", "This address speaks WebSocket.")
            return self._full() or upgrade
        return await self._open(request, grant)

    async def _open(self, request: web.Request, grant: Grant) -> web.StreamResponse:
        if _asks_for_beta(request):
            return await _turned_away(request, _BETA_IS_OVER, _BETA_CLOSED)
        try:
            wish = wish_of(request)
        except BadEvent as why:
            return refused(400, why.code, str(why), why.param)
        socket = _socket(_LARGEST_FRAME_BYTES)
        await socket.prepare(request)
        await self._serve(request, socket, grant, wish)
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
        self, request: web.Request, socket: web.WebSocketResponse, grant: Grant, wish: Wish
    ) -> None:
        code, why = WSCloseCode.OK, "the call is over"
        try:
            if not await self._resumed(socket, grant, wish):
                await self._begin(request, socket, grant, wish)
        except CallerGone:
            return
        except CallerSlow:
            # A client that does not read gets no goodbye: a send that timed out cannot be repeated.
            _abort(request)
            return
        except BadEvent as refusal:  # what the client's token asks for is not served any more
            code, why = WSCloseCode.POLICY_VIOLATION, str(refusal)
            with suppress(CallerGone):
                await _tell(socket, json.dumps(outbound.turned_away(refusal)))
        except CallError as error:
            code, why = _CLOSE_CODES.get(type(error), WSCloseCode.POLICY_VIOLATION), str(error)
        except Exception:  # a bug ends this call only, and the client sees no details
            log.exception("a call broke")
            code, why = WSCloseCode.INTERNAL_ERROR, "the gateway failed; see its log"
        await _close(request, socket, code, why)

    async def _resumed(self, socket: web.WebSocketResponse, grant: Grant, wish: Wish) -> bool:
        """Go on with the call of the client's token, where it has a good one; tell whether so.

        That call has its place already, however full the gateway is. It lasts from now on by what
        its client showed this time.
        """
        if not wish.token:
            return False
        name = grant.principal.name
        found = await self._resumptions.resume(wish.token, name, wish.received, SocketChannel)
        if found is None:
            await _tell(socket, resync())
            return False
        found[0].renew(grant.lapsed)
        await SocketLine(self._resumptions, *found, socket).serve(resumed=True)
        return True

    async def _begin(
        self, request: web.Request, socket: web.WebSocketResponse, grant: Grant, wish: Wish
    ) -> None:
        who, address = grant.principal, self._address(request)
        state = self._state(request, grant, wish)
        caller = RealtimeCaller(_AioSocket(socket), state)
        outlives = wish.resumable and self._resumptions.offered
        async with _goodbye(caller, state):
            with ExitStack() as admission:
                admitted = self._calls.admitted("realtime", who, address, grant.lapsed)
                call = admission.enter_context(admitted)
                if not outlives:
                    await _converse(call, caller, state.options.config)
                    return
                kept = admission.pop_all()
        await self._serve_resumable(call, kept, state, socket)

    async def _serve_resumable(
        self, call: Call, admission: ExitStack, state: State, socket: web.WebSocketResponse
    ) -> None:
        """Begin a call that outlives this socket, and keeps its admission until it is over."""
        channel = SocketChannel()
        caller = RealtimeCaller(channel, state)
        config = replace(state.options.config, can_resume=True)

        async def run() -> None:
            async with _goodbye(caller, state):
                with admission:
                    await _converse(call, caller, config)

        kept, line = self._resumptions.begin(channel, config.principal, run)
        kept.renew = call.renew
        await SocketLine(self._resumptions, kept, line, socket).serve(resumed=False)

    def _state(self, request: web.Request, grant: Grant, wish: Wish) -> State:
        """The state that a session begins in, with what its token asks for; raises BadEvent."""
        who, asked = grant.principal, client_secrets.unpacked(grant.carried)
        extended = request.query.get("events") == "all"
        config = self._config(who, wish.conversation_id, can_pause=extended)
        named = request.query.get("model", "")[:_LONGEST_NAME_CHARS]
        model = named or client_secrets.model_of(asked)
        only_words = request.query.get("intent") == transcription_session.KIND
        kind = transcription_session.KIND if only_words else "realtime"
        languages = self._defaults.languages
        options = SessionOptions(config.call_id, model, config, who.rights, kind, languages)
        options.update(asked, has_audio=False)
        state = State(options, extended=extended)
        state.decode(options.input_format)
        return state

    def _address(self, request: web.Request) -> str:
        forwarded = ",".join(request.headers.getall(FORWARDED, ()))
        return self._proxies.caller(request.remote or "", forwarded)

    def _config(self, who: Principal, conversation_id: str, *, can_pause: bool) -> CallConfig:
        return CallConfig(
            call_id=uuid.uuid4().hex[:12],
            language=self._defaults.language,
            rate_hz=RATE_HZ,
            voice=self._defaults.voice,
            system_prompt=self._defaults.system_prompt,
            can_pause=can_pause,
            conversation_id=conversation_id,
            line_echo=self._defaults.line_echo,
            principal=who.name,
            rights=who.rights,
        )


class _AioSocket(Socket):
    def __init__(self, socket: web.WebSocketResponse) -> None:
        self._socket = socket

    async def receive(self) -> str | bytes | None:
        message = await self._socket.receive()
        if message.type in (WSMsgType.TEXT, WSMsgType.BINARY):
            return message.data
        return None  # the socket was closed by either side, or broke

    async def send(self, frame: str, audio: Played | None) -> None:
        try:
            await self._socket.send_str(frame)
        except (ClientConnectionError, RuntimeError):
            raise ConnectionResetError from None

    def acknowledge(self, sequence: int) -> None:
        """Nothing is kept for this client."""


async def _converse(call: Call, caller: RealtimeCaller, config: CallConfig) -> None:
    """Run the call; its out-of-band responses end with it."""
    caller.allowance = call.allowance
    ended: CallError | None = None
    async with asyncio.TaskGroup() as tasks:
        caller.out_of_band = out_of_band = OutOfBandResponses(call, tasks)
        caller.clips = clips = Clips(call, tasks, caller.state, caller.say, caller.note)
        try:
            await call.run(caller, config)
        except CallError as error:
            ended = error
        out_of_band.cancel()
        clips.cancel()
    if ended:
        raise ended


@asynccontextmanager
async def _goodbye(caller: RealtimeCaller, state: State) -> AsyncGenerator[None]:
    """Tell a client that still reads why its call fails."""
    try:
        yield
    except (CallerGone, CallerSlow):
        raise
    except CallError as error:
        try:
            await caller.say([outbound.ended(state, error)])
        except CallError:
            log.info("the client was gone before it heard: %s", error)
        raise


def _socket(largest_bytes: int) -> web.WebSocketResponse:
    return web.WebSocketResponse(
        protocols=(_SUBPROTOCOL,),
        heartbeat=_HEARTBEAT_S,
        max_msg_size=largest_bytes,
        compress=False,  # base64 audio costs more to compress than to send
        timeout=_CLOSE_TIMEOUT_S,
    )


_BETA_IS_OVER = BadEvent(
    "beta_api_shape_disabled",
    "The Realtime beta API is not served. Use the GA API: leave out the header "
    f"'OpenAI-Beta: realtime=v1' and the subprotocol '{_BETA_PROTOCOL}'.",
)


def _asks_for_beta(request: web.Request) -> bool:
    """Whether the client wants the beta's events, of which it would understand none of ours."""
    offered = request.headers.get(hdrs.SEC_WEBSOCKET_PROTOCOL, "").split(",")
    return "realtime=v1" in request.headers.get("OpenAI-Beta", "") or _BETA_PROTOCOL in map(
        str.strip, offered
    )


async def _turned_away(
    request: web.Request, why: BadEvent, close_code: int
) -> web.WebSocketResponse:
    """Open the socket only to say why it is closed: browsers see no status of a handshake, and
    clients try again after one."""
    socket = _socket(_LARGEST_OF_A_STRANGER_BYTES)
    await socket.prepare(request)
    with suppress(CallerGone):
        await _tell(socket, json.dumps(outbound.turned_away(why)))
        await _close(request, socket, close_code, str(why))
    return socket


async def _tell(socket: web.WebSocketResponse, frame: str) -> None:
    try:
        await _AioSocket(socket).send(frame, None)
    except ConnectionError:
        raise CallerGone("the client closed the socket") from None


async def _close(request: web.Request, socket: web.WebSocketResponse, code: int, why: str) -> None:
    """Close the socket, whether its client still reads or not."""
    try:
        async with asyncio.timeout(2 * _CLOSE_TIMEOUT_S):
            await socket.close(code=code, message=_reason(why))
    except TimeoutError:
        _abort(request)


def _abort(request: web.Request) -> None:
    if request.transport:
        request.transport.abort()


def _reason(why: str) -> bytes:
    """As much of a text as a close frame may hold, in whole characters."""
    return why.encode()[:_LONGEST_REASON_BYTES].decode(errors="ignore").encode()
