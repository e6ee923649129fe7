"""A gateway's process seen from outside: its threads, files and memory, and the tasks it runs.

It runs `shared.gateway_watch`, which writes what only the process itself can know. Linux only.
"""

import asyncio
import json
import os
import signal
from dataclasses import dataclass, field
from pathlib import Path
from urllib.request import Request, urlopen

from shared.clock import now

_LOOK_S = 0.05
_ANSWER_S = 10.0
_BLOCK_BYTES = 64
"""What a block of Python's allocator holds, about: objects have 16 to 512 bytes."""


@dataclass(frozen=True, slots=True)
class Inside:
    """What the process wrote of itself."""

    tasks: list[str]
    malloc_bytes: int
    """What malloc has given out; 0: its library does not tell."""
    blocks: int
    """Objects in Python's own allocator."""

    @property
    def used_bytes(self) -> int:
        """Memory that somebody holds, whatever of it the process keeps free for later."""
        return self.malloc_bytes + self.blocks * _BLOCK_BYTES


@dataclass(frozen=True, slots=True)
class GatewayProcess:
    """The process, the address of its page, and where it writes what it holds."""

    pid: int
    page: str
    held_file: Path
    key: str = field(default="", repr=False)
    """Opens its metrics, where a key is asked for."""

    def threads(self) -> int:
        """Threads but for gRPC's pool, which grows while it is busy and shrinks by itself."""
        names = [file.read_text() for file in Path(f"/proc/{self.pid}/task").glob("*/comm")]
        return sum(not name.startswith("event_engine") for name in names)

    def open_files(self) -> list[str]:
        """What each of its descriptors leads to, sockets among them."""
        targets: list[str] = []
        for link in Path(f"/proc/{self.pid}/fd").iterdir():
            try:
                targets.append(str(link.readlink()))
            except FileNotFoundError:  # closed meanwhile
                continue
        return targets

    def resident_bytes(self) -> int:
        pages = int(Path(f"/proc/{self.pid}/statm").read_text().split()[1])
        return pages * os.sysconf("SC_PAGE_SIZE")

    async def inside(self) -> Inside:
        self.held_file.unlink(missing_ok=True)
        signal_at = now()
        os.kill(self.pid, signal.SIGUSR1)
        while not self.held_file.exists():
            if now() > signal_at + _ANSWER_S:
                raise TimeoutError("the gateway did not write what it holds")
            await asyncio.sleep(_LOOK_S)
        held = json.loads(self.held_file.read_text())
        return Inside(held["tasks"], held["malloc"], held["blocks"])

    async def calls(self) -> int:
        """The calls that its metrics count as active; to ask takes a connection for a moment."""
        return await asyncio.to_thread(_calls, f"{self.page}metrics", self.key)


def _calls(url: str, key: str) -> int:
    headers = {"Authorization": f"Bearer {key}"} if key else {}
    with urlopen(Request(url, headers=headers), timeout=_ANSWER_S) as answer:
        lines = answer.read().decode().splitlines()
    active = [line for line in lines if line.startswith("voice_calls_active{")]
    return round(sum(float(line.rpartition(" ")[2]) for line in active))
