"""Tells what the caller has heard of a reply, from its clauses and the audio they became.

Pure. Seconds count from the reply's first sample.

    written    It costs           $14               today.
    said       it costs | fourteen dollars | today
    audio      ▂▇▅▂▆▇▅▁▁▅▇▆▅▂▆▇▅▁▁▁▁▅▇▆▂▁
                                      ↑ played until here: "It costs"
"""

import re
from bisect import bisect_right
from collections.abc import Sequence
from functools import cached_property

from voice_gateway.language.speakable.aligned import said_ends, word_ends
from voice_gateway.messages import Word
from voice_gateway.speaking.spoken_text import Pace, SpokenText

_ROUNDING_LETTERS = 1e-3
_BARE_MARKS = re.compile(r"(?:^|\s)[^\w]+$")  # marks that stand alone belong to what comes next


class Ledger:
    """One reply's clauses, in the order they are spoken."""

    def __init__(self, rate_hz: int, language: str = "") -> None:
        self._rate_hz = rate_hz
        self._language = language
        self._pace = Pace()
        self._clauses: list[_Clause] = []

    def speaks(self, language: str) -> None:
        """The clauses from now on are in this language."""
        self._language = language

    def begin(self, written: str, spoken: str) -> None:
        """Begin the next clause, with the text to remember and the words that are said."""
        self._clauses.append(_Clause(written, spoken, self._language))

    def say(self, spoken: str) -> None:
        """Begin the next part of the latest clause: the audio added from now on says it."""
        self._clauses[-1].say(spoken, self._rate_hz, self._pace)

    def again(self) -> None:
        """Forget the audio of the latest part, which is said once more from its start."""
        self._clauses[-1].again()

    def add(self, audio: bytes) -> None:
        """Add audio of the latest text."""
        self._clauses[-1].texts[-1].add(audio)

    def tell(self, words: Sequence[Word], skipped_s: float) -> None:
        """Take the voice's times of the next words of the latest text.

        The times count from the start of the voice's audio, whose first `skipped_s` were trimmed
        off and are not in the reply.
        """
        self._clauses[-1].texts[-1].tell(words, skipped_s)

    def trimmed(self, seconds: float) -> None:
        """Note that so much silence was trimmed off the end of the latest text's audio."""
        self._clauses[-1].texts[-1].trimmed_s = seconds

    def end(self) -> None:
        """Note that the latest text has all of its audio."""
        self._clauses[-1].texts[-1].end()

    def disown(self) -> None:
        """Note that the clauses so far were no part of the reply; their audio stays."""
        for clause in self._clauses:
            clause.disown()

    def text(self) -> str:
        """All words that became audio."""
        return self.heard(float("inf"))

    def heard(self, played_s: float) -> str:
        """The words heard when `played_s` of the reply have left the loudspeaker.

        A word counts once it was heard to its end.
        """
        heard: list[str] = []
        for clause in self._clauses:
            heard.append(clause.heard(played_s))
            played_s -= clause.seconds
            if played_s <= 0.0:
                break
        return " ".join(filter(None, heard))


class _Clause:
    def __init__(self, written: str, spoken: str, language: str) -> None:
        self.texts: list[SpokenText] = []
        self._written = written
        self._spoken = spoken
        self._language = language

    def say(self, spoken: str, rate_hz: int, pace: Pace) -> None:
        self.texts.append(SpokenText(spoken, rate_hz, pace))

    def again(self) -> None:
        self.texts[-1] = self.texts[-1].again()

    @property
    def seconds(self) -> float:
        return sum(text.seconds for text in self.texts)

    def disown(self) -> None:
        self._written = ""

    def heard(self, played_s: float) -> str:
        said = 0.0
        for text in self.texts:
            said += text.letters_by(played_s)
            played_s -= text.seconds
            if played_s <= 0.0:
                break
        return self._written_until(said)

    def _written_until(self, said: float) -> str:
        if said < _ROUNDING_LETTERS or not self._written:
            return ""
        count = bisect_right(self._said_ends, said + _ROUNDING_LETTERS)
        if count == len(self._said_ends):
            return self._written
        start = self._written[: word_ends(self._written)[count - 1]] if count else ""
        return _BARE_MARKS.sub("", start)

    @cached_property
    def _said_ends(self) -> list[float]:
        """How many letters are said at the end of each written word."""
        return said_ends(self._written, self._spoken, self._language)
