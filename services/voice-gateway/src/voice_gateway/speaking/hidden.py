"""Removes from the streamed text what is shown and not spoken: blocks of code."""

from collections.abc import Sequence

from voice_gateway.language import language_of

_FENCES = ("```", "~~~")


class Hidden:
    """Removes all text from a mark to the same mark from a stream that may be cut anywhere."""

    def __init__(self, marks: Sequence[str], instead: str = "") -> None:
        self._marks = marks
        self._instead = instead
        self._kept = ""
        self._closes = ""
        """The mark that ends what is hidden; empty while text may be spoken."""

    def feed(self, piece: str) -> str:
        """Return the new text that may be spoken."""
        text, said = self._kept + piece, ""
        while mark := self._next(text):
            before, _, text = text.partition(mark)
            if self._closes:
                self._closes = ""
            else:
                said += before + self._instead
                self._closes = mark
        keep = max(_begun(text, mark) for mark in self._awaited)
        self._kept = text[len(text) - keep :]
        return said if self._closes else said + text[: len(text) - keep]

    def flush(self) -> str:
        """Return the text that was kept because it might have become a mark."""
        return "" if self._closes else self._kept

    @property
    def _awaited(self) -> Sequence[str]:
        return (self._closes,) if self._closes else self._marks

    def _next(self, text: str) -> str:
        """The awaited mark that comes first in the text; empty where there is none."""
        found = [(text.find(mark), mark) for mark in self._awaited if mark in text]
        return min(found)[1] if found else ""


class CodeBlocks(Hidden):
    """Replaces code, which is shown only, by a short spoken remark.

    In a language without a known remark, nothing is spoken in its place.
    """

    def __init__(self, language: str) -> None:
        super().__init__(_FENCES, f"\n{language_of(language).code_remark}\n")


def _begun(text: str, mark: str) -> int:
    """How many characters at the end of `text` may be the beginning of `mark`."""
    longest = min(len(mark) - 1, len(text))
    return next((n for n in range(longest, 0, -1) if mark.startswith(text[-n:])), 0)
