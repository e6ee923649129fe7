"""Checks who asks over HTTP: the page that a browser shows, the name it reached us by, and the key.

A browser lets a page send what it likes to an address, and tells truly where the page is from. The
page of a stranger passes for our own where its own name was made to lead here (DNS rebinding), so
that a name counts only if it is one of ours, or none at all: an address in figures leads nowhere
else.
"""

import ssl
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from ipaddress import ip_address
from urllib.parse import urlsplit

from aiohttp import hdrs, web

from voice_gateway.access.callers import Callers
from voice_gateway.errors import Unauthenticated
from voice_gateway.principals import Grant

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

KEY_PROTOCOL = "openai-insecure-api-key."


@dataclass(frozen=True, slots=True)
class Sites:
    """Where pages that call may be from."""

    origins: frozenset[str] = frozenset()
    """Sites whose pages may call, besides the gateway's own; "*": all sites."""
    hosts: frozenset[str] = frozenset()
    """Names that the gateway has; "*": any."""
    loopback: bool = False
    """Only this machine reaches the port, so that any other name leads here by deceit."""


class HttpAccess:
    """The checks of the HTTP port."""

    def __init__(self, callers: Callers, sites: Sites) -> None:
        self._callers = callers
        self._sites = sites

    @property
    def asks(self) -> bool:
        return self._callers.asks

    def site_refusal(self, request: web.Request) -> web.Response | None:
        """Why no page like this one is answered; where a key is asked for, that is enough."""
        if self._callers.asks or "*" in self._sites.origins:
            return None
        origin = request.headers.get(hdrs.ORIGIN)
        if origin in self._sites.origins:
            return None
        if origin is not None and _place(origin) != request.host:
            said = "Pages of this site may not call; see HTTP_ORIGINS."
            return refused(403, "origin_not_allowed", said)
        if (origin is not None or self._sites.loopback) and not self._knows(request.host):
            said = "The gateway does not know itself by this name; see HTTP_HOSTS."
            return refused(403, "host_not_allowed", said)
        return None

    def revoked(self, request: web.Request) -> web.Response | None:
        """Why who shows a revoked certificate is not answered."""
        if not self._callers.revokes:
            return None
        try:
            self._callers.connected(certificate(request))
        except Unauthenticated as error:
            return unauthenticated(error)
        return None

    async def grant(self, request: web.Request) -> Grant:
        """Who asks, and how long a call of theirs may last; raises Unauthenticated."""
        return await self._callers.admit(bearer(request), certificate(request))

    async def may_know(self, request: web.Request) -> bool:
        """Whether who asks may be told more than a probe must know."""
        if self.asks and not bearer(request):
            # Probes ask all the time, which is no refusal.
            return self._callers.recognises(certificate(request))
        try:
            await self.grant(request)
        except Unauthenticated:
            return False
        return True

    def keyed(self, handler: Handler) -> Handler:
        """Answer only who shows a key, where one is asked for."""

        async def checked(request: web.Request) -> web.StreamResponse:
            if refusal := self.site_refusal(request):
                return refusal
            try:
                await self.grant(request)
            except Unauthenticated as error:
                return unauthenticated(error)
            return await handler(request)

        return checked

    def _knows(self, host: str) -> bool:
        name = _name(host)
        own = name == "localhost" or name.endswith(".localhost") or _is_address(name)
        return own or name in self._sites.hosts or "*" in self._sites.hosts


def bearer(request: web.Request) -> str:
    """What the client shows: in a header or, from a browser, in a subprotocol's name."""
    scheme, _, key = request.headers.get(hdrs.AUTHORIZATION, "").partition(" ")
    if scheme.lower() == "bearer":
        return key.strip()
    offered = request.headers.get(hdrs.SEC_WEBSOCKET_PROTOCOL, "")
    for name in map(str.strip, offered.split(",")):
        if name.startswith(KEY_PROTOCOL):
            return name.removeprefix(KEY_PROTOCOL)
    return ""


def certificate(request: web.Request) -> bytes:
    """The client's certificate in DER, which the handshake has checked; empty: none."""
    tls = request.transport and request.transport.get_extra_info("ssl_object")
    shown = tls.getpeercert(binary_form=True) if isinstance(tls, ssl.SSLObject) else None
    return shown or b""


def unauthenticated(error: Unauthenticated) -> web.Response:
    return refused(401, "invalid_api_key", str(error))


def refused(status: int, code: str, said: str, param: str | None = None) -> web.Response:
    error = {"message": said, "type": "invalid_request_error", "param": param, "code": code}
    headers = {hdrs.WWW_AUTHENTICATE: "Bearer"} if status == 401 else None
    return web.json_response({"error": error}, status=status, headers=headers)


def _place(origin: str) -> str:
    """The host and port of a site; empty where it is none."""
    try:
        return urlsplit(origin).netloc
    except ValueError:
        return ""


def _name(host: str) -> str:
    """The name or address of a Host header, without its port, as it is compared."""
    if host.startswith("["):
        return host[1:].partition("]")[0]
    return host.partition(":")[0].lower().rstrip(".")


def _is_address(name: str) -> bool:
    try:
        ip_address(name)
    except ValueError:
        return False
    return True
