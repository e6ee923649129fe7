"""What callers ask and are answered, as all processes know it, and how both sound.

Two names make every question one of its own. An answer begins with a name that is computed of all
words that the model was asked: so it tells which words those were.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate
from zlib import crc32

from faults.words_in_sound import plain_words, written_into
from shared.call_names import tag_of
from shared.recordings import RATE_HZ, SAMPLE_BYTES, bytes_of, without_pauses

_QUESTION_CLIP = "en_weather_synth"
_VOICE_CLIP = "en_nlp_question"  # its speaker is not the callers'
_FIRST_WORD = 0.08  # seconds of the speech that no word ends in

ANSWER = ("will", "have", "sunshine", "so", "take", "a", "hat")
"""What follows the name in an answer; no question has one of these words."""


@dataclass(frozen=True, slots=True)
class Question:
    """A question that nobody else asks."""

    ordinal: int

    @property
    def names(self) -> tuple[str, str]:
        return tag_of(0, 2 * self.ordinal), tag_of(0, 2 * self.ordinal + 1)

    @property
    def words(self) -> tuple[str, ...]:
        first, second = self.names
        return plain_words(f"what is the weather in {first} and {second} today")

    @property
    def pcm(self) -> bytes:
        """How it sounds: speech alone, in which each word is written where it ends."""
        speech = without_pauses(_QUESTION_CLIP)
        return written_into(speech, self.words, _ends(self.words, seconds_of(speech)))


def name_of(words: Sequence[str]) -> str:
    """The name with which an answer to exactly these words begins."""
    return tag_of(0, crc32(" ".join(words).encode()))


def answer_to(words: Sequence[str]) -> str:
    return f"{name_of(words).capitalize()} will have sunshine, so take a hat."


def spoken(text: str, seconds: float) -> bytes:
    """The scripted voice's audio of a text: it sounds from its first sample on."""
    size, speech = bytes_of(seconds), without_pauses(_VOICE_CLIP)
    audio = (speech * (size // len(speech) + 1))[:size]
    words = plain_words(text)
    return written_into(audio, words, _ends(words, seconds))


def _ends(words: Sequence[str], seconds: float) -> list[float]:
    """Where each word ends in speech of this length, by its letters."""
    letters = list(accumulate(len(word) + 1 for word in words))
    spread_s = seconds - _FIRST_WORD
    return [_FIRST_WORD + spread_s * end / letters[-1] for end in letters]


def seconds_of(pcm: bytes) -> float:
    return len(pcm) / SAMPLE_BYTES / RATE_HZ
