"""What a language gives: every list that is about words, and none about turns or voices."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

NO_WORDS = frozenset[str]()


def words(text: str) -> frozenset[str]:
    """A list of words, as a folder writes it down."""
    return frozenset(text.split())


# Names and titles take them along into any language.
_WRITTEN_ALIKE = words("Mr Mrs Ms Dr Prof St Jr Sr vs etc Fig Inc Ltd Ph.D")
_BROKEN_OFF = ("…", "...", "-")
_QUOTES = ('"', "“", "”")


@dataclass(frozen=True, eq=False)
class Language:
    """One language. Words that it leaves out are not known; marks are the common ones."""

    tag: str
    """BCP-47, in lower case; its folder is named so, with `_` for `-`."""

    backchannels: frozenset[str] = NO_WORDS
    """Said by a listener who only shows that they listen."""

    stops: frozenset[str] = NO_WORDS
    """Said by a listener who wants the floor: one is enough, whatever else was heard."""

    asks_for_more: frozenset[str] = NO_WORDS
    """They cannot stand last: "I want to"."""

    opens_question: frozenset[str] = NO_WORDS
    """What opens with one is a question, with or without its mark."""

    joins: frozenset[str] = NO_WORDS
    """Opening with one, somebody joins a clause to what was said; without a verb it has only begun:
    "And so, my fellow citizens"."""

    verbs: frozenset[str] = NO_WORDS
    """All that may be one counts: a verb that is not here makes a finished turn wait."""

    verb_endings: tuple[str, ...] = ()
    """What may follow a word of `verbs`."""

    verb_marks: tuple[str, ...] = ()
    """A word that ends so has a verb in it: "it's"."""

    opens_clause: frozenset[str] = NO_WORDS
    """A long clause without punctuation also ends before one of these."""

    abbreviations: frozenset[str] = _WRITTEN_ALIKE
    """As they are written, without the point: it ends no sentence."""

    numbered: frozenset[str] = frozenset({"No"})
    """Abbreviations before a number only, else words that may end a sentence: "No. 5"."""

    sentence_marks: tuple[str, ...] = (".", "!", "?", "…", "।")
    """They end a sentence, with a space behind them."""

    question_marks: tuple[str, ...] = ("?", "!", "？", "！")
    """Words that end with one are a whole question or exclamation."""

    clause_marks: tuple[str, ...] = (",", ";", ":")
    """They end a part of a sentence."""

    code_remark: str = ""
    """Spoken in the place of a block of code; empty: nothing is."""

    in_words: Callable[[str, str], str] | None = None
    """Writes out a text's figures, signs and abbreviations as they are spoken in a region: what
    follows in the tag that was asked for, as "gb", or empty. None: a text is left as it is."""

    def words_of(self, text: str) -> list[str]:
        """The words of a text in lower case, without the marks between them."""
        return self._word.findall(text.lower())

    def first_word(self, text: str) -> str:
        """The first of `words_of(text)`; empty where there is none."""
        found = self._word.search(text)
        return found.group().lower() if found else ""

    @cached_property
    def open_marks(self) -> tuple[str, ...]:
        """Words that end with one ask for more."""
        return (*_BROKEN_OFF, *self.clause_marks)

    @cached_property
    def _word(self) -> re.Pattern[str]:
        marks = "".join((*self.sentence_marks, *self.clause_marks, *_QUOTES))
        return re.compile(rf"[^\s{re.escape(marks)}]+")
