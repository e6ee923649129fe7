"""The options that the benchmarks' commands share, and how a run ends."""

import argparse
import asyncio
import json
import signal
import sys
from collections.abc import Callable, Coroutine, Sequence
from pathlib import Path
from typing import Any, NoReturn

from shared.launch import STOPPED
from shared.lines import Json
from shared.processes import ChildFailed

_RECOGNISERS = ("moonshine-tiny", "moonshine-base", "whisper-base")


class Options(argparse.ArgumentParser):
    """`--help` answers with what is measured; a wrong argument is refused in one line."""

    def __init__(self, program: str | None) -> None:
        """Take the text of the help from the program's docstring."""
        super().__init__(description=program, formatter_class=argparse.RawDescriptionHelpFormatter)

    def error(self, message: str) -> NoReturn:
        self.exit(2, f"{self.prog}: {message} (see --help)\n")

    def count(self, name: str, default: int, least: int, most: int, text: str) -> None:
        """Add an option that takes a whole number within limits."""
        said = f"{text} ({least} to {most}; {default})"
        kind = _within(least, most)
        self.add_argument(name, type=kind, default=default, metavar="N", help=said)

    def recogniser(self) -> None:
        self.add_argument(
            "--asr",
            choices=_RECOGNISERS,
            default=_RECOGNISERS[0],
            help="the local stack's recogniser (%(default)s)",
        )

    def figures_file(self) -> None:
        self.add_argument("--json", type=Path, metavar="FILE", help="write all figures there")


def _within(least: int, most: int) -> Callable[[str], int]:
    def number(text: str) -> int:
        if not text.strip().isdecimal() or not least <= int(text) <= most:
            raise argparse.ArgumentTypeError(f"{text!r} is no whole number from {least} to {most}")
        return int(text)

    return number


def write_figures(figures: Json, file: Path | None) -> None:
    if file:
        file.write_text(json.dumps(figures, indent=2) + "\n")


def status_after(problems: Sequence[str]) -> int:
    """Name each problem once; the exit status is 1 where there is any."""
    for problem in sorted(set(problems)):
        print(f"problem ({problems.count(problem)} times): {problem}", file=sys.stderr)
    return 1 if problems else 0


def status_of(work: Coroutine[Any, Any, int]) -> int:
    """Run a benchmark to its exit status; SIGINT and SIGTERM stop it and all that it started."""
    return asyncio.run(_stoppable(work))


async def _stoppable(work: Coroutine[Any, Any, int]) -> int:
    task = asyncio.current_task()
    assert task is not None
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, task.cancel)
    try:
        return await work
    except ChildFailed as failed:
        print(failed, file=sys.stderr)
        return 1
    except asyncio.CancelledError:
        print("stopped", file=sys.stderr)
        return STOPPED
