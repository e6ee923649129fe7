"""Tells when the next piece of audio is due, by absolute deadlines: lateness never adds up."""

import asyncio
from collections.abc import Awaitable, Callable

TOO_LATE_S = 1.0
"""With more lateness than this, as after a laptop slept, the clock starts anew."""


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
        # A sender that is behind sleeps, too, if for 0 s: it must let the reader run.
        await self._sleep(max(wait_s, 0.0))
