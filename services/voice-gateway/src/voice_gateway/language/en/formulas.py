"""Formulas and signs: "√16 = 4" is "the square root of sixteen equals four"."""

import re

from voice_gateway.language.en.units import PER
from voice_gateway.language.speakable.rules import Match, Rule, any_of, rule

_HALVES = {
    **{"½": "1/2", "⅓": "1/3", "⅔": "2/3", "¼": "1/4", "¾": "3/4", "⅕": "1/5", "⅖": "2/5"},
    **{"⅗": "3/5", "⅘": "4/5", "⅛": "1/8", "⅜": "3/8", "⅝": "5/8", "⅞": "7/8"},
}
_SPACED = {
    "−": "minus",
    "±": "plus or minus",
    "÷": "divided by",
    "√": "the square root of",
    "∛": "the cube root of",
    "∜": "the fourth root of",
    "∞": "infinity",
    "⁄": "over",
    "∈": "in",
    "∉": "not in",
    "∪": "union",
    "∩": "intersection",
    "⊂": "subset of",
    "∀": "for all",
    "∃": "there exists",
    "∂": "partial",
    "∠": "angle",
    "№": "number ",
    "§": "section ",
    "•": ",",
}
_GREEK = dict(
    zip(
        "αβγδεζηθικλμνξπρστυφχψωΓΔΘΛΞΠΣΦΨΩ",
        (
            "alpha beta gamma delta epsilon zeta eta theta iota kappa lambda mu nu xi pi rho sigma "
            "tau upsilon phi chi psi omega gamma delta theta lambda xi pi sigma phi psi omega"
        ).split(),
        strict=True,
    )
)
_SMALL = str.maketrans("⁰¹²³⁴⁵⁶⁷⁸⁹⁺⁻ⁿ₀₁₂₃₄₅₆₇₈₉", "0123456789+-n0123456789")
_FUNCTIONS = {"sin": "sine", "cos": "cosine", "tan": "tangent", "log": "log", "ln": "natural log"}
_GREEK_ALONE = r"(?<![\u0370-\u03ff])"

# These come before numbers are read, as they change what a digit beside them means.
FORMULA_SIGNS: tuple[Rule, ...] = (
    rule(r"[∑∏∫]\(([^()…]{1,40})…([^()]{1,20})\)", lambda m: _from_to(m)),
    rule(r"∣([^∣\s][^∣]{0,20})∣", r" the absolute value of \1 "),
    rule(r"\s?∣\s?", " given "),
    rule(r"\blim\(([^()→]{1,20})→([^()]{1,20})\)", r" the limit as \1 approaches \2 of "),
    rule(r"\blog([₀-₉]+)\s?", lambda m: f"log base {m[1].translate(_SMALL)} of "),
    rule(r"([A-Za-z])\u0302", r"\1 hat"),
    rule(r"([A-Za-z])\u0304", r"\1 bar"),
    rule(r"([A-Za-z])\u20d7", r"vector \1"),
    rule(rf"\s?([{''.join(_HALVES)}])", lambda m: f" {_HALVES[m[1]]}"),
    rule(r"°\s?(?=±)", "° "),
    rule(r"±\s?(?=[\d.])", " plus or minus "),
    rule(r"×\s?10([⁻⁺]?[⁰¹²³⁴-⁹]+)", lambda m: f"× 10^{m[1].translate(_SMALL)}"),
    rule(r"[⁰¹²³⁴-⁹⁻⁺ⁿ]{2,}|(?<=\d)[⁰¹⁴-⁹ⁿ]|[ⁿ⁴-⁹]", lambda m: f"^{_power(m[0])}"),
    rule(r"[₀-₉]+", lambda m: f" {m[0].translate(_SMALL)} "),
    rule(r"(?<=[\w)²³°]) ?≈ ?", " is about "),
    rule(r"≈\s?", "about "),
    rule(rf"\s?([{''.join(_SPACED)}])\s?", lambda m: f" {_SPACED[m[1]]} "),
    rule(
        rf"({any_of(_FUNCTIONS)}) ?\(?(?=[{''.join(_GREEK)}])", lambda m: f"{_FUNCTIONS[m[1]]} of "
    ),
    rule(rf"{_GREEK_ALONE}([{''.join(_GREEK)}])(?![\u0370-\u03ff])", lambda m: f" {_GREEK[m[1]]} "),
)


