"""The fields of a language: its word lists, punctuation marks and the writing out for TTS."""

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cached_property

NO_WORDS = frozenset[str]()


def words(text: str) -> frozenset[str]:
    """The words of a list that is written as one string."""
    return frozenset(text.split())


# These occur in any language, as parts of names and titles.
_WRITTEN_ALIKE = words("Mr Mrs Ms Dr Prof St Jr Sr vs etc Fig Inc Ltd Ph.D")
_BROKEN_OFF = ("…", "...", "-")
_QUOTES = ('"', "“", "”")
_CLOSING_QUOTES = ('"', "”", "’", "'", "»", "“", ")")


@dataclass(frozen=True, eq=False)
class Language:
    """One language. By default it has no words, and the common marks."""

    tag: str
    """The BCP-47 tag in lower case; the folder has the same name with `_` for `-`."""

    name: str = ""
    """Its English name, for the model and the log."""

    script: str = ""
    """The script that it is written in, as Unicode names its letters: "LATIN"."""

    common: frozenset[str] = NO_WORDS
    """Its commonest words, without those that its neighbours have too; they tell a text in it."""

    backchannels: frozenset[str] = NO_WORDS
    """Words by which a listener only shows that they listen."""

    answers: frozenset[str] = NO_WORDS
    """Small words that answer a question, as "yes" and "no" do and "mm-hm" does not."""

    stops: frozenset[str] = NO_WORDS
    """Words that ask for the floor; one of them is enough, whatever else was recognised."""

    asks_for_more: frozenset[str] = NO_WORDS
    """Words that cannot end a sentence: "I want to"."""

    opens_question: frozenset[str] = NO_WORDS
    """First words of a question, whether or not it has a question mark."""

    asks_much: frozenset[str] = NO_WORDS
    """Words of a question whose answer takes long to say: "your address"."""

    joins: frozenset[str] = NO_WORDS
    """First words that join a clause to what was said; until it has a verb, it has only begun:
    "And so, my fellow citizens"."""

    verbs: frozenset[str] = NO_WORDS
    """Words that may be a verb; a verb missing here makes a finished turn wait."""

    verb_endings: tuple[str, ...] = ()
    """Endings that may follow a word of `verbs`."""

    verb_marks: tuple[str, ...] = ()
    """Endings of words that contain a verb: "it's"."""

    opens_clause: frozenset[str] = NO_WORDS
    """Words before which a long clause without punctuation is cut."""

    abbreviations: frozenset[str] = _WRITTEN_ALIKE
    """Abbreviations without their point, which ends no sentence."""

    numbered: frozenset[str] = frozenset({"No"})
    """Words that are abbreviations only before a number: "No. 5"."""

    sentence_marks: tuple[str, ...] = (".", "!", "?", "…", "।")
    """Marks that end a sentence, if a space follows."""

    question_marks: tuple[str, ...] = ("?", "!", "？", "！")
    """Marks that end a whole question or exclamation."""

    asking_marks: tuple[str, ...] = ("?", "？", "؟")
    """Marks that end a question, and nothing else."""

    clause_marks: tuple[str, ...] = (",", ";", ":")
    """Marks that end a clause within a sentence."""

    apology: str = ""
    """The sentence that ends a reply which failed, and gives the floor back; empty: English."""

    say_again: str = ""
    """The sentence that asks for what was said and not understood; empty: English."""

    greeting: str = ""
    """The sentence that opens a call, where calls are opened."""

    idle_prompt: str = ""
    """The question into a long silence; empty: English."""

    goodbye: str = ""
    """The sentence before the call ends; empty: English."""

    system_prompt: str = ""
    """What the model is told before each call; empty: English, and `answer_in`."""

    answer_in: str = ""
    """The sentence that has the model answer in this language, whatever else it is told."""

    code_remark: str = ""
    """The text spoken in place of a block of code; empty: none."""

    in_words: Callable[[str, str], str] | None = None
    """Writes out a text's figures, signs and abbreviations as a region speaks them. The region is
    the rest of the tag, as "gb", or empty. None: texts stay as they are."""

    def words_of(self, text: str) -> list[str]:
        """The words of a text in lower case, without the marks between them."""
        return self._word.findall(text.lower())

    def first_word(self, text: str) -> str:
        """The first of `words_of(text)`; empty where there is none."""
        found = self._word.search(text)
        return found.group().lower() if found else ""

    @cached_property
    def open_marks(self) -> tuple[str, ...]:
        """Marks after which the words go on."""
        return (*_BROKEN_OFF, *self.clause_marks)

    @cached_property
    def question_end(self) -> re.Pattern[str]:
        """The end of a question to the listener: what somebody in a story asks is in quotes."""
        return re.compile(rf"[{_any_of(self.asking_marks)}]+(?=\s|$)")

    @cached_property
    def sentence_end(self) -> re.Pattern[str]:
        marks = (*self.sentence_marks, *self.asking_marks)
        return re.compile(rf"[{_any_of(marks)}]+[{_any_of(_CLOSING_QUOTES)}]*(?=\s|$)")

    @cached_property
    def _word(self) -> re.Pattern[str]:
        marks = _any_of((*self.sentence_marks, *self.clause_marks, *_QUOTES))
        return re.compile(rf"[^\s{marks}]+")


def _any_of(marks: Iterable[str]) -> str:
    """What stands for these marks in a class of a regular expression."""
    return re.escape("".join(marks))
