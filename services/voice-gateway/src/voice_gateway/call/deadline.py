"""The one timer of a call: that of a silence waits for audio that is late and may hold a voice."""

import asyncio
from collections.abc import Callable

from voice_gateway.hearing.arrival import Arrival


class Deadline:
    """Calls `on_over` with the deadline that was set last, once it is over."""

    def __init__(self, arrival: Arrival, on_over: Callable[[float], None]) -> None:
        self._loop = asyncio.get_running_loop()
        self._arrival = arrival
        self._on_over = on_over
        self._timer: asyncio.TimerHandle | None = None
        self._overdue: float | None = None
        """The deadline, where it has passed and the audio up to it has not come."""

    def set(self, at: float | None, *, of_silence: bool) -> None:
        """Be over at this time of the loop's clock, and no more at the one before; None: never.

        A deadline `of_silence` is over once the audio up to it has come, or is given up.
        """
        self.cancel()
        if at is not None:
            passed = self._passed if of_silence else self._on_over
            self._timer = self._loop.call_at(at, passed, at)

    def cancel(self) -> None:
        self._overdue = None
        if self._timer:
            self._timer.cancel()
            self._timer = None

    def audio_came(self) -> None:
        """Caller audio was taken in: a deadline may have waited for it."""
        if self._overdue is not None and self._arrival.has_come(self._overdue):
            self._on_over(self._overdue)

    def _passed(self, at: float) -> None:
        if self._arrival.has_come(at):
            self._on_over(at)
            return
        self._overdue = at
        self._timer = self._loop.call_at(self._arrival.given_up_at(at), self._on_over, at)
