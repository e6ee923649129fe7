"""Estimates when each word was said from the audio's pauses, where a recogniser doesn't tell.

The runs of speech between the pauses are known from loudness. The words are dealt out to them in
order so that each run gets about as many letters as it has time for, and within a run by length.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

_PAUSE_FRAMES = 12
"""Frames of quiet that part two runs: 120 ms, more than a stop consonant."""
_WORD_COST = 2.0
"""Letters' worth of time that every word takes beside its letters."""
_STOP_BONUS = 0.6
"""The part of the misfit that is forgiven after punctuation, where a pause is likelier."""


@dataclass(frozen=True, slots=True)
class Run:
    """Frames of unbroken speech, the end not included."""

    start: int
    end: int

    @property
    def length(self) -> int:
        return self.end - self.start


def runs(voiced: NDArray[np.bool_]) -> list[Run]:
    """The runs of speech; those closer than a pause are joined."""
    edges = np.flatnonzero(np.diff(np.concatenate(([0], voiced.astype(np.int8), [0]))))
    found: list[Run] = []
    for start, end in edges.reshape(-1, 2).tolist():
        if found and start - found[-1].end < _PAUSE_FRAMES:
            found[-1] = Run(found[-1].start, end)
        else:
            found.append(Run(start, end))
    return found


def spans(words: Sequence[str], speech: Sequence[Run]) -> list[tuple[float, float]]:
    """Start and end of each word, in frames; both rise from word to word."""
    if not words or not speech:
        return [(0.0, 0.0)] * len(words)
    weights = np.array([_WORD_COST + sum(map(str.isalnum, word)) for word in words])
    found: list[tuple[float, float]] = []
    for run, first, last in _dealt(words, weights, speech):
        shares = np.cumsum(weights[first:last]) / weights[first:last].sum()
        edges = run.start + run.length * np.concatenate(([0.0], shares))
        found += zip(edges[:-1].tolist(), edges[1:].tolist(), strict=True)
    return found


def _dealt(
    words: Sequence[str], weights: NDArray[np.float64], speech: Sequence[Run]
) -> list[tuple[Run, int, int]]:
    """Runs with the words (first to last, not included) each got; runs without words are left out.

    The cheapest way to deal `n` words to the first runs is built up run by run.
    """
    heard = np.concatenate(([0.0], np.cumsum(weights)))
    pace = sum(run.length for run in speech) / heard[-1]
    cost = np.full(len(words) + 1, np.inf)
    cost[0] = 0.0
    choices: list[NDArray[np.intp]] = []
    for run in speech:
        misfit = (run.length - pace * (heard[np.newaxis, :] - heard[:, np.newaxis])) ** 2
        misfit = np.where(np.tri(len(words) + 1, k=-1, dtype=np.bool_), np.inf, misfit)
        misfit[:, _stops(words)] *= 1.0 - _STOP_BONUS
        total = cost[:, np.newaxis] + misfit
        choices.append(total.argmin(axis=0))
        cost = total.min(axis=0)
    return _traced(speech, choices, len(words))


def _stops(words: Sequence[str]) -> list[int]:
    """How many words there are up to each punctuation mark."""
    return [at for at, word in enumerate(words, start=1) if not word[-1].isalnum()]


def _traced(
    speech: Sequence[Run], choices: Sequence[NDArray[np.intp]], last: int
) -> list[tuple[Run, int, int]]:
    dealt: list[tuple[Run, int, int]] = []
    for run, choice in zip(reversed(speech), reversed(choices), strict=True):
        first = int(choice[last])
        if first < last:
            dealt.append((run, first, last))
        last = first
    return dealt[::-1]
