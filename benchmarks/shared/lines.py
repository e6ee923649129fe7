"""How a process of scripted upstreams is asked: a line of JSON in, a line of JSON out."""

import asyncio
import gc
import json
import sys
from collections.abc import Callable
from typing import Any

LINE_BYTES = 256 * 2**20

Json = dict[str, Any]


async def answer_lines(ready: str, answer: Callable[[Json], Json]) -> None:
    """Say where it is reached, then answer each line of standard input until there are no more."""
    gc.collect()
    gc.freeze()  # a pause here would be measured as the gateway's
    print(f"ready: {ready}", flush=True)
    requests = await _standard_input()
    while line := await requests.readline():
        print(json.dumps(answer(json.loads(line))), flush=True)


async def _standard_input() -> asyncio.StreamReader:
    reader = asyncio.StreamReader(limit=LINE_BYTES)
    await asyncio.get_running_loop().connect_read_pipe(
        lambda: asyncio.StreamReaderProtocol(reader), sys.stdin
    )
    return reader
