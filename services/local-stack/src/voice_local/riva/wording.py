"""Words results: joins transcripts, punctuates as asked, and says how stable they are. PURE."""

import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass, replace
from statistics import fmean

from voice_local.engines import Word
from voice_local.riva.utterance import Part

UNSTABLE = 0.1
AGREED = 0.9
SETTLED = 1.0
"""Riva's stability of an interim: 1.0 marks the first pass of a two-pass end of utterance."""

_SPOKEN_SIGNS = "%&@#"
_INSIDE_WORDS = "'’-‐.,:"


@dataclass(frozen=True, slots=True)
class Result:
    """What a client is told about one utterance; word times count from the start of the stream."""

    text: str
    final: bool
    audio_s: float
    """How much of the stream this accounts for."""
    stability: float = 0.0
    confidence: float = 0.0
    words: tuple[Word, ...] = ()


@dataclass(frozen=True, slots=True)
class Reached:
    """What a client is told in place of a result while audio waits to be recognised."""

    audio_s: float
    """All of the stream up to here was recognised."""


def final(parts: Sequence[Part], audio_s: float, *, punctuated: bool) -> Result:
    """The final result of an utterance."""
    words = [_moved(word, part.start_s) for part in parts for word in part.transcript.words]
    if not punctuated:
        words = [replace(word, text=text) for word in words if (text := bare(word.text))]
    heard = [part.transcript.confidence for part in parts if part.transcript.text]
    return Result(
        text=_joined(parts, punctuated=punctuated),
        final=True,
        audio_s=audio_s,
        confidence=fmean(heard) if heard else 0.0,
        words=tuple(words),
    )


def settled(parts: Sequence[Part], audio_s: float, *, punctuated: bool) -> Result:
    """The first pass: nothing more was said for the window that the client asked for."""
    return Result(_joined(parts, punctuated=punctuated), False, audio_s, SETTLED)


def interim(
    parts: Sequence[Part], audio_s: float, before: Result | None, *, punctuated: bool
) -> Result:
    """The interim of an utterance under way; more stable when it agrees with the one before."""
    text = _joined(parts, punctuated=punctuated).rstrip(".,;:!?…। ")
    agreed = before is not None and bool(text) and bare(before.text) == bare(text)
    return Result(text, False, audio_s, AGREED if agreed else UNSTABLE)


def bare(text: str) -> str:
    """The text in lower case, without punctuation but for what stands inside a word or number."""
    kept = [char for at, char in enumerate(text) if _is_said(text, at, char)]
    return " ".join("".join(kept).lower().split())


def _is_said(text: str, at: int, char: str) -> bool:
    if not unicodedata.category(char).startswith("P") or char in _SPOKEN_SIGNS:
        return True
    inside = 0 < at < len(text) - 1 and text[at - 1].isalnum() and text[at + 1].isalnum()
    if char in ".,:":
        return inside and text[at - 1].isdigit() and text[at + 1].isdigit()
    return inside and char in _INSIDE_WORDS


def _joined(parts: Sequence[Part], *, punctuated: bool) -> str:
    text = " ".join(part.transcript.text for part in parts if part.transcript.text)
    return text if punctuated else bare(text)


def _moved(word: Word, by_s: float) -> Word:
    return replace(word, start_s=word.start_s + by_s, end_s=word.end_s + by_s)
