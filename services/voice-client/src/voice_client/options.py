"""The command line of `voice`."""

import argparse
import math
import os
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import NoReturn

from voice_client.speech import MARK, clip_names

LONGEST_TEXT = 4000
LONGEST_PROMPT = 8000
LONGEST_NAME = 128
SHORTEST_PIECE_MS, LONGEST_PIECE_MS = 10, 200
MOST_CALLS = 500
LOAD_CLIPS = ("en_nlp_question", "en_goforward", "en_cards_10c")
HTTP_PORT = 8080
KEY_VARIABLE = "VOICE_API_KEY"

_EPILOG = f"""\
exit status: 0 answered, or all is well; 2 bad usage, file or sound device; 3 cannot reach the
server; 4 a call was refused or broke; 5 nothing was recognised; 6 no reply audio; 130 Ctrl-C

bundled clips ({MARK}NAME instead of a file): {", ".join(clip_names())}
"""


_COMMANDS = "mic|wav|text|devices|doctor|load"


@dataclass(frozen=True, slots=True)
class Options:
    """The options that were given; the fields of other subcommands keep their defaults."""

    command: str
    server: str = "localhost:50051"
    timeout: float = 60.0
    language: str = ""
    voice: str = ""
    prompt: str = ""
    conversation: str = ""
    tls: bool = False
    ca: Path | None = None
    key: str = field(default="", repr=False)
    json: bool = False
    out: Path | None = None
    files: tuple[str, ...] = ()
    fast: bool = False
    trailing_silence: float | None = None
    chunk_ms: int = 20
    texts: tuple[str, ...] = ()
    list_devices: bool = False
    input_device: str = ""
    output_device: str = ""
    headphones: bool = False
    half_duplex: bool = False
    echo_cancellation: bool = False
    plain: bool = False
    opus: bool = False
    http_port: int = HTTP_PORT
    no_call: bool = False
    no_sound: bool = False
    calls: int = 1
    duration: float = 30.0
    ramp: float = 0.0


def read_options(arguments: list[str] | None = None) -> Options:
    """Read the command line; ends with status 2 and one line for what does not fit."""
    parser = _parser()
    given = vars(parser.parse_args(arguments))
    if given["command"] is None:
        parser.error(f"the following arguments are required: {_COMMANDS}")
    for several in ("files", "texts"):
        if several in given:
            given[several] = tuple(given[several])
    return Options(**given)


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        self.exit(2, f"{self.prog}: {message} (see {self.prog} --help)\n")


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(
        prog="voice",
        description="Talk to a voice gateway from a terminal.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "--version", action="version", version=f"%(prog)s {version('voice-client')}"
    )
    # It is not `required`: argparse would ask for a command where an unknown option is wrong.
    commands = parser.add_subparsers(dest="command", metavar=_COMMANDS)
    _add_mic(commands.add_parser("mic", help="talk with the microphone"))
    _add_wav(commands.add_parser("wav", help="say recordings, one turn each"))
    _add_text(commands.add_parser("text", help="type, one turn an argument"))
    commands.add_parser("devices", help="show the sound devices")
    _add_doctor(commands.add_parser("doctor", help="look for what is wrong, say what to do"))
    _add_load(commands.add_parser("load", help="hold many calls at once, show how fast they are"))
    return parser


def _add_wav(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "files", nargs="+", metavar="FILE", help=f"16-bit WAV, or {MARK}NAME of a bundled clip"
    )
    parser.add_argument(
        "--fast", action="store_true", help="send as fast as the server takes it; then half-close"
    )
    parser.add_argument(
        "--trailing-silence",
        type=_seconds,
        metavar="S",
        help="at most so much silence after a file before saying that it is over "
        "(default 10 in real time, as a microphone would; 0 with --fast)",
    )
    parser.add_argument(
        "--chunk-ms",
        type=_piece_ms,
        default=20,
        metavar="MS",
        help=f"audio per message, {SHORTEST_PIECE_MS} to {LONGEST_PIECE_MS} (default 20)",
    )
    _add_result(parser)
    _add_conversation(parser)
    _add_call(parser)


def _add_text(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "texts", nargs="+", type=_text, metavar="TEXT", help=f"up to {LONGEST_TEXT} characters"
    )
    _add_result(parser)
    _add_conversation(parser)
    _add_call(parser)


