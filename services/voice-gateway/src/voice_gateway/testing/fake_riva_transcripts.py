"""Computes a scripted recogniser's results from the position in its audio: no clock, no I/O.

  start_s          end_s      + stable_s   + endpoint_s
----|what|is|the|time|------------|------------|-------
    interims grow, one per tick   stable       final
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import inf

TICK_S = 0.16
"""Riva's low-latency profile answers once per 160 ms of audio."""

_ROUNDING_S = 1e-6


@dataclass(frozen=True, slots=True)
class Says:
    """Words in a call's audio from `start_s` to `end_s`, spread evenly."""

    text: str
    start_s: float
    end_s: float


@dataclass(frozen=True, slots=True)
class TimedWord:
    text: str
    start_s: float
    end_s: float


@dataclass(frozen=True, slots=True)
class Result:
    """One result: the words of the utterance so far, or none while nobody speaks."""

    words: tuple[TimedWord, ...]
    at_s: float
    """The position in the audio that caused it."""
    is_final: bool = False
    stability: float = 0.1
    """1.0 marks the first pass of a two-pass end of utterance."""


class Recognition:
    """One stream's position in its audio, and the utterance it is in."""

    def __init__(
        self, says: Sequence[Says], endpoint_s: float, stable_s: float | None = None
    ) -> None:
        self._words = [word for said in says for word in spread(said)]
        if any(later.start_s < word.end_s - _ROUNDING_S for word, later in pairwise(self._words)):
            raise ValueError("says: utterances must follow one another without overlap")
        self._endpoint_s = endpoint_s
        self._stable_s = stable_s
        self._at_s = 0.0
        self._ticks = 0
        self._finalised = 0
        self._stable_at_s = -inf

    def listen(self, until_s: float) -> Iterator[Result]:
        """The results up to this position, in order."""
        until_s += _ROUNDING_S
        while True:
            tick_s = (self._ticks + 1) * TICK_S
            final_s = self._silence_begins_s() + self._endpoint_s
            stable_s = self._next_stable_s()
            at_s = min(tick_s, final_s, stable_s)
            if at_s > until_s:
                break
            self._at_s = at_s
            if at_s == final_s:
                yield self._finalise()
            elif at_s == stable_s:
                self._stable_at_s = at_s
                yield Result(self._pending(), at_s, stability=1.0)
            else:
                self._ticks += 1
                yield Result(self._pending(), at_s)
        self._at_s = until_s

    def force(self) -> Result | None:
        """The final of the words so far, if there are any; the rest comes later."""
        return self._finalise() if self._pending() else None

    def _finalise(self) -> Result:
        words = self._pending()
        self._finalised += len(words)
        return Result(words, self._at_s, is_final=True)

    def _pending(self) -> tuple[TimedWord, ...]:
        until_s = self._at_s + _ROUNDING_S
        return tuple(word for word in self._words[self._finalised :] if word.end_s <= until_s)

    def _silence_begins_s(self) -> float:
        """Where the first silence as long as the endpoint begins, after the last final."""
        rest = self._words[self._finalised :]
        for word, later in pairwise(rest):
            if later.start_s >= word.end_s + self._endpoint_s:
                return word.end_s
        return rest[-1].end_s if rest else inf

    def _next_stable_s(self) -> float:
        if self._stable_s is None:
            return inf
        at_s = self._silence_begins_s() + self._stable_s
        return at_s if at_s > self._stable_at_s else inf


def spread(said: Says) -> Iterator[TimedWord]:
    texts = said.text.split()
    each_s = (said.end_s - said.start_s) / max(len(texts), 1)
    for ordinal, text in enumerate(texts):
        start_s = said.start_s + ordinal * each_s
        yield TimedWord(text, start_s, start_s + each_s)
