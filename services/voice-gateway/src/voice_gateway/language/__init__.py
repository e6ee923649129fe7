"""Languages as data: what their words do in a conversation, and how their text is spoken.

Pure, and knows nothing of turns, voices or calls: every other room may ask it.

    shape       `Language`: all that a language may give
    folders     `language_of(tag)`: finds it
    en, de, …   one folder a language, named by its tag: `en`, `en_in`
    phrases     what the end and the start of the caller's words say about the turn
    speakable   the model's text as it is to be spoken

A language is added by adding its folder, which gives a `LANGUAGE`; nothing else is touched.
"""

from voice_gateway.language.folders import language_of, languages
from voice_gateway.language.phrases import only_begun, sounds_finished, sounds_open
from voice_gateway.language.shape import Language

__all__ = [
    "Language",
    "language_of",
    "languages",
    "only_begun",
    "sounds_finished",
    "sounds_open",
]
