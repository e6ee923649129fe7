"""Writes the record of a simulated call, on the clock of the running loop."""

import asyncio
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

from voice_gateway.conversation import Command, Event
from voice_gateway.ports import CallRecord

from voice_sim.call_record import Entry, Fault, Over, Record, Step

_MOST_AT_ONCE = 50_000


class Spinning(Exception):
    """The call does things without end while no time goes by."""


@dataclass(slots=True)
class Recorder:
    """What everything that is simulated tells what it does and sees."""

    record: Record
    open: dict[str, None] = field(default_factory=dict[str, None])
    """Upstream calls under way; a dict, for its order."""
    closed: bool = False
    _at_once: tuple[float, int] = (0.0, 0)

    def now(self) -> float:
        return asyncio.get_running_loop().time()

    def add(self, entry: Entry) -> None:
        if self.closed:
            return
        at, count = self._at_once
        self._at_once = (entry.at, count + 1 if entry.at == at else 1)
        if count > _MOST_AT_ONCE:
            raise Spinning(f"more than {_MOST_AT_ONCE} things happened at {entry.at:.2f}")
        self.record.entries.append(entry)

    def fault(self, what: str) -> None:
        self.add(Fault(self.now(), what))

    @contextmanager
    def upstream(self, name: str) -> Generator[None]:
        """A call to a service, from its start to its end, whatever ends it."""
        self.open[name] = None
        try:
            yield
        finally:
            del self.open[name]


class Steps(CallRecord):
    """Implements `ports.CallRecord`: notes what the conversation took in, and what it decided."""

    def __init__(self, recorder: Recorder, besides: CallRecord | None = None) -> None:
        """`besides` is told the same."""
        self._recorder = recorder
        self._besides = besides
        self._over = False

    def note(self, event: Event, commands: Sequence[Command]) -> None:
        self._recorder.add(Step(self._recorder.now(), event, tuple(commands)))
        if self._besides:
            self._besides.note(event, commands)

    def close(self) -> None:
        if not self._over:
            self._recorder.add(Over(self._recorder.now()))
        self._over = True
        if self._besides:
            self._besides.close()


async def until(at: float) -> None:
    """Wait for a time of the call; what is due needs no wait."""
    wait_s = at - asyncio.get_running_loop().time()
    if wait_s > 0:
        await asyncio.sleep(wait_s)
