"""Makes the model's text fit to be spoken: no markup, no emoji, no thoughts, words for numbers.

Pure. Voices stumble over `{}`, `<tag>` and `*` (some stop speaking altogether), read asterisks
aloud, and must not say what a reasoning model thinks to itself. Every language gets the neutral
clean-up; English is written out in words, too (see `english`).
"""

from voice_gateway.speakable import english
from voice_gateway.speakable.hidden import CodeBlocks, Thoughts
from voice_gateway.speakable.markup import bare, unmarked

__all__ = ["CodeBlocks", "Thoughts", "speakable"]


def speakable(text: str, language: str = "") -> str:
    """Return `text` as it is to be spoken; empty where nothing of it can be.

    With a BCP-47 `language`, numbers and signs become words where the language's rules are known.
    """
    text = unmarked(text)
    name, _, region = language.lower().partition("-")
    if name == "en":
        text = english.spoken(text, day_first=region not in {"", "us"})
    return bare(text)
