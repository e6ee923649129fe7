"""The command: weights, engines, Riva's API and the chat server, from start to orderly end."""

import argparse
import asyncio
import logging
import signal
import socket
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn, cast

from voice_local.catalogue import LANGUAGE_MODELS, RECOGNISERS, SILERO, Model
from voice_local.failures import StartFailed, first
from voice_local.llm import ChatServer, bracketed, chat_settings
from voice_local.settings import default_cache
from voice_local.weights import fetch

if TYPE_CHECKING:
    from voice_local.engines import Recogniser, Voice, VoiceActivity

    _Engines = tuple[Recogniser, Voice, Callable[[], VoiceActivity]]

# Heavy modules are imported where they are used: --help and a bad option answer at once.

log = logging.getLogger("voice_local")

_GRACE_S = 2.0
_LEVELS = ("debug", "info", "warning", "error")


@dataclass(frozen=True, slots=True)
class Options:
    host: str
    riva_port: int
    llm_port: int
    llm: str
    asr: str
    cache: Path
    offline: bool
    fetch_only: bool
    log_level: str

    @property
    def language_model(self) -> Model | None:
        """The model to serve here; None where another server is used, or none at all."""
        return LANGUAGE_MODELS.get(self.llm)


# --- the command line -----------------------------------------------------------------------------


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        self.exit(2, f"{self.prog}: {message} (see {self.prog} --help)\n")


def parse(arguments: Sequence[str]) -> Options:
    """Read the options; ends the process with status 2 and one line for a bad one."""
    parser = _Parser(
        prog="voice-local",
        usage="voice-local [options]",
        description="Serve Riva's speech API and the OpenAI chat API from small models on the CPU.",
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    add = parser.add_argument
    add("--version", action="version", version=f"%(prog)s {version('voice-local')}")
    add("--host", default="127.0.0.1", help="address to listen on")
    add("--riva-port", type=_port, default=50052, metavar="PORT", help="0 is any free port")
    add("--llm-port", type=_port, default=8000, metavar="PORT", help="0 is any free port")
    add(
        "--llm",
        type=_language_model,
        default="qwen-0.5b",
        metavar="MODEL",
        help=f"{', '.join(LANGUAGE_MODELS)}, none, or the URL of a chat server that runs already",
    )
    add("--asr", choices=list(RECOGNISERS), default="moonshine-tiny", help="recogniser")
    add("--cache", type=Path, default=default_cache(), metavar="DIR", help="where weights are kept")
    add("--offline", action="store_true", help="never touch the network")
    add("--fetch-only", action="store_true", help="fetch the weights and exit")
    add("--log-level", choices=_LEVELS, default="info", help="logs go to standard error")
    options = Options(**vars(parser.parse_args(arguments)))
    if options.language_model and 0 < options.riva_port == options.llm_port:
        parser.error(
            f"argument --llm-port: must differ from --riva-port, both are {options.riva_port}"
        )
    return options


def _port(text: str) -> int:
    if not (text.isdecimal() and int(text) <= 65_535):
        raise argparse.ArgumentTypeError(f"must be 0 to 65535: {text!r}")
    return int(text)


def _language_model(text: str) -> str:
    if text in LANGUAGE_MODELS or text == "none" or text.startswith(("http://", "https://")):
        return text
    known = ", ".join(LANGUAGE_MODELS)
    raise argparse.ArgumentTypeError(f"must be {known}, none or an http(s) URL: {text!r}")


# --- the run --------------------------------------------------------------------------------------


def main() -> None:
    options = parse(sys.argv[1:])
    logging.basicConfig(
        stream=sys.stderr,
        level=options.log_level.upper(),
        format="%(asctime)s %(levelname)s %(name)s: %(message)s",
    )
    sys.exit(asyncio.run(run(options)))


async def run(options: Options) -> int:
    """Fetch, load and serve until a signal; return the exit status."""
    this = cast("asyncio.Task[int]", asyncio.current_task())
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, this.cancel)
    ready = asyncio.Event()
    try:
        await _serve(options, ready)
    except asyncio.CancelledError:
        return 0 if ready.is_set() else _complain("stopped before it was ready")
    except StartFailed as failed:
        return _complain(str(failed))
    return 0


def _complain(text: str) -> int:
    sys.stderr.write(f"voice-local: {text}\n")
    return 1


async def _serve(options: Options, ready: asyncio.Event) -> None:
    models = _models(options)
    if not options.fetch_only:
        _check_ports(options)
    await fetch(models, options.cache, offline=options.offline)
    if options.fetch_only:
        return
    async with AsyncExitStack() as running:
        try:
            async with asyncio.TaskGroup() as starting:
                speech = starting.create_task(_start_speech(options, running))
                chatting = starting.create_task(_start_chat(options, running))
        except BaseExceptionGroup as errors:
            raise first(errors) from errors
        chat = chatting.result()
        _say(f"ready: riva={speech.result()} llm={chat.url if chat else options.llm}")
        ready.set()
        await (chat.ended() if chat else asyncio.Event().wait())


def _models(options: Options) -> list[Model]:
    if options.asr == "whisper-base":
        from voice_local.models.whisper import require_whisper

        require_whisper()
    wanted = [RECOGNISERS[options.asr], SILERO]
    return [*wanted, options.language_model] if options.language_model else wanted


def _check_ports(options: Options) -> None:
    """Find a taken port before half a minute is spent on fetching and loading."""
    ports = [options.riva_port]
    if options.language_model:
        ports.append(options.llm_port)
    for port in ports:
        family = socket.AF_INET6 if ":" in options.host else socket.AF_INET
        with socket.socket(family) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((options.host, port))
            except OSError as error:
                where = f"{options.host}:{port}"
                raise StartFailed(f"cannot listen on {where}: {error.strerror}") from error


async def _start_speech(options: Options, running: AsyncExitStack) -> str:
    """Load the engines and serve Riva's API; return its address."""
    from voice_local.riva.server import RivaServer

    recogniser, voice, listeners = await asyncio.to_thread(_load_engines, options)
    server = RivaServer(recogniser, voice, listeners, host=options.host, port=options.riva_port)
    try:
        port = await server.start()
    except OSError as error:
        raise StartFailed(str(error)) from error
    running.push_async_callback(server.stop, _GRACE_S)
    return f"{bracketed(options.host)}:{port}"


def _load_engines(options: Options) -> "_Engines":
    from voice_local.loading import load_recogniser, load_voice, load_voice_activity

    began_s = time.monotonic()
    recogniser = load_recogniser(options.asr, options.cache, offline=True)
    voice = load_voice()
    listeners = load_voice_activity(options.cache, offline=True)
    took_s = time.monotonic() - began_s
    log.info("loaded %s, %s and voice activity in %.1f s", recogniser.name, voice.name, took_s)
    return recogniser, voice, listeners


async def _start_chat(options: Options, running: AsyncExitStack) -> ChatServer | None:
    model = options.language_model
    if model is None:
        return None
    began_s = time.monotonic()
    settings = chat_settings(model, options.cache, host=options.host, port=options.llm_port)
    server = await ChatServer.start(settings)
    running.push_async_callback(server.stop, _GRACE_S)
    log.info("loaded %s in %.1f s", model.name, time.monotonic() - began_s)
    return server


def _say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
