"""Checks who calls a gRPC method, by its `authorization` metadata or the client's certificate.

Every method is behind the key, where one is asked for, but the probes; a call of `StreamAudio`
checks for itself, as it must know whose it is. A stream that is open when what its caller showed
goes, a health watch say, ends as a call does.
"""

import asyncio
import logging
import ssl
from collections.abc import AsyncGenerator, Awaitable, Callable, Collection, Sequence
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass
from inspect import isasyncgen
from typing import Any

import grpc
import grpc.aio

from voice_gateway.access.callers import Callers
from voice_gateway.errors import Unauthenticated
from voice_gateway.principals import Lapsed, never_lapsed

log = logging.getLogger(__name__)

_LOOK_S = 1.0
_ASKS_KEY = "a key is needed to ask that"
_PROBES = ("/grpc.health.v1.Health/Check", "/grpc.health.v1.Health/Watch")


def bearer(metadata: Sequence[tuple[str, str | bytes]] | None) -> str:
    """What the caller shows; empty: nothing."""
    for name, value in metadata or ():
        if name == "authorization" and isinstance(value, str):
            scheme, _, key = value.partition(" ")
            return key.strip() if scheme.lower() == "bearer" else ""
    return ""


def certificate(context: Any) -> bytes:
    """The client's certificate in DER, which the handshake has checked; empty: none."""
    shown = context.auth_context().get("x509_pem_cert")
    return ssl.PEM_cert_to_DER_cert(shown[0].decode()) if shown else b""


@dataclass(eq=False, slots=True)
class _Stream:
    """An open stream that is no call."""

    lapsed: Lapsed
    limit: asyncio.Timeout
    why: str = ""
    """Why it is ended; empty: it is not."""


class KeyedMethods(grpc.aio.ServerInterceptor):
    """Refuses who shows no key; `open_methods` check for themselves.

    A probe without a key is told of the services in `probed`, and of no other.
    """

    def __init__(
        self, callers: Callers, *, open_methods: Collection[str], probed: Collection[str]
    ) -> None:
        self._callers = callers
        self._open = frozenset(open_methods)
        self._probed = frozenset(probed)
        self._streams: set[_Stream] = set()

    async def intercept_service(
        self,
        continuation: Callable[[grpc.HandlerCallDetails], Awaitable[Any]],
        handler_call_details: grpc.HandlerCallDetails,
    ) -> Any:
        handler = await continuation(handler_call_details)
        method: Any = handler_call_details.method
        checks = self._callers.asks or self._callers.revokes
        if handler is None or not checks or method in self._open:
            return handler
        return self._checked(handler, self._probe if method in _PROBES else self._admitted)

    async def end_lapsed(self) -> None:
        """End the streams by whose keys none may be opened any more, until cancelled."""
        while True:
            await asyncio.sleep(_LOOK_S)
            for stream in tuple(self._streams):
                if not stream.why and (why := stream.lapsed()):
                    stream.why = why
                    stream.limit.reschedule(0)

    async def _admitted(self, _request: Any, context: Any) -> Lapsed:
        """How long who asks may; raises Unauthenticated."""
        key = bearer(context.invocation_metadata())
        return (await self._callers.admit(key, certificate(context))).lapsed

    async def _probe(self, request: Any, context: Any) -> Lapsed:
        """The same of a probe: a wrong key is no worse than none."""
        key, shown = bearer(context.invocation_metadata()), certificate(context)
        connected = self._callers.connected(shown)
        if request.service in self._probed:
            return connected
        if self._callers.asks and not (key or self._callers.recognises(shown)):
            # Probes ask all the time, which is no refusal.
            raise Unauthenticated(_ASKS_KEY, "a probe shows no key")
        try:
            return await self._admitted(request, context)
        except Unauthenticated as error:
            raise Unauthenticated(_ASKS_KEY, error.reason) from None

    def _checked(self, handler: Any, check: Callable[[Any, Any], Awaitable[Lapsed]]) -> Any:
        """The handler, behind a check of its request that ends the call where it fails."""

        async def once(request: Any, context: Any) -> Any:
            await _granted(check, request, context)
            return await handler.unary_unary(request, context)

        async def often(request: Any, context: Any) -> None:
            lapsed = await _granted(check, request, context)
            async with self._while_it_holds(lapsed, context):
                await _serve(handler.unary_stream or handler.stream_stream, request, context)

        coding = (handler.request_deserializer, handler.response_serializer)
        if handler.unary_unary:
            return grpc.unary_unary_rpc_method_handler(once, *coding)
        if handler.unary_stream:
            return grpc.unary_stream_rpc_method_handler(often, *coding)
        return grpc.stream_stream_rpc_method_handler(often, *coding)

    @asynccontextmanager
    async def _while_it_holds(self, lapsed: Lapsed, context: Any) -> AsyncGenerator[None]:
        """End the stream with the reason once what its caller showed holds no more."""
        if lapsed is never_lapsed:
            yield
            return
        stream = _Stream(lapsed, asyncio.timeout(None))
        self._streams.add(stream)
        try:
            async with stream.limit:
                yield
        except TimeoutError:
            if not stream.why:
                raise
            log.info("a stream is ended: %s", stream.why)
            await context.abort(grpc.StatusCode.UNAUTHENTICATED, stream.why)
        finally:
            self._streams.discard(stream)


async def _granted(
    check: Callable[[Any, Any], Awaitable[Lapsed]], request: Any, context: Any
) -> Lapsed:
    """How long who asks may; ends the call of one who may not."""
    try:
        return await check(request, context)
    except Unauthenticated as error:
        await context.abort(grpc.StatusCode.UNAUTHENTICATED, str(error))
        raise


async def _serve(method: Callable[[Any, Any], Any], request: Any, context: Any) -> None:
    """Serve a stream, whether its method writes by itself or yields."""
    answers = method(request, context)
    if not isasyncgen(answers):
        await answers
        return
    async with aclosing(answers):
        async for answer in answers:
            await context.write(answer)
