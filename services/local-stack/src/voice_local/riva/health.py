"""The standard health service of gRPC: SERVING from the start, NOT_SERVING once it stops."""
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportAttributeAccessIssue=false, reportUnknownArgumentType=false
# grpc_health ships no types; riva's own health stub must not be imported beside it

from collections.abc import Sequence

from grpc import aio
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_health.v1.health import aio as health


class Health:
    def __init__(self, services: Sequence[str]) -> None:
        self._services = services
        self._servicer = health.HealthServicer()

    def register(self, server: aio.Server) -> None:
        health_pb2_grpc.add_HealthServicer_to_server(self._servicer, server)

    async def serving(self) -> None:
        """Report the server as a whole, and each service, as SERVING."""
        for service in ("", *self._services):
            await self._servicer.set(service, health_pb2.HealthCheckResponse.SERVING)

    async def leaving(self) -> None:
        """Report everything as NOT_SERVING, for good."""
        await self._servicer.enter_graceful_shutdown()
