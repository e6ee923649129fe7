"""Checks who calls a gRPC method, by its `authorization` metadata.

Every method is behind the key, where one is asked for, but the probes; a call of `StreamAudio`
checks for itself, as it must know whose it is.
"""

from collections.abc import Awaitable, Callable, Collection, Sequence
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
        if is_probe and not bearer(shown):
            return self._for_probes(handler)
        try:
            await self._callers.authenticate(bearer(shown))
        except Unauthenticated as error:
            return self._for_probes(handler) if is_probe else _refusing(str(error))
        return handler

    def _for_probes(self, handler: Any) -> Any:
        async def check(request: Any, context: Any) -> Any:
            await self._only_probed(request, context)
            return await handler.unary_unary(request, context)

        async def watch(request: Any, context: Any) -> None:
            await self._only_probed(request, context)
            await handler.unary_stream(request, context)

        coding = (handler.request_deserializer, handler.response_serializer)
        if handler.unary_unary:
            return grpc.unary_unary_rpc_method_handler(check, *coding)
        return grpc.unary_stream_rpc_method_handler(watch, *coding)

    async def _only_probed(self, request: Any, context: Any) -> None:
        if request.service not in self._probed:
            await context.abort(grpc.StatusCode.UNAUTHENTICATED, "a key is needed to ask that")


def _refusing(said: str) -> Any:
    async def refuse(_requests: Any, context: Any) -> None:
        await context.abort(grpc.StatusCode.UNAUTHENTICATED, said)

    made: Any = grpc.stream_stream_rpc_method_handler
    return made(refuse)
