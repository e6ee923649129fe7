"""The event loop's clock: all processes of one machine read the same."""

import asyncio


def now() -> float:
    return asyncio.get_running_loop().time()
