"""Times of day: 9:30 is "साढ़े नौ बजे", 10:05 "दस बजकर पाँच मिनट पर", 9:30 PM "रात साढ़े नौ बजे"."""

from voice_gateway.language.hi.numbers import DASH, ENDS, cardinal, with_quarters
from voice_gateway.language.speakable.rules import Match, Rule, rule

_PART_OF_DAY = r"(?:(सुबह|सवेरे|तड़के|दोपहर|शाम|रात|रात के|शाम के|दिन के) )?"
_HALF = r"\s?([AaPp])\.?[Mm]\b\.?"
_HOUR_WORD = rf"(?: बजे{ENDS})?(?: पर{ENDS})?"
_GO_ON = (" से", " तक", " के", " का", " की")
_QUARTERS = {15: 1, 30: 2, 45: 3}


def _part_of_day(hour: int) -> str:
    if 4 <= hour < 12:
        return "सुबह"
    if 12 <= hour < 16:
        return "दोपहर"
    return "शाम" if 16 <= hour < 20 else "रात"


def _said(hour: int, minute: int, *, goes_on: bool) -> str:
    """An hour from 1 to 12 with its minutes."""
    if minute in _QUARTERS:
        before = 0 if (hour, minute) == (12, 45) else hour  # it is "पौने एक"
        return f"{with_quarters(before, _QUARTERS[minute])} बजे"
    if minute:
        return f"{cardinal(hour)} बजकर {cardinal(minute)} मिनट" + ("" if goes_on else " पर")
    return f"{cardinal(hour)} बजे"


def _clock(match: Match) -> str:
    """The part of the day is said where the text has it, or where am, pm or 24 hours imply it."""
    part, hour, minute, half = match[1], int(match[2]), int(match[3] or 0), match[4]
    if half:
        hour = hour % 12 + (12 if half in "Pp" else 0)
    if half or hour > 12 or hour == 0:
        part = part or _part_of_day(hour)
    goes_on = match.string.startswith(_GO_ON, match.end())
    said = _said(hour % 12 or 12, minute, goes_on=goes_on)
    return f"{part} {said}" if part else said


TIMES: tuple[Rule, ...] = (
    rule(r"\b24\s?[x×/]\s?7\b", "चौबीस घंटे सातों दिन"),
    rule(rf"(?<=:\d\d){DASH}(?=\d{{1,2}}:\d\d)|(?<=[AaPp][Mm]){DASH}(?=\d)", " से "),
    rule(
        rf"{_PART_OF_DAY}(?<![\d:.])([01]?\d|2[0-3]):([0-5]\d)(?![:\d])(?:{_HALF})?{_HOUR_WORD}",
        _clock,
    ),
    rule(rf"{_PART_OF_DAY}(?<![\d:.,])(1[0-2]|0?[1-9])(){_HALF}{_HOUR_WORD}", _clock),
)
