"""Rules for text with digits: dates, times, telephone numbers, money, amounts and numbers."""

import re

from voice_gateway.language.en.numbers import (
    cardinal,
    digits,
    number,
    ordinal,
    plural,
    year,
)
from voice_gateway.language.en.rules import Match, Rule, apply, rule
from voice_gateway.language.en.tables import CURRENCIES, MONTHS, PER, SCALES, UNITS

_NUM = r"(?:\d{1,3}(?:,\d{2,3})*,\d{3}(?!\d)|\d+)(?:\.\d+)?"
_DASH = r"\s?[-–]\s?"
_MONTH = rf"({'|'.join(MONTHS)}|{'|'.join(m[:3] for m in MONTHS if m != 'May')}|Sept)\b\.?"
_MONTH_OF = {name[:3]: name for name in MONTHS}
_SLASH_DATE = re.compile(r"\b([0-9]{1,2})/([0-9]{1,2})/([0-9]{4})\b")
_COIN = "".join(CURRENCIES)
_AMOUNT = (
    rf"(?P<amount>{_NUM})(?:{_DASH}[{_COIN}]?(?P<upto>{_NUM}))?"
    r"(?:\s?(?P<scale>hundred|thousand|million|billion|trillion)\b|(?P<letter>bn|[kKMmBT])\b)?"
)
_UNIT = "|".join(map(re.escape, sorted(UNITS, key=len, reverse=True)))
_GROUPS = r"(?:\d{2,5}[ .-]){1,3}\d{3,5}"


def figures(text: str, *, day_first: bool) -> str:
    """Return `text` with its digits as words; with `day_first`, 3/4/2025 is in April."""
    text = apply(_FORMULA, text)
    text = _SLASH_DATE.sub(lambda match: _slash_date(match, day_first=day_first), text)
    return apply(_FIGURES, text)


def _date(month: int, day: int, of_year: str = "") -> str:
    said = f"{MONTHS[month - 1]} {ordinal(day)}"
    return f"{said}, {year(int(of_year))}" if of_year else said


def _iso_date(match: Match) -> str:
    month, day = int(match[2]), int(match[3])
    return _date(month, day, match[1]) if 1 <= month <= 12 and 1 <= day <= 31 else match[0]


def _slash_date(match: Match, *, day_first: bool) -> str:
    first, second = int(match[1]), int(match[2])
    day, month = (first, second) if day_first or first > 12 else (second, first)
    valid = 1 <= month <= 12 and 1 <= day <= 31
    return _date(month, day, match[3]) if valid else match[0].replace("/", " ")


def _time(match: Match) -> str:
    hour, minute, second, half = int(match[1]), int(match[2]), match[3], match[4]
    said = cardinal(hour)
    if minute:
        said += f" {'oh ' if minute < 10 else ''}{cardinal(minute)}"
    elif not half:
        said += " o'clock" if 1 <= hour <= 12 else " hundred"
    if second:
        said += f" and {_counted(second, 'second', 'seconds')}"
    return said + (f" {half.upper()} M" if half else "")


def _counted(amount: str, one: str, more: str) -> str:
    return f"{number(amount)} {one if amount == '1' else more}"


def _phone(match: Match) -> str:
    """Read digit by digit, with a pause between the groups."""
    plus = "plus " if match[0].startswith("+") else ""
    return plus + ", ".join(map(digits, re.findall(r"\d+", match[0])))


def _points(match: Match) -> str:
    """Read a version, or an IP address."""
    parts = match[0].split(".")
    return (" dot " if len(parts) == 4 else " point ").join(map(number, parts))


def _money(match: Match) -> str:
    coin, amount, upto = match["coin"], match["amount"], match["upto"]
    scale = match["scale"] or SCALES.get(match["letter"] or "")
    more = CURRENCIES[coin][1]
    if upto:
        return " ".join(filter(None, (number(amount), "to", number(upto), scale, more)))
    return f"{number(amount)} {scale} {more}" if scale else _price(coin, amount)


def _price(coin: str, amount: str) -> str:
    one, more, part, parts = CURRENCIES[coin]
    whole, _, hundredths = amount.replace(",", "").partition(".")
    if not part or len(hundredths) not in (0, 2):
        return _counted(amount, one, more)
    rest = _counted(str(int(hundredths)), part, parts) if int(hundredths or 0) else ""
    if rest and not whole.strip("0"):
        return rest
    return _counted(whole, one, more) + (f" and {rest}" if rest else "")


def _quantity(match: Match) -> str:
    amount, upto, unit, per = match.groups()
    one, more = UNITS[unit]
    said = f"{number(amount)} to {number(upto)} {more}" if upto else _counted(amount, one, more)
    return said + (f" per {PER[per]}" if per else "")


def _fraction(match: Match) -> str:
    above, below = int(match[2]), int(match[3])
    if below in (0, 1) or above >= below:
        said = f"{cardinal(above)} over {cardinal(below)}"
    elif below in (10, 100) and not match[1]:
        said = f"{cardinal(above)} out of {cardinal(below)}"
    else:
        part = {2: "half", 4: "quarter"}.get(below) or ordinal(below)
        said = f"{cardinal(above)} {part if above == 1 else plural(part)}"
    return f"{number(match[1])} and {said}" if match[1] else said


def _decade(match: Match) -> str:
    return plural(year(int(match[1])))


