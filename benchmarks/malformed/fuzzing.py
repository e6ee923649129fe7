"""Runs the fuzzer on each parser in a process of its own, and tells what broke."""

import asyncio
import os
import re
import sys
import tempfile
from importlib.util import find_spec
from pathlib import Path

from malformed.parsers import PARSERS

_BENCHMARKS = Path(__file__).parents[1]
_BEYOND_S = 120
"""A fuzzer that still runs so long after its time is stuck."""
_RUNS = re.compile(r"stat::number_of_executed_units:\s*(\d+)")
_COVERED = re.compile(r"cov: (\d+) ft: (\d+)")


async def fuzz(seconds: int, seed: int) -> list[str]:
    """Give each parser its share of the seconds; return what broke."""
    if find_spec("atheris") is None:
        return ["atheris is not there: uv run --with atheris python benchmarks/malformed.py --fuzz"]
    share_s = max(1, seconds // len(PARSERS))
    problems: list[str] = []
    for parser in PARSERS:
        problems += await _fuzz_one(parser, share_s, seed)
    return problems


async def _fuzz_one(parser: str, seconds: int, seed: int) -> list[str]:
    path = os.pathsep.join(filter(None, (str(_BENCHMARKS), os.environ.get("PYTHONPATH"))))
    with tempfile.TemporaryDirectory() as folder:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "malformed.fuzz_parser", parser, folder),
            *(str(seconds), str(seed)),
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            env={**os.environ, "PYTHONPATH": path},
        )
        try:
            async with asyncio.timeout(seconds + _BEYOND_S):
                said = (await process.communicate())[0].decode(errors="replace")
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()
        broke = _left_in(Path(folder))
        print(_told(parser, said), flush=True)
        if process.returncode == 0 and not broke:
            return []
        inputs = "; ".join(repr(file.read_bytes()[:2_000]) for file in broke)
        return [f"{parser} broke with {inputs or 'no input'}: {said[-4_000:]}"]


def _left_in(folder: Path) -> list[Path]:
    """The inputs that broke something, which the fuzzer writes there."""
    return [file for file in folder.iterdir() if file.is_file()]


def _told(parser: str, said: str) -> str:
    runs, covered = _RUNS.search(said), _COVERED.findall(said)
    edges, features = covered[-1] if covered else ("?", "?")
    return f"{parser:<12}{runs[1] if runs else '?':>10} runs, {edges} edges, {features} features"
