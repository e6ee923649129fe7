"""Asks the gateway which services behind it do not answer, before the first word is said."""

# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
# (the generated stubs of health ship no types)

import asyncio
from collections.abc import Sequence
from typing import Any, cast

import grpc.aio
from grpc_health.v1 import health_pb2, health_pb2_grpc

PATIENCE_S = 2.0
"""For the answer, which takes one round trip; a gateway that gives none is called all the same."""

Shown = Sequence[tuple[str, str]]

_States = health_pb2.HealthCheckResponse

SERVICE = "voice_workflow.VoiceGateway"
_STAGES = {"asr": "speech recognition", "llm": "the language model", "tts": "the voice"}
"""The names that the gateway gives to the health of its services."""


async def trouble(channel: grpc.aio.Channel, metadata: Shown = ()) -> str:
    """Say which services do not answer; empty where all do, or the gateway does not know yet.

    `metadata` holds the key of a gateway that asks for one.
    """
    try:
        async with asyncio.timeout(PATIENCE_S):
            if await _health(channel, SERVICE, metadata) != _States.NOT_SERVING:
                return ""
            told = {n: await _health(channel, stage, metadata) for stage, n in _STAGES.items()}
    except (grpc.aio.AioRpcError, TimeoutError):
        return ""
    down = [name for name, state in told.items() if state == _States.NOT_SERVING]
    if not down and _States.UNKNOWN in told.values():
        return ""  # it has just started
    return f"the gateway is not ready: {_listed(down)} not answer; it tries again all the time"


def _listed(names: list[str]) -> str:
    if len(names) < 2:
        return f"{names[0] if names else 'a service behind it'} does"
    return f"{', '.join(names[:-1])} and {names[-1]} do"


async def _health(channel: grpc.aio.Channel, service: str, metadata: Shown) -> int | None:
    """The service's state; None: the gateway does not tell of this one."""
    stub = cast("Any", health_pb2_grpc.HealthStub(channel))
    try:
        asked = health_pb2.HealthCheckRequest(service=service)
        answer = await stub.Check(asked, metadata=tuple(metadata))
    except grpc.aio.AioRpcError as error:
        if error.code() is grpc.StatusCode.NOT_FOUND:
            return None
        raise
    return int(answer.status)
