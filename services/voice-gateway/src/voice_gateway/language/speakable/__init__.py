"""Makes the model's text fit to be spoken: no markup, no emoji, words for numbers.

Pure. Voices stumble over `{}`, `<tag>` and `*` (some stop speaking altogether) and read asterisks
aloud. Every language gets the neutral clean-up; one that knows how is written out in words, too.
"""

from voice_gateway.language.folders import language_of
from voice_gateway.language.speakable.markup import bare, unmarked


def speakable(text: str, language: str = "") -> str:
    """Return `text` as it is to be spoken; empty where nothing of it can be.

    With a BCP-47 `language`, numbers and signs become words where the language's rules are known.
    """
    text = unmarked(text)
    if language and (in_words := language_of(language).in_words):
        text = in_words(text, language.lower().partition("-")[2])
    return bare(text)
