"""The addresses of one of Riva's services: resolves their names, and owns the channels to them."""

import asyncio
import logging
import socket
from collections.abc import Awaitable, Callable, Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import grpc.aio

from voice_gateway.adapters.addresses import Target, listed
from voice_gateway.adapters.pool import Lease, Listeners, Pool
from voice_gateway.adapters.riva_link import RivaConnection
from voice_gateway.errors import Stage, TimedOut

log = logging.getLogger(__name__)

_MOST_STREAMS = 90  # on one HTTP/2 connection: many servers and proxies allow 100
_MOST_TIMEOUTS = 2  # in a row on one connection, which may have gone mute: it is dialled again
_DNS = "dns:///"
_RESOLVE_TIMEOUT_S = 3.0


@dataclass(eq=False, slots=True)
class _Channel:
    """One HTTP/2 connection."""

    channel: grpc.aio.Channel
    stub: Any
    streams: int = 0
    timeouts: int = 0
    """How many streams in a row got no answer in time."""


class RivaLink:
    """The channels to one address: as many as its streams need."""

    def __init__(
        self, connection: RivaConnection, stub_of: Callable[[grpc.aio.Channel], Any]
    ) -> None:
        self.connection = connection
        self.served: Any = ()
        """What the address served at its last check."""
        self._stub_of = stub_of
        self._channels: list[_Channel] = []
        self._mute: list[_Channel] = []

    @contextmanager
    def stream(self) -> Generator[_Channel]:
        """A channel with room for one stream more."""
        channel = self._with_room()
        channel.streams += 1
        try:
            yield channel
        except TimedOut:
            channel.timeouts += 1
            self._leave_mute(channel)
            raise
        finally:
            channel.streams -= 1

    async def tidy(self) -> None:
        """Close the mute channels that have no stream any more."""
        done = [channel for channel in self._mute if not channel.streams]
        self._mute = [channel for channel in self._mute if channel.streams]
        for channel in done:
            await channel.channel.close()

    async def close(self) -> None:
        for channel in (*self._channels, *self._mute):
            await channel.channel.close()

    def _with_room(self) -> _Channel:
        for channel in self._channels:
            if channel.streams < _MOST_STREAMS:
                return channel
        opened = self.connection.open()
        self._channels.append(_Channel(opened, self._stub_of(opened)))
        return self._channels[-1]

    def _leave_mute(self, channel: _Channel) -> None:
        """Begin no more streams on a mute channel: the next one is dialled anew."""
        if channel.timeouts >= _MOST_TIMEOUTS and channel in self._channels:
            self._channels.remove(channel)
            self._mute.append(channel)
            log.info("Riva at %s does not answer, and is dialled anew", self.connection.uri)


@dataclass(frozen=True, slots=True)
class RivaStream:
    """What one stream to Riva needs."""

    stub: Any
    connection: RivaConnection
    _lease: Lease[RivaLink]
    _channel: _Channel

    def waits(self, limit: asyncio.Timeout) -> None:
        """An answer is due within this limit."""
        self._lease.waits(limit)

    def answered(self) -> None:
        """Riva answered this stream; cheap to call with every answer."""
        self._channel.timeouts = 0
        self._lease.answered()


class RivaAddresses:
    """All addresses of one of Riva's services."""

    def __init__(
        self,
        connection: RivaConnection,
        stub_of: Callable[[grpc.aio.Channel], Any],
        listeners: Listeners | None = None,
    ) -> None:
        self._stage: Stage = connection.stage
        self._records: dict[str, tuple[str, ...]] = {
            item: (item,) for item in listed(connection.uri)
        }
        """What is dialled for each item of the setting; gRPC finds an unresolved name by itself."""
        self._unresolved: set[str] = set()

        def dial(target: Target) -> RivaLink:
            return RivaLink(connection.at(target.dialled, _host_of(target)), stub_of)

        self._pool = Pool(connection.stage, self._targets(), dial, listeners or Listeners())

    @property
    def served(self) -> Sequence[Any]:
        """What each address that answers served at its last check."""
        return [link.served for link in self._pool.up if link.served]

    @contextmanager
    def stream(self) -> Generator[RivaStream]:
        """The best address for a stream; a ServiceError that leaves the block counts against it."""
        with self._pool.lease() as lease, lease.connection.stream() as channel:
            yield RivaStream(channel.stub, lease.connection.connection, lease, channel)

    async def check(self, ask: Callable[[RivaLink, Any], Awaitable[str]]) -> str:
        """Resolve the names again, and ask each address by its stub. Raises ServiceError."""
        if any(item.startswith(_DNS) for item in self._records):
            await self._resolve()

        async def look(link: RivaLink) -> str:
            await link.tidy()
            with link.stream() as channel:
                said = await ask(link, channel.stub)
                channel.timeouts = 0
                return said

        return await self._pool.look(look)

    async def close(self) -> None:
        await self._pool.close()

    def _targets(self) -> list[Target]:
        return [Target(dialled, item) for item, all_ in self._records.items() for dialled in all_]

    async def _resolve(self) -> None:
        for item in self._records:
            if item.startswith(_DNS):
                await self._resolve_name(item)
        self._pool.keep(self._targets())

    async def _resolve_name(self, item: str) -> None:
        """Take over the records of a name; where it can't be resolved, those known are kept."""
        try:
            async with asyncio.timeout(_RESOLVE_TIMEOUT_S):
                self._records[item] = await _addresses_of(item.removeprefix(_DNS))
        except (OSError, TimeoutError, UnicodeError) as error:
            if item not in self._unresolved:
                log.warning("%s: %s cannot be resolved: %s", self._stage, item, error)
            self._unresolved.add(item)
        else:
            self._unresolved.discard(item)


async def _addresses_of(name: str) -> tuple[str, ...]:
    """The address and port of every A and AAAA record of HOST:PORT; raises OSError."""
    host, _, port = name.rpartition(":")
    loop = asyncio.get_running_loop()
    found = await loop.getaddrinfo(host.strip("[]"), int(port), type=socket.SOCK_STREAM)
    return tuple(sorted({_written(str(address[0]), port) for *_, address in found}))


def _written(host: str, port: str) -> str:
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def _host_of(target: Target) -> str:
    """The name that a record belongs to; empty for what is dialled as it is configured."""
    if target.dialled == target.configured:
        return ""
    return target.configured.removeprefix(_DNS).rpartition(":")[0]
