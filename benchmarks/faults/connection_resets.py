"""Resets a process's own TCP connections, as a crashed proxy or a failover does: Linux only."""

import ctypes
import os
import socket
import struct
from pathlib import Path

_TO_NOBODY = struct.pack("H14x", socket.AF_UNSPEC)


def reset_connections(port: int) -> int:
    """Send RST on every connection that was accepted at this port; return how many there were.

    `connect` to nobody disconnects a socket at once, whatever library holds it; the process and its
    listening socket stay.
    """
    libc = ctypes.CDLL(None, use_errno=True)
    accepted = [number for number in _open_files() if _is_accepted(number, port)]
    return sum(libc.connect(number, _TO_NOBODY, len(_TO_NOBODY)) == 0 for number in accepted)


def _open_files() -> list[int]:
    return [int(entry.name) for entry in Path("/proc/self/fd").iterdir()]


def _is_accepted(number: int, port: int) -> bool:
    try:
        copy = socket.socket(fileno=os.dup(number))
    except OSError:
        return False  # no socket, or closed meanwhile
    with copy:
        try:
            copy.getpeername()
            return copy.getsockname()[1] == port
        except (OSError, IndexError):
            return False  # it listens, or it is no TCP socket
