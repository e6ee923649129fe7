"""Cuts the model's text, as it streams in, into pieces worth speaking.

Pure. The first piece is a clause, so that the voice starts early; later ones are sentences, so that
it sounds natural. No piece is longer than `LONGEST` characters.
"""

import re

LONGEST = 200  # characters; Riva's own clients cut there too, well under its limit of 2000
_SHORTEST_CLAUSE = 3  # words: shorter first pieces sound clipped, and one word alone may be cut off

_SENTENCE_END = re.compile(r"[.!?…।。！？]+[\"')\]”’]*(?=\s)|\n+")
# Without punctuation, a clause also ends before a word that opens the next one.
_OPENS_CLAUSE = r"\s(?=(?:and|because|but|that|where|which|while|who)\s)"
_LONG_ENOUGH = 5  # words before such an opening
_CLAUSE_END = re.compile(
    r"(?:[,;:]|\s[–—-])(?=\s)|[.!?…।。！？]+[\"')\]”’]*(?=\s)|\n+|" + _OPENS_CLAUSE
)
_ABBREVIATION = re.compile(
    r"^\d{1,2}\.$|(?:^|[\s(])(?:[A-Z]|Mr|Mrs|Ms|Dr|Prof|St|vs|etc|e\.g|i\.e|approx|No)\.$"
)


class Clauses:
    """Feed text, take clauses; `flush` gives what is left when the model has finished."""

    def __init__(self) -> None:
        self._text = ""
        self._first = True

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
        clauses = self.feed("\n")  # ends whatever is open
        self._text = ""
        return clauses

    def _cut(self) -> int | None:
        """Where the next clause ends, if it is complete."""
        for match in (_CLAUSE_END if self._first else _SENTENCE_END).finditer(self._text):
            if match.end() > LONGEST:
                break
            if self._is_end(match):
                return match.end()
        return _last_word_end(self._text) if len(self._text) > LONGEST else None

    def _is_end(self, match: re.Match[str]) -> bool:
        before, mark = self._text[: match.end()], match.group().strip(" ")
        if not mark:
            return len(before.split()) >= _LONG_ENOUGH
        if mark[0] == "\n":
            return True
        if mark[0] == "." and _ABBREVIATION.search(before.rstrip("\"')]”’")):
            return False
        return mark[0] in ".!?…।。！？" or len(before.split()) >= _SHORTEST_CLAUSE


def _last_word_end(text: str) -> int:
    """The last space within LONGEST; a longer word is cut through."""
    space = text.rfind(" ", 1, LONGEST + 1)
    return space if space > 0 else LONGEST
