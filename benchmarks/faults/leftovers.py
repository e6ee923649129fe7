"""What a gateway's process holds: compared before and after its calls, so that nothing is left."""

import asyncio
import json
import os
import signal
from collections.abc import Collection, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from urllib.request import urlopen

from faults.fault_plan import SERVICES
from shared.clock import now

_LOOK_S = 0.1
_ANSWER_S = 10.0


@dataclass(frozen=True, slots=True)
class Held:
    """Counts of one moment."""

    calls: int
    tasks: int
    threads: int
    asr_sockets: int
    llm_sockets: int
    tts_sockets: int
    """Connections to the services are kept for the next request."""
    other_sockets: int
    """Also those that are broken and not closed."""
    other_files: int
    open_streams: int
    """At the services."""

    def more_than(self, before: "Held", calls: int) -> dict[str, int]:
        """What there is more of than before so many calls, and how many.

        A connection to a service may be kept for each call: how many is up to chance.
        """
        may = asdict(before)
        for name in SERVICES:
            may[f"{name}_sockets"] = max(may[f"{name}_sockets"], calls)
        return {name: n - may[name] for name, n in asdict(self).items() if n > may[name]}


@dataclass(frozen=True, slots=True)
class Looked:
    """A gateway's process, seen from outside, and its tasks, which it writes at SIGUSR1."""

    pid: int
    page: str
    tasks_file: Path
    ports: Mapping[str, Collection[int]]
    """The ports of each service."""

    async def held(self, open_streams: int) -> Held:
        """What it holds, looked at before it is asked anything, which takes a connection."""
        threads, files = self._threads(), self._open_files()
        tasks = await self._tasks()
        calls = await asyncio.to_thread(_calls, f"{self.page}metrics")
        return Held(calls, len(tasks), threads, *files, open_streams)

    def _threads(self) -> int:
        """Threads but for gRPC's pool, which grows while it is busy and shrinks by itself."""
        names = [file.read_text() for file in Path(f"/proc/{self.pid}/task").glob("*/comm")]
        return sum(not name.startswith("event_engine") for name in names)

    def _open_files(self) -> tuple[int, int, int, int, int]:
        """How many sockets to each service, other sockets and other files are open."""
        targets = _targets(self.pid)
        sockets = {target for target in targets if target.startswith("socket:")}
        asr, llm, tts = (len(sockets & _sockets_to(self.ports[name])) for name in SERVICES)
        others = len(sockets) - asr - llm - tts
        return asr, llm, tts, others, len(targets) - len(sockets)

    async def _tasks(self) -> list[str]:
        """The names of its tasks."""
        self._forget()
        signal_at = now()
        os.kill(self.pid, signal.SIGUSR1)
        while not (written := self._written()):
            if now() > signal_at + _ANSWER_S:
                raise TimeoutError("the gateway did not write its tasks")
            await asyncio.sleep(_LOOK_S)
        return json.loads(written)

    def _forget(self) -> None:
        self.tasks_file.unlink(missing_ok=True)

    def _written(self) -> str:
        return self.tasks_file.read_text() if self.tasks_file.exists() else ""


def _targets(pid: int) -> list[str]:
    targets: list[str] = []
    for link in Path(f"/proc/{pid}/fd").iterdir():
        try:
            targets.append(str(link.readlink()))
        except FileNotFoundError:  # closed meanwhile
            continue
    return targets


def _sockets_to(ports: Collection[int]) -> set[str]:
    """All sockets of this machine that are connected to one of these ports of it."""
    tables = (Path("/proc/net/tcp"), Path("/proc/net/tcp6"))
    rows = [line.split() for table in tables for line in table.read_text().splitlines()[1:]]
    return {f"socket:[{row[9]}]" for row in rows if int(row[2].rpartition(":")[2], 16) in ports}


def _calls(url: str) -> int:
    with urlopen(url, timeout=_ANSWER_S) as answer:
        lines = answer.read().decode().splitlines()
    active = [line for line in lines if line.startswith("voice_calls_active{")]
    return round(sum(float(line.rpartition(" ")[2]) for line in active))
