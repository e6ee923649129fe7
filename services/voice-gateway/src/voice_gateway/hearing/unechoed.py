"""Knows where in the caller audio nothing that was played can have come back.

    reply           ▅▇▅▇▅▇▅
    its echo         ▅▇▅▇▅▇▅
    caller audio    ─▅▇▅▇▅▇▅────▅▇▅▇▅───
    unechoed        |        └──────────┘
    voice                       └────┘

A word that began there, beside voice that was noticed there, is the caller's, whatever it is: an
answer likes to repeat the words of the question. Without noticed voice it proves nothing, as the
times that a recogniser gives to a soft echo may be anywhere. All positions are seconds of caller
audio.
"""

from collections import deque

from voice_gateway.messages import Transcript, Word

_MOST_SPANS = 64  # of each kind; an utterance has few
_WORD_ERROR_S = 0.2  # how far a word's times may be off its voice
_WORDS_PER_S = 6.0  # fast speech

Span = tuple[float, float]


class Unechoed:
    """The spans without an echo, and the voice that was noticed in the audio."""

    def __init__(self) -> None:
        self._spans: deque[Span] = deque(maxlen=_MOST_SPANS)
        self._voices: deque[Span] = deque(maxlen=_MOST_SPANS)
        self._voiced_since: float | None = None

    def came(self, end_s: float, unechoed_s: float) -> None:
        """Audio came up to `end_s`; nothing can have come back in the last `unechoed_s` of it."""
        if unechoed_s <= 0:
            return
        begin_s = max(0.0, end_s - unechoed_s)
        if self._spans and self._spans[-1][1] >= begin_s - 1e-6:
            begin_s = min(begin_s, self._spans.pop()[0])
        self._spans.append((begin_s, end_s))

    def voice(self, at_s: float, *, voiced: bool) -> None:
        """Voice activity begins or ends at this position."""
        if voiced:
            self._voiced_since = at_s
        elif self._voiced_since is not None:
            self._voices.append((self._voiced_since, at_s))
            self._voiced_since = None

    def holds(self, at_s: float) -> bool:
        """Whether nothing can have come back at this position."""
        return any(begin <= at_s <= end for begin, end in self._spans)

    def positions(self, transcript: Transcript) -> frozenset[int] | None:
        """The words that the voice said where no echo was; None where they have no times."""
        if len(transcript.words) != len(transcript.text.split()):
            return None
        words = enumerate(transcript.words)
        return frozenset(at for at, word in words if self._within(word) and self._voiced(word))

    def _within(self, word: Word) -> bool:
        middle_s = (word.start_s + word.end_s) / 2
        return any(begin <= word.start_s and middle_s <= end for begin, end in self._spans)

    def _voiced(self, word: Word) -> bool:
        begin_s, end_s = word.start_s - _WORD_ERROR_S, word.end_s + _WORD_ERROR_S
        if self._voiced_since is not None and self._voiced_since <= end_s:
            return True
        return any(begin <= end_s and begin_s <= end for begin, end in self._voices)


def could_say(words: int, seconds: float) -> bool:
    """Whether a caller can have said so many words in this time."""
    return words <= 1 + _WORDS_PER_S * seconds
