"""The caller's loudspeaker, as seen from here: how far audio is ahead of it, what it has played.

Pure: the time comes in with each call. Audio is taken to play from when it is sent, without gaps
as long as there is some; a caller who reports its position is believed instead.
"""


class Playback:
    """One reply's way through the caller's loudspeaker. Seconds throughout."""

    def __init__(self) -> None:
        self.sent_s = 0.0
        self._silent_at = 0.0
        self._reported: tuple[float, float] | None = None

    def send(self, seconds: float, now: float) -> None:
        self._silent_at = max(self._silent_at, now) + seconds
        self.sent_s += seconds

    def ahead_s(self, now: float) -> float:
        """How much was sent and not played yet."""
        return max(0.0, self._silent_at - now)

    def report(self, played_s: float, now: float) -> None:
        """The caller says that this much has left its loudspeaker."""
        self._reported = (min(played_s, self.sent_s), now)

    def played_s(self, now: float) -> float:
        """How much of the reply has been heard by now; never more than was sent."""
        if self._reported is None:
            return self.sent_s - self.ahead_s(now)
        played_s, at = self._reported
        return min(self.sent_s, played_s + now - at)
