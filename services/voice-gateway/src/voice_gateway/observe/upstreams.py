"""Watches whether the upstreams answer, from the start on, and reports each change.

The gateway serves in any case; its readiness says whether a call can be answered. Nothing that a
check or a listener raises ends the watch: an upstream whose check breaks counts as down.
"""

import asyncio
import logging
from collections.abc import Callable, Coroutine, Mapping
from random import uniform
from typing import Protocol

from voice_gateway.errors import ServiceError

log = logging.getLogger(__name__)

_FIRST_RETRY_S, _LONGEST_RETRY_S = 1.0, 15.0  # between checks while an upstream is down
_UP_INTERVAL_S = 30.0  # between checks while it is up
_HURRIED_S = 1.0  # between checks while calls meet faults
_LONGEST_RESTART_S = 60.0  # until a part of the watch that broke begins again
_BROKE = "its check broke inside the gateway; see its log"
_JITTER = 0.2  # all gateways ask the same upstreams, and not at the same time


class Upstream(Protocol):
    async def check(self) -> str:
        """Return one line about what is served; raises ServiceError."""
        ...


class UpstreamWatch:
    """Watches each upstream; calls `on_change(name, up)` whenever one comes or goes."""

    def __init__(
        self,
        upstreams: Mapping[str, Upstream],
        on_change: Callable[[str, bool], None],
        *,
        longest_check_s: float = 30.0,
    ) -> None:
        """`longest_check_s` is above the upstreams' own limits, which say what did not answer."""
        self._upstreams = upstreams
        self._on_change = on_change
        self._longest_check_s = longest_check_s
        self._up: dict[str, bool] = {}
        self._faults: dict[str, str] = {}
        self._hurries = {name: asyncio.Event() for name in upstreams}

    @property
    def up(self) -> dict[str, bool]:
        """Which upstreams answer; one that was not checked yet counts as down."""
        return {name: self._up.get(name, False) for name in self._upstreams}

    @property
    def checked(self) -> dict[str, bool]:
        """Whether those that were checked answer: of one that starts nothing is known yet."""
        return dict(self._up)

    @property
    def all_up(self) -> bool:
        return all(self.up.values())

    def hurry(self, name: str) -> None:
        """Check this upstream soon, as a call met a fault of it."""
        self._hurries[name].set()

    async def run(self) -> None:
        """Watch until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            for name, upstream in self._upstreams.items():
                tasks.create_task(self._watch(name, upstream), name=f"watch-{name}")

    async def _watch(self, name: str, upstream: Upstream) -> None:
        wait_s = _FIRST_RETRY_S
        while True:
            self._hurries[name].clear()
            up = await self._check(name, upstream)
            wait_s = _UP_INTERVAL_S if up else min(wait_s * 1.5, _LONGEST_RETRY_S)
            await self._wait(name, wait_s * uniform(1 - _JITTER, 1 + _JITTER))
            wait_s = _FIRST_RETRY_S if up else wait_s

    async def _wait(self, name: str, seconds: float) -> None:
        await asyncio.sleep(min(seconds, _HURRIED_S))
        try:
            async with asyncio.timeout(max(0.0, seconds - _HURRIED_S)):
                await self._hurries[name].wait()
        except TimeoutError:
            pass

    async def _check(self, name: str, upstream: Upstream) -> bool:
        try:
            said, up = await self._within_limits(upstream), True
        except ServiceError as fault:
            said, up = fault.text, False
        except TimeoutError:
            said, up = f"its check did not end within {self._longest_check_s:g} s", False
        except Exception:  # the boundary: a check that breaks must not end the calls
            said, up = _BROKE, False
            if self._faults.get(name) != said:
                log.exception("upstream %s: its check broke", name)
        self._note(name, said, up=up)
        return up

    async def _within_limits(self, upstream: Upstream) -> str:
        """The upstream's answer; raises TimeoutError where its own limits fail to end it."""
        try:
            async with asyncio.timeout(self._longest_check_s):
                return await upstream.check()
        except asyncio.CancelledError as error:
            if _cancelled():
                raise
            raise RuntimeError("the check was cancelled from inside") from error

    def _note(self, name: str, said: str, *, up: bool) -> None:
        fault = "" if up else said
        changed, another = self._up.get(name) is not up, self._faults.get(name, "") != fault
        self._up[name], self._faults[name] = up, fault
        if changed or another:
            log.log(logging.INFO if up else logging.WARNING, _log_text(up), name, said)
        if changed:
            self._tell(name, up)

    def _tell(self, name: str, up: bool) -> None:
        try:
            self._on_change(name, up)
        except Exception:  # the boundary: a listener that breaks must not end the watch
            log.exception("upstream %s: its change could not be reported", name)


async def kept_up(name: str, part: Callable[[], Coroutine[None, None, None]]) -> None:
    """Run what only watches; where it breaks, it is logged and begun again after a while."""
    wait_s = _FIRST_RETRY_S
    while True:
        try:
            await part()
        except Exception:  # the boundary: what only watches must not end the calls
            log.exception("%s broke, and begins again in %g s", name, wait_s)
        await asyncio.sleep(wait_s)
        wait_s = min(2 * wait_s, _LONGEST_RESTART_S)


def _cancelled() -> bool:
    """Whether the watch itself was cancelled, and not something inside a check."""
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0


def _log_text(up: bool) -> str:
    return "upstream %s is up: %s" if up else "upstream %s is down, trying on: %s"
