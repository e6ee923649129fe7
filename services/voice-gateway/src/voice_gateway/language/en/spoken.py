"""Writes English numbers, dates, money, units, addresses, abbreviations and signs as words.

The order of the rules matters: specific ones (a date, a price) come before general ones (a number).
"""

import re

from voice_gateway.language.en.addresses import ABBREVIATED, ADDRESSES
from voice_gateway.language.en.figures import figures
from voice_gateway.language.en.rules import Rule, apply, rule
from voice_gateway.language.en.tables import FORMULA_SIGNS, PER, SIGNS

_MONTH_FIRST = {"", "us"}  # 3/4/2025 is in March
_DIGIT = re.compile(r"[0-9]")
_FORMULA_SIGN = re.compile("|".join(FORMULA_SIGNS))
_ANY_SIGN = re.compile(r"[&+=@%×*<>≤≥≠→°/#]|--|->")
_SIGNS: tuple[Rule, ...] = (
    rule(r"\b([CFJ])#", r"\1 sharp"),
    rule(r"->|=>", " to "),
    rule(r"<=", " less than or equal to "),
    rule(r">=", " greater than or equal to "),
    rule(r"!=", " not equal to "),
    rule(r"={2,}", "="),
    rule(rf"/({'|'.join(PER)})\b", r" per \1"),
    rule(r"\b[Ww]/o\b", "without"),
    rule(r"\b[Ww]/(?=\s|\w)", "with "),
    rule(r"\s*/\s*", " "),
    rule(r"\s--+\s", ", "),
    rule(rf"\s?([{re.escape(''.join(SIGNS))}])\s?", lambda match: f" {SIGNS[match[1]]} "),
    rule(r" +([.,;:!?)])", r"\1"),
)


def spoken(text: str, region: str) -> str:
    """Return `text` as an English voice of `region` is to read it."""
    if "." in text or "@" in text:
        text = apply(ABBREVIATED, apply(ADDRESSES, text))
    if not text.isascii():
        text = _FORMULA_SIGN.sub(lambda sign: FORMULA_SIGNS[sign.group()], text)
    if _DIGIT.search(text):
        text = figures(text, day_first=region not in _MONTH_FIRST)
    return apply(_SIGNS, text) if _ANY_SIGN.search(text) else text