def _power(small: str) -> str:
    plain = small.translate(_SMALL)
    return f"({plain.replace('+', ' + ').replace('-', ' minus ').strip()})"


def _from_to(match: Match) -> str:
    name = {"∑": "sum", "∏": "product", "∫": "integral"}[match[0][0]]
    return f"the {name} from {match[1]} to {match[2]} of "


FORMULAS: tuple[Rule, ...] = (
    rule(r"\b([fgh])['′]\(([^()]{1,20})\)", r"\1 prime of \2"),
    rule(r"\b([fghOP])\(([^()]{1,20})\)", r"\1 of \2"),
    rule(r"\b(1)/([a-z])\b(?! [a-z])", r"\1 over \2"),
    rule(
        rf"\b({any_of(_FUNCTIONS)})\(([^()]{{1,20}})\)", lambda m: f"{_FUNCTIONS[m[1]]} of {m[2]}"
    ),
    rule(r"~\s?(?=[$€£₹]?\d)", "about "),
    rule(r"(?:^|(?<=[a-z]{2} )|(?<=\())<\s?(?=[$€£₹]?\d)", "less than "),
    rule(r"(?:^|(?<=[a-z]{2} )|(?<=\())>\s?(?=[$€£₹]?\d)", "more than "),
    rule(r"(?<=\d)!(?=\s?=)", " factorial"),
    rule(r"#\s?(?=\d)", "number "),
    rule(r"(?<=\d)\s?[*×·]\s?(?=\d)|(?<=\d) x (?=\d+\s?=)", " times "),
    rule(r"\^\(?2\)?(?![\w)])", "²"),
    rule(r"\^\(?3\)?(?![\w)])", "³"),
    rule(r"\s?\^\s?\(([^()]+)\)", r" to the power of \1"),
    rule(r"\s?\^\s?[{]?(-?\w+)[}]?", r" to the power of \1"),
    rule(r"(^|[\s(=])-(?=[$€£₹¥]?\.?\d)", r"\1minus "),
    rule(r"(?:(?<=[\d²³)])|(?<=\b[a-z])) - (?=[\da-z(][^=]{0,40}=)", " minus "),
)
POWERS: tuple[Rule, ...] = (
    rule(r"\s?²", " squared "),
    rule(r"\s?³", " cubed "),
    rule(r"(?<=\d)x(?=\d)", " by "),
)

_SIGNS = {
    "&": "and",
    "+": "plus",
    "=": "equals",
    "@": "at",
    "%": "percent",
    "×": "times",
    "*": "times",
    "→": "to",
    "°": "degrees",
}
_RELATIONS = {
    "<": "less than",
    ">": "greater than",
    "≤": "less than or equal to",
    "≥": "greater than or equal to",
    "≠": "not equal to",
}

SIGNS: tuple[Rule, ...] = (
    rule(r"\b([CFJ])#", r"\1 sharp"),
    rule(r"(?<!\w)#(?=[A-Za-z])", "hashtag "),
    rule(r"->|=>", " to "),
    rule(r"<=", "≤"),
    rule(r">=", "≥"),
    rule(r"!=", "≠"),
    rule(r"(?<=[a-z]) > (?=[A-Z][a-z])", ", "),
    # Between two sides it is a sentence: "x is less than five".
    rule(r"(?<=[\w)])(?: is\b)?\s?([<>≤≥≠])\s?", lambda m: f" is {_RELATIONS[m[1]]} "),
    rule(r"([<>≤≥≠])\s?", lambda m: f"{_RELATIONS[m[1]]} "),
    rule(r"={2,}", "="),
    rule(r"\bd([a-z])/d([a-z])\b", r"d\1 over d\2"),
    rule(rf"/({any_of(each for each in PER if len(each) > 1)})\b", lambda m: f" per {PER[m[1]]}"),
    rule(r"\b[Ww]/o\b", "without"),
    rule(r"\b[Ww]/(?=\s|\w)", "with "),
    rule(r"\s*/\s*", " "),
    rule(r"\s--+\s", ", "),
    rule(rf"\s?([{re.escape(''.join(_SIGNS))}])\s?", lambda m: f" {_SIGNS[m[1]]} "),
    rule(r" +([.,;:!?)])", r"\1"),
)
ANY_SIGN = re.compile(r"[&+=@%×*<>≤≥≠→°/#]|--|->| [.,;:!?)]")
