"""A benchmark's child processes: started, asked, their CPU time read, and always stopped."""

import asyncio
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from shared.lines import LINE_BYTES

_BENCHMARKS = Path(__file__).parents[1]
_ANSWER_S = 30.0
_STOP_S = 10.0
_KEPT_FROM_ENVIRONMENT = ("PATH", "HOME", "LANG", "LC_ALL", "TMPDIR", "PYTHONPATH")


class ChildFailed(Exception):
    """A child did not start or stopped by itself; the text ends with what it wrote last."""


@dataclass(slots=True)
class Child:
    """A running process that talks in lines."""

    name: str
    process: asyncio.subprocess.Process
    log: IO[bytes]

    async def line(self, timeout_s: float = _ANSWER_S) -> str:
        """Its next line of standard output."""
        assert self.process.stdout is not None
        async with asyncio.timeout(timeout_s):
            line = await self.process.stdout.readline()
        if not line:
            raise ChildFailed(f"{self.name} stopped: {self._last_words()}")
        return line.decode().strip()

    async def ready(self, timeout_s: float = _ANSWER_S) -> dict[str, str]:
        """What its ready line says: `ready: a=1 b=2`."""
        line = await self.line(timeout_s)
        if not line.startswith("ready: "):
            raise ChildFailed(f"{self.name} said {line!r} where its ready line was due")
        return dict(part.split("=", 1) for part in line.removeprefix("ready: ").split())

    async def ask(self, line: str) -> str:
        """Send a line to its standard input and return the line it answers."""
        assert self.process.stdin is not None
        self.process.stdin.write(line.encode() + b"\n")
        await self.process.stdin.drain()
        return await self.line()

    async def whole_output(self) -> str:
        """All that it writes to standard output until it ends."""
        assert self.process.stdout is not None
        if written := await self.process.stdout.read():
            return written.decode()
        raise ChildFailed(f"{self.name} stopped: {self._last_words()}")

    def cpu_s(self) -> float:
        """User and system time so far."""
        if self.process.returncode is not None:
            raise ChildFailed(f"{self.name} stopped: {self._last_words()}")
        return cpu_s(self.process.pid)

    def whole_log(self) -> str:
        """All that it has written to standard error so far."""
        return os.pread(self.log.fileno(), os.fstat(self.log.fileno()).st_size, 0).decode(
            errors="replace"
        )

    def _last_words(self) -> str:
        return self.whole_log()[-2000:].strip() or "nothing was logged"


@asynccontextmanager
async def child(
    name: str, arguments: Sequence[str], environment: Mapping[str, str] | None = None
) -> AsyncGenerator[Child, None]:
    """Run `python ARGUMENTS` in an empty folder, with nothing of this environment's settings."""
    kept = {key: os.environ[key] for key in _KEPT_FROM_ENVIRONMENT if key in os.environ}
    with tempfile.TemporaryDirectory() as folder, tempfile.TemporaryFile() as log:
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            *arguments,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=log,
            cwd=folder,
            env=kept | dict(environment or {}),
            limit=LINE_BYTES,
        )
        try:
            yield Child(name, process, log)
        finally:
            await _stop(process)


@asynccontextmanager
async def helper(name: str, module: str, *arguments: str) -> AsyncGenerator[Child, None]:
    """Run a module of the benchmarks in a process of its own."""
    path = os.pathsep.join(filter(None, (str(_BENCHMARKS), os.environ.get("PYTHONPATH"))))
    async with child(name, ["-m", module, *arguments], {"PYTHONPATH": path}) as process:
        yield process


@asynccontextmanager
async def benchmark(question: str, *arguments: str) -> AsyncGenerator[Child, None]:
    """Ask another question by its command, in a process of its own."""
    script = str(_BENCHMARKS / f"{question}.py")
    async with child(question, [script, *arguments]) as process:
        yield process


async def _stop(process: asyncio.subprocess.Process) -> None:
    if process.returncode is not None:
        return
    with suppress(ProcessLookupError):  # Popen's own way would reap it, which asyncio does
        os.kill(process.pid, signal.SIGTERM)
    try:
        async with asyncio.timeout(_STOP_S):
            await process.wait()
    except TimeoutError:
        process.kill()
        await process.wait()


def cpu_s(pid: int) -> float:
    """User and system time of a process so far; from ps where there is no /proc."""
    stat = Path(f"/proc/{pid}/stat")
    if stat.exists():
        fields = stat.read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
    shown = subprocess.run(
        ["ps", "-o", "time=", "-p", str(pid)], capture_output=True, text=True, check=True, timeout=5
    )
    return _clock_s(shown.stdout.strip())


def _clock_s(text: str) -> float:
    """Seconds of `[[DD-]HH:]MM:SS[.hh]`."""
    days, _, clock = text.rpartition("-")
    seconds = 0.0
    for part in clock.split(":"):
        seconds = seconds * 60 + float(part)
    return seconds + 86_400 * int(days or 0)
