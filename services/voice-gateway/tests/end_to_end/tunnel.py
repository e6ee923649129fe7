"""A stand-in for `ssh -L`: a port of this machine that leads to the gateway, and can be cut."""

import asyncio
import errno
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

PORT = 50051


@dataclass
class Tunnel:
    """Leads a port of this machine to the gateway, as `ssh -L` does."""

    gateway: str
    port: int = 0
    carried: int = 0
    """Bytes so far, both ways."""
    ends: list[asyncio.StreamWriter] = field(default_factory=list[asyncio.StreamWriter])

    async def lead(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        host, _, port = self.gateway.rpartition(":")
        far_reader, far_writer = await asyncio.open_connection(host, int(port))
        self.ends += [writer, far_writer]
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._copy(reader, far_writer))
            tasks.create_task(self._copy(far_reader, writer))

    def drop(self) -> None:
        """Lose every connection; new ones are taken."""
        while self.ends:
            self.ends.pop().transport.abort()

    async def _copy(self, source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
        try:
            while piece := await source.read(65_536):
                self.carried += len(piece)
                sink.write(piece)
                await sink.drain()
        except ConnectionError:
            pass
        sink.close()


@asynccontextmanager
async def tunnel(gateway: str) -> AsyncGenerator[Tunnel]:
    """Open it on the guide's port, or on another where that one is taken."""
    it = Tunnel(gateway)
    try:
        server = await asyncio.start_server(it.lead, "127.0.0.1", PORT)
    except OSError as error:
        if error.errno != errno.EADDRINUSE:
            raise
        server = await asyncio.start_server(it.lead, "127.0.0.1", 0)
    it.port = server.sockets[0].getsockname()[1]
    try:
        yield it
    finally:
        server.close()
        it.drop()
