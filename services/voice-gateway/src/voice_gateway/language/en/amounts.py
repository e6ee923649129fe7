"""Bare numbers: ordinals, fractions, ranges, ratios; whatever no other rule has read."""

import re

from voice_gateway.language.en.numbers import (
    DASH,
    NUM,
    alone,
    cardinal,
    digits,
    number,
    ordinal,
    plural,
)
from voice_gateway.language.speakable.rules import Match, Rule, rule


def fraction(above: str, below: str, *, whole: bool = False) -> str:
    """`3`, `4` is "three quarters"; behind a whole number, one half is "a half"."""
    over, under = int(above), int(below)
    if under < 2 or over >= under:
        return f"{cardinal(over)} over {cardinal(under)}"
    if under in (10, 100) and not whole:
        return f"{cardinal(over)} out of {cardinal(under)}"
    part = {2: "half", 4: "quarter"}.get(under) or ordinal(under)
    if over > 1:
        return f"{cardinal(over)} {plural(part)}"
    return f"{'a' if whole else 'one'} {part}"


def _fraction(match: Match) -> str:
    whole, above, below = match.groups()
    said = fraction(above, below, whole=bool(whole))
    return f"{number(whole)} and {said}" if whole else said


def _halves(match: Match) -> str:
    """`50/50` and `80/20` are shares, and add up to a hundred."""
    first, second = int(match[1]), int(match[2])
    if first + second != 100 and (first, second) != (20, 20):
        return match[0]
    return f"{cardinal(first)}{'-' if first == second else ' '}{cardinal(second)}"


def _scientific(match: Match) -> str:
    sign = "minus " if match[2] == "-" else ""
    return f"{number(match[1])} times ten to the power of {sign}{cardinal(int(match[3]))}"


def _ordinal(match: Match) -> str:
    amount = match[1].replace(",", "")
    return ordinal(int(amount)) if len(amount) < 13 else match[0]


def _times(match: Match) -> str:
    """`2x` is "two times", unless there is an x of its own in the text."""
    return " x" if re.search(r"\bx\b", match.string) else " times"


def _or_next(match: Match) -> str:
    """`Windows 10/11` are two that follow each other, not ten elevenths."""
    first, second = int(match[2]), int(match[3])
    return f"{match[1]} {first} or {second}" if second == first + 1 else match[0]


AMOUNTS: tuple[Rule, ...] = (
    rule(r"\b(\d+(?:\.\d+)?)e([+-]?)(\d{1,3})\b", _scientific),
    rule(r"\b([A-Z]\w+) (\d{1,2})/(\d{1,2})\b(?= [a-z])", _or_next),
    rule(r"\b(\d\d)/(\d\d)\b(?!/)", _halves),
    rule(r"\b(\d+\.\d+)/(?=\d)", r"\1 out of "),
    rule(r"\b(?:(\d{1,4}) )?(\d{1,3})/(\d{1,3})\b(?!/)", _fraction),
    rule(r"(?<=\d[a-z]{2})/(?=\d+(?:st|nd|rd|th)\b)", " or "),
    rule(r"\b(\d{1,3}(?:,\d{3})+|\d+)(?:st|nd|rd|th)\b", _ordinal),
    rule(r"\b(\d+):(\d+)\b", r"\1 to \2"),
    rule(r"\b(\d+)[-–](\d+)x\b", r"\1 to \2 times"),
    rule(rf"(?<![\w.-])({NUM}){DASH}({NUM})(?![\w-])", lambda m: f"{alone(m[1])} to {alone(m[2])}"),
    rule(r"(?<=\d)x(?=\s*[-+=^²³<>≤≥])", " x"),
    rule(r"(?<=\dk)[-–](?=\d)", " to "),
    rule(r"(?<=\d)k\b", " thousand"),
    rule(
        r"(?<=\d)([MB])(?= (?!is|was|has|as|this)[a-z]+s\b| people\b)",
        lambda m: " million" if m[1] == "M" else " billion",
    ),
    rule(r"(?<=\d)x\b", _times),
    rule(r"(?<=\d)\+(?=\s[a-z]|$|[.,;!?])", " plus"),
    rule(r"(?<=[A-Za-z])-?(?=\d)|(?<=\d)(?=[A-Za-z])", " "),
    rule(r"(?<!\d)\.(\d+)\b", lambda m: f" point {digits(m[1])}"),
    rule(NUM, lambda m: alone(m[0])),
)
