"""What the gateway takes for heard when a reply is interrupted, and what was: word by word.

    uv run python benchmarks/heard.py [--calls 500] [--json FILE]

Real synthesised speech, interrupted at random times on a virtual clock. Everything runs in this one
process.
"""

import argparse
import json
import sys

from heard.interruptions import interruptions
from heard.word_report import as_json, problems, report
from shared.command import Options, status_after, write_figures


def _arguments() -> argparse.Namespace:
    options = Options(__doc__)
    options.count("--calls", 500, 20, 5_000, "interruptions of each kind")
    options.figures_file()
    return options.parse_args()


def _main(given: argparse.Namespace) -> int:
    print(f"what was heard: {given.calls} interruptions of each kind", file=sys.stderr)
    kinds = list(interruptions(given.calls))
    figures = as_json(kinds, given.calls)
    print(report(kinds))
    print(json.dumps(figures))
    write_figures(figures, given.json)
    return status_after(problems(kinds))


if __name__ == "__main__":
    sys.exit(_main(_arguments()))
