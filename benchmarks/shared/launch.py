"""Starts a question's program as the gateway starts: numpy on one thread.

numpy reads that setting when it loads, so nothing that brings numpy may be imported before.
"""

import os
import runpy
import sys

STOPPED = 130  # as a shell says of a command that was interrupted


def run(question: str) -> None:
    """Run `QUESTION/__main__.py`: beside a script of its name, a package is what gets imported."""
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    try:
        runpy.run_module(question, run_name="__main__")
    except KeyboardInterrupt:
        print("stopped", file=sys.stderr)
        sys.exit(STOPPED)
