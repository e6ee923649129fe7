"""Cuts the model's text, as it streams in, into pieces worth speaking.

Pure. The first piece is a clause, so that the voice starts early; later ones are sentences, so that
it sounds natural. No piece is longer than `LONGEST` characters.
"""

import re

LONGEST = 200  # characters; Riva's own clients cut there too, well under its limit of 2000
_SHORTEST_CLAUSE = 3  # words: part of a sentence that is shorter sounds clipped; "Sure!" does not

_WORD = re.compile(r"\S*\w\S*")
_FULL_WIDTH = "。！？"  # end a sentence without a space behind them
_END = rf"[.!?…।]+[\"')\]”’*_]*(?=\s)|[{_FULL_WIDTH}]+[”’」』]*(?=[^{_FULL_WIDTH}”’」』])|\n+"
_SENTENCE_END = re.compile(_END)
# Without punctuation, a clause also ends before a word that opens the next one.
_OPENS_CLAUSE = r"\s(?=(?:and|because|but|that|where|which|while|who)\s)"
_LONG_ENOUGH = 5  # words before such an opening
_CLAUSE_END = re.compile(rf"(?:[,;:]|[ ][–—-])(?=\s)|{_END}|{_OPENS_CLAUSE}")
_ABBREVIATION = re.compile(
    r"^\d{1,2}\.$|(?:^|[\s(])(?:[A-Z]|Mr|Mrs|Ms|Dr|Prof|St|Jr|Sr|vs|etc|approx|Fig|Inc|Ltd|Ph\.D"
    r"|(?:[A-Za-z]\.)+[A-Za-z])\.$"
)
_NUMBERED = re.compile(r"(?:^|[\s(])No\.$")  # an abbreviation before a number only


class Clauses:
    """Feed text, take clauses; `flush` gives what is left when the model has finished.

    With `min_words`, a shorter piece is joined to its neighbour, unless it is all there is.
    """

    def __init__(self, min_words: int = 1) -> None:
        self._min_words = min_words
        self._text = ""
        self._first = True
        self._finished = False

    def feed(self, piece: str) -> list[str]:
        self._text += piece
        clauses: list[str] = []
        while (end := self._cut()) is not None:
            clause, self._text = self._text[:end].strip(), self._text[end:].lstrip()
            if clause:
                clauses.append(clause)
                self._first = False
        return clauses

    def flush(self) -> list[str]:
        self._finished = True
        clauses = self.feed("\n")  # ends whatever is open
        self._text = ""
        return clauses

    def _cut(self) -> int | None:
        """Where the next clause ends, if it is complete."""
        for match in (_CLAUSE_END if self._first else _SENTENCE_END).finditer(self._text):
            if match.end() > LONGEST:
                break
            ends = self._ends(match)
            if ends is None and len(self._text) <= LONGEST:
                return None
            if ends is not False:
                return match.end()
        return _last_word_end(self._text) if len(self._text) > LONGEST else None

    def _ends(self, match: re.Match[str]) -> bool | None:
        """Whether a clause ends with `match`; None where the text to come decides that."""
        before, after = self._text[: match.end()], self._text[match.end() :].strip()
        if self._finished and not after:
            return True
        if _words(before) < self._fewest(match.group()):
            return False
        if _ABBREVIATION.search(before.rstrip("\"')]”’")):
            return False
        if _NUMBERED.search(before):
            return not after[0].isdigit() if after else None
        if self._first or _words(after) >= self._min_words:
            return True
        return False if self._finished else self._min_words == 1 or None

    def _fewest(self, mark: str) -> int:
        """Words that a clause which ends with `mark` has to have."""
        if not mark.strip(" "):
            return _LONG_ENOUGH
        return self._min_words if _SENTENCE_END.match(mark + " ") else _SHORTEST_CLAUSE


def _words(text: str) -> int:
    return len(_WORD.findall(text))


def fitting(text: str) -> list[str]:
    """Cut what grew longer than LONGEST characters by being written out, between words."""
    parts: list[str] = []
    while len(text) > LONGEST:
        end = _last_word_end(text)
        parts.append(text[:end].strip())
        text = text[end:].lstrip()
    return [*parts, text] if text else parts


def _last_word_end(text: str) -> int:
    """The last space within LONGEST; a longer word is cut through."""
    space = text.rfind(" ", 1, LONGEST + 1)
    return space if space > 0 else LONGEST
