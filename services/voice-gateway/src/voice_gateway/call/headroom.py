"""Judges from what is measured how much more the gateway can carry, so that its calls keep pace.

Pure: each measurement and each question says what time it is. What is short is the worst of: the
processor, the event loop, whose lag it is, the recogniser, and the end-of-turn network. A call that
has just begun is not measured yet: it counts as much as the others cost.
"""

from collections import deque
from dataclasses import dataclass
from itertools import cycle
from statistics import median

from voice_gateway.errors import GatewayFull

MOST_BUSY = 0.7
"""The share of a core that the gateway may use; above, the lag of its one loop grows quickly."""
MOST_LAG_S = 0.02
"""An answer passes the event loop half a dozen times before it is heard."""
MOST_RECOGNISER_LAG_S = 1.0
MOST_REFUSED = 0.5
"""The share of end-of-turn predictions that may be refused, as too many wait for one."""
_TICKS = 8
"""Measurements of the loop that are looked at together, two seconds: one stall closes nothing."""
_CLOSES_AT, _OPENS_AT = 0.0, 0.1
_UNPROVEN_S = 3.0
"""So long after its beginning a call's cost is not seen yet."""
_GUESSED_CALLS = 40
"""May begin within that time where no call's cost is known yet: a slow core carries as many."""
_ALWAYS = 4
"""So few calls are not what loads it: whatever else does, one more is admitted."""
_LEAST_MEASURED = 5
"""From so many calls on their cost is known."""
_LEAST_UNPROVEN = 2
_RECOGNISER_CALLS = 3
_FRESH_S, _OPINIONS_S, _LEAST_OPINIONS = 5.0, 10.0, 10
_RETRY_S, _RETRY_UNPROVEN_S = 5, 2
_RETRY_SPREAD_S = 4
"""One comes back later than the other by up to this, so that they do not all come at once again."""


@dataclass(frozen=True, slots=True)
class Load:
    """How much of one thing is used, and the words for it."""

    share: float
    said: str


class Headroom:
    """Keeps the newest measurements. What is left is between 1 (all) and 0 (nothing)."""

    def __init__(self, most_calls: int) -> None:
        self._most_calls = most_calls
        self._busy: deque[float] = deque(maxlen=_TICKS)
        self._lags_s: deque[float] = deque(maxlen=_TICKS)
        self._recogniser: dict[int, tuple[float, float]] = {}
        self._opinions: deque[tuple[float, bool]] = deque(maxlen=512)
        self._begun: deque[float] = deque(maxlen=4096)
        self._closed = False
        self._refusals = cycle(range(_RETRY_SPREAD_S + 1))

    def loop(self, *, busy: float, lag_s: float) -> None:
        """Note the share of a core used since the last time, and how late the loop is now."""
        self._busy.append(busy)
        self._lags_s.append(lag_s)

    def recogniser(self, call: int, lag_s: float, now: float) -> None:
        """Note how far the recogniser is behind this call."""
        self._recogniser[call] = now, lag_s

    def over(self, call: int) -> None:
        self._recogniser.pop(call, None)

    def opinion(self, *, refused: bool, now: float) -> None:
        """Note that an end-of-turn prediction was made, or refused."""
        self._opinions.append((now, refused))

    def left(self, calls: int, now: float) -> float:
        """What is left while so many calls run, of those that may."""
        return max(0.0, 1.0 - max(calls / self._most_calls, self._worst(now).share))

    def check(self, calls: int, now: float) -> None:
        """Raise GatewayFull where nothing is left for one more call beside so many."""
        if calls < _ALWAYS:
            return
        worst = self._worst(now)
        left = 1.0 - worst.share
        self._closed = left < _OPENS_AT if self._closed else left <= _CLOSES_AT
        if self._closed:
            said = f"the gateway takes no more calls for now: {worst.said}"
            raise GatewayFull(said, retry_after_s=_RETRY_S + next(self._refusals))
        self._check_unproven(left, calls, now)

    def began(self, now: float) -> None:
        """Note that a call has begun."""
        self._begun.append(now)

    def _check_unproven(self, left: float, calls: int, now: float) -> None:
        while self._begun and self._begun[0] < now - _UNPROVEN_S:
            self._begun.popleft()
        new = len(self._begun)
        room = max(_LEAST_UNPROVEN, left * self._capacity(calls - new))
        if new >= room:
            raise GatewayFull(
                f"{new} calls have begun within {_UNPROVEN_S:g} s; allowed: {int(room)}, "
                "until it is seen what they cost",
                retry_after_s=_RETRY_UNPROVEN_S + next(self._refusals),
            )

    def _capacity(self, measured: int) -> float:
        """How many calls the event loop carries, by what those that are measured cost it."""
        busy = _mean(self._busy)
        if measured < _LEAST_MEASURED or busy <= 0:
            return min(self._most_calls, _GUESSED_CALLS)
        return min(self._most_calls, measured / busy * MOST_BUSY)

    def _worst(self, now: float) -> Load:
        return max(self._loads(now), key=lambda load: load.share)

    def _loads(self, now: float) -> list[Load]:
        known = len(self._lags_s) == _TICKS  # what the start took is no load
        busy, lag_s = (_mean(self._busy), median(self._lags_s)) if known else (0.0, 0.0)
        behind_s, refused = self._recogniser_lag_s(now), self._refused(now)
        return [
            Load(
                busy / MOST_BUSY,
                f"it uses {busy:.0%} of a core; allowed: {MOST_BUSY:.0%}",
            ),
            Load(
                lag_s / MOST_LAG_S,
                f"its event loop is {_ms(lag_s)} ms late; allowed: {_ms(MOST_LAG_S)} ms",
            ),
            Load(
                behind_s / MOST_RECOGNISER_LAG_S,
                f"the recogniser is {behind_s:.1f} s behind the callers; "
                f"allowed: {MOST_RECOGNISER_LAG_S:g} s",
            ),
            Load(
                refused / MOST_REFUSED,
                f"{refused:.0%} of the end-of-turn predictions come too late to be made; "
                f"allowed: {MOST_REFUSED:.0%}",
            ),
        ]

    def _recogniser_lag_s(self, now: float) -> float:
        """The middle one of the calls' lags: one that is behind alone has a fault of its own."""
        fresh = [lag for at, lag in self._recogniser.values() if at >= now - _FRESH_S]
        return median(fresh) if len(fresh) >= _RECOGNISER_CALLS else 0.0

    def _refused(self, now: float) -> float:
        while self._opinions and self._opinions[0][0] < now - _OPINIONS_S:
            self._opinions.popleft()
        asked = len(self._opinions)
        return sum(no for _, no in self._opinions) / asked if asked >= _LEAST_OPINIONS else 0.0


def _mean(values: deque[float]) -> float:
    return sum(values) / len(values) if values else 0.0


def _ms(seconds: float) -> int:
    return round(seconds * 1000)
