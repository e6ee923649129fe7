"""What a gateway's process holds: compared before and after its calls, so that nothing is left."""

import asyncio
import json
import os
import signal
from collections.abc import Collection
from dataclasses import asdict, dataclass
from pathlib import Path
from urllib.request import urlopen

from shared.clock import now

_LOOK_S = 0.1
_ANSWER_S = 10.0


@dataclass(frozen=True, slots=True)
class Held:
    """Counts of one moment."""

    calls: int
    tasks: int
    threads: int
    sockets: int
    """All others."""
    model_sockets: int
    """Those to the model: a pool keeps them for the next request."""
    other_files: int
    open_streams: int
    """At the services."""

    def more_than(self, before: "Held", calls: int) -> dict[str, int]:
        """What there is more of than before so many calls, and how many.

        The pool may keep a connection for each call, used at once or not: that is up to chance.
        """
        were = asdict(before)
        were["model_sockets"] = max(before.model_sockets, calls)
        return {name: n - were[name] for name, n in asdict(self).items() if n > were[name]}


@dataclass(frozen=True, slots=True)
class Looked:
    """A gateway's process, seen from outside, and its tasks, which it writes at SIGUSR1."""

    pid: int
    page: str
    tasks_file: Path
    model_ports: Collection[int]

    async def held(self, open_streams: int) -> Held:
        tasks = await self._tasks()
        calls = await asyncio.to_thread(_calls, f"{self.page}metrics")
        ours, models, others = self._open_files()
        return Held(calls, len(tasks), self._threads(), ours, models, others, open_streams)

    def _threads(self) -> int:
        return len(list(Path(f"/proc/{self.pid}/task").iterdir()))

    def _open_files(self) -> tuple[int, int, int]:
        """How many sockets, those to the model, and other files are open."""
        targets = _targets(self.pid)
        sockets = {target for target in targets if target.startswith("socket:")}
        models = sockets & _sockets_to(self.model_ports)
        return len(sockets - models), len(models), len(targets) - len(sockets)

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
    rows = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    return {f"socket:[{row[9]}]" for row in rows if int(row[2].rpartition(":")[2], 16) in ports}


def _calls(url: str) -> int:
    with urlopen(url, timeout=_ANSWER_S) as answer:
        lines = answer.read().decode().splitlines()
    active = [line for line in lines if line.startswith("voice_calls_active{")]
    return round(sum(float(line.rpartition(" ")[2]) for line in active))
