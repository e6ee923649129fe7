"""Makes the model's text ready for TTS: without markup and emoji, with words for numbers.

The package is pure. TTS voices fail on `{}`, `<tag>` and `*`, or read them aloud. Every language
gets the neutral clean-up; a language with `in_words` is also written out in words.
"""

from voice_gateway.language.folders import language_of
from voice_gateway.language.speakable.markup import bare, unmarked
from voice_gateway.language.speakable.scripts import read_as


def speakable(text: str, language: str = "") -> str:
    """Return `text` as it is to be spoken; empty where no word is left.

    With a BCP-47 `language`, numbers and signs become words where the language's rules are known.
    """
    text = unmarked(text)
    tag = read_as(text, language.lower())
    if tag and (in_words := language_of(tag).in_words):
        text = in_words(text, tag.partition("-")[2])
    return bare(text)
