"""What callers hear while each of the three services is killed, paused and reset.

    uv run python benchmarks/faults.py [--calls 10] [--times 2] [--addresses 1] [--json FILE]

Callers ask and listen in real time. One fault follows the other, each once all calls were answered
again: a service's process is killed and comes back after 1 to 4 s (kill), is stopped and goes on
after 2 s or more (pause), or resets its callers' connections and stays (reset). The recogniser's
open streams may also be answered no more (hang), or end with NOT_FOUND (refuse). The exit status is
0 where every turn was answered or apologised for within the limit, no call ended, and the gateway
holds nothing more afterwards than before. Linux only.
"""

import argparse
import asyncio
import itertools
import sys
from collections.abc import Callable
from pathlib import Path
from typing import cast

from faults.fault_plan import KINDS, OF_ALL, SERVICES, Wanted, planned
from faults.fault_report import as_json, problems, report
from faults.fault_rounds import Load, Measured, measure
from shared.command import Options, status_after, status_of, write_figures
from shared.processes import ChildFailed


def _arguments() -> argparse.Namespace:
    options = Options(__doc__)
    options.count("--calls", 10, 1, 100, "callers at once")
    options.count("--times", 2, 1, 1000, "how often each fault happens to each service")
    options.count("--addresses", 1, 1, 4, "of each service; a fault happens to one of them")
    options.count("--limit", 20, 2, 120, "seconds from a question's end to the first sound")
    options.count("--longest-pause", 25, 2, 120, "seconds of the longest pause")
    options.add_argument(
        "--services", type=_some_of(SERVICES), default=SERVICES, metavar="S,S", help=_of(SERVICES)
    )
    options.add_argument(
        "--kinds", type=_some_of(KINDS), default=OF_ALL, metavar="K,K", help=_of(KINDS)
    )
    options.count(
        "--gateways", 1, 1, 16, "side by side, each with so many calls and its share of the faults"
    )
    options.add_argument(
        "--setting",
        type=_setting,
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="a setting of the gateway; may be given several times",
    )
    options.figures_file()
    given = options.parse_args()
    if not Path("/proc/self/fd").exists():
        options.error("needs Linux: it looks at processes and connections through /proc")
    return given


def _of(names: tuple[str, ...]) -> str:
    return f"which, separated by commas ({','.join(names)})"


def _some_of(names: tuple[str, ...]) -> Callable[[str], tuple[str, ...]]:
    def chosen(text: str) -> tuple[str, ...]:
        some = tuple(text.split(","))
        if unknown := [one for one in some if one not in names]:
            raise argparse.ArgumentTypeError(f"{unknown[0]!r} is none of {', '.join(names)}")
        return some

    return chosen


def _setting(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not (name and equals):
        raise argparse.ArgumentTypeError(f"{text!r} is not NAME=VALUE")
    return name, value


async def _measure(given: argparse.Namespace, load: Load) -> list[Measured]:
    faults, questions = planned(_wanted(given)), itertools.count()
    shares = [faults[first :: given.gateways] for first in range(given.gateways)]
    try:
        async with asyncio.TaskGroup() as tasks:
            measuring = [tasks.create_task(measure(load, share, questions)) for share in shares]
    except ExceptionGroup as group:
        raise _first_of(group) from None
    return [task.result() for task in measuring]


def _first_of(error: Exception) -> Exception:
    """A process that stopped, if that is among what happened: the rest follows from it."""
    if not isinstance(error, ExceptionGroup):
        return error
    group = cast("ExceptionGroup[Exception]", error)
    stopped, _ = group.split(ChildFailed)
    return _first_of((stopped or group).exceptions[0])


def _wanted(given: argparse.Namespace) -> Wanted:
    return Wanted(given.services, given.kinds, given.times, given.addresses, given.longest_pause)


async def _main(given: argparse.Namespace) -> int:
    load = Load(given.calls, given.addresses, given.limit, dict(given.setting))
    measured = await _measure(given, load)
    print(report(load, measured))
    write_figures(as_json(load, measured), given.json)
    return status_after(problems(load, measured))


if __name__ == "__main__":
    sys.exit(status_of(_main(_arguments())))
