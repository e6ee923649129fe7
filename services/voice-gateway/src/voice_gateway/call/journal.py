"""Owns the messages of one call that were sent and may not have arrived, each by its sequence.

Pure. Its bounds hold whatever the client acknowledges; where they cut, it no longer reaches.
"""

from typing import Generic, TypeVar

MOST_BYTES = 1024 * 1024  # 32 s of s16le at 16 kHz
MOST_MESSAGES = 4096
LEAST_MESSAGES = 64
"""So many stay whatever their size: a connection in use is never this far behind."""

T = TypeVar("T")


class Journal(Generic[T]):
    """Numbers messages 1, 2, 3, ... and keeps the newest that are not acknowledged."""

    def __init__(self, *, most_bytes: int = MOST_BYTES, most_messages: int = MOST_MESSAGES) -> None:
        self._most_bytes = most_bytes
        self._most_messages = most_messages
        self._kept: dict[int, tuple[T, int]] = {}
        self._bytes = 0
        self._first = 1
        """The sequence of the oldest message that is kept, or of the next one."""
        self.last = 0
        """The sequence of the newest message; 0: there is none yet."""

    def add(self, message: T, size: int) -> None:
        """Keep a message as the newest; the oldest may go for it."""
        self.last += 1
        self._kept[self.last] = message, size
        self._bytes += size
        while self._is_over_bounds():
            self._drop_oldest()

    def acknowledge(self, sequence: int) -> None:
        """Let go of everything up to this message; what is ahead of the newest counts as it."""
        while self._first <= min(sequence, self.last):
            self._drop_oldest()

    def reaches(self, sequence: int) -> bool:
        """Whether this message was sent, and every later one is still kept."""
        return self._first - 1 <= sequence <= self.last

    def get(self, sequence: int) -> T | None:
        """The message of this sequence; None: it is not kept (any more)."""
        kept = self._kept.get(sequence)
        return kept[0] if kept else None

    @property
    def bytes(self) -> int:
        return self._bytes

    def _is_over_bounds(self) -> bool:
        if len(self._kept) > self._most_messages:
            return True
        return self._bytes > self._most_bytes and len(self._kept) > LEAST_MESSAGES

    def _drop_oldest(self) -> None:
        _, size = self._kept.pop(self._first)
        self._bytes -= size
        self._first += 1
