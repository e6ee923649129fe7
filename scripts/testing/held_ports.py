"""Ports of this machine that are kept for a test: nobody else is given them meanwhile."""

import socket
from collections.abc import Generator
from contextlib import contextmanager


@contextmanager
def held_port() -> Generator[int]:
    """A port that nobody listens on, unless it is told to by its number.

    A socket stays bound to it, so that the system gives it to nobody who asks for any free port;
    as it does not listen, a server may still take it, as servers do, with SO_REUSEADDR.
    """
    with socket.socket() as holder:
        holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        holder.bind(("127.0.0.1", 0))
        yield holder.getsockname()[1]
