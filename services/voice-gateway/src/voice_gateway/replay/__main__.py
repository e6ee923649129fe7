"""`voice-replay`: a recorded call's event log, replayed as it was and with other settings."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from voice_gateway.command_line import OneLineParser
from voice_gateway.observe.event_log import BadLog
from voice_gateway.replay.replay import BadChange, replayed

_STATUSES = """exit status: 0 this version decides as was recorded, 1 it decides otherwise, 2 the
log cannot be read, or a setting is none"""


def main(arguments: Sequence[str] | None = None) -> int:
    parser = OneLineParser("voice-replay", __doc__, _STATUSES)
    parser.add_argument("file", type=Path, metavar="FILE", help="written to RECORD_EVENTS_DIR")
    add_changes(parser)
    options = parser.parse_args(arguments)
    return replay(options.file, options.set, parser.prog)


def add_changes(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--set",
        nargs="+",
        default=[],
        action="extend",
        metavar="NAME=VALUE",
        help="replay with another policy: silence_s=0.5",
    )


def replay(file: Path, changes: Sequence[str], program: str) -> int:
    """Print the call beside what it does with the changes; return the exit status."""
    try:
        replay = replayed(file.read_text().splitlines(), changes)
    except (OSError, ValueError, BadLog, BadChange) as error:
        what = error.strerror if isinstance(error, OSError) else error
        sys.stderr.write(f"{program}: {file}: {what}\n")
        return 2
    sys.stdout.write(f"{replay.text}\n")
    return 0 if replay.as_recorded else 1


if __name__ == "__main__":
    sys.exit(main())
