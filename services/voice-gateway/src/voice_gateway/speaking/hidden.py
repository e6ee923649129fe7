"""Removes from the streamed text what is shown and not spoken: blocks of code."""

from voice_gateway.language import language_of


class Hidden:
    """Removes all text from `opens` to `closes` from a stream that may be cut anywhere."""

    def __init__(self, opens: str, closes: str, instead: str = "") -> None:
        self._opens = opens
        self._closes = closes
        self._instead = instead
        self._kept = ""
        self._hiding = False

    def feed(self, piece: str) -> str:
        """Return the new text that may be spoken."""
        text, said = self._kept + piece, ""
        while True:
            mark = self._closes if self._hiding else self._opens
            before, found, after = text.partition(mark)
            if not found:
                break
            said += "" if self._hiding else before + self._instead
            text, self._hiding = after, not self._hiding
        keep = _begun(text, mark)
        self._kept = text[len(text) - keep :]
        return said if self._hiding else said + text[: len(text) - keep]

    def flush(self) -> str:
        """Return the text that was kept because it might have become a mark."""
        return "" if self._hiding else self._kept


class CodeBlocks(Hidden):
    """Replaces code, which is shown only, by a short spoken remark.

    In a language without a known remark, nothing is spoken in its place.
    """

    def __init__(self, language: str) -> None:
        super().__init__("```", "```", f"\n{language_of(language).code_remark}\n")


def _begun(text: str, mark: str) -> int:
    """How many characters at the end of `text` may be the beginning of `mark`."""
    longest = min(len(mark) - 1, len(text))
    return next((n for n in range(longest, 0, -1) if mark.startswith(text[-n:])), 0)
