"""Checks who calls a gRPC method, by its `authorization` metadata or the client's certificate.

Every method is behind the key, where one is asked for, but the probes; a call of `StreamAudio`
checks for itself, as it must know whose it is.
"""

import ssl
from collections.abc import Awaitable, Callable, Collection, Sequence
from inspect import isasyncgen
from typing import Any

import grpc
import grpc.aio

from voice_gateway.access.callers import Callers
from voice_gateway.errors import Unauthenticated

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

    async def intercept_service(
        self,
        continuation: Callable[[grpc.HandlerCallDetails], Awaitable[Any]],
        handler_call_details: grpc.HandlerCallDetails,
    ) -> Any:
        handler = await continuation(handler_call_details)
        method: Any = handler_call_details.method
        if handler is None or not self._callers.asks or method in self._open:
            return handler
        shown: Any = handler_call_details.invocation_metadata
        is_probe = method in _PROBES
        if not bearer(shown):  # only the call itself knows of a certificate
            return _checked(handler, self._only_probed if is_probe else self._certified)
        try:
            await self._callers.authenticate(bearer(shown))
        except Unauthenticated as error:
            return _checked(handler, self._only_probed) if is_probe else _refusing(str(error))
        return handler

    async def _only_probed(self, request: Any, context: Any) -> None:
        if request.service in self._probed:
            return
        if bearer(context.invocation_metadata()) or not self._callers.recognises(
            certificate(context)
        ):
            await context.abort(grpc.StatusCode.UNAUTHENTICATED, "a key is needed to ask that")

    async def _certified(self, _requests: Any, context: Any) -> None:
        try:
            await self._callers.authenticate("", certificate(context))
        except Unauthenticated as error:
            await context.abort(grpc.StatusCode.UNAUTHENTICATED, str(error))


def _checked(handler: Any, check: Callable[[Any, Any], Awaitable[None]]) -> Any:
    """The handler, behind a check of its request that ends the call where it fails."""

    async def once(request: Any, context: Any) -> Any:
        await check(request, context)
        return await handler.unary_unary(request, context)

    async def often(request: Any, context: Any) -> None:
        await check(request, context)
        answers = (handler.unary_stream or handler.stream_stream)(request, context)
        if not isasyncgen(answers):
            return await answers
        async for answer in answers:
            await context.write(answer)

    coding = (handler.request_deserializer, handler.response_serializer)
    if handler.unary_unary:
        return grpc.unary_unary_rpc_method_handler(once, *coding)
    if handler.unary_stream:
        return grpc.unary_stream_rpc_method_handler(often, *coding)
    return grpc.stream_stream_rpc_method_handler(often, *coding)


def _refusing(said: str) -> Any:
    async def refuse(_requests: Any, context: Any) -> None:
        await context.abort(grpc.StatusCode.UNAUTHENTICATED, said)

    made: Any = grpc.stream_stream_rpc_method_handler
    return made(refuse)
