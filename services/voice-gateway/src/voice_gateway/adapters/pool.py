"""Owns the connections to the addresses of one service, and looks whether they answer."""

import asyncio
import logging
from collections import Counter
from collections.abc import Awaitable, Callable, Generator, Iterable, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

from voice_gateway.adapters.addresses import Address, Addresses, Target, Turn
from voice_gateway.errors import Rejected, ServiceError, Stage, TimedOut, Unavailable

log = logging.getLogger(__name__)

_BROKE = "its check broke inside the gateway; see its log"
_UNANSWERED_S = 3.0  # after which it is worth a look whether the address still answers
_SILENT_S = 1.0  # an address that does not answer the look for so long is left
_JUDGED_EVERY_S = 0.25
_ANSWERS_CALLS = "it answers calls"


class Connection(Protocol):
    async def close(self) -> None: ...


C = TypeVar("C", bound=Connection)


@dataclass(frozen=True, slots=True)
class Listeners:
    """Who hears of a service's addresses; each is called on the event loop, and returns at once."""

    on_trouble: Callable[[], None] = lambda: None
    """A call met a fault, or an address came or went: it is worth a look."""
    on_count: Callable[[str, int, int], None] = lambda configured, up, down: None
    """How many addresses of a configured item are up, and how many are not."""


@dataclass(eq=False, slots=True)
class _Wait:
    """A stream's wait for an answer that is due."""

    turn: Turn
    limit: asyncio.Timeout
    since: float
    timer: asyncio.TimerHandle | None = None
    left: bool = False

    def leave(self) -> None:
        """End the wait before its limit is over."""
        self.left = True
        with suppress(RuntimeError):  # it is over already
            self.limit.reschedule(_now())

    def end(self) -> None:
        if self.timer:
            self.timer.cancel()


@dataclass(slots=True)
class Lease(Generic[C]):
    """One stream's use of a connection."""

    connection: C
    turn: Turn
    _watch: Callable[[_Wait], None]
    _wait: _Wait | None = None

    @property
    def left(self) -> bool:
        """Whether the stream is to go elsewhere, as its address was silent."""
        return self._wait is not None and self._wait.left

    def waits(self, limit: asyncio.Timeout) -> None:
        """An answer is due; the limit ends early where the address is silent and not alone."""
        if self._wait:
            self._wait.limit = limit
        else:
            self._wait = _Wait(self.turn, limit, _now())
            self._watch(self._wait)

    def answered(self) -> None:
        """The service answered the stream; cheap to call with every answer."""
        self.end_wait()
        self.turn.answered()

    def end_wait(self) -> None:
        if self._wait:
            self._wait.end()
            self._wait = None


