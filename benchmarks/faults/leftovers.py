"""What a gateway's process holds: compared before and after its calls, so that nothing is left."""

from collections.abc import Collection, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from faults.fault_plan import SERVICES
from shared.gateway_process import GatewayProcess


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
    """A gateway's process, and the ports of each service."""

    process: GatewayProcess
    ports: Mapping[str, Collection[int]]

    async def held(self, open_streams: int) -> Held:
        """What it holds, looked at before it is asked anything, which takes a connection."""
        threads, files = self.process.threads(), self._open_files()
        inside = await self.process.inside()
        calls = await self.process.calls()
        return Held(calls, len(inside.tasks), threads, *files, open_streams)

    def _open_files(self) -> tuple[int, int, int, int, int]:
        """How many sockets to each service, other sockets and other files are open."""
        targets = self.process.open_files()
        sockets = {target for target in targets if target.startswith("socket:")}
        asr, llm, tts = (len(sockets & _sockets_to(self.ports[name])) for name in SERVICES)
        others = len(sockets) - asr - llm - tts
        return asr, llm, tts, others, len(targets) - len(sockets)


def _sockets_to(ports: Collection[int]) -> set[str]:
    """All sockets of this machine that are connected to one of these ports of it."""
    tables = (Path("/proc/net/tcp"), Path("/proc/net/tcp6"))
    rows = [line.split() for table in tables for line in table.read_text().splitlines()[1:]]
    return {f"socket:[{row[9]}]" for row in rows if int(row[2].rpartition(":")[2], 16) in ports}
