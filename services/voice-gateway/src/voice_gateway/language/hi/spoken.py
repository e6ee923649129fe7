"""Writes numbers, dates, money, units, addresses and signs of a Hindi text as Hindi words.

Each module beside this one knows one kind. The order matters: specific rules (a date, a price) come
before general ones (a number). Latin words stay as they are: a Hindi voice reads them, too. Rules
are tried only where a cheap look at the text says that they may match.
"""

import re

from voice_gateway.language.hi.amounts import AMOUNTS
from voice_gateway.language.hi.codes import CODES
from voice_gateway.language.hi.dates import DATES
from voice_gateway.language.hi.formulas import ANY_SIGN, FORMULA_SIGNS, FORMULAS, POWERS, SIGNS
from voice_gateway.language.hi.measures import MEASURES
from voice_gateway.language.hi.money import MONEY
from voice_gateway.language.hi.names import NAMES
from voice_gateway.language.hi.times import TIMES
from voice_gateway.language.hi.web_addresses import ADDRESSES
from voice_gateway.language.speakable.rules import Rule, apply
from voice_gateway.language.speakable.scripts import with_ascii_digits

_DIGIT = re.compile(r"[0-9]")
_POINT = re.compile(r"[.@]")
_SIGN_OF_FORMULA = re.compile(r"[½⅓⅔¼¾⅛√∛∣⁰¹²³⁴-⁹⁻ⁿ₀-₉≥]")
_POWER = re.compile(r"[\^²³]")

_WITH_POINTS: tuple[Rule, ...] = (*NAMES, *ADDRESSES)
_FIGURES: tuple[Rule, ...] = (
    *FORMULAS,
    *DATES,
    *CODES,
    *TIMES,
    *MONEY,
    *MEASURES,
    *POWERS,
    *AMOUNTS,
)
_LETTERS: tuple[Rule, ...] = (*FORMULAS, *POWERS)


def spoken(text: str, region: str) -> str:
    """Return `text` as a Hindi voice is to read it; regions do not differ."""
    del region
    text = with_ascii_digits(text)
    if _POINT.search(text):
        text = apply(_WITH_POINTS, text)
    if _SIGN_OF_FORMULA.search(text):
        text = apply(FORMULA_SIGNS, text)
    if _DIGIT.search(text):
        text = apply(_FIGURES, text)
    elif _POWER.search(text):
        text = apply(_LETTERS, text)
    return apply(SIGNS, text) if ANY_SIGN.search(text) else text
