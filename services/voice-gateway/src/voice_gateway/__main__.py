"""The command: reads the settings, serves until it is told to stop.

Exit status: 0 after a stop, 1 where the port is taken, 2 for a bad setting or argument.
"""

import asyncio
import gc
import logging
import os
import signal
import sys

from voice_gateway.command_line import answer
from voice_gateway.observe.log_lines import LogLines
from voice_gateway.settings import BadSetting, Settings, read_settings


def main() -> None:
    answer()
    try:
        settings = read_settings()
    except BadSetting as error:
        sys.stderr.write(f"voice-gateway: {error}\n")
        sys.exit(2)
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(LogLines(settings.secrets()))
    logging.basicConfig(level=settings.log_level, handlers=[handler])
    for verbose in ("httpx", "httpx2", "httpcore", "openai"):
        logging.getLogger(verbose).setLevel(logging.WARNING)
    sys.exit(asyncio.run(_serve(settings)))


async def _serve(settings: Settings) -> int:
    os.environ.setdefault("GRPC_VERBOSITY", "NONE")  # noqa: TID251  # errors are raised
    # Numpy's arrays are small here, so more threads would only take CPU from the calls.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # noqa: TID251
    # This import is slow; a bad setting is reported before it.
    from voice_gateway.server import GatewayServer, PortTaken
    from voice_gateway.transports import open_files

    open_files.raise_limit(settings.max_calls)
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    try:
        server = GatewayServer(settings)
    except BadSetting as error:
        sys.stderr.write(f"voice-gateway: {error}\n")
        return 2
    try:
        ports = await server.start()
    except PortTaken as error:
        sys.stderr.write(f"voice-gateway: {error}\n")
        return 1
    # All objects so far stay alive, so later collections need not stop the calls to scan them.
    gc.collect()
    gc.freeze()
    scheme = "https" if settings.tls_cert else "http"
    grpc_host, http_host = map(settings.bound_host, (settings.grpc_host, settings.http_host))
    page = f"{scheme}://{_reachable(http_host)}:{ports.http}/"
    sys.stdout.write(f"ready: grpc={grpc_host}:{ports.grpc} http={page}\n")
    sys.stdout.flush()
    await server.run(stop)
    return 0


def _reachable(host: str) -> str:
    """A host for a browser, which allows pages of this machine to use the microphone."""
    return "127.0.0.1" if host in ("", "0.0.0.0", "::") else host


if __name__ == "__main__":
    main()
