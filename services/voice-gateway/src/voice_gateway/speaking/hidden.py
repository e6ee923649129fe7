"""Takes out of the streamed text what is not to be spoken: thoughts, and blocks of code."""

from voice_gateway.language import language_of


class Hidden:
    """Takes everything from `opens` to `closes` out of a stream of text, however it is cut."""

    def __init__(self, opens: str, closes: str, instead: str = "") -> None:
        self._opens = opens
        self._closes = closes
        self._instead = instead
        self._held = ""
        self._hiding = False

    def feed(self, piece: str) -> str:
        """Return what may be said of everything so far and was not returned yet."""
        text, said = self._held + piece, ""
        while True:
            mark = self._closes if self._hiding else self._opens
            before, found, after = text.partition(mark)
            if not found:
                break
            said += "" if self._hiding else before + self._instead
            text, self._hiding = after, not self._hiding
        keep = _begun(text, mark)
        self._held = text[len(text) - keep :]
        return said if self._hiding else said + text[: len(text) - keep]

    def flush(self) -> str:
        """What was held back because it might have become a mark."""
        return "" if self._hiding else self._held


class Thoughts(Hidden):
    """What a reasoning model thinks to itself is neither shown nor spoken."""

    def __init__(self) -> None:
        super().__init__("<think>", "</think>")


class CodeBlocks(Hidden):
    """Nobody can listen to code: a short remark is spoken in its place, and the code only shown.

    In a language whose remark is not known, the code is left out in silence.
    """

    def __init__(self, language: str) -> None:
        super().__init__("```", "```", f"\n{language_of(language).code_remark}\n")


def _begun(text: str, mark: str) -> int:
    """How many characters at the end of `text` may be the start of `mark`."""
    longest = min(len(mark) - 1, len(text))
    return next((n for n in range(longest, 0, -1) if mark.startswith(text[-n:])), 0)
