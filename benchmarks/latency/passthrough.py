"""A bare relay for comparison: per call one stream to an upstream, every message copied, no more.

    python -m latency.passthrough UPSTREAM_HOST:PORT

Serves the gateway's method on any free port, prints its ready line, stops on SIGINT or SIGTERM.
"""

import asyncio
import signal
import sys
from typing import Any, cast

import grpc.aio

from latency.raw_calls import METHOD, SERVICE, serve_calls


class Relay:
    def __init__(self, channel: grpc.aio.Channel) -> None:
        self._open: Any = cast(Any, channel).stream_stream(f"/{SERVICE}/{METHOD}")

    async def stream_audio(self, _requests: Any, context: Any) -> None:
        upstream = self._open()
        try:
            async with asyncio.TaskGroup() as tasks:
                up = tasks.create_task(self._up(context, upstream))
                await self._down(upstream, context)
                up.cancel()
        finally:
            upstream.cancel()

    async def _up(self, context: Any, upstream: Any) -> None:
        while (message := await context.read()) is not grpc.aio.EOF:
            await upstream.write(message)
        await upstream.done_writing()

    async def _down(self, upstream: Any, context: Any) -> None:
        while (message := await upstream.read()) is not grpc.aio.EOF:
            await context.write(message)


async def relay(uri: str) -> None:
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    async with grpc.aio.insecure_channel(uri) as channel:
        server = grpc.aio.server(options=[("grpc.so_reuseport", 0)])
        serve_calls(server, Relay(channel).stream_audio)
        port = server.add_insecure_port("127.0.0.1:0")
        await server.start()
        print(f"ready: grpc=127.0.0.1:{port}", flush=True)
        await stop.wait()
        await server.stop(1.0)


if __name__ == "__main__":
    asyncio.run(relay(sys.argv[1]))
