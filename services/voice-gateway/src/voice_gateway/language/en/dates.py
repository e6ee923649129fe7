"""Dates, weekdays, years, decades and centuries: "10/1/24" is "October first, twenty twenty-four".

In America the month stands first, elsewhere the day.
"""

from voice_gateway.language.en.numbers import (
    DASH,
    cardinal,
    letters,
    ordinal,
    pairs,
    plural,
    year,
)
from voice_gateway.language.en.units import PARTED, UNITS
from voice_gateway.language.speakable.rules import Match, Rule, any_of, full_stop, rule

MONTHS = (
    "January February March April May June July August September October November December"
).split()
_SHORT_MONTHS = [name[:3] for name in MONTHS if name != "May"]
_MONTH_OF = {name[:3]: at for at, name in enumerate(MONTHS, 1)}
_MONTH = rf"({any_of([*MONTHS, *_SHORT_MONTHS, 'Sept'])})\b\.?"
_DAYS = "Monday Tuesday Wednesday Thursday Friday Saturday Sunday".split()
_DAY_OF = {name[:3]: name for name in _DAYS}
_SHORT_DAY = rf"\b({any_of([*_DAY_OF, 'Tues', 'Thur', 'Thurs'])})\b\.?"
_DAY_NUMBER = r"(\d{1,2})(?:st|nd|rd|th)?\b(?![:.,]\d|\s?%|/\d)"
_YEAR = r"(?:1[0-9]|20)\d\d"
_UNIT = rf"[\s-]?(?:{any_of([*UNITS, *PARTED])})(?!\w)"
# "on 10/1" is a date, "10/1" alone may be a fraction.
_BEFORE_DATE = (
    rf"\b(?:[Oo]n|[Uu]ntil|[Bb]efore|[Aa]fter|[Ss]ince|[Dd]ue|(?:{any_of([*_DAYS, *_DAY_OF])}),?) "
)
_BEFORE_DECADE = ("the ", "his ", "her ", "my ", "their ", "early ", "late ", "mid-")
_HIS = "|".join(rf"(?<=\b{word})" for word in _BEFORE_DECADE)


def _said(month: int, day: int, of_year: str = "") -> str:
    said = f"{MONTHS[month - 1]} {ordinal(day)}"
    return f"{said}, {_year(of_year)}" if of_year else said


def _year(text: str) -> str:
    if len(text) == 2:
        text = ("20" if int(text) < 50 else "19") + text
    return year(int(text))


def _valid(month: int, day: int) -> bool:
    return 1 <= month <= 12 and 1 <= day <= 31


def _iso(match: Match) -> str:
    month, day = int(match[3]), int(match[4])
    at_time = ", " if match[5] else ""
    return _said(month, day, match[1]) + at_time if _valid(month, day) else match[0]


def _numeric(match: Match, *, day_first: bool) -> str:
    month, day = _ordered(match[1], match[3], day_first=day_first or match[2] == ".")
    return _said(month, day, match[4]) if _valid(month, day) else match[0].replace("/", " ")


def _without_year(match: Match, *, day_first: bool) -> str:
    month, day = _ordered(match[2], match[3], day_first=day_first)
    return (match[1] or "") + _said(month, day) if _valid(month, day) else match[0]


def _ordered(first: str, second: str, *, day_first: bool) -> tuple[int, int]:
    """The month and the day, whichever stands first."""
    one, two = int(first), int(second)
    return (two, one) if two <= 12 and (day_first or one > 12) else (one, two)


def _month(name: str) -> str:
    return MONTHS[_MONTH_OF[name[:3]] - 1]


def _day(name: str) -> str:
    return _DAY_OF[name[:3]]


def _decade(match: Match) -> str:
    return plural(year(int(match[1])))


def _decades(match: Match) -> str:
    return f"{plural(year(int(match[1])))} to {plural(cardinal(int(match[2])))}"


def _years(match: Match) -> str:
    upto = match[2]
    return f"{year(int(match[1]))} to {year(int(upto)) if len(upto) == 4 else cardinal(int(upto))}"


