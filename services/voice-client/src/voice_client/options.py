"""The command line of `voice`."""

import argparse
import math
from dataclasses import dataclass
from pathlib import Path

from voice_client.speech import MARK, clip_names

LONGEST_TEXT = 4000
LONGEST_PROMPT = 8000
SHORTEST_PIECE_MS, LONGEST_PIECE_MS = 10, 200

_EPILOG = f"""\
exit status: 0 answered; 2 bad usage, file or sound device; 3 cannot reach the server;
4 the call was refused or broke; 5 nothing was recognised; 6 no reply audio; 130 Ctrl-C

bundled clips ({MARK}NAME instead of a file): {", ".join(clip_names())}
"""


@dataclass(frozen=True, slots=True)
class Options:
    """What was asked for; the fields of other subcommands keep their defaults."""

    command: str
    server: str
    timeout: float
    language: str = ""
    voice: str = ""
    prompt: str = ""
    tls: bool = False
    ca: Path | None = None
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
    half_duplex: bool = False


def read_options(arguments: list[str] | None = None) -> Options:
    """Read the command line; argparse exits with status 2 and a line for what does not fit."""
    given = vars(_parser().parse_args(arguments))
    for several in ("files", "texts"):
        if several in given:
            given[several] = tuple(given[several])
    return Options(**given)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="voice",
        description="Talk to a voice gateway from a terminal.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = parser.add_subparsers(dest="command", required=True, metavar="wav|text|mic")
    _add_wav(commands.add_parser("wav", help="say recordings, one turn each"))
    _add_text(commands.add_parser("text", help="type, one turn an argument"))
    _add_mic(commands.add_parser("mic", help="talk with the microphone"))
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
    _add_call(parser)


def _add_text(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "texts", nargs="+", type=_text, metavar="TEXT", help=f"up to {LONGEST_TEXT} characters"
    )
    _add_result(parser)
    _add_call(parser)


def _add_mic(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--list-devices", action="store_true", help="show the sound devices")
    for side in ("input", "output"):
        parser.add_argument(
            f"--{side}-device", default="", metavar="N|NAME", help="number or part of its name"
        )
    parser.add_argument(
        "--half-duplex",
        action="store_true",
        help="close the microphone while the reply plays (loudspeakers instead of headphones)",
    )
    _add_call(parser)


def _add_result(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--out", type=Path, metavar="WAV", help="write the spoken replies here")
    parser.add_argument("--json", action="store_true", help="print one JSON object at the end")


def _add_call(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--server",
        type=_address,
        default="localhost:50051",
        metavar="HOST:PORT",
        help="default localhost:50051",
    )
    parser.add_argument("--language", default="", help="such as en-US (default: the server's)")
    parser.add_argument("--voice", default="", help="voice to answer with (default: the server's)")
    parser.add_argument(
        "--prompt", type=_prompt, default="", help="system prompt (default: the server's)"
    )
    parser.add_argument("--tls", action="store_true", help="encrypt, trust the usual authorities")
    parser.add_argument("--ca", type=Path, metavar="PEM", help="encrypt, trust these instead")
    parser.add_argument(
        "--timeout",
        type=_patience,
        default=60.0,
        metavar="S",
        help="longest silence of a server that owes an answer (default 60)",
    )


def _address(value: str) -> str:
    host, colon, port = value.rpartition(":")
    if not (colon and host and port.isdecimal() and 0 < int(port) < 65536):
        raise argparse.ArgumentTypeError(f"{value!r} is not HOST:PORT, such as localhost:50051")
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


def _piece_ms(value: str) -> int:
    if value.isdecimal() and SHORTEST_PIECE_MS <= int(value) <= LONGEST_PIECE_MS:
        return int(value)
    allowed = f"{SHORTEST_PIECE_MS} to {LONGEST_PIECE_MS}"
    raise argparse.ArgumentTypeError(f"{value!r}: allowed are {allowed} milliseconds")


def _text(value: str) -> str:
    if not value.strip():
        raise argparse.ArgumentTypeError("a typed turn needs at least one character")
    return _at_most(value, LONGEST_TEXT)


def _prompt(value: str) -> str:
    return _at_most(value, LONGEST_PROMPT)


def _at_most(value: str, longest: int) -> str:
    if len(value) > longest:
        raise argparse.ArgumentTypeError(f"{len(value)} characters, allowed are {longest}")
    return value
