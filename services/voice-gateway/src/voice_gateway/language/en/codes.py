"""Numbers that name something: telephones, cards, ZIP codes, flights, versions, houses, pages."""

import re

from voice_gateway.language.en.money import COIN_SIGNS
from voice_gateway.language.en.numbers import alone, digits, grouped, letters, number, pairs
from voice_gateway.language.speakable.rules import Match, Rule, any_of, full_stop, rule

_FREE = rf"(?<![\w.,{COIN_SIGNS}-])"
_GROUPS = r"(?:\d{2,5}[ .-]){1,3}\d{3,6}"
_PHONE = (
    rf"(?<![\w.,{COIN_SIGNS}])(?:\+\d{{1,3}}[ .-]?)?\(\d{{2,5}}\)\s?\d{{3,4}}[ .-]?\d{{3,4}}\b"
    rf"|\+\d{{1,3}}[ .-]?{_GROUPS}\b|\+\d{{8,15}}\b"
    rf"|(?<![\w.,{COIN_SIGNS}])(?:\d{{1,3}}[ -])?\d{{3}}([ .-])\d{{3,4}}\1\d{{3,4}}\b"
    rf"|{_FREE}\d{{3}}-\d{{4}}\b(?!-)|(?<![\w.,{COIN_SIGNS}])\d{{10,}}\b(?![.,]\d)"
)
_CARD = rf"{_FREE}\d{{4}}(?:([ -])\d{{4}}(?:\1\d{{4}}){{1,2}}|[ -]\d{{6}}[ -]\d{{5}})\b"
_STATES = (
    "AL AK AZ AR CA CO CT DE FL GA HI ID IL IN IA KS KY LA ME MD MA MI MN MS MO MT NE NV NH NJ NM "
    "NY NC ND OH OK OR PA RI SC SD TN TX UT VT VA WA WV WI WY DC"
).split()
# What these name is read digit by digit.
_SECRET = "code PIN OTP passcode ZIP zip postcode account SSN".split()
_FILED = "order ticket reference tracking confirmation booking case policy invoice account".split()
_COUNTED = " (?:lines|dollars|times|people|users|items|bytes|euros|pounds)"
_LINK = r"(?:(?: code| number| no\.?| ending)?(?: is| was| in)?:? ?#?)"
# What these name is read in pairs.
_IN_PAIRS = (
    "room Room suite Suite flight Flight route Route highway Highway Interstate Boeing Airbus "
    "error Error Box bus Bus"
).split()
_STREETS = {
    "Ave": "Avenue",
    "Blvd": "Boulevard",
    "Rd": "Road",
    "St": "Street",
    "Dr": "Drive",
    "Ln": "Lane",
    "Ct": "Court",
    "Pkwy": "Parkway",
    "Hwy": "Highway",
}
_NEVER_SAINT = any_of(each for each in _STREETS if each not in ("St", "Dr"))
_NAME = r"(?:[A-Z][a-z]+|\d+(?:st|nd|rd|th))"
_STREET = rf"({any_of(_STREETS)})\b\.?(?!\.?\s[A-Z][a-z])"
_PARTS = {
    "pp": "pages",
    "p": "page",
    "ch": "chapter",
    "vol": "volume",
    "sec": "section",
    "fig": "figure",
    "apt": "apartment",
    "no": "number",
    "nos": "numbers",
    "nr": "number",
    "ext": "extension",
}


def _phone(match: Match) -> str:
    if _is_range(match[0]):
        return match[0]
    plus = "plus " if match[0].startswith("+") else ""
    return plus + grouped(match[0])


def _is_range(text: str) -> bool:
    """`500-1000` counts something."""
    ends = text.split("-")
    return len(text) == 8 and len(ends) == 2 and not any(int(end) % 50 for end in ends)


def _points(match: Match) -> str:
    """Read a version, or an IP address."""
    parts = match[1].split(".")
    said = (" dot " if len(parts) == 4 else " point ").join(map(number, parts))
    return said + (f" colon {digits(match[2])}" if match[2] else "")


def _spelled(match: Match) -> str:
    return letters(match[0])


def _flight(match: Match) -> str:
    return f"{match[1]} {letters(match[2])} {pairs(match[3])}"


def _in_pairs(match: Match) -> str:
    return " ".join((match[1], *map(pairs, filter(None, match.groups()[1:]))))


def _house(match: Match) -> str:
    number_of, letter, street, kind = match.groups()
    letter = f" {letter}" if letter else ""
    return f"{_pairs(number_of)}{letter} {street} {_STREETS[kind]}" + _point(match)


