"""Programs that a test starts: they end with the block that started them, and so do their pipes."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any, cast


@asynccontextmanager
async def program(*command: str, **how: Any) -> AsyncGenerator[asyncio.subprocess.Process]:
    """Run a program for as long as the block lasts."""
    process = await asyncio.create_subprocess_exec(*command, **how)
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
    """Kill it where it still runs, and close what nobody reads any more.

    A pipe that is not read to its end outlives its process, and its transport the event loop.
    """
    if process.returncode is None:
        process.kill()
    await process.wait()
    cast(Any, process)._transport.close()
