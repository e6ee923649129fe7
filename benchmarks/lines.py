"""How the scripted upstreams' process is asked: a line of JSON in, a line of JSON out."""

import asyncio
import json
import sys
from collections.abc import Callable
from typing import Any

LINE_BYTES = 256 * 2**20

Json = dict[str, Any]


async def answer_lines(answer: Callable[[Json], Json]) -> None:
    """Answer each line of standard input; returns when there are no more."""
    requests = await _standard_input()
    while line := await requests.readline():
        print(json.dumps(answer(json.loads(line))), flush=True)


async def _standard_input() -> asyncio.StreamReader:
    reader = asyncio.StreamReader(limit=LINE_BYTES)
    await asyncio.get_running_loop().connect_read_pipe(
        lambda: asyncio.StreamReaderProtocol(reader), sys.stdin
    )
    return reader
