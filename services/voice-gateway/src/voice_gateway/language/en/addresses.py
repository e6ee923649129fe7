"""Rules for web and mail addresses, file names and abbreviations."""

import re

from voice_gateway.language.en.rules import Match, Rule, full_stop, rule
from voice_gateway.language.en.tables import ABBREVIATIONS, TITLES

_ENDINGS = "com|org|net|edu|gov|io|ai|dev|app|info|co|uk|de|fr|eu|ca|au|nz|ch|tv"


def _address(match: Match) -> str:
    """Spell the host and the path; the query and the fragment are left out."""
    whole = match.group()
    address = whole.rstrip(".,;:!?")
    spelt = re.sub(r"^(?:https?://|mailto:)?(?:www\.)?|[?#].*$", "", address).rstrip("/")
    for sign, name in (("@", "at"), (".", "dot"), ("/", "slash"), ("-", "dash"), ("+", "plus")):
        spelt = spelt.replace(sign, f" {name} ")
    spelt = spelt.replace("_", " underscore ").replace("%20", " ")
    return " ".join(spelt.split()) + whole[len(address) :]


def _letters(match: Match) -> str:
    """Spell `U.S.`; its last point stays if it also ends the text."""
    return " ".join(match.group().replace(".", "").upper()) + full_stop(match)


def _abbreviation(match: Match) -> str:
    words = ABBREVIATIONS[match.group(1).lower()]
    followed = match.string[match.end() : match.end() + 1]
    if followed in {",", ":", ")"}:
        words = words.rstrip(",")
    return words + full_stop(match)


ADDRESSES: tuple[Rule, ...] = (
    rule(r"\b[\w.+-]+@[\w-]+(?:\.[\w-]+)+", _address),
    rule(r"\b(?:https?://|www\.)[^\s<>()\"']+", _address),
    rule(rf"\b(?:[A-Za-z0-9-]+\.)+(?:{_ENDINGS})\b(?:/[^\s<>()\"']*)?(?!\.\w)", _address),
)
ABBREVIATED: tuple[Rule, ...] = (
    rule(rf"\b({'|'.join(map(re.escape, ABBREVIATIONS))})\.", _abbreviation, re.IGNORECASE),
    rule(rf"\b({'|'.join(TITLES)})\.(?=\s[A-Z])", lambda m: TITLES[m.group(1)]),
    rule(r"\bvs\b", "versus"),
    rule(r"\bNo\.\s?(?=\d)", "number "),
    rule(r"\b([Ff])ig\.\s?(?=\d)", r"\1igure "),
    rule(r"(?<=\d)\s?([ap])\.\s?m\b\.?", lambda m: f" {m[1]}m" + full_stop(m), re.IGNORECASE),
    rule(r"\b(?:[A-Za-z]\.){2,}(?!\w)", _letters),
    rule(r"(?<=\w)\.(?=[a-z]\w*\b)", " dot "),
)
