"""`voice-sim`: many random calls through the real session, on a virtual clock."""

import argparse
import logging
import sys
import warnings
from collections import Counter
from collections.abc import Callable, Generator, Iterable
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from secrets import randbelow
from time import perf_counter

from voice_gateway.command_line import OneLineParser
from voice_gateway.replay.__main__ import add_changes, replay
from voice_gateway.replay.replay import is_log

from voice_sim.call_record import Record
from voice_sim.draw import drawn
from voice_sim.occurrences import occurred
from voice_sim.record_text import as_text
from voice_sim.rules.invariants import broken
from voice_sim.script import Script, read
from voice_sim.shrink import shrunk
from voice_sim.simulation import simulated

_MOST_SEEDS = 1_000_000_000
_PROGRESS_EVERY = 50
_STATUSES = """exit status: 0 everything holds, 1 something does not, 2 a file cannot be read; of an
event log as voice-replay has it"""


@dataclass(slots=True)
class Campaign:
    """A number of calls, and their results."""

    calls: int = 0
    virtual_s: float = 0.0
    took_s: float = 0.0
    occurred: Counter[str] = field(default_factory=Counter[str])
    failed: tuple[Record, list[str]] | None = None
    """The first call that broke a rule, and the sentences of the rules."""

    def run(self, scripts: Iterable[Script], after_each: Callable[[Record], None]) -> None:
        """Run the calls until one breaks a rule."""
        began = perf_counter()
        for script in scripts:
            record = simulated(script)
            self.calls += 1
            self.virtual_s += record.end.at
            self.occurred += occurred(record)
            self.took_s = perf_counter() - began
            after_each(record)
            if wrong := broken(record):
                self.failed = record, wrong
                return

    def summary(self, seeds: str) -> str:
        counts = ", ".join(f"{n} {what}" for what, n in self.occurred.most_common())
        return (
            f"{self.calls} calls ({seeds}), {self.virtual_s / 3600:.1f} virtual hours, "
            f"{self.calls / max(self.took_s, 1e-9):.0f} calls/s: {counts}"
        )


@contextmanager
def quiet() -> Generator[None]:
    """Turn logging off: the gateway warns of every fault, and here faults are scripted."""
    before = logging.root.manager.disable
    logging.disable(logging.CRITICAL)
    try:
        with warnings.catch_warnings():
            # A callback that fails may leave coroutines; the invariants report the callback itself.
            warnings.filterwarnings("ignore", "coroutine .* was never awaited", RuntimeWarning)
            yield
    finally:
        logging.disable(before)


def report(record: Record, wrong: list[str]) -> str:
    """Shorten a failed call; return it as text that `--replay` reads."""
    with quiet():
        short = simulated(shrunk(record.script, wrong[0]))
    return "\n".join([as_text(short), "", "what does not hold:", *(broken(short) or wrong)])


def main(arguments: list[str] | None = None) -> int:
    options = _options(arguments)
    with quiet():
        return _replay(options.replay, options.set) if options.replay else _random(options)


def _options(arguments: list[str] | None) -> argparse.Namespace:
    parser = OneLineParser("voice-sim", __doc__, _STATUSES, "voice-sim")
    parser.add_argument("--seed", type=int, help="of the first call; drawn if not given")
    parser.add_argument("--calls", type=int, default=1000, help="each with the next seed (1000)")
    parser.add_argument("--verbose", action="store_true", help="print every call's transcript")
    parser.add_argument(
        "--replay",
        type=Path,
        metavar="FILE",
        help="run the script in a report, or a recorded call's event log",
    )
    add_changes(parser)
    return parser.parse_args(arguments)


def _random(options: argparse.Namespace) -> int:
    first: int = randbelow(_MOST_SEEDS) if options.seed is None else options.seed
    seeds = range(first, first + options.calls)
    campaign = Campaign()

    def after_each(record: Record) -> None:
        if options.verbose:
            _say(as_text(record) + "\n")
        elif sys.stderr.isatty() and campaign.calls % _PROGRESS_EVERY == 0:
            sys.stderr.write(f"\r{campaign.calls}/{options.calls} calls ")
            sys.stderr.flush()

    campaign.run(map(drawn, seeds), after_each)
    if sys.stderr.isatty():
        sys.stderr.write("\r\033[K")
    if campaign.failed:
        seed = campaign.failed[0].script.call.seed
        _say(report(*campaign.failed))
        _say(f"replay with: voice-sim --seed {seed} --calls 1, or save this and --replay it")
        return 1
    _say(campaign.summary(f"seeds {first} to {seeds[-1]}" if seeds else "no seeds"))
    return 0


def _replay(file: Path, changes: list[str]) -> int:
    try:
        lines = file.read_text().splitlines()
        if is_log(lines):
            return replay(file, changes, "voice-sim")
        script = read(lines)
    except (OSError, ValueError, TypeError) as error:
        what = error.strerror if isinstance(error, OSError) else error
        sys.stderr.write(f"voice-sim: {file}: {what}\n")
        return 2
    record = simulated(script)
    _say(as_text(record))
    wrong = broken(record)
    _say("\n".join(["", "what does not hold:", *wrong] if wrong else ["", "everything holds"]))
    return 1 if wrong else 0


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")


if __name__ == "__main__":
    sys.exit(main())