def dates(*, day_first: bool) -> tuple[Rule, ...]:
    def numeric(match: Match) -> str:
        return _numeric(match, day_first=day_first)

    def without_year(match: Match) -> str:
        return _without_year(match, day_first=day_first)

    return (
        rule(
            rf"(?<![\d/.-])({_YEAR})([-/.])(\d{{1,2}})\2(\d{{1,2}})(?:(T)(?=\d)|\b)(?![/-]\d)", _iso
        ),
        rule(r"(?<![\d/.-])(\d{1,2})(/)(\d{1,2})/(\d{4}|\d{2})\b(?![/-]\d)", numeric),
        rule(rf"(?<![\d/.-])(\d{{1,2}})([.-])(\d{{1,2}})\2({_YEAR})\b(?![./-]\d)", numeric),
        rule(
            rf"\b(0?[1-9]|1[0-2])/({_YEAR})\b",
            lambda m: f"{MONTHS[int(m[1]) - 1]} {year(int(m[2]))}",
        ),
        rule(r"()(?<![\d/.-])\b(0[1-9])/([0-3]\d)\b(?!/)", without_year),
        rule(rf"({_BEFORE_DATE})(\d{{1,2}})/(\d{{1,2}})\b(?!/| of\b| the\b|{_UNIT})", without_year),
        rule(
            r"()\b(1[0-2])/(1[3-9]|2\d|3[01])\b(?![/\"″]| ?(?!is|was|and|at|or)[a-z])", without_year
        ),
        *_IN_WORDS,
    )


_IN_WORDS: tuple[Rule, ...] = (
    rule(rf"{_SHORT_DAY}(?=,? (?:\d|{_MONTH}))", lambda m: _day(m[1])),
    rule(
        rf"\b{_MONTH} {_DAY_NUMBER}{DASH}{_DAY_NUMBER}",
        lambda m: f"{_month(m[1])} {ordinal(int(m[2]))} to {ordinal(int(m[3]))}",
    ),
    rule(
        rf"\b{_DAY_NUMBER}{DASH}{_DAY_NUMBER} {_MONTH}",
        lambda m: f"the {ordinal(int(m[1]))} to the {ordinal(int(m[2]))} of {_month(m[3])}",
    ),
    rule(
        rf"\b{_MONTH} (\d{{1,2}}){DASH}(?={_MONTH} \d)",
        lambda m: f"{_month(m[1])} {ordinal(int(m[2]))} to ",
    ),
    rule(rf"\b{_MONTH} {_DAY_NUMBER}", lambda m: f"{_month(m[1])} {ordinal(int(m[2]))}"),
    rule(
        rf"\b([Tt]he )?(\d{{1,2}})(?:st|nd|rd|th)?(?: of)? {_MONTH}",
        lambda m: f"{m[1] or 'the '}{ordinal(int(m[2]))} of {_month(m[3])}",
    ),
    rule(rf"\b{_MONTH} (?={_YEAR}\b)", lambda m: f"{_month(m[1])} "),
    rule(r"\b(\d{1,4})\s?(BCE|BC|CE|AD)\b", lambda m: f"{cardinal(int(m[1]))} {letters(m[2])}"),
    rule(r"\b(\d{3}0)s?(?:['’]?s)?[-–]['’]?(\d0)s\b", _decades),
    rule(rf"['’]?\b(\d{{3}}0|(?<=['’])\d0|(?:{_HIS})\d0)['’]?s\b", _decade),
    rule(rf"(?<![\d-])\b(1[1-9]\d\d|20\d\d)\s?[-–]\s?({_YEAR}|\d\d)\b(?![-.,]\d|{_UNIT})", _years),
    rule(r"(?<=\bthe )(\d00)s\b", lambda m: plural(cardinal(int(m[1])))),
    rule(r"\b(20\d\d)/(\d\d)\b(?!/)", lambda m: f"{year(int(m[1]))} {cardinal(int(m[2]))}"),
    rule(r"\bFY\s?(?=\d)", "fiscal year "),
    rule(r"\b([Ii]n|[Ss]ince|[Yy]ear) (10[1-9]\d)\b(?! [a-z])", lambda m: f"{m[1]} {pairs(m[2])}"),
)

WEEKDAYS: Rule = rule(rf"{_SHORT_DAY}{DASH}{_SHORT_DAY}", lambda m: f"{_day(m[1])} to {_day(m[2])}")
# A month, a "circa" or an "established" has a point that ends no sentence.
POINTED: tuple[Rule, ...] = (
    rule(
        rf"\b({any_of([*_SHORT_MONTHS, 'Sept'])})\.(?=\s|$)",
        lambda m: _month(m[1]) + full_stop(m),
    ),
    rule(r"\bca?\.\s?(?=\d{3,4}\b)", "circa "),
    rule(r"\b([Ee])st\.\s?(?=\d{4}\b)", r"\1stablished "),
    rule(rf"{_SHORT_DAY}(?=, [A-Z])", lambda m: _day(m[1])),
)
