"""Accepts a port's connections; those that wait for a request give way to those that come.

asyncio's own server takes as many connections as there are files, keeps each for as long as it
likes to say nothing, and where no file is left it logs each try, thousands a second.
"""

import asyncio
import errno
import logging
import os
import socket
import ssl
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass

log = logging.getLogger(__name__)

Address = tuple[str, int] | tuple[str, int, int, int] | tuple[int, bytes]

_BACKLOG = 256
_RETRY_S = 0.5
_SPARE_FILES = 32
"""Kept for this port, whatever else takes files: the probes of a cluster come here."""
_NO_FILES = (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM)


@dataclass(frozen=True, slots=True)
class ConnectionLimits:
    most: int = 512
    """Connections at once."""
    request_s: float = 10.0
    """How long a new connection may take over its TLS handshake, and over its first request."""
    idle_s: float = 60.0
    """How long it may wait for a further one."""


@dataclass(slots=True)
class _Open:
    transport: asyncio.Transport
    timer: asyncio.TimerHandle | None = None


class Connections:
    """The open connections of one port; the oldest that waits for a request is closed for another.

    A connection is named by its protocol.
    """

    def __init__(self, limits: ConnectionLimits) -> None:
        self._limits = limits
        self._open: dict[asyncio.BaseProtocol, _Open] = {}
        self._waiting: dict[asyncio.BaseProtocol, None] = {}

    def __len__(self) -> int:
        return len(self._open)

    def room(self) -> bool:
        """Make room for one more; false: every connection is at work."""
        while len(self._open) >= self._limits.most and self._waiting:
            self.close(next(iter(self._waiting)))
        return len(self._open) < self._limits.most

    def opened(self, connection: asyncio.BaseProtocol, transport: asyncio.Transport) -> None:
        self._open[connection] = _Open(transport)
        self._wait(connection, self._limits.request_s)

    def closed(self, connection: asyncio.BaseProtocol) -> None:
        self._stop_waiting(connection)
        self._open.pop(connection, None)

    @asynccontextmanager
    async def at_work(self, connection: asyncio.BaseProtocol | None) -> AsyncGenerator[None]:
        """Keep the connection while its request is answered."""
        if connection:
            self._stop_waiting(connection)
        try:
            yield
        finally:
            if connection in self._open:
                self._wait(connection, self._limits.idle_s)

    def close(self, connection: asyncio.BaseProtocol) -> None:
        """Close the connection now; whatever was to be sent on it is dropped."""
        found = self._open.get(connection)
        self.closed(connection)
        if found:
            found.transport.abort()

    def close_waiting(self) -> None:
        for connection in tuple(self._waiting):
            self.close(connection)

    def _wait(self, connection: asyncio.BaseProtocol, longest_s: float) -> None:
        self._waiting[connection] = None
        loop = asyncio.get_running_loop()
        self._open[connection].timer = loop.call_later(longest_s, self.close, connection)

    def _stop_waiting(self, connection: asyncio.BaseProtocol) -> None:
        self._waiting.pop(connection, None)
        found = self._open.get(connection)
        if found and found.timer:
            found.timer.cancel()
            found.timer = None


class _SpareFiles:
    """Files that are open for nothing, so that where no other is left some can be had."""

    def __init__(self) -> None:
        self._files: list[int] = []

    def fill(self) -> None:
        with suppress(OSError):
            while len(self._files) < _SPARE_FILES:
                self._files.append(os.open(os.devnull, os.O_RDONLY))

    def give(self) -> bool:
        """Close one; false: none is left."""
        if not self._files:
            return False
        os.close(self._files.pop())
        return True

    def close(self) -> None:
        while self.give():
            pass


class Listener:
    """Listens on all addresses of one host, and gives each connection a protocol."""

    def __init__(
        self,
        make: Callable[[], asyncio.BaseProtocol],
        connections: Connections,
        limits: ConnectionLimits,
    ) -> None:
        self._make = make
        self._connections = connections
        self._limits = limits
        self._tls: ssl.SSLContext | None = None
        self._sockets: list[socket.socket] = []
        self._short = False
        self._spare = _SpareFiles()

    async def start(self, host: str, port: int, tls: ssl.SSLContext | None = None) -> int:
        """Listen; return the port. Raises OSError where an address cannot be bound."""
        self._tls = tls
        try:
            for family, address in await _addresses(host, port):
                self._sockets.append(_listening(family, address))
        except OSError:
            self.stop()
            raise
        self._spare.fill()
        return self._sockets[0].getsockname()[1]

    async def accept(self) -> None:
        """Accept connections until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            for listening in self._sockets:
                tasks.create_task(self._accept(listening, tasks), name="accept")

    def stop(self) -> None:
        """Accept no more; connections that wait for a request are closed."""
        for listening in self._sockets:
            listening.close()
        self._sockets.clear()
        self._spare.close()
        self._connections.close_waiting()

    async def _accept(self, listening: socket.socket, tasks: asyncio.TaskGroup) -> None:
        loop = asyncio.get_running_loop()
        while True:
            try:
                accepted, _ = await loop.sock_accept(listening)
            except OSError as error:
                await self._missed(error)
                continue
            self._say_short(short=False)
            self._spare.fill()
            if self._connections.room():
                tasks.create_task(self._serve(accepted), name="connection")
            else:
                accepted.close()

    async def _missed(self, error: OSError) -> None:
        """A connection could not be accepted; wait where there is no file for it."""
        if error.errno not in _NO_FILES or self._spare.give():
            return  # the client was gone before, or there is a file for it now
        self._say_short(short=True, why=error.strerror or "")
        await asyncio.sleep(_RETRY_S)

    def _say_short(self, *, short: bool, why: str = "") -> None:
        """Log once that no connection can be accepted, and once that they can again."""
        if short == self._short:
            return
        self._short = short
        if short:
            log.error("no connection can be accepted: %s; see `ulimit -n`", why)
        else:
            log.info("connections are accepted again")

    async def _serve(self, accepted: socket.socket) -> None:
        loop, connection = asyncio.get_running_loop(), self._make()
        timeout = {"ssl_handshake_timeout": self._limits.request_s} if self._tls else {}
        try:
            transport, _ = await loop.connect_accepted_socket(
                lambda: connection, accepted, ssl=self._tls, **timeout
            )
        except OSError:  # among them TLS errors: the client is gone, or speaks something else
            accepted.close()
            return
        self._connections.opened(connection, transport)


async def _addresses(host: str, port: int) -> Sequence[tuple[int, Address]]:
    """The addresses of a host to listen on, each once; an empty host is every address."""
    loop = asyncio.get_running_loop()
    found = await loop.getaddrinfo(
        host or None, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
    )
    return list(dict.fromkeys((family, address) for family, _, _, _, address in found))


def _listening(family: int, address: Address) -> socket.socket:
    listening = socket.socket(family, socket.SOCK_STREAM)
    try:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:  # IPv4 has a socket of its own
            listening.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        listening.bind(address)
        listening.listen(_BACKLOG)
        listening.setblocking(False)
    except OSError:
        listening.close()
        raise
    return listening