class Pool(Generic[C]):
    """One connection, dialled at its first use, to each address of a service."""

    def __init__(
        self,
        stage: Stage,
        targets: Iterable[Target],
        dial: Callable[[Target], C],
        listeners: Listeners,
    ) -> None:
        self._stage: Stage = stage
        self._dial = dial
        self._listeners = listeners
        self._addresses = Addresses(targets, _now, self._changed)
        self._connections: dict[Address, C] = {}
        self._said: dict[Address, str] = {}
        """What each address last said of itself."""
        self._faults: dict[Address, ServiceError] = {}
        self._looking = False

    @property
    def up(self) -> Sequence[C]:
        """The connections to the addresses that answer."""
        return [self._connection(address) for address in self._addresses.up]

    @contextmanager
    def lease(self) -> Generator[Lease[C]]:
        """A connection for one stream; a ServiceError that leaves the block counts against it."""
        turn = self._addresses.choose()
        doubt = asyncio.get_running_loop().call_later(_UNANSWERED_S, self._doubt, turn)
        lease = Lease(self._connection(turn.address), turn, self._watch)
        try:
            yield lease
            turn.answered()
        except ServiceError as fault:
            turn.failed(fault)
            if not isinstance(fault, Rejected):
                self._listeners.on_trouble()
            if lease.left:
                where = turn.address.target.dialled
                said = f"{where} answers neither a stream nor a look"
                raise TimedOut(self._stage, said) from None
            raise
        finally:
            doubt.cancel()
            lease.end_wait()
            turn.end()

    def keep(self, targets: Iterable[Target]) -> None:
        """Have these addresses from now on; one that is gone is closed after its last stream."""
        for address in self._addresses.keep(targets):
            if address.target.dialled != address.target.configured:
                log.info("%s: %s is gone from its name", self._stage, address.target.dialled)
        self._count()

    async def look(self, check: Callable[[C], Awaitable[str]]) -> str:
        """Check every address; say what is served, or raise the ServiceError of the first."""
        await self._tidy()
        self._looking = True
        try:
            async with asyncio.TaskGroup() as tasks:
                for address in self._addresses.listed:
                    tasks.create_task(self._look_at(address, check), name=f"look-{self._stage}")
        finally:
            self._looking = False
        self._count()
        return self._outcome()

    async def close(self) -> None:
        for connection in self._connections.values():
            await connection.close()
        self._connections.clear()

    async def _tidy(self) -> None:
        """Close the connections to addresses that are gone and have no stream any more."""
        idle = [address for address in self._connections if address.gone and not address.streams]
        for address in idle:
            self._faults.pop(address, None)
            self._said.pop(address, None)
            await self._connections.pop(address).close()

    def _doubt(self, turn: Turn) -> None:
        """Look at an address that lets a stream wait, before the stream's own limit is over."""
        if turn.waits and len(self._addresses.listed) > 1:
            self._listeners.on_trouble()

    def _watch(self, wait: _Wait) -> None:
        """Have a stream leave its address, where that is silent and there is another."""
        if len(self._addresses.listed) > 1:
            loop = asyncio.get_running_loop()
            wait.timer = loop.call_later(_UNANSWERED_S, self._suspect, wait)

    def _suspect(self, wait: _Wait) -> None:
        self._listeners.on_trouble()
        self._judge(wait)

    def _judge(self, wait: _Wait) -> None:
        address, now = wait.turn.address, _now()
        if address.heard_since(wait.since):
            return  # it is slow, and not silent
        silent = address.looked_since(wait.since, _SILENT_S, now)
        if silent and self._addresses.others(address):
            self._addresses.left(address)
            wait.leave()
            return
        loop = asyncio.get_running_loop()
        wait.timer = loop.call_later(_JUDGED_EVERY_S, self._judge, wait)

    async def _look_at(self, address: Address, check: Callable[[C], Awaitable[str]]) -> None:
        address.looked(_now())
        try:
            said = await check(self._connection(address))
        except ServiceError as fault:
            self._miss(address, fault)
        except Exception:  # the boundary: the other addresses are looked at, too
            if address not in self._faults or self._faults[address].text != _BROKE:
                log.exception("%s at %s: its check broke", self._stage, address.target.dialled)
            self._miss(address, Unavailable(self._stage, _BROKE))
        else:
            self._said[address] = said
            self._faults.pop(address, None)
            self._addresses.seen(address)

    def _miss(self, address: Address, fault: ServiceError) -> None:
        was_up = address.up
        self._faults[address] = fault
        self._addresses.missed(address)
        if was_up and address.up and address.doubted:
            log.debug("%s at %s: %s", self._stage, address.target.dialled, fault.text)
            self._listeners.on_trouble()  # the next look tells whether it was one slow answer

    def _outcome(self) -> str:
        listed, up = self._addresses.listed, self._addresses.up
        if not up:
            raise self._whole_fault(listed)
        said = self._said.get(up[0], _ANSWERS_CALLS)
        return f"{said} ({len(up)} of {len(listed)} addresses)" if len(listed) > 1 else said

    def _whole_fault(self, listed: Sequence[Address]) -> ServiceError:
        fault = self._faults.get(listed[0]) or Unavailable(self._stage, "it was not checked yet")
        if len(listed) == 1:
            return fault
        return type(fault)(self._stage, f"none of {len(listed)} addresses answers: {fault.text}")

    def _changed(self, address: Address) -> None:
        if len(self._addresses.listed) > 1:
            self._log_change(address)
        self._count()
        if not self._looking:  # the outcome of a look tells it by itself
            self._listeners.on_trouble()

    def _log_change(self, address: Address) -> None:
        where = address.target.dialled
        if address.up:
            said = self._said.get(address, _ANSWERS_CALLS)
            log.info("%s at %s is up: %s", self._stage, where, said)
        elif fault := self._faults.get(address):
            log.warning("%s at %s is down: %s", self._stage, where, fault.text)

    def _count(self) -> None:
        listed = self._addresses.listed
        all_of = Counter(address.target.configured for address in listed)
        up_of = Counter(address.target.configured for address in self._addresses.up)
        for configured, count in all_of.items():
            self._listeners.on_count(configured, up_of[configured], count - up_of[configured])

    def _connection(self, address: Address) -> C:
        if address not in self._connections:
            self._connections[address] = self._dial(address.target)
        return self._connections[address]


def _now() -> float:
    return asyncio.get_running_loop().time()
