"""Titles, initials, abbreviations and Roman numerals: "Henry VIII" is "Henry the eighth"."""

import re

from voice_gateway.language.en.numbers import cardinal, letters, ordinal, roman
from voice_gateway.language.speakable.rules import Match, Rule, any_of, full_stop, rule

# The keys are written without the last point.
_ABBREVIATIONS = {
    "e.g": "for example,",
    "i.e": "that is,",
    "a.k.a": "also known as",
    "etc": "et cetera",
    "et al": "et al",
    "vs": "versus",
    "approx": "approximately",
    "dept": "department",
    "incl": "including",
    "excl": "excluding",
    "avg": "average",
    "max": "maximum",
    "jr": "Junior",
    "sr": "Senior",
    "ph.d": "P H D",
    "inc": "Incorporated",
    "ltd": "Limited",
    "corp": "Corporation",
    "bros": "Brothers",
}
_TITLES = {
    "Dr": "Doctor",
    "Mr": "Mister",
    "Mrs": "Missus",
    "Ms": "Ms",
    "Prof": "Professor",
    "St": "Saint",
    "Mt": "Mount",
    "Ft": "Fort",
    "Gen": "General",
    "Capt": "Captain",
    "Col": "Colonel",
    "Maj": "Major",
    "Lt": "Lieutenant",
    "Sgt": "Sergeant",
    "Sen": "Senator",
    "Rep": "Representative",
    "Gov": "Governor",
    "Pres": "President",
    "Rev": "Reverend",
    "Hon": "Honorable",
}
_RULERS = (
    "Henry Louis George Elizabeth Charles Paul Edward James William Richard Philip Benedict Pius "
    "Leo Francis Alexander Catherine Ivan Napoleon Frederick Peter Nicholas Gregory Innocent Mary "
    "Ferdinand Carlos Felipe Gustav Ramses Darius Xerxes Cleopatra"
).split()
_CROWNED = "King Queen Pope Emperor Tsar Czar Prince".split()
_COUNTED = (
    "War Chapter Part Volume Vol Act Scene Section Book Type Phase Title Article Bowl Level Class "
    "Stage Appendix Rocky Episode Mark"
).split()
# Behind most names a lone "I" is the speaker: "Peter I know".
_NUMERAL = r"(?:[IVX]{2,}|[VX])"


def _abbreviation(match: Match) -> str:
    short = match[1]
    words = _ABBREVIATIONS[short.lower()]
    followed = match.string[match.end() : match.end() + 1]
    if followed in {",", ":", ")"}:
        words = words.rstrip(",")
    if short[0].isupper() and words[0].islower():
        words = words.capitalize()
    return words + full_stop(match)


def _spelled(match: Match) -> str:
    """Spell `U.S.`; its last point stays if it also ends the text."""
    return letters(match[0]) + full_stop(match)


def _initials(match: Match) -> str:
    return letters(match[0]) + " "


def _regnal(match: Match) -> str:
    return f"{match[1]} the {ordinal(roman(match[2]))}"


def _counted(match: Match) -> str:
    return f"{match[1]} {cardinal(roman(match[2]))}"


NAMES: tuple[Rule, ...] = (
    rule(rf"\b({any_of(_ABBREVIATIONS)})\.", _abbreviation, re.IGNORECASE),
    rule(rf"\b({any_of(_TITLES)})\.(?=\s[A-Z]|\sand\s(?:Mrs|Ms|Dr)\b)", lambda m: _TITLES[m[1]]),
    rule(r"\bCo\.", lambda m: "Company" + full_stop(m)),
    rule(r"(?<!\d )\bmin\.(?= \d)", "minimum"),
    rule(r"\bNo\.\s?(?=\d)", "number "),
    rule(r"(?<=\d)\s?([ap])\.\s?m\b\.?", lambda m: f" {m[1]}m" + full_stop(m), re.IGNORECASE),
    rule(r"\b(?:[A-Z]\.\s?)+(?=[A-Z][a-z])", _initials),
    rule(r"\b(?:[A-Za-z]\.){2,}(?!\w)", _spelled),
)
ROMAN: tuple[Rule, ...] = (
    rule(rf"\b((?:{any_of(_CROWNED)}) [A-Z][a-z]+) (I)\b(?!['’])", _regnal),
    rule(rf"\b({any_of(_RULERS)}) ({_NUMERAL})\b(?!['’]|\.\w)", _regnal),
    rule(r"\b(World War|Type|Phase) (I)\b(?!['’])", _counted),
    rule(rf"\b({any_of(_COUNTED)}) ({_NUMERAL}|[IVX]*L[IVX]*)\b(?!['’])", _counted),
)
VERSUS: Rule = rule(r"\bvs\b", "versus")
