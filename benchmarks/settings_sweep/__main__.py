"""What each setting of the turn-taking costs in latency, and saves in false starts.

    uv run --with matplotlib python benchmarks/settings_sweep.py     (about two minutes)

Real recorded speech, the gateway's own session, voice detector and end-of-turn model, a recogniser
whose words and delays were stored from a real one; on a virtual clock. Prints the tables, and
writes them and the plots into docs/architecture/plots.
"""

import argparse
import logging
import sys
from collections.abc import Sequence
from pathlib import Path

from settings_sweep.stored_speech import utterances
from settings_sweep.stored_words import store
from settings_sweep.sweep_report import report
from settings_sweep.sweeps import Sweep, sweeps, trade_off
from shared.command import Options

_FOLDER = Path(__file__).parents[2] / "docs" / "architecture" / "plots"


def _arguments() -> argparse.Namespace:
    options = Options(__doc__)
    options.add_argument("--no-draw", dest="draw", action="store_false", help="the tables alone")
    options.add_argument(
        "--listen",
        action="store_true",
        help="first have the local stack's recogniser listen again, and store its words",
    )
    return options.parse_args()


def _main(given: argparse.Namespace) -> int:
    if given.listen:
        store()
    logging.disable(logging.WARNING)
    said = utterances()
    all_sweeps = [trade_off(said), *sweeps(said)]
    text = report(all_sweeps)
    sys.stdout.write(text)
    return _keep(all_sweeps, text) if given.draw else 0


def _keep(all_sweeps: Sequence[Sweep], text: str) -> int:
    try:
        from settings_sweep.plots import draw
    except ImportError:
        sys.stderr.write("no pictures: run with `uv run --with matplotlib`\n")
        return 1
    draw(all_sweeps, _FOLDER)
    (_FOLDER / "settings.md").write_text(text)
    return 0


if __name__ == "__main__":
    sys.exit(_main(_arguments()))
