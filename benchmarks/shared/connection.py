"""A caller's connection to the gateway, and one call on it."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any, cast

import grpc
import grpc.aio
from voice_proto import voice_workflow_pb2_grpc as pb_grpc

START_S = 1.0
"""For all callers to connect before the first speaks."""


@asynccontextmanager
async def open_stub(uri: str) -> AsyncGenerator[Any, None]:
    """The gateway over a connection of its own, as each caller in the field has one."""
    options = [("grpc.use_local_subchannel_pool", 1)]
    async with grpc.aio.insecure_channel(uri, options=options) as channel:
        await asyncio.wait_for(channel.channel_ready(), 10)
        yield cast(Any, pb_grpc).VoiceGatewayStub(channel)


@asynccontextmanager
async def open_call(stub: Any, within_s: float, problems: list[str]) -> AsyncGenerator[Any, None]:
    """A call's stream. What breaks it is noted, and that it did not end within this time."""
    stream = stub.StreamAudio()
    try:
        async with asyncio.timeout(within_s):
            yield stream
    except* TimeoutError:
        problems.append("the call did not end")
    except* (grpc.aio.AioRpcError, asyncio.InvalidStateError) as errors:
        problems += [_said_of(error) for error in errors.exceptions]
    finally:
        stream.cancel()


def _said_of(error: Exception) -> str:
    if isinstance(error, grpc.aio.AioRpcError):
        return f"{error.code().name}: {error.details()}"
    return str(error)