def _add_mic(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--list-devices", action="store_true", help="show the sound devices")
    _add_devices(parser)
    echo = parser.add_mutually_exclusive_group()
    echo.add_argument(
        "--headphones",
        action="store_true",
        help="tell the gateway that its voice does not come back, so that it yields at once",
    )
    echo.add_argument(
        "--half-duplex",
        action="store_true",
        help="close the microphone while the reply plays (loudspeakers instead of headphones)",
    )
    echo.add_argument(
        "--echo-cancellation",
        action="store_true",
        help="take the loudspeaker's sound out of the microphone's (needs the extra aec)",
    )
    parser.add_argument(
        "--plain", action="store_true", help="lines instead of the live view, as without a terminal"
    )
    _add_conversation(parser)
    _add_call(parser)


def _add_conversation(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--conversation",
        type=_name,
        default="",
        metavar="NAME",
        help="go on with the conversation of this name; whoever knows it can, so keep it secret",
    )


def _add_devices(parser: argparse.ArgumentParser) -> None:
    for side in ("input", "output"):
        parser.add_argument(
            f"--{side}-device", default="", metavar="N|NAME", help="number or part of its name"
        )


def _add_doctor(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--http-port",
        type=_port,
        default=HTTP_PORT,
        metavar="PORT",
        help=f"where the page and the Realtime API are (default {HTTP_PORT})",
    )
    parser.add_argument("--no-call", action="store_true", help="leave out the spoken question")
    parser.add_argument(
        "--no-sound", action="store_true", help="leave out the microphone and the loudspeaker"
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object at the end")
    _add_devices(parser)
    _add_server(parser)


def _add_load(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "files",
        nargs="*",
        default=[f"{MARK}{name}" for name in LOAD_CLIPS],
        metavar="FILE",
        help=f"what the callers say in turn (default {' '.join(LOAD_CLIPS)})",
    )
    parser.add_argument(
        "--calls",
        type=_calls,
        default=4,
        metavar="N",
        help=f"calls at once, 1 to {MOST_CALLS} (default 4)",
    )
    parser.add_argument(
        "--duration",
        type=_load_seconds,
        default=30.0,
        metavar="S",
        help="begin no call and no turn after this (default 30)",
    )
    parser.add_argument(
        "--ramp",
        type=_seconds,
        default=2.0,
        metavar="S",
        help="spread the first calls over so long (default 2)",
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object at the end")
    _add_call(parser)


def _add_result(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--out", type=Path, metavar="WAV", help="write the spoken replies here")
    parser.add_argument("--json", action="store_true", help="print one JSON object at the end")


def _add_server(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--server",
        type=_address,
        default="localhost:50051",
        metavar="HOST:PORT",
        help="default localhost:50051",
    )
    parser.add_argument("--tls", action="store_true", help="encrypt, trust the usual authorities")
    parser.add_argument("--ca", type=Path, metavar="PEM", help="encrypt, trust these instead")
    parser.add_argument(
        "--key",
        type=_key,
        default=os.environ.get(KEY_VARIABLE, ""),  # noqa: TID251  # kept out of the process list
        metavar="KEY",
        help=f"the key that the gateway asks for (default: {KEY_VARIABLE} of the environment)",
    )
    parser.add_argument(
        "--timeout",
        type=_patience,
        default=60.0,
        metavar="S",
        help="longest silence of a server that owes an answer (default 60)",
    )


def _add_call(parser: argparse.ArgumentParser) -> None:
    _add_server(parser)
    parser.add_argument("--language", default="", help="such as en-US (default: the server's)")
    parser.add_argument("--voice", default="", help="voice to answer with (default: the server's)")
    parser.add_argument(
        "--prompt", type=_prompt, default="", help="system prompt (default: the server's)"
    )
    parser.add_argument(
        "--opus",
        action="store_true",
        help="a tenth of the data, where the server can (needs the extra opus)",
    )


def _address(value: str) -> str:
    host, colon, port = value.rpartition(":")
    if not (colon and host and port.isdecimal() and 0 < int(port) < 65536):
        raise argparse.ArgumentTypeError(f"{value!r} is not HOST:PORT, such as localhost:50051")
    return value


def _key(value: str) -> str:
    if not (value.isascii() and value.isprintable()) or " " in value:
        raise argparse.ArgumentTypeError("a key has letters, digits and signs, and no spaces")
    return value


def _seconds(value: str) -> float:
    return _number(value, 0.0)


def _patience(value: str) -> float:
    return _number(value, 0.1)


def _number(value: str, least: float) -> float:
    try:
        seconds = float(value)
    except ValueError:
        seconds = math.nan
    if not least <= seconds <= 3600:
        raise argparse.ArgumentTypeError(f"{value!r}: allowed are {least:g} to 3600 seconds")
    return seconds


def _load_seconds(value: str) -> float:
    return _number(value, 1.0)


def _piece_ms(value: str) -> int:
    return _whole(value, SHORTEST_PIECE_MS, LONGEST_PIECE_MS, " milliseconds")


def _calls(value: str) -> int:
    return _whole(value, 1, MOST_CALLS)


def _port(value: str) -> int:
    return _whole(value, 1, 65535)


def _whole(value: str, least: int, most: int, unit: str = "") -> int:
    if value.isdecimal() and least <= int(value) <= most:
        return int(value)
    raise argparse.ArgumentTypeError(f"{value!r}: allowed are {least} to {most}{unit}")


def _text(value: str) -> str:
    if not value.strip():
        raise argparse.ArgumentTypeError("a typed turn needs at least one character")
    return _at_most(value, LONGEST_TEXT)


def _prompt(value: str) -> str:
    return _at_most(value, LONGEST_PROMPT)


def _name(value: str) -> str:
    return _at_most(value, LONGEST_NAME)


def _at_most(value: str, longest: int) -> str:
    if len(value) > longest:
        raise argparse.ArgumentTypeError(f"{len(value)} characters, allowed are {longest}")
    return value
