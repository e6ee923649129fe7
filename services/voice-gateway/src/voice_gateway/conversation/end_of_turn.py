"""Fuses all evidence for the end of a turn into one probability. Pure.

It is a logistic regression: each evidence adds its weight to the log odds. The weights of the sound
and the words are fitted by `benchmarks/cut_offs.py`, which says what they are worth; those of what
was asked are set by hand, as there is no recording to fit them to.

    sound     words                    what was asked           the turn is over by
    0.9       "and the address is"                              0.34
    0.9       "the address is"         "What is your address?"  0.20
    0.9       "Yes."                   "Shall I book it?"       0.92
    0.9       "Okay."                                           0.20
    0.9       "what is the weather"                             0.85
"""

from dataclasses import astuple, dataclass
from math import exp, log

from voice_gateway.language import Language, asks, only_begun, sounds_finished, sounds_open

_BRIEF = 8  # bytes: "Yes", "Got it"; a letter that says more, as in Chinese, takes more of them
_USUAL = 26  # bytes of a turn that is neither short nor long: six words
_LONGEST = 70  # bytes; what is longer says no more
_SURE = 0.05  # a probability nearer to 0 or 1 than this says no more
_NOT_ASKED = 0.75  # what a sound that is not known counts as


@dataclass(frozen=True, slots=True)
class Evidence:
    """What is known at a pause."""

    text: str
    """What the caller has said in this turn."""

    sound: float | None = None
    """The end-of-turn probability of how it sounds; None: it is not known."""

    asked: str = ""
    """What the caller has heard last of a reply."""


@dataclass(frozen=True, slots=True)
class Signs:
    """What the evidence shows: the inputs of the regression, and with other values its weights."""

    always: float
    sound: float
    """The log odds of the sound."""

    open: float
    """The words ask for more: "I want to", "And so, my friends", or letters being spelled."""

    finished: float
    """The words are a whole question."""

    brief: float
    """A word or two that answer no question: many begin so, "Got it", and sound as if that were
    all. It counts against the sound, and not without it."""

    acknowledging: float
    """Words that only show that the caller listens, and answer no question."""

    length: float
    """How much was said, where it answers no question: the log of it, and of a usual turn 0. Who
    pauses after three words goes on more often than who pauses after twelve. Like `brief`, it
    counts only beside the sound."""

    answering: float
    """A word or two after a question."""

    asked_much: float
    """What was asked takes long to say: an address, a number."""


WEIGHTS = Signs(
    always=0.5,
    sound=0.43,
    open=-1.82,
    finished=0.54,
    brief=-1.32,
    acknowledging=-0.88,
    length=0.52,
    answering=1.0,
    asked_much=-1.0,
)


def likelihood(evidence: Evidence, language: Language, weights: Signs = WEIGHTS) -> float:
    """The probability that the turn is over."""
    pairs = zip(astuple(weights), astuple(signs(evidence, language)), strict=True)
    return 1 / (1 + exp(-sum(weight * sign for weight, sign in pairs)))


def signs(evidence: Evidence, language: Language) -> Signs:
    """What the evidence shows; everything but the sound and the length is 0 or 1."""
    words = language.words_of(evidence.text)
    finished = sounds_finished(evidence.text, language)
    goes_on = asks_for_more(evidence.text, language)
    length = sum(len(word.encode()) for word in words)
    asked = asks(evidence.asked, language)
    brief = not finished and length <= _BRIEF
    unasked = not asked and evidence.sound is not None
    begins = brief and unasked
    return Signs(
        always=1,
        sound=_log_odds(_NOT_ASKED if evidence.sound is None else evidence.sound),
        open=goes_on,
        finished=finished,
        brief=begins,
        acknowledging=begins and language.backchannels.issuperset(words),
        length=log(min(max(length, _BRIEF), _LONGEST) / _USUAL) if unasked else 0,
        answering=brief and asked and not goes_on,
        asked_much=asked and not language.asks_much.isdisjoint(language.words_of(evidence.asked)),
    )


def asks_for_more(text: str, language: Language) -> bool:
    """Whether the words cannot be all: their clause is open or has only begun, or they spell."""
    begun = only_begun(text, language) and not sounds_finished(text, language)
    return begun or sounds_open(text, language) or _spells(text.split())


def _spells(words: list[str]) -> bool:
    """Whether the last words are single letters or digits: "my name is A. N."."""
    last = [word.rstrip(".,") for word in words[-2:]]
    return len(last) > 1 and all(len(word) == 1 and word.isalnum() for word in last)


def _log_odds(probability: float) -> float:
    bounded = min(max(probability, _SURE), 1 - _SURE)
    return log(bounded / (1 - bounded))
