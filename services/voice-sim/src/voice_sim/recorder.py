"""Writes the record of a simulated call, on the clock of the running loop."""

import asyncio
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

from voice_gateway.conversation import Command, Event
from voice_gateway.ports import CallRecord

from voice_sim.call_record import Entry, Fault, Over, Record, Step

_MOST_SIMULTANEOUS_ENTRIES = 50_000


class Spinning(Exception):
    """The call makes entries without end while no time passes."""


@dataclass(slots=True)
class Recorder:
    """Takes the entries of everything that is simulated."""

    record: Record
    open: dict[str, None] = field(default_factory=dict[str, None])
    """The upstream calls under way; a dict keeps their order."""
    closed: bool = False
    _simultaneous: tuple[float, int] = (0.0, 0)

    def now(self) -> float:
        return asyncio.get_running_loop().time()

    def add(self, entry: Entry) -> None:
        if self.closed:
            return
        at, count = self._simultaneous
        self._simultaneous = (entry.at, count + 1 if entry.at == at else 1)
        if count > _MOST_SIMULTANEOUS_ENTRIES:
            raise Spinning(
                f"more than {_MOST_SIMULTANEOUS_ENTRIES} things happened at {entry.at:.2f}"
            )
        self.record.entries.append(entry)

    def fault(self, what: str) -> None:
        self.add(Fault(self.now(), what))

    @contextmanager
    def upstream(self, name: str) -> Generator[None]:
        """Record a call to a service from its start to its end, whatever ends it."""
        self.open[name] = None
        try:
            yield
        finally:
            del self.open[name]


class Steps(CallRecord):
    """Implements `ports.CallRecord`: notes the events and commands of the conversation."""

    def __init__(self, recorder: Recorder, besides: CallRecord | None = None) -> None:
        """`besides` gets the same steps."""
        self._recorder = recorder
        self._besides = besides
        self._over = False

    def note(self, event: Event, commands: Sequence[Command]) -> None:
        self._recorder.add(Step(self._recorder.now(), event, tuple(commands)))
        if self._besides:
            self._besides.note(event, commands)

    def dropped(self, at: float, text: str, reason: str) -> None:
        if self._besides:
            self._besides.dropped(at, text, reason)

    def close(self) -> None:
        if not self._over:
            self._recorder.add(Over(self._recorder.now()))
        self._over = True
        if self._besides:
            self._besides.close()


async def until(at: float) -> None:
    """Wait for a time of the call; return at once if it is past."""
    wait_s = at - asyncio.get_running_loop().time()
    if wait_s > 0:
        await asyncio.sleep(wait_s)
