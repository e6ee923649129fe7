"""Defines the faults of fake upstreams, and lets tests wait for what an upstream sees."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from grpc import StatusCode

WAIT_S = 60.0
"""Seconds until a waiting test fails: long, because a machine may be busy."""


@dataclass(frozen=True, slots=True)
class Refuse:
    """A call is ended at once, before any response."""

    code: StatusCode = StatusCode.UNAVAILABLE
    text: str = "scripted refusal"
    after_metadata: bool = False
    """Whether a recogniser sends its metadata first, as if it would serve."""


@dataclass(frozen=True, slots=True)
class Hang:
    """A call is accepted and never answered; what the client sends is read and dropped."""


@dataclass(frozen=True, slots=True)
class DieAfter:
    """A call is ended in place of its next response once it has sent so many."""

    responses: int
    code: StatusCode = StatusCode.UNAVAILABLE
    text: str = "scripted death"


RivaFault = Refuse | Hang | DieAfter
FaultScript = RivaFault | Callable[[int], RivaFault | None] | None
"""One fault for every call, or the fault of the n-th call (from 0), or none.

It may be changed while calls run: they look at it before each response.
"""


def fault_of(script: FaultScript, ordinal: int) -> RivaFault | None:
    return script(ordinal) if callable(script) else script


class Changes:
    """Wakes the tests that wait for a condition of a record, so that none needs to sleep."""

    def __init__(self) -> None:
        self._changed = asyncio.Event()

    def notify(self) -> None:
        self._changed.set()
        self._changed = asyncio.Event()

    async def until(self, condition: Callable[[], bool], timeout_s: float = WAIT_S) -> None:
        """Wait for the condition; raises TimeoutError if it stays false for `timeout_s`."""
        async with asyncio.timeout(timeout_s):
            while not condition():
                await self._changed.wait()


Record = TypeVar("Record")


class Log(Generic[Record]):
    """The calls a fake has seen, in the order of their arrival."""

    def __init__(self) -> None:
        self._records: list[Record] = []
        self._changes = Changes()

    @property
    def records(self) -> Sequence[Record]:
        return self._records

    def add(self, record: Record) -> None:
        self._records.append(record)
        self._changes.notify()

    async def nth(self, ordinal: int, timeout_s: float = WAIT_S) -> Record:
        """Wait for the `ordinal`-th record, from 0."""
        await self._changes.until(lambda: len(self._records) > ordinal, timeout_s)
        return self._records[ordinal]
