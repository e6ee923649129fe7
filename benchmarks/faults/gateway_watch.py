"""Runs the gateway as it is shipped, and writes its tasks' names to a file at SIGUSR1.

TASKS_FILE=FILE python -m faults.gateway_watch
"""

import asyncio
import json
import os
import runpy
import signal
import sys
from pathlib import Path


def _write_tasks(_number: int, _frame: object) -> None:
    """Write the file at once under its name, so that a reader finds it whole."""
    path = Path(os.environ["TASKS_FILE"])
    running = (task.get_coro() for task in asyncio.all_tasks())
    names = sorted(str(getattr(one, "__qualname__", "?")) for one in running)
    new = path.with_suffix(".new")
    new.write_text(json.dumps(names))
    new.rename(path)


if __name__ == "__main__":
    signal.signal(signal.SIGUSR1, _write_tasks)
    sys.argv = ["voice-gateway"]
    runpy.run_module("voice_gateway", run_name="__main__", alter_sys=True)
