"""Turns faults into statuses: what a client is told when its call cannot be served."""

import logging
from collections.abc import AsyncGenerator, Generator
from contextlib import asynccontextmanager, contextmanager
from typing import Any, TypeAlias
from uuid import uuid4

from google.protobuf.message import DecodeError
from grpc import StatusCode, aio

from voice_local.engines import Unspeakable
from voice_local.lane import BusyError, LaneClosedError

Call: TypeAlias = "aio.ServicerContext[Any, Any]"

log = logging.getLogger(__name__)


class RefusedError(Exception):
    """The call ends with this status; the text names the field, the value and what is allowed."""

    def __init__(self, text: str, code: StatusCode = StatusCode.INVALID_ARGUMENT) -> None:
        super().__init__(text)
        self.code = code
        self.text = text


class Admission:
    """How many calls of one kind run at a time; one more is refused at once."""

    def __init__(self, kind: str, limit: int) -> None:
        self._kind = kind
        self._limit = limit
        self.running = 0

    @contextmanager
    def admit(self) -> Generator[None, None, None]:
        if self.running >= self._limit:
            raise RefusedError(
                f"Error: {self._limit} {self._kind} calls run already and no more may; try later",
                StatusCode.RESOURCE_EXHAUSTED,
            )
        self.running += 1
        try:
            yield
        finally:
            self.running -= 1


@asynccontextmanager
async def answering(context: Call) -> AsyncGenerator[None, None]:
    """End the call with a status of ours for whatever is raised inside; a cancel passes through."""
    try:
        yield
    except Exception as error:  # noqa: BLE001 - no fault's own text reaches a client
        if any(isinstance(fault, aio.InternalError) for fault in _leaves(error)):
            log.debug("the client went away in the middle of a write")
            return
        refusal = as_refusal(error)
        await context.abort(refusal.code, refusal.text)


def as_refusal(error: Exception) -> RefusedError:
    """The status for a fault; an unforeseen one is logged, and the client gets its reference."""
    faults = list(_leaves(error))
    for fault in faults:
        if isinstance(fault, RefusedError):
            return fault
        if isinstance(fault, DecodeError):
            return RefusedError("Error: a message is not of the type that this call takes")
        if isinstance(fault, Unspeakable):
            return RefusedError(f"Error: {fault}")
    if any(isinstance(fault, LaneClosedError) for fault in faults):
        return RefusedError("Error: the server is shutting down", StatusCode.UNAVAILABLE)
    if any(isinstance(fault, BusyError) for fault in faults):
        return RefusedError("Error: the server is busy; try later", StatusCode.RESOURCE_EXHAUSTED)
    reference = uuid4().hex[:8]
    log.error("internal error %s", reference, exc_info=error)
    return RefusedError(f"Error: internal error, reference {reference}", StatusCode.INTERNAL)


def _leaves(error: BaseException) -> Generator[BaseException, None, None]:
    if isinstance(error, BaseExceptionGroup):
        for inner in error.exceptions:  # pyright: ignore[reportUnknownVariableType, reportUnknownMemberType]
            yield from _leaves(inner)  # pyright: ignore[reportUnknownArgumentType]
    else:
        yield error
