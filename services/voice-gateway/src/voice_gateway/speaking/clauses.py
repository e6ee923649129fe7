"""Cuts the model's text, as it streams in, into pieces worth speaking: where a person breathes.

Pure. The first piece is a clause, so that the voice starts early; later ones are sentences, so that
it sounds natural. No piece is longer than `LONGEST_CHARS`; a longer sentence is cut at its last
mark, else before its last joining word, else between words.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache

from voice_gateway.language import Language, language_of

LONGEST_CHARS = 200  # Riva's own clients cut there too, well under its limit of 2000
_FEWEST_CLAUSE_WORDS = 3  # a shorter part of a sentence sounds clipped; "Sure!" does not
_FEWEST_UNMARKED_WORDS = 5  # before a clause that begins without punctuation

_WORD = re.compile(r"\S*\w\S*")
_UNSPACED = re.compile("[\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff]")
_LETTERS_A_WORD = 2  # where words have no spaces between them

# A reply in any language may quote another's script.
_OTHER_ENDS = "॥؟۔։።။៕"
_OTHER_PARTS = "،؛၊"
_FULL_WIDTH_ENDS = "。！？।॥"  # no space needs to stand behind these
_FULL_WIDTH_PARTS = "，、；："
_CLOSERS = r"\"')\]”’»」』*_"
_FORMULA_MARK = re.compile(r"\$\$|\$(?!\d)")
_BRACKETS = ("()", "[]", "{}")
_COINS = "$€£₹¥"  # a dash before a number is "to", or "minus"
_BREATH = re.compile(rf"[,;:{_OTHER_PARTS}](?=\s)|[{_FULL_WIDTH_PARTS}]|\s[–—-](?=\s)")

_NEVER_MATCHES = "(?!)"
# In any language: "J.", "e.g.", "ए.पी.जे."
_INITIALS = r"[A-Z]|(?:[A-Za-z]\.)+[A-Za-z]|(?:[\u0900-\u097f]{1,3}\.)+[\u0900-\u097f]{1,3}"
_AMOUNT = re.compile(r"\d\s?[A-Za-z]{1,4}\.$|\d!$")  # "2 tsp. of yeast", "5 ft. 2 in.", "5! = 120"


@dataclass(frozen=True, slots=True)
class _Patterns:
    """Where clauses of one language may end."""

    sentence_end: re.Pattern[str]
    clause_end: re.Pattern[str]
    abbreviation: re.Pattern[str]
    numbered: re.Pattern[str]
    """Words that are abbreviations only before a number, such as "No."."""
    pause: re.Pattern[str]
    """The end of a text after which a voice makes a pause."""


@lru_cache
def _patterns(language: Language) -> _Patterns:
    ends = _class((*language.sentence_marks, _OTHER_ENDS))
    parts = _class((*language.clause_marks, _OTHER_PARTS))
    sentence_end = (
        rf"[{ends}]+[{_CLOSERS}]*(?=\s)|\n+"
        rf"|[{_FULL_WIDTH_ENDS}]+[{_CLOSERS}]*(?=[^{_FULL_WIDTH_ENDS}{_CLOSERS}])"
    )
    part_end = (
        rf"[{parts}](?=\s)|[{_FULL_WIDTH_PARTS}]|[ ][–—-](?=\s+[^\s\d{_COINS}])"
        rf"|\s(?=(?:{_any_of(language.opens_clause)})\s)"
    )
    shortened = rf"{_INITIALS}|{_any_of(language.abbreviations)}"
    every = f"{ends}{parts}{_FULL_WIDTH_ENDS}{_FULL_WIDTH_PARTS}"
    return _Patterns(
        sentence_end=re.compile(sentence_end),
        clause_end=re.compile(f"{part_end}|{sentence_end}"),
        abbreviation=re.compile(rf"^\d{{1,2}}\.$|(?:^|[\s(])(?:{shortened})\.$"),
        numbered=re.compile(rf"(?:^|[\s(])(?:{_any_of(language.numbered)})\.$"),
        pause=re.compile(rf"(?:[{every}]|\s[–—-])[{_CLOSERS}]*\s*$|\n$"),
    )


def _class(marks: Iterable[str]) -> str:
    return re.escape("".join(marks))


def _any_of(words: frozenset[str]) -> str:
    return "|".join(map(re.escape, sorted(words))) or _NEVER_MATCHES


class GoesOn(str):
    """A clause that was cut where the text has no mark: its sentence goes on in the next."""

    __slots__ = ()


class Clauses:
    """Cuts one stream of text; `flush` gives what is left when the model has finished.

    With `min_words`, a shorter piece is joined to its neighbour, unless it is all there is.
    """

    def __init__(self, min_words: int = 1, language: str = "") -> None:
        self._min_words = min_words
        self._patterns = _patterns(language_of(language))
        self._text = ""
        self._first = True
        self._finished = False

    def feed(self, piece: str) -> list[str]:
        self._text += piece
        clauses: list[str] = []
        while (end := self._cut()) is not None:
            raw, self._text = self._text[:end], self._text[end:].lstrip()
            if clause := raw.strip():
                clauses.append(clause if self._patterns.pause.search(raw) else GoesOn(clause))
                self._first = False
        return clauses

    def flush(self) -> list[str]:
        self._finished = True
        clauses = self.feed("\n")  # a line break ends any clause
        self._text = ""
        return clauses

    def _cut(self) -> int | None:
        """Where the next clause ends, if it is complete."""
        patterns = self._patterns
        end = patterns.clause_end if self._first else patterns.sentence_end
        for match in end.finditer(self._text):
            if match.end() > LONGEST_CHARS:
                break
            ends = self._ends(match)
            if ends is None and len(self._text) <= LONGEST_CHARS:
                return None
            if ends is not False:
                return match.end()
        return _last_breath(self._text, patterns) if len(self._text) > LONGEST_CHARS else None

    def _ends(self, match: re.Match[str]) -> bool | None:
        """Whether a clause ends with `match`; None where that depends on the text to come."""
        before, after = self._text[: match.end()], self._text[match.end() :].strip()
        if self._finished and not after:
            return True
        if _words(before) < self._fewest(match.group()):
            return False
        if self._patterns.abbreviation.search(before.rstrip("\"')]”’")):
            return False
        if not self._ends_sentence(match.group()) and _in_brackets(before):
            return False
        if self._patterns.numbered.search(before):
            return not after[0].isdigit() if after else None
        if _AMOUNT.search(before) and not (after and after[0].isupper()):
            return False if after else None
        if self._first or _words(after) >= self._min_words:
            return True
        return False if self._finished else self._min_words == 1 or None

    def _fewest(self, mark: str) -> int:
        """How many words a clause that ends with `mark` must have."""
        if not mark.strip(" "):
            return _FEWEST_UNMARKED_WORDS
        return self._min_words if self._ends_sentence(mark) else _FEWEST_CLAUSE_WORDS

    def _ends_sentence(self, mark: str) -> bool:
        return self._patterns.sentence_end.match(mark + " ") is not None


def _words(text: str) -> int:
    words = len(_WORD.findall(text))
    return words if text.isascii() else words + len(_UNSPACED.findall(text)) // _LETTERS_A_WORD


def _in_brackets(text: str) -> bool:
    """Whether a bracket or a formula is open at the end of the text."""
    if len(_FORMULA_MARK.findall(text)) % 2:
        return True
    return any(text.count(opens) > text.count(closes) for opens, closes in _BRACKETS)


def fitting(text: str) -> list[str]:
    """Cut text that became longer than LONGEST_CHARS when it was written out, between words."""
    parts: list[str] = []
    while len(text) > LONGEST_CHARS:
        end = _last_breath(text)
        parts.append(text[:end].strip())
        text = text[end:].lstrip()
    return [*parts, text] if text else parts


def _last_breath(text: str, patterns: _Patterns | None = None) -> int:
    """The last mark within LONGEST_CHARS, unless it comes early; else the last joining word; else
    the last space. A longer word is cut through."""
    start = text[: LONGEST_CHARS + 1]
    for breath in (_BREATH, patterns.clause_end if patterns else _BREATH):
        *_, end = (0, *(found.end() for found in breath.finditer(start)))
        if LONGEST_CHARS // 2 <= end <= LONGEST_CHARS:
            return end
    space = start.rfind(" ", 1)
    return space if space > 0 else LONGEST_CHARS