def _pairs(text: str) -> str:
    return pairs(text) if len(text) < 5 else digits(text)


def _street(match: Match) -> str:
    return f"{match[1]} {_STREETS[match[2]]}" + _point(match)


def _point(match: Match) -> str:
    return full_stop(match) if match[0].endswith(".") else ""


def _part(match: Match) -> str:
    word = _PARTS[match[1].lower()]
    return (
        word.capitalize() if match[1][0].isupper() and not word.startswith("number") else word
    ) + " "


# These need their points, so they come before abbreviations are read.
PLACES: tuple[Rule, ...] = (
    rule(rf"\b(\d{{1,5}})([A-Z])? ({_NAME}(?: [A-Z][a-z]+)*) {_STREET}", _house),
    rule(rf"\b({_NAME}) ({_NEVER_SAINT})\b\.?", _street),
    rule(rf"\b({_NAME}) (St|Dr)\.(?=\s*$|,|\s[a-z])", _street),
    rule(r"(?<=\d )pp\.", "pages"),
    rule(r"\bP\.\s?O\.(?= Box)", "P O"),
    rule(rf"\b({any_of(_PARTS)})\.\s?(?=\d)", _part, re.IGNORECASE),
)
CODES: tuple[Rule, ...] = (
    rule(r"\bISBN(?:-1[03])?:? ?([\d-]{9,16}[\dX])", lambda m: "ISBN " + grouped(m[1])),
    rule(_CARD, _phone),
    rule(rf"{_FREE}\d{{3}}-\d\d-\d{{4}}\b", _phone),
    rule(
        rf"\b((?:{any_of(_SECRET)})s?\b{_LINK})(\d{{3,}}(?:-\d{{3,}})*)\b(?![.,]\d|{_COUNTED})",
        lambda m: m[1] + grouped(m[2]),
    ),
    rule(r"(\bending (?:in|with) )(\d{3,6})\b", lambda m: m[1] + digits(m[2])),
    rule(
        rf"(\b(?:{any_of(_FILED)}) (?:number|no\.?|ID|#)(?: is)?:? ?#?)(\d{{3,}})\b",
        lambda m: m[1].replace("#", "number ") + digits(m[2]),
        re.IGNORECASE,
    ),
    rule(rf"(\b(?:{'|'.join(_STATES)}) )(\d{{5}}(?:-\d{{4}})?)\b", lambda m: m[1] + grouped(m[2])),
    rule(r"(?<=[Cc]all )\d{3}\b(?![-.,:/]?\d)|(?<=[Dd]ial )\d{3}\b(?![-.,:/]?\d)", _phone),
    rule(_PHONE, _phone),
    rule(r"\b(extension )(\d{2,5})\b", lambda m: m[1] + digits(m[2])),
    rule(r"\b(?=[A-Z]*\d)(?=\d*[A-Z])[A-Z\d]{8,}\b", _spelled),
    rule(r"\b(?=[A-Z\d]{5,}\b)(?:[A-Z]+\d+[A-Z]|\d+[A-Z]+\d)[A-Z\d]*\b", _spelled),
    rule(r"#(?=[A-Z]{1,3}-?\d)", "number "),
    rule(r"\b(7[0-8]7|3[0-8]0)-(\d{3})\b", lambda m: f"{pairs(m[1])} {pairs(m[2])}"),
    rule(r"\b(40[13])\(?([bk])\)?(?!\w)", lambda m: f"{pairs(m[1])} {m[2].upper()}"),
    rule(r"\b([Ff]light) ([A-Z]{2}|[A-Z]\d|\d[A-Z]) ?(\d{1,4})\b", _flight),
    rule(
        rf"\b({any_of(_IN_PAIRS)}) (\d{{3,4}})(?:-(\d{{3}}))?\b(?![.,:]\d)",
        _in_pairs,
    ),
    rule(r"\bI-(\d{1,3})\b", lambda m: f"I {pairs(m[1])}"),
    rule(r"\b([Vv])ersion v\.?\s?(?=\d)", r"\1ersion "),
    rule(r"\bv\.?(?=\d+\b)", "version "),
    rule(r"\b(\d+(?:\.\d+){2,})(?::(\d+))?\b", _points),
    rule(r"\b0x([0-9A-Fa-f]+)\b", lambda m: f"zero x {' '.join(m[1])}"),
    rule(r"\b(\d{4})x(?=\d{3,4}\b)", lambda m: f"{alone(m[1])} by "),
)
