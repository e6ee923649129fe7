"""Runs the gateway as it is shipped, and writes what it holds inside to a file at SIGUSR1.

    HELD_FILE=FILE python -m shared.gateway_watch

Written are the names of its tasks, and how much memory is in use: the bytes that malloc gave out,
where its library tells, and the blocks of Python's own allocator.
"""

import asyncio
import ctypes
import gc
import json
import os
import runpy
import signal
import sys
from pathlib import Path


class _MallInfo2(ctypes.Structure):
    """glibc's `struct mallinfo2`."""

    _fields_ = tuple(
        (name, ctypes.c_size_t)
        for name in (
            *("arena", "ordblks", "smblks", "hblks", "hblkhd"),
            *("usmblks", "fsmblks", "uordblks", "fordblks", "keepcost"),
        )
    )


def _malloc_bytes() -> int:
    """What malloc has given out, in all of its arenas and in mappings of their own; 0: unknown."""
    library = ctypes.CDLL(None)
    if not hasattr(library, "mallinfo2"):
        return 0
    library.mallinfo2.restype = _MallInfo2
    info = library.mallinfo2()
    return int(info.uordblks) + int(info.hblkhd)


def _write_held(_number: int, _frame: object) -> None:
    """Write the file at once under its name, so that a reader finds it whole."""
    path = Path(os.environ["HELD_FILE"])
    running = (task.get_coro() for task in asyncio.all_tasks())
    names = sorted(str(getattr(one, "__qualname__", "?")) for one in running)
    gc.collect()  # what only waits for the collector is held by nobody
    held = {"tasks": names, "malloc": _malloc_bytes(), "blocks": sys.getallocatedblocks()}
    new = path.with_suffix(".new")
    new.write_text(json.dumps(held))
    new.rename(path)


def watch() -> None:
    """Run the gateway, watched."""
    signal.signal(signal.SIGUSR1, _write_held)
    sys.argv = ["voice-gateway"]
    runpy.run_module("voice_gateway", run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    watch()
