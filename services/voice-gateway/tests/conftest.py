"""A gateway on a free port in front of scripted upstreams, and a caller for it."""

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from typing import Any, cast

import grpc.aio
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from voice_gateway.server import GatewayServer
from voice_gateway.settings import Settings
from voice_gateway.testing.fake_chat import FakeChat
from voice_gateway.testing.fake_riva import FakeRiva
from voice_gateway.testing.line import ANSWER_S, Line, dial


@dataclass
class Gateway:
    """The gateway under test and its scripted upstreams."""

    port: int
    http_port: int
    riva: FakeRiva
    chat: FakeChat
    server: GatewayServer
    stop: asyncio.Event
    internal_port: int | None = None

    def channel(self) -> grpc.aio.Channel:
        return grpc.aio.insecure_channel(f"127.0.0.1:{self.port}")

    def dial(self, key: str = "") -> AbstractAsyncContextManager[Line]:
        return dial(f"127.0.0.1:{self.port}", key=key)

    async def knows_its_services(self) -> None:
        """Wait until the gateway was told what the recogniser and the voice offer."""
        async with asyncio.timeout(ANSWER_S), self.channel() as channel:
            health: Any = cast(Any, health_pb2_grpc).HealthStub(channel)
            for name in ("asr", "tts"):
                request = cast(Any, health_pb2).HealthCheckRequest(service=name)
                async for answer in health.Watch(request):
                    if answer.status == cast(Any, health_pb2).HealthCheckResponse.SERVING:
                        break


Serve = Callable[..., AbstractAsyncContextManager[Gateway]]


def settings(riva: FakeRiva, chat: FakeChat, **changes: Any) -> Settings:
    values: dict[str, Any] = {
        "grpc_host": "127.0.0.1",
        "grpc_port": 0,
        "http_host": "127.0.0.1",
        "http_port": 0,
        "riva_uri": riva.uri,
        "llm_base_url": chat.base_url,
        "drain_s": 2.0,
        "llm_warm_up": False,
        "admit_by_load": False,  # callers and services share the event loop with the gateway
        "apology": "off",  # so that the voice is asked for replies alone
        **changes,
    }
    return cast(Any, Settings)(_env_file=None, **values)


@asynccontextmanager
async def serving(riva: FakeRiva, chat: FakeChat, **changes: Any) -> AsyncGenerator[Gateway]:
    async with riva, chat:
        server = GatewayServer(settings(riva, chat, **changes))
        ports = await server.start()
        stop = asyncio.Event()
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(server.run(stop), name="gateway")
            try:
                yield Gateway(ports.grpc, ports.http, riva, chat, server, stop, ports.internal)
            finally:
                stop.set()


@pytest.fixture
def serve(monkeypatch: pytest.MonkeyPatch) -> Serve:
    # A test's caller may take its time over its first word, on a busy machine.
    monkeypatch.setattr("voice_gateway.call.calls._SILENT_GRACE_S", 600.0)
    return serving
