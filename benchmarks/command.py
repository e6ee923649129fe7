"""What the benchmarks' commands have in common: options within limits, and how a run ends."""

import argparse
import asyncio
import os
import signal
import sys
from collections.abc import Coroutine
from typing import Any

from processes import ChildFailed

# As the gateway does, before anything brings numpy: what is measured here is what runs there.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

_STOPPED = 130  # as a shell says of a command that was interrupted


def check_limits(
    parser: argparse.ArgumentParser, given: argparse.Namespace, *limits: tuple[str, int, int]
) -> None:
    """Refuse an option below its least or above its greatest value."""
    for name, least, most in limits:
        if not least <= (value := getattr(given, name)) <= most:
            parser.error(f"--{name.replace('_', '-')} {value}: from {least} to {most}")


def status_of(work: Coroutine[Any, Any, int]) -> int:
    """Run a benchmark to its exit status; SIGINT and SIGTERM stop it and all that it started."""
    return asyncio.run(_stoppable(work))


async def _stoppable(work: Coroutine[Any, Any, int]) -> int:
    task = asyncio.current_task()
    assert task is not None
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, task.cancel)
    try:
        return await work
    except ChildFailed as failed:
        print(failed, file=sys.stderr)
        return 1
    except asyncio.CancelledError:
        print("stopped", file=sys.stderr)
        return _STOPPED
