"""Tells whether the caller's audio up to a time has come, on a line where it may come late.

A silence is over only when it has been heard: a gap in what arrives is none, as long as the audio
that belongs there may still come.

    said      ▆▇▅▁▁▁▁▁▁▁▁▁▁▁▁▆▇▅▆▇
    arrives     ▆▇▅▁▁▁▁▁▁▁         ▁▁▁▁▁▆▇▅▆▇    the line hangs, and catches up
    timer                       ↑ due ──→ ↑ taken back by the voice, which began before it was due
"""

from dataclasses import dataclass

LATEST_S = 0.3
"""Audio that comes later than this is not waited for: the client may send none in silence."""
_USUAL_S = 0.04  # audio is this late at times wherever many share a processor
_REMEMBERED_S = 5.0  # how long a quick arrival counts, at least: clocks of two machines drift


@dataclass(slots=True)
class Arrival:
    """The arrival of one caller's audio; all times are the clock's, positions the audio's."""

    _came_at: float | None = None
    """When the newest audio came; None: none has."""
    _until_s: float = 0.0
    """The position up to which audio has come."""
    _piece_s: float = 0.0
    """The length of the newest piece: its audio began so much before it came."""
    _quickest: float = 0.0
    """The least difference between an arrival and its position, lately."""
    _quickest_before: float = 0.0
    _since: float = 0.0

    def end(self) -> None:
        """No more audio comes: none is late."""
        self._came_at = None

    def came(self, now: float, until_s: float, piece_s: float) -> None:
        """Note that a piece of audio has come, up to this position."""
        offset = now - until_s
        if self._came_at is None or offset > self._usual() + LATEST_S:
            self._quickest = self._quickest_before = offset  # the client had sent nothing
            self._since = now
        elif now - self._since > _REMEMBERED_S:
            self._quickest, self._quickest_before = offset, self._quickest
            self._since = now
        self._quickest = min(self._quickest, offset)
        self._came_at, self._until_s, self._piece_s = now, until_s, piece_s

    def has_come(self, at: float) -> bool:
        """Whether all audio up to this time has come, or comes too late to be waited for."""
        if self._came_at is None or at >= self.given_up_at(at):
            return True
        return self._until_s >= at - self._usual() - self._piece_s - _USUAL_S

    def given_up_at(self, at: float) -> float:
        """When audio up to this time is not waited for any more."""
        assert self._came_at is not None, "there is none to wait for"
        return min(at, self._came_at + self._piece_s) + LATEST_S

    def _usual(self) -> float:
        return min(self._quickest, self._quickest_before)
