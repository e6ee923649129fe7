"""One text that the voice speaks: how much of it is said at any moment of its audio.

Pure. Seconds count from the first sample that is sent of this text; what is said is counted in
letters (see `speakable.aligned`). Where the voice tells when it says each word, that holds; before
and without that, letters pass at an even pace while the audio sounds, and none in its pauses.

    audio    ▁▅▇▅▆▇▂▁▁▁▁▁▁▅▇▆▅▇▇▅▂▁▁▁▁
    letters   _,-'^         -'^-'^-'^
"""

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from itertools import accumulate, pairwise

from voice_gateway.audio import pcm
from voice_gateway.audio.sounding import Sounding
from voice_gateway.ports import Word
from voice_gateway.speakable.aligned import letters, word_ends

# Of sounding speech, spaces counted. Rather slow: who is thought to speak slowly has said less.
_S_PER_LETTER = 0.067
_FASTEST_S_PER_LETTER = 0.03  # what would be faster is not all there
_BEYOND_S = 0.25  # words that end later than their audio are timed by another clock

Knot = tuple[float, float]
"""A moment, and the letters said by then."""


@dataclass(slots=True)
class Pace:
    """How fast the voice speaks, learned from what it has said. Letters with their spaces."""

    sounded_s: float = 0.0
    letters: float = 0.0

    @property
    def s_per_letter(self) -> float:
        return self.sounded_s / self.letters if self.letters else _S_PER_LETTER

    def learn(self, sounded_s: float, letters: float) -> None:
        if sounded_s >= _FASTEST_S_PER_LETTER * letters:
            self.sounded_s += sounded_s
            self.letters += letters


class SpokenText:
    def __init__(self, text: str, rate_hz: int, pace: Pace) -> None:
        self.seconds = 0.0
        self.said = letters(text)
        self._text = text
        self._rate_hz = rate_hz
        self._pace = pace
        self._sounding = Sounding(rate_hz)
        self._complete = False
        self._words: list[Word] = []
        self._skipped_s = 0.0
        self._knots: list[Knot] | None = None
        # A space takes about as long as a letter.
        counts = [len(letters(text[:end])) for end in word_ends(text)]
        self._spaced = [(0.0, 0.0)] + [
            (float(count), float(count + spaces)) for spaces, count in enumerate(counts)
        ]

    def add(self, audio: bytes) -> None:
        """More of its audio."""
        self.seconds += pcm.seconds(audio, self._rate_hz)
        self._sounding.feed(audio)

    def tell(self, words: Sequence[Word], skipped_s: float) -> None:
        """The voice says when it says these next words, in audio whose start is not sent."""
        self._words += words
        self._skipped_s = skipped_s
        self._knots = None

    def end(self) -> None:
        """All of its audio is here."""
        self._complete = True
        self._knots = None
        self._pace.learn(self._sounding.until(self.seconds), self._spaced[-1][1])

    def letters_by(self, at_s: float) -> float:
        """How many letters are said when `at_s` of it was heard; never more than are here."""
        if self._complete and 0.0 < self.seconds <= at_s:
            return float(len(self.said))
        if self._knots is None:
            self._knots = self._told()
        at_s = min(at_s, self.seconds)
        since_s, known = self._knots[-1]
        if at_s < since_s:
            return _between(self._knots, at_s)
        return self._guessed(since_s, known, at_s)

    def _guessed(self, since_s: float, known: float, at_s: float) -> float:
        """Letters that nothing is told of: the `known` ones are said at `since_s`."""
        before_s = self._sounding.until(since_s)
        here_s = self._sounding.until(self.seconds) - before_s
        start, end = _between(self._spaced, known), self._spaced[-1][1]
        whole_s = here_s
        if not self._complete:
            whole_s = max(here_s * 1.05, (end - start) * self._pace.s_per_letter)
        if whole_s <= 0.0:
            return known
        share = (self._sounding.until(at_s) - before_s) / whole_s
        spaces = [(spaced, count) for count, spaced in self._spaced]
        return max(known, _between(spaces, start + share * (end - start)))

    def _told(self) -> list[Knot]:
        """What the voice has told, if it can be true."""
        start = [(0.0, 0.0)]
        edges_s = [edge - self._skipped_s for w in self._words for edge in (w.start_s, w.end_s)]
        if any(later < earlier for earlier, later in pairwise(edges_s)):
            return start
        if edges_s and not edges_s[-1] > 0.0:
            return start
        if self._complete and edges_s and edges_s[-1] > self.seconds + _BEYOND_S:
            return start
        placed = _placed(self.said, [letters(word.text) for word in self._words])
        found = [(edges_s[edge], count) for edge, count in placed]
        return start + [(max(0.0, at_s), count) for at_s, count in found]


def _placed(said: str, words: Sequence[str]) -> list[tuple[int, float]]:
    """Edges of words (two for each, start and end), and the letters said there, as far as known."""
    ends = list(accumulate(map(len, words)))
    places = _places(said, "".join(words))
    found: list[tuple[int, float]] = []
    for at, (word, end) in enumerate(zip(words, ends, strict=True)):
        if not word:
            continue
        if (first := places[end - len(word)]) is not None:
            found.append((2 * at, float(first)))
        if (last := places[end - 1]) is not None:
            found.append((2 * at + 1, float(last + 1)))
    return found


def _places(said: str, told: str) -> list[int | None]:
    """Where each letter told is in what was said: the voice may spell a word in another way."""
    if said.startswith(told):
        return list(range(len(told)))
    places: list[int | None] = [None] * len(told)
    for block in SequenceMatcher(None, said, told, autojunk=False).get_matching_blocks():
        for offset in range(block.size):
            places[block.b + offset] = block.a + offset
    return places


def _between(knots: Sequence[Knot], at: float) -> float:
    """Interpolate; both sides of the knots rise, or stand still."""
    after = bisect_right(knots, (at, float("inf")))
    if after == len(knots):
        return knots[-1][1]
    (start, low), (end, high) = knots[max(0, after - 1)], knots[after]
    return low + (high - low) * (at - start) / (end - start) if at > start else low
