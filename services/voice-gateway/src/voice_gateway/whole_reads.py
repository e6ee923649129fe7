"""Lets a read of a gRPC stream come to its end, although who waits for it is cancelled.

gRPC's library hands a message over in two steps. Where the waiting task is cancelled between them,
the message has arrived, nobody takes it, and its memory is never freed: 13 kB for each call that
ends in a reply. So the task waits for a future of its own, and the read goes on without it.
"""

import asyncio
from collections.abc import Coroutine, Generator
from typing import Any, Generic, TypeVar

T = TypeVar("T")


class Whole(Generic[T]):
    """Await it for what the read returns or raises.

    It costs a future and no task, as it is awaited for every message. Who is cancelled is to end
    the call: until then the read waits, and no other may begin.
    """

    __slots__ = ("_read",)

    def __init__(self, read: Coroutine[Any, Any, T]) -> None:
        self._read = read

    def __await__(self) -> Generator[Any, Any, T]:
        waits: asyncio.Future[Any] | None = None
        try:
            while True:
                waits = self._read.send(None)
                if waits is not None:  # None: it only lets others run
                    yield from _until(waits)
                else:
                    yield
        except StopIteration as end:
            return end.value
        except (asyncio.CancelledError, GeneratorExit):
            if waits is not None:
                waits.add_done_callback(self._go_on)
            raise

    def _go_on(self, _done: asyncio.Future[Any]) -> None:
        """Take the next step of the read, whatever comes of it: nobody waits for it any more."""
        try:
            waits = self._read.send(None)
        except (Exception, asyncio.CancelledError):  # noqa: BLE001  # StopIteration: it has ended
            return
        if waits is not None:
            waits.add_done_callback(self._go_on)


def _until(done: asyncio.Future[Any]) -> Generator[Any, Any, None]:
    """Wait until the future is done, without cancelling it with who waits."""
    mine = asyncio.get_running_loop().create_future()

    def tell(_done: asyncio.Future[Any]) -> None:
        if not mine.done():
            mine.set_result(None)

    done.add_done_callback(tell)
    yield from mine.__await__()
