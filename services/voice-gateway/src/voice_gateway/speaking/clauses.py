"""Cuts the model's text, as it streams in, into pieces worth speaking: where a person breathes.

Pure. The first piece is a clause, so that the voice starts early; later ones are sentences, so that
it sounds natural. No piece is longer than `LONGEST_CHARS`; a longer sentence is cut at its last
mark, else before its last joining word, else between words.
"""

import re
from dataclasses import dataclass
from functools import lru_cache
from unicodedata import category

from voice_gateway.language import Language, language_of

LONGEST_CHARS = 200  # Riva's own clients cut there too, well under its limit of 2000
_FEWEST_CLAUSE_WORDS = 3  # a shorter part of a sentence sounds clipped; "Sure!" does not
_FEWEST_UNMARKED_WORDS = 5  # before a clause that begins without punctuation

_WORD = re.compile(r"\S*\w\S*")
_OTHER_ENDS = "॥؟۔։።။៕"  # sentences of other scripts, which a reply in any language may quote
_OTHER_PARTS = "،؛၊"
_FULL_WIDTH = "。！？।॥"  # these marks end a sentence without a space behind them
_FULL_WIDTH_PARTS = "，、；："
_UNSPACED = re.compile("[\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff]")
_LETTERS_A_WORD = 2  # where words have no spaces between them
_BREATH = re.compile(rf"[,;:{_OTHER_PARTS}](?=\s)|[{_FULL_WIDTH_PARTS}]|\s[–—-](?=\s)")
_BRACKETS = ("()", "[]", "{}")
_COINS = "$€£₹¥"  # a dash before a number is "to", or "minus"
_NEVER_MATCHES = "(?!)"
# In any language: "J.", "e.g.", "ए.पी.जे."
_INITIALS = r"[A-Z]|(?:[A-Za-z]\.)+[A-Za-z]|(?:[\u0900-\u097f]{1,3}\.)+[\u0900-\u097f]{1,3}"


@dataclass(frozen=True, slots=True)
class _Patterns:
    """Where clauses of one language may end."""

    sentence_end: re.Pattern[str]
    clause_end: re.Pattern[str]
    abbreviation: re.Pattern[str]
    numbered: re.Pattern[str]
    """Words that are abbreviations only before a number, such as "No."."""


@lru_cache
def _patterns(language: Language) -> _Patterns:
    ends, parts = (
        re.escape("".join((*marks, more)))
        for marks, more in (
            (language.sentence_marks, _OTHER_ENDS),
            (language.clause_marks, _OTHER_PARTS),
        )
    )
    quotes = "\"')\\]”’」』"
    end = (
        rf"[{ends}]+[\"')\]”’*_]*(?=\s)"
        rf"|[{_FULL_WIDTH}]+[{quotes}]*(?=[^{_FULL_WIDTH}{quotes}])|\n+"
    )
    opens = rf"\s(?=(?:{_any_of(language.opens_clause)})\s)"
    shortened = rf"{_INITIALS}|{_any_of(language.abbreviations)}"
    return _Patterns(
        re.compile(end),
        re.compile(
            rf"[{parts}](?=\s)|[ ][–—-](?=\s+[^\s\d{_COINS}])|[{_FULL_WIDTH_PARTS}]|{end}|{opens}"
        ),
        re.compile(rf"^\d{{1,2}}\.$|(?:^|[\s(])(?:{shortened})\.$"),
        re.compile(rf"(?:^|[\s(])(?:{_any_of(language.numbered)})\.$"),
    )


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
                clauses.append(GoesOn(clause) if _goes_on(raw) else clause)
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
        if not self._patterns.sentence_end.match(match.group() + " ") and _in_brackets(before):
            return False
        if self._patterns.numbered.search(before):
            return not after[0].isdigit() if after else None
        if self._first or _words(after) >= self._min_words:
            return True
        return False if self._finished else self._min_words == 1 or None

    def _fewest(self, mark: str) -> int:
        """How many words a clause that ends with `mark` must have."""
        if not mark.strip(" "):
            return _FEWEST_UNMARKED_WORDS
        ends_sentence = self._patterns.sentence_end.match(mark + " ")
        return self._min_words if ends_sentence else _FEWEST_CLAUSE_WORDS


def _goes_on(raw: str) -> bool:
    """Whether a clause as it was cut, with the space behind it, ends in the midst of a sentence."""
    return not raw.endswith("\n") and category(raw.rstrip()[-1])[0] in "LMN"


def _words(text: str) -> int:
    words = len(_WORD.findall(text))
    return words if text.isascii() else words + len(_UNSPACED.findall(text)) // _LETTERS_A_WORD


def _in_brackets(text: str) -> bool:
    """Whether a bracket or a brace is open at the end of the text: a formula is not cut."""
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
