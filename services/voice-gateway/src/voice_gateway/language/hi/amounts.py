"""Bare numbers: ordinals (5वाँ), fractions (आधा, डेढ़), ranges, ratios; whatever no rule has read."""

import re

from voice_gateway.language.hi.numbers import (
    DASH,
    ENDS,
    LETTER,
    NUM,
    alone,
    cardinal,
    digits,
    number,
    ordinal,
    with_quarters,
)
from voice_gateway.language.speakable.rules import Match, Rule, rule

_PARTS = {(1, 2): "आधा", (1, 4): "एक चौथाई", (3, 4): "तीन चौथाई"}
_FEMININE = (" की", " कक्षा", " क्लास", " बार", " सदी", " मंज़िल", " मंजिल", " पास")


def _fraction(match: Match) -> str:
    whole, above, below = int(match[1] or 0), int(match[2]), int(match[3])
    if whole and (above, below) in ((1, 2), (1, 4), (3, 4)):
        return with_quarters(whole, above * 4 // below)
    said = _part(above, below)
    return f"{cardinal(whole)} सही {said}" if whole else said


def _part(above: int, below: int) -> str:
    if said := _PARTS.get((above, below)):
        return said
    if below == 3 and above < 3:
        return f"{cardinal(above)} तिहाई"
    if above == below == 50:
        return "पचास पचास"
    if below in (10, 100) and above <= below:
        return f"{cardinal(below)} में से {cardinal(above)}"
    return f"{cardinal(above)} बटा {cardinal(below)}"


def _ordinal(match: Match) -> str:
    vowel = "ी" if match[2].endswith(("ी", "ीं")) else "े" if match[2].endswith(("े", "ें")) else "ा"
    return ordinal(int(match[1]), vowel)


def _latin_ordinal(match: Match) -> str:
    feminine = match.string.startswith(_FEMININE, match.end())
    return ordinal(int(match[1]), "ी" if feminine else "ा")


def _times(match: Match) -> str:
    """`2x` is "दो गुना", unless it stands in a formula."""
    return " x" if re.search(r"\dx\s*[-+=^²³]|(?<!\d)\bx\b", match.string) else " गुना"


AMOUNTS: tuple[Rule, ...] = (
    rule(rf"\b(\d{{1,4}})-?(व[ाीे][ँंः]?|[लरथठ][ाीे]){ENDS}", _ordinal),
    rule(r"\b(\d{1,4})(?:st|nd|rd|th)\b", _latin_ordinal),
    rule(r"\b(?:(\d{1,3}) )?(\d{1,3})/(\d{1,3})\b(?!/)", _fraction),
    rule(r"\b(\d+):(\d+)(?= (?:का|के) अनुपात)", lambda m: f"{number(m[1])} {number(m[2])}"),
    rule(r"\b(\d+):(\d+)\b", r"\1 अनुपात \2"),
    rule(r"\b(\d+)-(\d+)(?= से (?:जीत|हरा|हार|आगे|बराबर))", r"\1 \2"),
    rule(r"\b(\d{3,4})\s?[x×]\s?(\d{3,4})\b", lambda m: f"{alone(m[1])} बाई {alone(m[2])}"),
    rule(r"(?<=\d)x\b", _times),
    rule(rf"(?<![\w.-])({NUM}){DASH}({NUM})(?![\w-])", lambda m: f"{alone(m[1])} से {alone(m[2])}"),
    rule(r"(?<=[A-Za-z])-?(?=\d)|(?<=\d)(?=[A-Za-z])", " "),
    rule(rf"(?<={LETTER})-(?=\d)|(?<=\d)-?(?={LETTER})", " "),
    rule(r"(?<!\d)\.(\d+)\b", lambda m: f" दशमलव {digits(m[1])}"),
    rule(NUM, lambda m: alone(m[0])),
)
