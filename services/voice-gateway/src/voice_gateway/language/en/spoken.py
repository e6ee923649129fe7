"""Writes English numbers, dates, money, units, addresses, names and signs as words.

Each module beside this one knows one kind. The order matters: specific rules (a date, a price) come
before general ones (a number). Rules are tried only where a cheap look at the text says that they
may match: most clauses have no figure at all.
"""

import re

from voice_gateway.language.en.amounts import AMOUNTS
from voice_gateway.language.en.codes import CODES, PLACES
from voice_gateway.language.en.dates import POINTED, WEEKDAYS, dates
from voice_gateway.language.en.formulas import ANY_SIGN, FORMULA_SIGNS, FORMULAS, POWERS, SIGNS
from voice_gateway.language.en.measures import MEASURES
from voice_gateway.language.en.money import MONEY
from voice_gateway.language.en.names import NAMES, ROMAN, VERSUS
from voice_gateway.language.en.times import TIMES
from voice_gateway.language.en.web_addresses import ADDRESSES, FILES
from voice_gateway.language.speakable.rules import Rule, apply
from voice_gateway.language.speakable.scripts import with_ascii_digits

_MONTH_FIRST = {"", "us"}  # 3/4/2025 is in March
_DIGIT = re.compile(r"[0-9]")
_POINT = re.compile(r"[.@/]")
_SHORT = re.compile(
    r"\b(?:Ave|Blvd|Rd|St|Dr|Ln|Ct|Pkwy|Hwy|Mon|Tue|Wed|Thu|Fri|Sat|Sun|vs)\b| [IVXL]+\b"
)
_OF_LETTERS = re.compile(r"\b[A-Za-z]\(|\^")  # "f(x)", "x^n": a formula without a digit

_WITH_POINTS: tuple[Rule, ...] = (*ADDRESSES, *PLACES, *POINTED, *NAMES, *FILES)
_SHORTENED: tuple[Rule, ...] = (*PLACES, *ROMAN, VERSUS, WEEKDAYS)
_FIGURES: dict[bool, tuple[Rule, ...]] = {
    day_first: (
        *FORMULAS,
        *dates(day_first=day_first),
        *CODES,
        *TIMES,
        *MONEY,
        *MEASURES,
        *POWERS,
        *AMOUNTS,
    )
    for day_first in (False, True)
}
_LETTERS: tuple[Rule, ...] = (*FORMULAS, *POWERS)
_SAME_SIGNS = str.maketrans({"μ": "µ", "℃": "°C", "℉": "°F"})


def spoken(text: str, region: str) -> str:
    """Return `text` as an English voice of `region` is to read it."""
    text = with_ascii_digits(text)
    if _POINT.search(text):
        text = apply(_WITH_POINTS, text)
    if _SHORT.search(text):
        text = apply(_SHORTENED, text)
    if not text.isascii():
        text = apply(FORMULA_SIGNS, text.translate(_SAME_SIGNS))
    if _DIGIT.search(text):
        text = apply(_FIGURES[region not in _MONTH_FIRST], text)
    elif _OF_LETTERS.search(text) or not text.isascii():
        text = apply(_LETTERS, text)
    return apply(SIGNS, text) if ANY_SIGN.search(text) else text
