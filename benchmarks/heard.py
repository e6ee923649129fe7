"""What the gateway takes for heard when a reply is interrupted, and what was: word by word.

    uv run python benchmarks/heard.py [--calls 500] [--json FILE]

Real synthesised speech, interrupted at random times on a virtual clock; see `heard_calls.py`.
Everything runs in this one process.
"""

import argparse
import json
import sys
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from command import check_limits
from heard_calls import Arm, Counted, interruptions
from lines import Json
from table import machine, row

LEAST, MOST = 20, 5_000
_SLOW = 0.5  # of its audio's time
_TELLS = {
    "early": "word times with the audio",
    "late": "word times behind the audio",
    "never": "no word times: estimated",
}


def measured(calls: int) -> list[tuple[Arm, Counted]]:
    """So many interruptions for each kind of voice and caller."""
    print(f"what was heard: {calls} interruptions of each kind", file=sys.stderr)
    return list(interruptions(calls))


def report(kinds: Sequence[tuple[Arm, Counted]]) -> list[str]:
    head = ("exact", "within 1", "least", "most", "samples")
    lines = [row("words too many (+) or too few", head)]
    tells = ""
    for arm, counted in kinds:
        if arm.tells != tells:
            lines.append(f" {_TELLS[arm.tells]}")
            tells = arm.tells
        lines.append(row(_caller(arm), _cells(counted.off)))
    return lines


def as_json(kinds: Sequence[tuple[Arm, Counted]]) -> list[Json]:
    return [
        {
            **asdict(arm),
            "calls": len(counted.off),
            "words_off": {str(off): count for off, count in sorted(Counter(counted.off).items())},
            "exact": _share(counted.off, 0),
            "within_1": _share(counted.off, 1),
        }
        for arm, counted in kinds
    ]


def problems(kinds: Sequence[tuple[Arm, Counted]]) -> list[str]:
    return [f"{_caller(arm)}: {each}" for arm, counted in kinds for each in counted.problems]


def _caller(arm: Arm) -> str:
    plays = f"plays {arm.buffer_s * 1000:.0f} ms late" if arm.buffer_s else "plays at once"
    voice = "" if arm.real_time_factor < _SLOW else "; slow voice"
    return f"{plays}, {'reports' if arm.reports else 'says nothing'}{voice}"


def _cells(off: Sequence[int]) -> tuple[str, ...]:
    if not off:
        return ("-", "-", "-", "-", "0")
    shares = (f"{_share(off, 0):.1%}", f"{_share(off, 1):.1%}")
    return (*shares, f"{min(off):+d}", f"{max(off):+d}", str(len(off)))


def _share(off: Sequence[int], within: int) -> float:
    return sum(abs(each) <= within for each in off) / max(1, len(off))


def _arguments(argv: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument(
        "--calls", type=int, default=500, help=f"interruptions of each kind ({LEAST} to {MOST})"
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all figures there")
    given = parser.parse_args(argv)
    check_limits(parser, given, ("calls", LEAST, MOST))
    return given


def _main(given: argparse.Namespace) -> int:
    kinds = measured(given.calls)
    figures = {"calls": given.calls, "machine": machine(), "heard": as_json(kinds)}
    print("\n".join(report(kinds)))
    print(json.dumps(figures))
    if given.json:
        given.json.write_text(json.dumps(figures, indent=2) + "\n")
    for problem in problems(kinds):
        print(f"problem: {problem}", file=sys.stderr)
    return 1 if problems(kinds) else 0


if __name__ == "__main__":
    sys.exit(_main(_arguments(sys.argv[1:])))
