"""Watches whether the upstreams answer, from the start on, and reports each change.

The gateway serves in any case; its readiness says whether a call can be answered.
"""

import asyncio
import logging
from collections.abc import Callable, Mapping
from typing import Protocol

from voice_gateway.errors import ServiceError

log = logging.getLogger(__name__)

_FIRST_RETRY_S, _LONGEST_RETRY_S = 1.0, 15.0  # between checks while an upstream is down
_UP_INTERVAL_S = 30.0  # between checks while it is up


class Upstream(Protocol):
    async def check(self) -> str:
        """Return one line about what is served; raises ServiceError."""
        ...


class UpstreamWatch:
    """Watches each upstream; calls `on_change(name, up)` whenever one comes or goes."""

    def __init__(
        self, upstreams: Mapping[str, Upstream], on_change: Callable[[str, bool], None]
    ) -> None:
        self._upstreams = upstreams
        self._on_change = on_change
        self._up: dict[str, bool] = {}
        self._faults: dict[str, str] = {}

    @property
    def up(self) -> dict[str, bool]:
        """Which upstreams answer; one that was not checked yet counts as down."""
        return {name: self._up.get(name, False) for name in self._upstreams}

    @property
    def all_up(self) -> bool:
        return all(self.up.values())

    async def run(self) -> None:
        """Watch until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            for name, upstream in self._upstreams.items():
                tasks.create_task(self._watch(name, upstream), name=f"watch-{name}")

    async def _watch(self, name: str, upstream: Upstream) -> None:
        wait_s = _FIRST_RETRY_S
        while True:
            up = await self._check(name, upstream)
            wait_s = _UP_INTERVAL_S if up else min(wait_s * 1.5, _LONGEST_RETRY_S)
            await asyncio.sleep(wait_s)
            wait_s = _FIRST_RETRY_S if up else wait_s

    async def _check(self, name: str, upstream: Upstream) -> bool:
        try:
            said, up = await upstream.check(), True
        except ServiceError as fault:
            said, up = fault.text, False
        fault = "" if up else said
        changed, another = self._up.get(name) is not up, self._faults.get(name, "") != fault
        self._up[name], self._faults[name] = up, fault
        if changed or another:
            log.log(logging.INFO if up else logging.WARNING, _log_text(up), name, said)
        if changed:
            self._on_change(name, up)
        return up


def _log_text(up: bool) -> str:
    return "upstream %s is up: %s" if up else "upstream %s is down, trying on: %s"
