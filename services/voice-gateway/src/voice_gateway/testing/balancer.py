"""A TCP balancer for tests and probes: spreads connections over gateways, and cuts them at will."""

import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field

_PIECE = 65_536


@dataclass
class Balancer:
    """Connections go to the targets in turn; one that refuses is passed over."""

    targets: list[int]
    """Ports on this machine."""
    port: int = 0
    connections: int = 0
    """How many were accepted so far."""
    _turn: int = 0
    _open: list[tuple[asyncio.StreamWriter, asyncio.StreamWriter]] = field(
        default_factory=list[tuple[asyncio.StreamWriter, asyncio.StreamWriter]]
    )

    def cut(self) -> None:
        """Reset all connections, as a network does that is lost: what is under way is lost."""
        cut, self._open = self._open, []
        for client, target in cut:
            client.transport.abort()
            target.transport.abort()

    async def accept(self, reader: asyncio.StreamReader, client: asyncio.StreamWriter) -> None:
        self.connections += 1
        try:
            from_target, target = await self._connect()
        except OSError:
            client.transport.abort()
            return
        pair = client, target
        self._open.append(pair)
        with suppress(OSError):
            async with asyncio.TaskGroup() as pumps:
                pumps.create_task(_pump(reader, target))
                pumps.create_task(_pump(from_target, client))
        if pair in self._open:
            self._open.remove(pair)

    async def _connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """Connect to the next target that answers. Raises OSError where none does."""
        refusal = OSError("no target")
        for _ in tuple(self.targets):
            self._turn += 1
            port = self.targets[self._turn % len(self.targets)]
            try:
                return await asyncio.open_connection("127.0.0.1", port)
            except OSError as error:
                refusal = error
        raise refusal


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while piece := await reader.read(_PIECE):
            writer.write(piece)
            await writer.drain()
    except OSError:
        pass  # one end is gone, and the other is told
    finally:
        writer.close()


@asynccontextmanager
async def balancing(targets: Sequence[int]) -> AsyncGenerator[Balancer]:
    """Serve on a free port until left; then all connections are cut."""
    balancer = Balancer(list(targets))
    async with asyncio.TaskGroup() as tasks:

        def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            tasks.create_task(balancer.accept(reader, writer))

        server = await asyncio.start_server(accept, "127.0.0.1", 0)
        balancer.port = server.sockets[0].getsockname()[1]
        try:
            yield balancer
        finally:
            server.close()
            balancer.cut()
