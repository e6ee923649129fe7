"""Makes the model's text fit to be spoken: no markup, no emoji, no thoughts.

Pure. Voices stumble over `{}`, `<tag>` and `*` (some stop speaking altogether), read asterisks
aloud, and must not say what a reasoning model thinks to itself.
"""

import re
import unicodedata

_FENCE = re.compile(r"```[^\n]*")
_LINK = re.compile(r"!?\[([^\]]*)\]\([^)]*\)")
_TAG = re.compile(r"</?[A-Za-z][^<>]*>")
_LINE_MARK = re.compile(r"^\s*(?:#{1,6}\s+|[-*•]\s+|>\s+|\d+[.)]\s+)", re.MULTILINE)
_MARK = re.compile(r"[*_`~{}|\\^<>]+|#(?=\w)")
_SPACE = re.compile(r"\s+")
_THINK, _SAY = "<think>", "</think>"


class Thoughts:
    """Takes `<think>…</think>` out of a stream of text, however its pieces are cut."""

    def __init__(self) -> None:
        self._held = ""
        self._thinking = False

    def feed(self, piece: str) -> str:
        """Return what may be said of everything so far and was not returned yet."""
        text, said = self._held + piece, ""
        while True:
            mark = _SAY if self._thinking else _THINK
            before, found, after = text.partition(mark)
            if not found:
                break
            said += "" if self._thinking else before
            text, self._thinking = after, not self._thinking
        keep = _begun(text, mark)
        self._held = text[len(text) - keep :]
        return said if self._thinking else said + text[: len(text) - keep]

    def flush(self) -> str:
        """What was held back because it might have become a tag."""
        return "" if self._thinking else self._held


def _begun(text: str, mark: str) -> int:
    """How many characters at the end of `text` may be the start of `mark`."""
    longest = min(len(mark) - 1, len(text))
    return next((n for n in range(longest, 0, -1) if mark.startswith(text[-n:])), 0)


def speakable(text: str) -> str:
    """Return `text` as it is to be spoken; empty where nothing of it can be."""
    text = _FENCE.sub(" ", text)
    text = _LINK.sub(r"\1", text)
    text = _TAG.sub(" ", text)
    text = _LINE_MARK.sub("", text)
    text = _MARK.sub("", text)
    text = "".join(character for character in text if not _is_picture(character))
    text = _SPACE.sub(" ", text).strip()
    return text if any(character.isalnum() for character in text) else ""


def _is_picture(character: str) -> bool:
    """Emoji, dingbats and their joiners; not letters, marks or currency."""
    category = unicodedata.category(character)
    return category in {"So", "Sk", "Co", "Cn"} or character in "\u200d\ufe0f\u20e3"
