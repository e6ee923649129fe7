"""Languages as data: which words matter to turn-taking, and how text is written out for TTS.

The package is pure and imports no other room, so that every room may import it.

    shape       `Language`: the fields of a language
    folders     `language_of(tag)`: finds a language
    en, de, …   one folder for each language, named by its tag: `en`, `en_in`
    phrases     what a text's words and marks say: a turn goes on, a reply has asked
    speakable   the model's text made ready for TTS

To add a language, add its folder with a `LANGUAGE`; no other file changes
(`docs/guides/languages.md`).
"""

from voice_gateway.language.folders import language_of, languages, primary_subtag
from voice_gateway.language.phrases import (
    asks,
    ends_in_question,
    just_asked,
    only_begun,
    sounds_finished,
    sounds_open,
    whole_sentences,
    written_in,
)
from voice_gateway.language.shape import Language

__all__ = [
    "Language",
    "asks",
    "ends_in_question",
    "just_asked",
    "language_of",
    "languages",
    "only_begun",
    "primary_subtag",
    "sounds_finished",
    "sounds_open",
    "whole_sentences",
    "written_in",
]
