"""Keeps conversations in this process, which is enough if clients call the same gateway again."""

import asyncio
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from voice_gateway.conversation import Message
from voice_gateway.ports import Memory
from voice_gateway.principals import ANYONE

_MOST_CONVERSATIONS = 1_000  # beyond that, the one untouched for longest is forgotten
_MOST_OWNERS = 10_000


_Key = tuple[str, str]
"""A principal and its name for the conversation."""


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
        self._kept: OrderedDict[_Key, _Kept] = OrderedDict()
        self._owners: OrderedDict[_Key, Memory] = OrderedDict()
        """The latest call of each conversation, also of those that hold nothing: to ask for one
        that does not exist costs no other its memory."""

    def __len__(self) -> int:
        return len(self._kept)

    def open(self, conversation_id: str, principal: str = ANYONE.name) -> Memory:
        """Implements `ports.Services.memory`."""
        return _LocalMemory(self, (principal, conversation_id))

    async def close(self) -> None:
        self._kept.clear()
        self._owners.clear()

    def take_over(self, key: _Key, owner: Memory) -> tuple[Message, ...]:
        self._owners[key] = owner
        self._owners.move_to_end(key)
        if len(self._owners) > _MOST_OWNERS:
            self._owners.popitem(last=False)
        kept = self._find(key)
        if kept is None:
            return ()
        self._put(key, kept.messages)
        return kept.messages

    def keep(self, key: _Key, owner: Memory, messages: tuple[Message, ...]) -> None:
        if self._owners.get(key, owner) is owner:
            self._put(key, messages)

    def _find(self, key: _Key) -> _Kept | None:
        while self._kept and next(iter(self._kept.values())).until <= self._now():
            self._kept.popitem(last=False)  # the oldest come first
        return self._kept.get(key)

    def _put(self, key: _Key, messages: tuple[Message, ...]) -> None:
        self._kept[key] = _Kept(messages, self._now() + self._keep_s)
        self._kept.move_to_end(key)
        if len(self._kept) > self._most:
            self._kept.popitem(last=False)

    def _now(self) -> float:
        return self._clock() if self._clock else asyncio.get_running_loop().time()


class _LocalMemory(Memory):
    def __init__(self, memories: LocalMemories, key: _Key) -> None:
        self._memories = memories
        self._key = key

    async def recall(self) -> tuple[Message, ...]:
        return self._memories.take_over(self._key, self)

    async def keep(self, messages: Sequence[Message]) -> None:
        self._memories.keep(self._key, self, tuple(messages))
