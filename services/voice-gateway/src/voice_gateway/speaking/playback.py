"""Estimates the playback at the caller's loudspeaker: what it has played, and what is still ahead.

Pure: the time comes in with each call. Audio is assumed to play without gaps from when it is sent,
and to be heard `LEAST_LATENCY_S` later; a position that the caller reports replaces the estimate.
"""

LEAST_LATENCY_S = 0.06  # over the network and through a sound card


class Playback:
    """One reply's playback at the caller's loudspeaker. Seconds throughout."""

    def __init__(self) -> None:
        self.sent_s = 0.0
        self._silent_at = 0.0
        self._least_played_s = 0.0
        self._reported: tuple[float, float] | None = None
        self._stopped_at: float | None = None

    def send(self, seconds: float, now: float) -> float:
        """Note that so much audio was sent now; return when it begins to play."""
        self._least_played_s = self.played_s(now)
        starts_at = max(self._silent_at, now)
        self._silent_at = starts_at + seconds
        self.sent_s += seconds
        return starts_at

    def stop(self, now: float) -> None:
        """Note that the loudspeaker is silent from now on, and keeps what it has not played."""
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
        """How much audio was sent and not played yet."""
        return max(0.0, self._silent_at - self._playback_time(now))

    def report(self, played_s: float, now: float) -> None:
        """Note the caller's report that so much of the reply has left its loudspeaker."""
        self._reported = (min(played_s, self.sent_s), self._playback_time(now))

    def played_s(self, now: float) -> float:
        """How much of the reply has been heard by now; never more than was sent."""
        if self._reported is None:
            unheard_s = max(0.0, self._silent_at + LEAST_LATENCY_S - self._playback_time(now))
            return max(self._least_played_s, self.sent_s - unheard_s)
        played_s, at = self._reported
        return min(self.sent_s, played_s + max(0.0, self._playback_time(now) - at))

    def _playback_time(self, now: float) -> float:
        return now if self._stopped_at is None else min(now, self._stopped_at)
