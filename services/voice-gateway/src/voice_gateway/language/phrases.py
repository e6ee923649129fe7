"""Tells by the words of a transcript whether the turn is open, finished, or only begun.

The word lists of the language decide; where a language has none, punctuation alone decides.
"""

import re

from voice_gateway.language.shape import Language

_CLOSING = re.compile(r"[\s\"')\]”’]+$")
_SHORTEST_QUESTION = 3  # words, where no mark shows that it is one


def sounds_open(text: str, language: Language) -> bool:
    """Whether the words ask for more: they end in a comma, or in a word that cannot be last."""
    bare = _CLOSING.sub("", text)
    if bare.endswith(language.open_marks):
        return True
    if bare.endswith(language.sentence_marks):
        return False
    return bare.lower().rpartition(" ")[2] in language.asks_for_more


def sounds_finished(text: str, language: Language) -> bool:
    """Whether the words are a whole question or exclamation, by their mark or their first word."""
    bare = _CLOSING.sub("", text)
    if bare.endswith(language.question_marks):
        return True
    words = bare.lower().split()
    return len(words) >= _SHORTEST_QUESTION and words[0] in language.opens_question


def only_begun(text: str, language: Language) -> bool:
    """Whether the words begin with a joining word, and have no verb yet."""
    if not language.joins or language.first_word(text) not in language.joins:
        return False
    return not any(_may_be_verb(word, language) for word in language.words_of(text))


def _may_be_verb(word: str, language: Language) -> bool:
    verbs = language.verbs
    if word in verbs or word.endswith(language.verb_marks):
        return True
    return any(word.removesuffix(ending) in verbs for ending in language.verb_endings)
