"""Dates and years: 15/08/1947 is "पंद्रह अगस्त उन्नीस सौ सैंतालीस". The day stands first."""

from voice_gateway.language.hi.numbers import DASH, cardinal, year
from voice_gateway.language.speakable.rules import Match, Rule, any_of, rule

_MONTHS = ("जनवरी फ़रवरी मार्च अप्रैल मई जून जुलाई अगस्त सितंबर अक्टूबर नवंबर दिसंबर").split()
_IN_ENGLISH = (
    "January February March April May June July August September October November December"
).split()
_MONTH_OF = dict(zip((name[:3] for name in _IN_ENGLISH), _MONTHS, strict=True))
_MONTH = rf"({any_of([*_IN_ENGLISH, *_MONTH_OF, 'Sept'])})\b\.?"
_YEAR = r"(?:1[0-9]|20)\d\d"


def _said(day: int, month: int, of_year: str = "") -> str:
    said = f"{cardinal(day)} {_MONTHS[month - 1]}"
    return f"{said} {_year(of_year)}" if of_year else said


def _year(text: str) -> str:
    if len(text) == 2:
        text = ("20" if int(text) < 50 else "19") + text
    return year(int(text))


def _iso(match: Match) -> str:
    month, day = int(match[3]), int(match[4])
    valid = 1 <= month <= 12 and 1 <= day <= 31
    return _said(day, month, match[1]) if valid else match[0]


def _numeric(match: Match) -> str:
    day, month = int(match[1]), int(match[3])
    if month > 12:
        day, month = month, day
    valid = 1 <= month <= 12 and 1 <= day <= 31
    return _said(day, month, match[4]) if valid else match[0]


def _unyeared(match: Match) -> str:
    day, month = int(match[1] or match[5]), int(match[3] or match[6])
    return _said(day, month) if 1 <= month <= 12 and 1 <= day <= 31 else match[0]


def _month(name: str) -> str:
    return _MONTH_OF[name[:3]]


DATES: tuple[Rule, ...] = (
    rule(
        r"(?<=वार )(\d{1,2})(/)(\d{1,2})()\b(?!/)|(?<![\d/])(\d{1,2})/(\d{1,2})(?= को )", _unyeared
    ),
    rule(rf"(?<![\d/.-])({_YEAR})([-/.])(\d{{1,2}})\2(\d{{1,2}})\b(?![/-]\d)", _iso),
    rule(r"(?<![\d/.-])(\d{1,2})(/)(\d{1,2})/(\d{4}|\d{2})\b(?![/-]\d)", _numeric),
    rule(rf"(?<![\d/.-])(\d{{1,2}})([.-])(\d{{1,2}})\2({_YEAR})\b(?![./-]\d)", _numeric),
    rule(
        rf"\b{_MONTH} (\d{{1,2}})(?:st|nd|rd|th)?\b(?![:.,]\d|\s?%),?",
        lambda m: f"{cardinal(int(m[2]))} {_month(m[1])}",
    ),
    rule(
        rf"\b(\d{{1,2}})(?:st|nd|rd|th)? {_MONTH}",
        lambda m: f"{cardinal(int(m[1]))} {_month(m[2])}",
    ),
    rule(rf"\b{_MONTH} (?={_YEAR}\b)", lambda m: f"{_month(m[1])} "),
    rule(
        r"(?<![\d-])\b(20\d\d|1[1-9]\d\d)-(\d\d)\b(?![-.,%]\d|%)",
        lambda m: f"{year(int(m[1]))} {cardinal(int(m[2]))}",
    ),
    rule(
        rf"(?<![\d-])\b({_YEAR}){DASH}({_YEAR})\b(?![-.,%]\d|%)",
        lambda m: f"{year(int(m[1]))} से {year(int(m[2]))}",
    ),
)
