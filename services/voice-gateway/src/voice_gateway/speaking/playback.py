"""The caller's loudspeaker, as seen from here: how far audio is ahead of it, what it has played.

Pure: the time comes in with each call. Audio is taken to play from when it is sent, without gaps
as long as there is some, and to be heard a little later; a caller who reports its position is
believed instead.
"""

UNDER_WAY_S = 0.06  # over the wire and through a sound card, at least: nobody hears at once


class Playback:
    """One reply's way through the caller's loudspeaker. Seconds throughout."""

    def __init__(self) -> None:
        self.sent_s = 0.0
        self._silent_at = 0.0
        self._surely_s = 0.0
        self._reported: tuple[float, float] | None = None
        self._stopped_at: float | None = None

    def send(self, seconds: float, now: float) -> float:
        """So much was sent now; returns from when on it plays."""
        self._surely_s = self.played_s(now)
        starts_at = max(self._silent_at, now)
        self._silent_at = starts_at + seconds
        self.sent_s += seconds
        return starts_at

    def stop(self, now: float) -> None:
        """The loudspeaker is silent from now on, and keeps what it has not played."""
        if self._stopped_at is None:
            self._stopped_at = now

    def go_on(self, now: float) -> None:
        if self._stopped_at is None:
            return
        stopped_s = now - self._stopped_at
        self._silent_at = max(self._silent_at, self._stopped_at) + stopped_s
        if self._reported is not None:
            played_s, at = self._reported
            self._reported = played_s, at + stopped_s
        self._stopped_at = None

    def ahead_s(self, now: float) -> float:
        """How much was sent and not played yet."""
        return max(0.0, self._silent_at - self._moment(now))

    def report(self, played_s: float, now: float) -> None:
        """The caller says that this much has left its loudspeaker."""
        self._reported = (min(played_s, self.sent_s), self._moment(now))

    def played_s(self, now: float) -> float:
        """How much of the reply has been heard by now; never more than was sent."""
        if self._reported is None:
            unheard_s = max(0.0, self._silent_at + UNDER_WAY_S - self._moment(now))
            return max(self._surely_s, self.sent_s - unheard_s)
        played_s, at = self._reported
        return min(self.sent_s, played_s + max(0.0, self._moment(now) - at))

    def _moment(self, now: float) -> float:
        return now if self._stopped_at is None else min(now, self._stopped_at)