def _range(match: Match) -> str:
    return f"{_alone(match[1])} to {_alone(match[2])}"


def _alone(text: str) -> str:
    """Read a number with nothing beside it; four digits are a year where that fits."""
    return year(int(text)) if len(text) == 4 and text.isdecimal() else number(text)


_FORMULA: tuple[Rule, ...] = (
    rule(r"(?<=\d)'\s?(\d{1,2})\"", r" foot \1"),
    rule(r"~\s?(?=[$€£₹]?\d)", "about "),
    rule(r"#\s?(?=\d)", "number "),
    rule(r"(?<=\d)\s?[*×·]\s?(?=\d)|(?<=\d) x (?=\d)", " times "),
    rule(r"(?<=\d)x(?=\d)", " by "),
    rule(r"\^2\b", "²"),
    rule(r"\^3\b", "³"),
    rule(r"\s?\^\s?[({]?(-?\w+)[)}]?", r" to the power of \1"),
    rule(rf"(^|[\s(=])-(?=[{_COIN}]?\.?\d)", r"\1minus "),
    rule(r"(?<=\d) - (?=\d[^=]*=)", " minus "),
    rule(r"\b(24/7|9/11)\b", lambda m: m[0].replace("/", " ")),
    rule(r"\bv(?=\d+\.)", "version "),
    rule(r"\b(\d+\.\d+)/(?=\d)", r"\1 out of "),
    rule(r"(?<=:\d\d)\s?[-–]\s?(?=\d)|(?<=[AaPp][Mm])\s?[-–]\s?(?=\d)", " to "),
    rule(r"(?<=[Cc]all )\d{3}\b(?![-.,:/]?\d)|(?<=[Dd]ial )\d{3}\b(?![-.,:/]?\d)", _phone),
)

_FIGURES: tuple[Rule, ...] = (
    rule(r"\b(\d{4})-(\d{2})-(\d{2})\b", _iso_date),
    rule(
        rf"\b{_MONTH} (\d{{1,2}})(?:st|nd|rd|th)?\b(?![:.,]\d{{3}}|[:.]\d|\s?%)",
        lambda m: f"{_MONTH_OF[m[1][:3]]} {ordinal(int(m[2]))}",
    ),
    rule(
        rf"\b(?:the )?(\d{{1,2}})(?:st|nd|rd|th)?(?: of)? {_MONTH}",
        lambda m: f"the {ordinal(int(m[1]))} of {_MONTH_OF[m[2][:3]]}",
    ),
    rule(
        r"\b([01]?\d|2[0-3]):([0-5]\d)(?::([0-5]\d))?\b(?:\s?([ap])m\b)?",
        _time,
        re.IGNORECASE,
    ),
    rule(
        r"\b(1[0-2]|0?[1-9])\s?([ap])m\b",
        lambda m: f"{cardinal(int(m[1]))} {m[2].upper()} M",
        re.IGNORECASE,
    ),
    rule(r"\b(\d+):(\d+)\b", r"\1 to \2"),
    rule(
        rf"(?<![\w.,{_COIN}])(?:\+\d{{1,3}}[ .-]?)?\(\d{{2,5}}\)\s?\d{{3,4}}[ .-]?\d{{3,4}}\b"
        rf"|\+\d{{1,3}}[ .-]?{_GROUPS}\b|\+\d{{8,15}}\b"
        rf"|(?<![\w.,{_COIN}])(?:\d{{1,3}}[ -])?\d{{3}}([ .-])\d{{3,4}}\1\d{{3,4}}\b"
        rf"|(?<![\w.,{_COIN}-])\d{{3}}-\d{{4}}\b(?!-)|(?<![\w.,{_COIN}])\d{{10,}}\b(?![.,]\d)",
        _phone,
    ),
    rule(r"\b\d+(?:\.\d+){2,}\b", _points),
    rule(rf"(?P<coin>[{_COIN}])\s?{_AMOUNT}", _money),
    rule(rf"\b{_AMOUNT}\s?(?P<coin>[{_COIN}])", _money),
    rule(r"['’]?\b(\d{3}0|(?<=['’])\d0|(?<=the )\d0|(?<=his )\d0|(?<=her )\d0)['’]?s\b", _decade),
    rule(
        rf"(?<![\w.])({_NUM})(?:%?{_DASH}({_NUM}))?[\s-]?({_UNIT})(?![\w²³])(?:\.(?=\s[a-z]))?"
        rf"(?:/({'|'.join(sorted(PER, key=len, reverse=True))})\b)?",
        _quantity,
    ),
    rule(r"\s?²", " squared"),
    rule(r"\s?³", " cubed"),
    rule(r"\b(?:(\d{1,2}) )?(\d{1,3})/(\d{1,3})\b(?!/)", _fraction),
    rule(rf"(?<![\w.-])({_NUM}){_DASH}({_NUM})(?![\w-])", _range),
    rule(r"\b(\d+)(?:st|nd|rd|th)\b", lambda m: ordinal(int(m[1])) if len(m[1]) < 13 else m[0]),
    rule(r"(?<=\d)k\b", " thousand"),
    rule(r"(?<=\d)x\b", " times"),
    rule(r"(?<=[A-Za-z])-?(?=\d)|(?<=\d)(?=[A-Za-z])", " "),
    rule(r"(?<!\d)\.(\d+)\b", lambda m: f" point {digits(m[1])}"),
    rule(_NUM, lambda m: _alone(m[0])),
)
