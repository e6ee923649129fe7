"""Times of day and lengths of time: "9:30PM" is "nine thirty P M"."""

import re

from voice_gateway.language.en.numbers import DASH, cardinal, counted, letters
from voice_gateway.language.speakable.rules import Match, Rule, rule

_HALF = r"(?:\s?([AaPp])\.?[Mm]\b)"
_ZONE = r"(?:(?<=[Mm\d]) (EST|EDT|PST|PDT|CST|CDT|MST|MDT|ET|PT|UTC|GMT|IST|CET|CEST|BST)\b)"


def _clock(match: Match) -> str:
    hour, minute, second, half = int(match[1]), int(match[2]), match[3], match[4]
    said = cardinal(hour)
    if minute:
        said += f" {'oh ' if minute < 10 else ''}{cardinal(minute)}"
    elif not half:
        said += " o'clock" if 1 <= hour <= 12 else " hundred"
    if second and second != "00":
        said += f" and {counted(str(int(second)), 'second', 'seconds')}"
    return said + _half(half) + _zone(match[5])


def _half(half: str | None) -> str:
    return f" {half.upper()} M" if half else ""


def _zone(zone: str | None) -> str:
    return f" {letters(zone)}" if zone else ""


def _hours(match: Match) -> str:
    hours, minutes, seconds = match.groups()
    parts = ((hours, "hour"), (minutes, "minute"), (seconds, "second"))
    return " ".join(counted(amount, one, one + "s") for amount, one in parts if amount)


TIMES: tuple[Rule, ...] = (
    rule(r"\b24/7/365\b", "24 7 three sixty-five"),
    rule(r"\b(24/7|9/11)\b", lambda m: m[0].replace("/", " ")),
    rule(rf"\b(noon|midnight){DASH}(?=\d)", r"\1 to "),
    rule(rf"(?<=:\d\d){DASH}(?=\d)|(?<=[AaPp][Mm]){DASH}(?=\d|noon|midnight)", " to "),
    rule(rf"\b(\d{{1,2}}){DASH}(?=\d{{1,2}}(?::\d\d)?{_HALF})", r"\1 to "),
    rule(
        rf"\b([01]?\d|2[0-3]):([0-5]\d)(?::([0-5]\d))?(?:{_HALF}|\b)(?!:?\d){_ZONE}?",
        _clock,
        re.IGNORECASE,
    ),
    rule(
        rf"\b(1[0-2]|0?[1-9]){_HALF}{_ZONE}?",
        lambda m: cardinal(int(m[1])) + _half(m[2]) + _zone(m[3]),
    ),
    rule(
        r"\b(\d{1,3})\s?h(?:rs?)?\s?(\d{1,2})\s?m(?:ins?)?\b(?:\s?(\d{1,2})\s?s(?:ec)?\b)?", _hours
    ),
    rule(r"\b()(\d{1,3})m\s?(\d{1,2})s\b", _hours),
    rule(
        r"\b(\d{1,2})h(\d\d)\b", lambda m: f"{counted(m[1], 'hour', 'hours')} {cardinal(int(m[2]))}"
    ),
)
