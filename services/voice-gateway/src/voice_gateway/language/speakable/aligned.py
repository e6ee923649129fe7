"""Aligns the words of a written text with its spoken form: "$14" is "fourteen dollars".

The module is pure. Positions are counts of letters, digits and vowel signs, so punctuation and
spacing do not shift them.
"""

import re
from collections.abc import Sequence
from unicodedata import category

from voice_gateway.language.speakable import speakable

_UNSPACED = "\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff"  # Kana and Han
_WORD = re.compile(rf"[{_UNSPACED}][^\w\s]*|[^\s{_UNSPACED}]+")


def letters(text: str) -> str:
    """The letters, digits and vowel signs of a text, in lower case."""
    return "".join(each for each in text.lower() if category(each)[0] in "LMN")


def word_ends(text: str) -> list[int]:
    """The end of each word of `text`; in scripts without spaces, each character is a word."""
    return [match.end() for match in _WORD.finditer(text)]


def said_ends(written: str, spoken: str, language: str) -> list[float]:
    """How many letters of `spoken` are said by the end of each word of `written`.

    `spoken` is `speakable(written, language)`, or close to it.
    """
    ends, said = word_ends(written), letters(spoken)
    as_written = [len(letters(written[:end])) for end in ends]
    if letters(written) == said:
        return [float(count) for count in as_written]
    known = [_said_until(written[:end], said, language) for end in ends[:-1]]
    return _filled([*known, len(said)], as_written)


def _said_until(start: str, said: str, language: str) -> int | None:
    """The letters said for a start of the text; None where the rest changes how it is said."""
    alone = letters(speakable(start, language))
    return len(alone) if said.startswith(alone) else None


def _filled(known: Sequence[int | None], as_written: Sequence[int]) -> list[float]:
    """Share the letters that several words have together among them by written length."""
    filled: list[float] = []
    said, written = 0, 0
    for at, count in enumerate(known):
        if count is None:
            continue
        share = (count - said) / max(1, as_written[at] - written)
        between = as_written[len(filled) : at]
        filled += [said + share * (each - written) for each in between]
        filled.append(float(count))
        said, written = count, as_written[at]
    return filled
