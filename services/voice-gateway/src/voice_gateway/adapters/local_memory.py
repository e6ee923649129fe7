"""Keeps conversations in this process, which is enough if clients call the same gateway again."""

import asyncio
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from voice_gateway.conversation import Message
from voice_gateway.ports import Memory

_MOST_CONVERSATIONS = 1_000  # beyond that, the one untouched for longest is forgotten
_MOST_OWNERS = 10_000


@dataclass(slots=True)
class _Kept:
    messages: tuple[Message, ...]
    until: float


class LocalMemories:
    """Remembers each conversation for `keep_s` after it was last touched."""

    def __init__(
        self,
        keep_s: float,
        *,
        most: int = _MOST_CONVERSATIONS,
        clock: Callable[[], float] | None = None,
    ) -> None:
        self._keep_s = keep_s
        self._most = most
        self._clock = clock
        self._kept: OrderedDict[str, _Kept] = OrderedDict()
        self._owners: OrderedDict[str, Memory] = OrderedDict()
        """The latest call of each conversation, also of those that hold nothing: to ask for one
        that does not exist costs no other its memory."""

    def __len__(self) -> int:
        return len(self._kept)

    def open(self, conversation_id: str) -> Memory:
        """Implements `ports.Services.memory`."""
        return _LocalMemory(self, conversation_id)

    async def close(self) -> None:
        self._kept.clear()
        self._owners.clear()

    def take_over(self, conversation_id: str, owner: Memory) -> tuple[Message, ...]:
        self._owners[conversation_id] = owner
        self._owners.move_to_end(conversation_id)
        if len(self._owners) > _MOST_OWNERS:
            self._owners.popitem(last=False)
        kept = self._find(conversation_id)
        if kept is None:
            return ()
        self._put(conversation_id, kept.messages)
        return kept.messages

    def keep(self, conversation_id: str, owner: Memory, messages: tuple[Message, ...]) -> None:
        if self._owners.get(conversation_id, owner) is owner:
            self._put(conversation_id, messages)

    def _find(self, conversation_id: str) -> _Kept | None:
        while self._kept and next(iter(self._kept.values())).until <= self._now():
            self._kept.popitem(last=False)  # the oldest come first
        return self._kept.get(conversation_id)

    def _put(self, conversation_id: str, messages: tuple[Message, ...]) -> None:
        self._kept[conversation_id] = _Kept(messages, self._now() + self._keep_s)
        self._kept.move_to_end(conversation_id)
        if len(self._kept) > self._most:
            self._kept.popitem(last=False)

    def _now(self) -> float:
        return self._clock() if self._clock else asyncio.get_running_loop().time()


class _LocalMemory(Memory):
    def __init__(self, memories: LocalMemories, conversation_id: str) -> None:
        self._memories = memories
        self._conversation_id = conversation_id

    async def recall(self) -> tuple[Message, ...]:
        return self._memories.take_over(self._conversation_id, self)

    async def keep(self, messages: Sequence[Message]) -> None:
        self._memories.keep(self._conversation_id, self, tuple(messages))
