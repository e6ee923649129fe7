# pyright: reportUnknownMemberType=false
"""Speech synthesis by Hibari: American English at 24 kHz, a sentence in thirty milliseconds."""

import re
import unicodedata
from collections.abc import Iterator

import numpy as np
from hibari import SAMPLE_RATE, Hibari

from voice_local.engines import Samples, Unspeakable

_SPEAKER = "heart"
_LONGEST = 200
"""Characters given to the model at once: its cost for one sentence grows with the square."""
_BREAKS = (re.compile(r"[.!?…]['\")\]]*\s"), re.compile(r"[,;:—–]\s"), re.compile(r"\s"))


class HibariVoice:
    """A voice (see `engines.Voice`)."""

    name = "hibari"
    languages = ("en-US",)
    speakers = (_SPEAKER,)
    rate_hz = SAMPLE_RATE

    def __init__(self) -> None:
        self._voice = Hibari(voice=_SPEAKER, threads=1)
        for _ in self.speak("Warm up: 1, 2, 3.", _SPEAKER):
            pass

    def speak(self, text: str, speaker: str) -> Iterator[Samples]:
        """Yield speech sentence by sentence; nothing for text without a letter or digit.

        Raises Unspeakable for text in a script that the voice can't read, ValueError for a speaker
        that isn't one of `speakers`.
        """
        if speaker not in self.speakers:
            raise ValueError(f"speaker must be one of {', '.join(self.speakers)}: {speaker!r}")
        _check_readable(text)
        return self._spoken(text)

    def _spoken(self, text: str) -> Iterator[Samples]:
        for piece in filter(_readable, pieces(text)):
            for audio in self._voice.stream(piece, seed=0):
                if len(audio):
                    yield np.asarray(audio, np.float32)


def _check_readable(text: str) -> None:
    if any(map(str.isalpha, text)) and not _readable(text):
        raise Unspeakable(f"text must be in Latin script for the voice hibari: {text[:40]!r}")


def _readable(text: str) -> bool:
    """Whether there is anything in the text that the voice pronounces."""
    return any(
        letter in "0123456789" or unicodedata.name(letter, "").startswith("LATIN")
        for letter in text
    )


def pieces(text: str) -> Iterator[str]:
    """Cut text that is too long for the model: after a sentence, else a clause, else a word."""
    rest = text.strip()
    while len(rest) > _LONGEST:
        end = _break(rest[:_LONGEST])
        yield rest[:end].strip()
        rest = rest[end:].strip()
    if rest:
        yield rest


def _break(head: str) -> int:
    for pattern in _BREAKS:
        ends = [match.end() for match in pattern.finditer(head)]
        if ends:
            return ends[-1]
    return len(head)
