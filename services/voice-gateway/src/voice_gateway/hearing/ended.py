"""Knows which utterances that the client ended wait for their final still.

A client may send several at once, faster than real time:

    caller audio   ──one──│──two──│──three──│
    ends                  1       2         3
    finals         "one" reaches 1: the finals of 2 and 3 are still to come
"""

from collections import deque

_MOST_ENDS = 256
_ROUNDING_S = 0.05  # a recogniser counts its audio in frames


class Ended:
    """All positions are seconds of the caller's audio."""

    def __init__(self) -> None:
        self._ends: deque[float] = deque(maxlen=_MOST_ENDS)

    @property
    def pending(self) -> bool:
        """Whether the final of any such utterance is still to come."""
        return bool(self._ends)

    def end(self, at_s: float) -> None:
        """The client ends an utterance here; without audio since the last end, it ends nothing."""
        if not self._ends or at_s > self._ends[-1]:
            self._ends.append(at_s)

    def reach(self, words_end_s: float | None) -> float | None:
        """How far a final reaches that does not say it: to the first end behind its words."""
        since_s = 0.0 if words_end_s is None else words_end_s - _ROUNDING_S
        return next((end_s for end_s in self._ends if end_s >= since_s), None)

    def over(self, until_s: float | None) -> bool:
        """Take a final; return whether it is the last of an utterance that the client ended.

        `until_s`: how far the final reaches; None: not known, so that each utterance has one.
        """
        before = len(self._ends)
        if until_s is None and self._ends:
            self._ends.popleft()
        while until_s is not None and self._ends and self._ends[0] <= until_s + _ROUNDING_S:
            self._ends.popleft()
        return len(self._ends) < before

    def clear(self) -> None:
        """What was said up to here is dropped."""
        self._ends.clear()
