"""Estimates how much of one text the voice has said at any moment of the text's audio.

Pure. Seconds count from the first sample that is sent of this text; what is said is counted in
letters (see `language.speakable.aligned`). The voice's own word times are used where it gives them.
Elsewhere letters pass at an even pace while the audio sounds, and none pass in its pauses, which
are where the punctuation is.

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

# Seconds of sound. Rather slow, because a slow pace takes fewer words for heard.
_S_PER_LETTER = 0.067
_FASTEST_S_PER_LETTER = 0.03  # a text that would be spoken faster lacks some of its audio
_MOST_OVERRUN_S = 0.25  # word times that go further beyond their audio are not usable
# Durations in units of a letter's, fitted to one voice and checked on other sentences of it.
_SPACE_LETTERS = 1.0
_SLOWING_LETTERS = 2.0  # speech slows down towards a punctuation mark
_MATCH_LETTERS = 12.0  # a pause this close to where a mark is expected belongs to that mark

Knot = tuple[float, float]
"""A point of a rising curve, such as seconds and the letters said by then."""


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
        self.trimmed_s = 0.0
        """How much silence was trimmed off the end of the audio; a last word may reach into it."""
        self._text = text
        self._rate_hz = rate_hz
        self._pace = pace
        self._sounding = Sounding(rate_hz)
        self._complete = False
        self._words: list[Word] = []
        self._skipped_s = 0.0
        self._knots: list[Knot] | None = None
        self._duration, self._marks = _durations(text)
        self._counts = [(duration, count) for count, duration in self._duration]
        self._curve: list[Knot] | None = None

    def again(self) -> "SpokenText":
        """The same text without any audio yet."""
        return SpokenText(self._text, self._rate_hz, self._pace)

    def add(self, audio: bytes) -> None:
        """Add audio of the text."""
        self.seconds += pcm.seconds(audio, self._rate_hz)
        self._sounding.feed(audio)
        self._curve = None

    def tell(self, words: Sequence[Word], skipped_s: float) -> None:
        """Take the voice's times of the next words; the first `skipped_s` of audio is not sent."""
        self._words += words
        self._skipped_s = skipped_s
        self._knots = self._curve = None

    def end(self) -> None:
        """Note that all audio of the text was added."""
        self._complete = True
        self._knots = self._curve = None
        self._pace.learn(self._sounding.until(self.seconds), self._duration[-1][1])

    def letters_by(self, at_s: float) -> float:
        """How many letters are said when `at_s` of the audio was heard."""
        if self._complete and 0.0 < self.seconds <= at_s:
            return float(len(self.said))
        if self._knots is None:
            self._knots = self._told()
        at_s = min(at_s, self.seconds)
        since_s, known = self._knots[-1]
        if at_s < since_s:
            return _between(self._knots, at_s)
        return self._estimated(since_s, known, at_s)

    def _estimated(self, since_s: float, known: float, at_s: float) -> float:
        """Estimate the letters after the last word time: `known` ones are said at `since_s`."""
        if self._curve is None:
            self._curve = self._expected(since_s, known)
        duration = _between(self._curve, self._sounding.until(at_s))
        return max(known, _between(self._counts, duration))

    def _expected(self, since_s: float, known: float) -> list[Knot]:
        """How the duration of the rest in letters rises with its seconds of sound."""
        before_s, here_s = self._sounding.until(since_s), self._sounding.until(self.seconds)
        start, end = _between(self._duration, known), self._duration[-1][1]
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

    @property
    def _longest_s(self) -> float:
        """Where word times may end at most."""
        return self.seconds + self.trimmed_s + _MOST_OVERRUN_S

    def _told(self) -> list[Knot]:
        """The voice's word times as a curve, if they are plausible."""
        start = [(0.0, 0.0)]
        edges_s = [edge - self._skipped_s for w in self._words for edge in (w.start_s, w.end_s)]
        if any(later < earlier for earlier, later in pairwise(edges_s)):
            return start
        if edges_s and not edges_s[-1] > 0.0:
            return start
        if self._complete and edges_s and edges_s[-1] > self._longest_s:
            return start
        placed = _placed(self.said, [letters(word.text) for word in self._words])
        found = [(edges_s[edge], count) for edge, count in placed]
        return start + [(max(0.0, at_s), count) for at_s, count in found]


def _durations(text: str) -> tuple[list[Knot], list[float]]:
    """The letters and their duration at the end of each word, and the durations at the marks."""
    knots, marks = [(0.0, 0.0)], list[float]()
    start, count, duration = 0, 0, -_SPACE_LETTERS
    for end in word_ends(text):
        said = len(letters(text[start:end]))
        marked = not letters(text[end - 1])
        start, count = end, count + said
        duration += _SPACE_LETTERS + said + _SLOWING_LETTERS * marked
        knots.append((float(count), duration))
        if marked:
            marks.append(duration)
    return knots, marks


def _matched(pauses: Sequence[float], marks: Sequence[float]) -> list[tuple[int, int]]:
    """Pair pauses with marks near them, in order, with the least distance in all."""
    best: dict[tuple[int, int], tuple[float, list[tuple[int, int]]]] = {}
    nothing = (0.0, list[tuple[int, int]]())
    for pause in reversed(range(len(pauses))):
        for mark in reversed(range(len(marks))):
            after = best.get((pause + 1, mark + 1), nothing)
            gain = after[0] + _MATCH_LETTERS - abs(pauses[pause] - marks[mark])
            without = (best.get((pause + 1, mark), nothing), best.get((pause, mark + 1), nothing))
            paired = (gain, [(pause, mark), *after[1]])
            best[pause, mark] = max(paired, *without, key=lambda found: found[0])
    return best.get((0, 0), nothing)[1]


def _placed(said: str, words: Sequence[str]) -> list[tuple[int, float]]:
    """The letters said at the edges of words (two for each, start and end), where known."""
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
    """Where each letter of the voice's words is in the text, which may be spelled differently."""
    if said.startswith(told):
        return list(range(len(told)))
    places: list[int | None] = [None] * len(told)
    for block in SequenceMatcher(None, said, told, autojunk=False).get_matching_blocks():
        for offset in range(block.size):
            places[block.b + offset] = block.a + offset
    return places


def _between(knots: Sequence[Knot], at: float) -> float:
    """Interpolate between the knots, neither of whose sides ever falls."""
    after = bisect_right(knots, (at, float("inf")))
    if after == len(knots):
        return knots[-1][1]
    (start, low), (end, high) = knots[max(0, after - 1)], knots[after]
    return low + (high - low) * (at - start) / (end - start) if at > start else low
