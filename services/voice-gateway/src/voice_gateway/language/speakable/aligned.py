"""Where the words of a written text are in what was said for it: "$14" is "fourteen dollars".

Pure. Positions are counts of letters (digits and vowel signs are letters, too), which no
punctuation or spacing can shift.
"""

import re
from collections.abc import Sequence
from unicodedata import category

from voice_gateway.language.speakable import speakable

_UNSPACED = "\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff"  # Kana and Han
_WORD = re.compile(rf"[{_UNSPACED}][^\w\s]*|[^\s{_UNSPACED}]+")


def letters(text: str) -> str:
    """What of a text is pronounced, in small letters."""
    return "".join(each for each in text.lower() if category(each)[0] in "LMN")


def word_ends(text: str) -> list[int]:
    """Where in `text` each of its words ends; in scripts without spaces, a character is a word."""
    return [match.end() for match in _WORD.finditer(text)]


def said_ends(written: str, spoken: str, language: str) -> list[float]:
    """How many letters of `spoken` are said when each word of `written` is; rises to all of them.

    `spoken` is `speakable(written, language)`, or close to it.
    """
    ends, said = word_ends(written), letters(spoken)
    as_written = [len(letters(written[:end])) for end in ends]
    if letters(written) == said:
        return [float(count) for count in as_written]
    known = [_said_until(written[:end], said, language) for end in ends[:-1]]
    return _filled([*known, len(said)], as_written)


def _said_until(start: str, said: str, language: str) -> int | None:
    """The letters said for the start of a text; None where the rest changes how that is said."""
    alone = letters(speakable(start, language))
    return len(alone) if said.startswith(alone) else None


def _filled(known: Sequence[int | None], as_written: Sequence[int]) -> list[float]:
    """Deal what was said for several words together out to them by their written length."""
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
