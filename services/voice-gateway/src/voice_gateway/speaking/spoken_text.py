"""One text that the voice speaks: how much of it is said at any moment of its audio.

Pure. Seconds count from the first sample that is sent of this text; what is said is counted in
letters (see `language.speakable.aligned`). Where the voice tells when it says each word, that
holds; before and without that, letters pass at an even pace while the audio sounds, and none in its
pauses, which are where the punctuation is.

    text      Well,         I would not.
    audio    ▁▅▇▅▆▇▂▁▁▁▁▁▁▁▅▇▆▅▇▇▅▅▇▂▁▁▁▁
"""

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from itertools import accumulate, pairwise

from voice_gateway.audio import pcm
from voice_gateway.language.speakable.aligned import letters, word_ends
from voice_gateway.messages import Word
from voice_gateway.speaking.sounding import Sounding

# Of sounding speech. Rather slow: of who is thought to speak slowly, less is taken for heard.
_S_PER_LETTER = 0.067
_FASTEST_S_PER_LETTER = 0.03  # what would be faster is not all there
_BEYOND_S = 0.25  # words that end later than their audio are timed by another clock
# In the time of a letter. Found on the speech of one voice, and held on other sentences of it.
_SPACE = 1.0
_DRAWL = 2.0  # speech slows down towards a mark
_NEAR = 12.0  # a pause so close to where a mark is expected is that mark's

Knot = tuple[float, float]
"""Two measures that rise together: moments and letters, letters and the time they take."""


@dataclass(slots=True)
class Pace:
    """How fast the voice speaks, learned from what it has said."""

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
        self._effort, self._marks = _efforts(text)
        self._counts = [(effort, count) for count, effort in self._effort]
        self._curve: list[Knot] | None = None

    def add(self, audio: bytes) -> None:
        """More of its audio."""
        self.seconds += pcm.seconds(audio, self._rate_hz)
        self._sounding.feed(audio)
        self._curve = None

    def tell(self, words: Sequence[Word], skipped_s: float) -> None:
        """The voice says when it says these next words, in audio whose start is not sent."""
        self._words += words
        self._skipped_s = skipped_s
        self._knots = self._curve = None

    def end(self) -> None:
        """All of its audio is here."""
        self._complete = True
        self._knots = self._curve = None
        self._pace.learn(self._sounding.until(self.seconds), self._effort[-1][1])

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
        if self._curve is None:
            self._curve = self._expected(since_s, known)
        effort = _between(self._curve, self._sounding.until(at_s))
        return max(known, _between(self._counts, effort))

    def _expected(self, since_s: float, known: float) -> list[Knot]:
        """How the effort of the rest goes with the sound."""
        before_s, here_s = self._sounding.until(since_s), self._sounding.until(self.seconds)
        start, end = _between(self._effort, known), self._effort[-1][1]
        if here_s <= before_s:
            return [(before_s, start)]
        if not self._complete:
            expected_s = before_s + (end - start) * self._pace.s_per_letter
            return [
                (before_s, start),
                (max(before_s + (here_s - before_s) * 1.05, expected_s), end),
            ]
        pace = (end - start) / (here_s - before_s)
        pauses = [at_s for at_s in self._sounding.pauses() if at_s > before_s]
        marks = [mark for mark in self._marks if start < mark < end]
        pairs = _matched([start + (at_s - before_s) * pace for at_s in pauses], marks)
        between = [(pauses[pause], marks[mark]) for pause, mark in pairs]
        return [(before_s, start), *between, (here_s, end)]

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


def _efforts(text: str) -> tuple[list[Knot], list[float]]:
    """How letters and the time they take rise from word to word, and where the marks are in it."""
    knots, marks = [(0.0, 0.0)], list[float]()
    start, count, effort = 0, 0, -_SPACE
    for end in word_ends(text):
        said = len(letters(text[start:end]))
        marked = not letters(text[end - 1])
        start, count, effort = end, count + said, effort + _SPACE + said + _DRAWL * marked
        knots.append((float(count), effort))
        if marked:
            marks.append(effort)
    return knots, marks


def _matched(pauses: Sequence[float], marks: Sequence[float]) -> list[tuple[int, int]]:
    """Pair pauses with marks near them, in order, so that they are as near as can be."""
    best: dict[tuple[int, int], tuple[float, list[tuple[int, int]]]] = {}
    nothing = (0.0, list[tuple[int, int]]())
    for pause in reversed(range(len(pauses))):
        for mark in reversed(range(len(marks))):
            after = best.get((pause + 1, mark + 1), nothing)
            gain = after[0] + _NEAR - abs(pauses[pause] - marks[mark])
            without = (best.get((pause + 1, mark), nothing), best.get((pause, mark + 1), nothing))
            paired = (gain, [(pause, mark), *after[1]])
            best[pause, mark] = max(paired, *without, key=lambda found: found[0])
    return best.get((0, 0), nothing)[1]


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
