"""Stands between the gateway and an upstream on TCP, and can go mute as a paused process does."""

import asyncio
from contextlib import suppress
from dataclasses import dataclass, field
from types import TracebackType
from typing import Self

from voice_gateway.testing.fake_faults import WAIT_S, Changes

_READ_BYTES = 65_536

_End = tuple[asyncio.StreamReader, asyncio.StreamWriter]


@dataclass(eq=False)
class _Connection:
    mute: bool
    tasks: set[asyncio.Task[None]] = field(default_factory=set[asyncio.Task[None]])
    _held: list[tuple[asyncio.StreamWriter, bytes]] = field(
        default_factory=list[tuple[asyncio.StreamWriter, bytes]]
    )

    def write(self, sink: asyncio.StreamWriter, data: bytes) -> None:
        if self.mute:
            self._held.append((sink, data))
        else:
            sink.write(data)

    def resume(self) -> None:
        self.mute = False
        held, self._held = self._held, []
        for sink, data in held:
            sink.write(data)


class WireTap:
    """Passes bytes on to `upstream`, HOST:PORT, until it is told not to."""

    def __init__(self, upstream: str) -> None:
        host, _, port = upstream.rpartition(":")
        self._upstream = (host, int(port))
        self._server: asyncio.Server | None = None
        self._open: set[_Connection] = set()
        self._changes = Changes()
        self._paused = False
        self.accepted = 0
        """How many connections were made so far."""

    @property
    def uri(self) -> str:
        assert self._server
        return f"127.0.0.1:{self._server.sockets[0].getsockname()[1]}"

    def mute_connections(self) -> None:
        """Let nothing pass any more on the connections that there are; new ones work."""
        for connection in self._open:
            connection.mute = True

    def pause(self) -> None:
        """Let nothing pass at all; connections are still accepted, as the kernel does that."""
        self._paused = True
        self.mute_connections()

    def resume(self) -> None:
        self._paused = False
        for connection in self._open:
            connection.resume()

    async def until_open(self, connections: int, timeout_s: float = WAIT_S) -> None:
        """Wait until so many connections are open."""
        await self._changes.until(lambda: len(self._open) == connections, timeout_s)

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        assert self._server
        self._server.close()
        for connection in tuple(self._open):
            for task in connection.tasks:
                task.cancel()
        await self.until_open(0)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connection = _Connection(mute=self._paused)
        self._open.add(connection)
        self.accepted += 1
        self._changes.notify()
        try:
            there = await asyncio.open_connection(*self._upstream)
            try:
                await _join(connection, (reader, writer), there)
            finally:
                there[1].close()
        except OSError:
            pass
        finally:
            writer.close()
            self._open.discard(connection)
            self._changes.notify()


async def _join(connection: _Connection, here: _End, there: _End) -> None:
    async with asyncio.TaskGroup() as tasks:
        for source, sink in ((here[0], there[1]), (there[0], here[1])):
            passing = tasks.create_task(_pass_on(source, sink, connection), name="pass on")
            connection.tasks.add(passing)


async def _pass_on(
    source: asyncio.StreamReader, sink: asyncio.StreamWriter, connection: _Connection
) -> None:
    with suppress(OSError):
        while data := await source.read(_READ_BYTES):
            connection.write(sink, data)
    sink.close()
