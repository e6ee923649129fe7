"""One call's memory: recalls the history before the first turn, and keeps it after each turn.

A store that is slow or down delays only the first turn, by `_RECALL_TIMEOUT_S` at most. What it
holds is never overwritten unread: a call that began without it puts its own words behind it.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import TypeVar

from voice_gateway.conversation import Message
from voice_gateway.conversation.history import remembered
from voice_gateway.errors import ServiceError, TimedOut, Unavailable
from voice_gateway.messages import CallConfig
from voice_gateway.ports import CallMetrics, Memory, Services

log = logging.getLogger(__name__)

_RECALL_TIMEOUT_S = 0.5
_KEEP_TIMEOUT_S = 2.0
_CLOSE_TIMEOUT_S = 1.0  # the end of the call waits for this one
_BROKE = "it failed inside the gateway; see its log"

_T = TypeVar("_T")


class CallMemory:
    """Recalls and keeps one call's history, if the call names a conversation."""

    def __init__(
        self,
        services: Services,
        config: CallConfig,
        metrics: CallMetrics,
        *,
        most_messages: int,
        on_lost: Callable[[ServiceError], None],
    ) -> None:
        self._call_id = config.call_id
        self._broken: ServiceError | None = None
        """Why the store could not be opened, if it could not."""
        self._memory = self._opened(services.memory, config)
        self._metrics = metrics
        self._on_lost = on_lost
        self._most = most_messages
        self._unread = False
        """Whether the store may hold a history that this call has not recalled."""
        self._before: tuple[Message, ...] = ()
        """What the store held, where it was read too late for this call."""
        self._latest: tuple[Message, ...] = ()
        self._kept: tuple[Message, ...] = ()
        self._keeping: asyncio.Task[None] | None = None
        self._failing = False

    async def recall(self) -> tuple[Message, ...]:
        """The history before this call; empty, after a call of `on_lost`, where that fails."""
        if self._broken:
            self._on_lost(self._broken)
        if self._memory is None:
            return ()
        try:
            recalled = await self._within(_RECALL_TIMEOUT_S, self._memory.recall())
        except ServiceError as fault:
            self._unread = True
            self._on_lost(fault)
            return ()
        self._latest = self._kept = recalled
        return recalled

    def keep(self, messages: tuple[Message, ...], tasks: asyncio.TaskGroup) -> None:
        """Keep these messages next; only the newest are kept once the store is free."""
        if self._memory is None or messages == self._latest:
            return
        self._latest = messages
        if self._keeping is None or self._keeping.done():
            self._keeping = tasks.create_task(self._keep(self._memory), name="keep")

    async def close(self, messages: tuple[Message, ...]) -> None:
        """Keep the history at the call's end, even if kept before: its expiry counts from here."""
        if self._memory is None or not messages:
            return
        self._latest, self._kept = messages, ()
        try:
            async with asyncio.timeout(_CLOSE_TIMEOUT_S):
                if self._keeping:
                    await asyncio.wait([self._keeping])
                await self._keep(self._memory)
        except TimeoutError:
            self._tell(
                TimedOut("memory", f"no answer within {_CLOSE_TIMEOUT_S:g} s of the call's end")
            )
        if self._keeping:
            self._keeping.cancel()

    def _opened(
        self, memory: Callable[[str, str], Memory] | None, config: CallConfig
    ) -> Memory | None:
        if memory is None or not config.conversation_id:
            return None
        try:
            return memory(config.conversation_id, config.principal)
        except Exception:  # the boundary: a bug in a memory must not end the call
            log.exception("call %s: its memory broke", self._call_id)
            self._broken = Unavailable("memory", _BROKE)
            return None

    async def _keep(self, memory: Memory) -> None:
        """Keep the newest messages until none are newer."""
        while self._kept != self._latest:
            messages = self._latest
            try:
                await self._read_late(memory)
                kept = remembered((*self._before, *messages), self._most)
                await self._within(_KEEP_TIMEOUT_S, memory.keep(kept))
            except ServiceError as fault:
                self._tell(fault)
                return  # the next turn's messages are tried again
            self._kept = messages
            self._failing = False

    async def _read_late(self, memory: Memory) -> None:
        """Read what could not be recalled when the call began."""
        if self._unread:
            self._before = await self._within(_KEEP_TIMEOUT_S, memory.recall())
            self._unread = False

    def _tell(self, fault: ServiceError) -> None:
        self._metrics.failed(fault)
        if not self._failing:  # the log gets one line for each run of failures
            log.warning("call %s: not kept: %s: %s", self._call_id, fault.stage, fault.text)
        self._failing = True

    async def _within(self, seconds: float, answer: Awaitable[_T]) -> _T:
        """The store's answer; raises ServiceError and nothing else."""
        try:
            async with asyncio.timeout(seconds):
                return await answer
        except ServiceError:
            raise
        except TimeoutError:
            raise TimedOut("memory", f"no answer within {seconds:g} s") from None
        except Exception:  # the boundary: a bug in a memory must not end the call
            log.exception("call %s: its memory broke", self._call_id)
            raise Unavailable("memory", _BROKE) from None
