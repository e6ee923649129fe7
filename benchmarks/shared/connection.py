"""A caller's connection to the gateway, and one call on it."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any, cast

import grpc
import grpc.aio
from voice_proto import voice_workflow_pb2_grpc as pb_grpc

START_S = 1.0
"""Seconds in which all callers connect before the first one speaks."""


@asynccontextmanager
async def open_stub(uri: str) -> AsyncGenerator[Any, None]:
    """Open the gateway's stub on a connection of its own, as each caller in the field has."""
    options = [("grpc.use_local_subchannel_pool", 1)]
    async with grpc.aio.insecure_channel(uri, options=options) as channel:
        await asyncio.wait_for(channel.channel_ready(), 10)
        yield cast(Any, pb_grpc).VoiceGatewayStub(channel)


@asynccontextmanager
async def open_call(stub: Any, within_s: float, problems: list[str]) -> AsyncGenerator[Any, None]:
    """Open a call's stream; note what breaks it, or that it did not end within `within_s`."""
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
