"""One call's memory: recalled before its first turn, kept after each, for the call that may follow.

A store that is slow or away delays nothing but the first turn, and that by half a second.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import TypeVar

from voice_gateway.conversation import Message
from voice_gateway.errors import ServiceError, TimedOut, Unavailable
from voice_gateway.messages import CallConfig
from voice_gateway.ports import CallMetrics, Memory, Services

log = logging.getLogger(__name__)

_RECALL_S = 0.5
_KEEP_S = 2.0
_LAST_S = 1.0  # for what the call leaves behind: its end waits for that

_T = TypeVar("_T")


class CallMemory:
    """Where the call names no conversation, nothing is recalled and nothing kept."""

    def __init__(
        self,
        services: Services,
        config: CallConfig,
        metrics: CallMetrics,
        *,
        on_lost: Callable[[ServiceError], None],
    ) -> None:
        known_as = config.conversation_id
        self._memory = services.memory(known_as) if services.memory and known_as else None
        self._call_id = config.call_id
        self._metrics = metrics
        self._on_lost = on_lost
        self._latest: tuple[Message, ...] = ()
        self._kept: tuple[Message, ...] = ()
        self._keeping: asyncio.Task[None] | None = None
        self._failing = False

    async def recall(self) -> tuple[Message, ...]:
        """What was said before this call; nothing, and `on_lost` called, where that fails."""
        if self._memory is None:
            return ()
        try:
            recalled = await self._within(_RECALL_S, self._memory.recall())
        except ServiceError as fault:
            self._on_lost(fault)
            return ()
        self._latest = self._kept = recalled
        return recalled

    def keep(self, messages: tuple[Message, ...], tasks: asyncio.TaskGroup) -> None:
        """Keep this as soon as what is being kept now is; whatever comes later takes its place."""
        if self._memory is None or messages == self._latest:
            return
        self._latest = messages
        if self._keeping is None or self._keeping.done():
            self._keeping = tasks.create_task(self._keep(self._memory), name="keep")

    async def close(self, messages: tuple[Message, ...]) -> None:
        """Keep what the call leaves behind, anew also where it is kept: its time runs from here."""
        if self._memory is None or not messages:
            return
        self._latest, self._kept = messages, ()
        try:
            async with asyncio.timeout(_LAST_S):
                if self._keeping:
                    await asyncio.wait([self._keeping])
                await self._keep(self._memory)
        except TimeoutError:
            self._tell(TimedOut("memory", f"no answer within {_LAST_S:g} s of the call's end"))
        if self._keeping:
            self._keeping.cancel()

    async def _keep(self, memory: Memory) -> None:
        """Keep the latest, until there is nothing later."""
        while self._kept != self._latest:
            messages = self._latest
            try:
                await self._within(_KEEP_S, memory.keep(messages))
            except ServiceError as fault:
                self._tell(fault)
                return  # the next turn tries again
            self._kept = messages
            self._failing = False

    def _tell(self, fault: ServiceError) -> None:
        self._metrics.failed(fault)
        if not self._failing:  # once is enough for the log
            log.warning("call %s: not kept: %s: %s", self._call_id, fault.stage, fault.text)
        self._failing = True

    async def _within(self, seconds: float, asked: Awaitable[_T]) -> _T:
        """What the store answers in time; raises ServiceError and nothing else."""
        try:
            async with asyncio.timeout(seconds):
                return await asked
        except ServiceError:
            raise
        except TimeoutError:
            raise TimedOut("memory", f"no answer within {seconds:g} s") from None
        except Exception:  # a boundary: a bug in remembering must not end the call
            log.exception("call %s: its memory broke", self._call_id)
            raise Unavailable("memory", "it failed inside the gateway; see its log") from None
