"""Programs that a test starts: they end with its block, with what they started, and their pipes."""

import asyncio
import os
import signal
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress
from typing import Any, cast

_PIECE = 65_536  # bytes read at once


@asynccontextmanager
async def program(*command: str, **how: Any) -> AsyncGenerator[asyncio.subprocess.Process]:
    """Run a program for as long as the block lasts."""
    process = await asyncio.create_subprocess_exec(*command, start_new_session=True, **how)
    try:
        yield process
    finally:
        await _ended(process)


async def output(*command: str, **how: Any) -> tuple[int, str, str]:
    """Run a program to its end; return its status, and what it wrote to both outputs."""
    both = {"stdout": asyncio.subprocess.PIPE, "stderr": asyncio.subprocess.PIPE}
    async with program(*command, **both | how) as process:
        out, err = await process.communicate()
    assert process.returncode is not None
    return process.returncode, (out or b"").decode(), (err or b"").decode()


async def _ended(process: asyncio.subprocess.Process) -> None:
    """Kill it and its children where they still run, and close what nobody reads any more.

    asyncio takes a process for ended only once its pipes are read to their ends, and a transport
    that is not closed outlives the event loop.
    """
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    for pipe in filter(None, (process.stdout, process.stderr)):
        while await pipe.read(_PIECE):
            pass
    await process.wait()
    cast(Any, process)._transport.close()
