"""When the next piece of audio is due: absolute deadlines, so that lateness never adds up."""

import asyncio
from collections.abc import Awaitable, Callable

TOO_LATE_S = 1.0
"""Later than this, as after a laptop slept, the clock starts anew instead of catching up."""


class Pace:
    """The rhythm of a live microphone, which hands a piece over when its last sample is in."""

    def __init__(
        self,
        piece_s: float,
        *,
        now: Callable[[], float],
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._piece_s = piece_s
        self._now = now
        self._sleep = sleep
        self._due = now()

    async def next_piece(self) -> None:
        """Return when the next piece is due."""
        self._due += self._piece_s
        wait_s = self._due - self._now()
        if wait_s < -TOO_LATE_S:
            self._due = self._now()
        # Also at 0: a sender that is behind must still let the reader run.
        await self._sleep(max(wait_s, 0.0))
