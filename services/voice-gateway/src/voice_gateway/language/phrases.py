"""Tells what the end of a text says: a turn is open, finished or only begun; a reply has asked.

The word lists of the language decide; where a language has none, punctuation alone decides.
"""

import re
from collections.abc import Iterable
from unicodedata import category
from unicodedata import name as unicode_name

from voice_gateway.language.shape import Language

_CLOSING = re.compile(r"[\s\"')\]”’]+$")
_SHORTEST_QUESTION = 3  # words, where no mark shows that it is one
_FEWEST_LETTERS, _MOST_LETTERS = 12, 400  # by which the script of a text is judged
_FEWEST_WORDS, _FEWEST_COMMON = 6, 2  # by which its language is: some texts have no common word


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


def asks(text: str, language: Language) -> bool:
    """Whether the text has a whole question to the listener."""
    return language.question_end.search(text) is not None


def just_asked(text: str, language: Language) -> bool:
    """Whether the text has a question, and no whole sentence behind it."""
    *_, end = (-1, *(found.end() for found in language.question_end.finditer(text)))
    return end >= 0 and language.sentence_end.search(text, end) is None


def ends_in_question(text: str, language: Language) -> bool:
    """Whether a question to the listener is the last of the text."""
    bare = text.rstrip()
    return bare.endswith(language.asking_marks)


def whole_sentences(text: str, begun: int, language: Language) -> tuple[str, bool]:
    """The text to the end of the sentence that its first `begun` characters end in.

    Also whether that sentence is whole: the text goes on to its end.
    """
    last = max(0, begun - 1)
    for found in language.sentence_end.finditer(text):
        if found.end() > last:
            return text[: found.end()], True
    return text, False


def written_in(text: str, language: Language, others: Iterable[Language]) -> str:
    """The language or script that the text is in, where that is not this language; else empty.

    It is empty, too, where the text is short, or may be in this language.
    """
    letters = [each for each in text if category(each)[0] in "LM"][:_MOST_LETTERS]
    if language.script and len(letters) >= _FEWEST_LETTERS:
        scripts = [_script_of(letter) for letter in letters]
        if 2 * scripts.count(language.script) < len(scripts):
            return max(set(scripts), key=scripts.count).capitalize()
    words = language.words_of(text)
    if len(words) < _FEWEST_WORDS or not language.common.isdisjoint(words):
        return ""
    found = {each.name: sum(word in each.common for word in words) for each in others}
    likeliest = max(found, key=lambda name: found[name], default="")
    return likeliest if found.get(likeliest, 0) >= _FEWEST_COMMON else ""


def _script_of(letter: str) -> str:
    return unicode_name(letter, "").partition(" ")[0]


def _may_be_verb(word: str, language: Language) -> bool:
    verbs = language.verbs
    if word in verbs or word.endswith(language.verb_marks):
        return True
    return any(word.removesuffix(ending) in verbs for ending in language.verb_endings)
