"""Amounts with units: "3/4 lb of flour" is "three quarters of a pound of flour"."""

from voice_gateway.language.en.amounts import fraction
from voice_gateway.language.en.numbers import DASH, NUM, counted, number, pairs
from voice_gateway.language.en.units import PARTED, PER, UNITS
from voice_gateway.language.speakable.rules import Match, Rule, any_of, rule

_UNIT = any_of(UNITS)
_PER = rf"(?:\s?/\s?({any_of(PER)})(?![\w²³]))?"
_ENDS = r"(?![\w²³])(?:\.(?=\s[a-z]))?"
_NOT_DESCRIBED = "or|and|of|to|in|per|is|for|from|with|at|by|if|when|less|more"
_SCALE = "hundred|thousand|million|billion|trillion|lakh|crore"
_COMPASS = {"N": "north", "S": "south", "E": "east", "W": "west"}


def _quantity(match: Match) -> str:
    amount, upto, unit, per = match.groups()
    one, more = UNITS[unit]
    said = f"{number(amount)} to {number(upto)} {more}" if upto else counted(amount, one, more)
    return said + _per(per)


def _many(match: Match) -> str:
    amount, unit, per = match.groups()
    return f"{amount} {UNITS[unit][1]}" + _per(per)


def _per(per: str | None) -> str:
    return f" per {PER[per]}" if per else ""


def _described(match: Match) -> str:
    """An amount that describes what follows it is in the singular: "a ninety-degree angle"."""
    article, amount, unit = match.groups()
    return f"{article} {number(amount)}-{UNITS[unit][0]}"


def _part(match: Match) -> str:
    """A part of one unit: "two thirds of a teaspoon", "half an hour"."""
    whole, above, below, unit, per = match.groups()
    one, more = UNITS.get(unit) or (unit, unit + "s")
    if whole:
        return f"{number(whole)} and {fraction(above, below, whole=True)} {more}" + _per(per)
    article = "an" if one[0] in "aeio" or one == "hour" else "a"
    part = "half" if (above, below) == ("1", "2") else fraction(above, below) + " of"
    return f"{part} {article} {one}" + _per(per)


def _feet(match: Match) -> str:
    feet, inches = match.groups()
    return f"{counted(feet, 'foot', 'feet')} {counted(inches, 'inch', 'inches')}"


def _inches(match: Match) -> str:
    """A part of an inch, unless the mark closes a quotation."""
    if match.string.count('"') > 1:
        return match[0]
    return f"{fraction(match[1], match[2])} of an inch"


def _pressure(match: Match) -> str:
    return f"{pairs(match[1])} over {pairs(match[2])} {UNITS['mmHg'][1]}"


MEASURES: tuple[Rule, ...] = (
    rule(
        r"\b(\d)['′]\s?(\d{1,2})(?:[\"″”]|''|\b)", lambda m: f"{number(m[1])} foot {number(m[2])}"
    ),
    rule(r"\b(\d{1,2})\s?(?:ft|feet)\.?,?\s?(\d{1,2})\s?in(?:ches)?\b(?! [a-z])", _feet),
    rule(r"\b(\d{1,3})['′]\s?[x×]\s?(\d{1,3})['′]", r"\1 by \2 feet"),
    rule(r"(?<![\d./])(\d{1,2})/(\d{1,2})[\"″](?!\w)", _inches),
    rule(rf"\b(an?) ({NUM})[\"″](?= [A-Za-z])", lambda m: f"{m[1]} {number(m[2])}-inch"),
    rule(rf"(?<=\d)(\s?(?:{_UNIT}))?\s?[x×]\s?(?=\d+(?:\.\d+)?\s?(?:{_UNIT})\b)", r"\1 by "),
    rule(r"\b(\d{2,3})/(\d{2,3})\s?mm\s?Hg\b", _pressure),
    rule(
        rf"\b(\d{{1,4}}) (\d{{1,2}})/(\d{{1,2}})[\s-]?({_UNIT}|{any_of(PARTED)}){_ENDS}{_PER}",
        _part,
    ),
    rule(
        rf"(?<![\d./]())(\d{{1,2}})/(\d{{1,2}})[\s-]?({_UNIT}|{any_of(PARTED)}){_ENDS}{_PER}",
        _part,
    ),
    rule(rf"\b([Aa]n?) ({NUM})[\s-]?({_UNIT})(?=[ -](?!(?:{_NOT_DESCRIBED})\b)[a-z])", _described),
    rule(rf"({NUM})°\s?([NSEW])\b", lambda m: f"{number(m[1])} degrees {_COMPASS[m[2]]}"),
    rule(rf"(?<![\w.])({NUM})(?:\s?(?:%|°)?{DASH}({NUM}))?[\s-]?({_UNIT}){_ENDS}{_PER}", _quantity),
    rule(rf"\b({NUM} (?:{_SCALE}))[\s-]?({_UNIT}){_ENDS}{_PER}", _many),
    rule(r"\b(\d{3,4})p\b", lambda m: f"{pairs(m[1])} P"),
)
