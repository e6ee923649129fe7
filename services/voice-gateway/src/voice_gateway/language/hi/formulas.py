"""Formulas and signs: "√16" is "सोलह का वर्गमूल", "10^8" "दस की घात आठ"."""

import re

from voice_gateway.language.hi.measures import PER
from voice_gateway.language.hi.numbers import LETTER, NUM
from voice_gateway.language.speakable.rules import Rule, any_of, rule

_HALVES = {"½": "1/2", "⅓": "1/3", "⅔": "2/3", "¼": "1/4", "¾": "3/4", "⅛": "1/8"}
_SMALL = str.maketrans("⁰¹²³⁴⁵⁶⁷⁸⁹⁺⁻ⁿ₀₁₂₃₄₅₆₇₈₉", "0123456789+-n0123456789")
_OPERAND = r"(\w+(?:\.\w+)?|\([^()]*\))"

# These come before numbers are read, as they change what a digit beside them means.
FORMULA_SIGNS: tuple[Rule, ...] = (
    rule(rf"\s?([{''.join(_HALVES)}])", lambda m: f" {_HALVES[m[1]]}"),
    rule(rf"√\s?{_OPERAND}", r"\1 का वर्गमूल"),
    rule(rf"∛\s?{_OPERAND}", r"\1 का घनमूल"),
    rule(r"∣([^∣\s][^∣]{0,20})∣", r"\1 का निरपेक्ष मान"),
    rule(r"[⁰¹²³⁴-⁹⁻⁺ⁿ]{2,}|(?<=\d)[⁰¹⁴-⁹ⁿ]|[ⁿ⁴-⁹]", lambda m: f"^{m[0].translate(_SMALL)}"),
    rule(r"[₀-₉]+", lambda m: f" {m[0].translate(_SMALL)} "),
    rule(r"\s?≥\s?", " से अधिक या बराबर "),
)
FORMULAS: tuple[Rule, ...] = (
    rule(r"(?:~|≈)\s?(?=[₹$€£]?\d)", "लगभग "),
    rule(rf"(?:^|(?<=\s)|(?<=\())>\s?({NUM})", r"\1 से अधिक"),
    rule(rf"(?:^|(?<=\s)|(?<=\())<\s?({NUM})(?! \w)", r"\1 से कम"),
    rule(rf"\b({NUM})\+(?=\s{LETTER})", r"\1 से अधिक"),
    rule(rf"(?<!\w){_OPERAND} ?< ?{_OPERAND}", r"\1 \2 से कम"),
    rule(rf"(?<!\w){_OPERAND} ?> ?{_OPERAND}", r"\1 \2 से अधिक"),
    rule(r"#\s?(?=\d)", "नंबर "),
    rule(r"\^\(?2\)?(?![\w)])", "²"),
    rule(r"\^\(?3\)?(?![\w)])", "³"),
    rule(r"\s?\^\s?[({]?(-?\w+)[)}]?", r" की घात \1"),
    rule(r"(^|[\s(=])-(?=[₹$€£¥]?\.?\d)", r"\1माइनस "),
    rule(r"(?<=\d) - (?=\d[^=]*=)", " माइनस "),
)
POWERS: tuple[Rule, ...] = (
    rule(r"\s?²", " का वर्ग"),
    rule(r"\s?³", " का घन"),
)
_SIGNS = {
    "&": "और",
    "+": "प्लस",
    "=": "बराबर",
    "@": "ऐट",
    "%": "प्रतिशत",
    "×": "गुणा",
    "*": "गुणा",
    "÷": "भाग",
    "−": "माइनस",
    "±": "प्लस माइनस",
    "⁄": "बटा",
    "≈": "लगभग",
    "≤": "से कम या बराबर",
    "≠": "बराबर नहीं",
    "→": "से",
    "°": "डिग्री",
    "π": "पाई",
    "α": "अल्फ़ा",
    "β": "बीटा",
    "θ": "थीटा",
    "∞": "अनंत",
    "•": ",",
}
SIGNS: tuple[Rule, ...] = (
    rule(rf"(?<!\w)#(?=[A-Za-z]|{LETTER})", "हैशटैग "),
    rule(r"->|=>", " से "),
    rule(rf"(?<={LETTER})\s?/\s?({any_of(PER)})(?!{LETTER}|\w)", lambda m: f" प्रति {PER[m[1]]}"),
    rule(rf"(?<=[\w])\s?/\s?(?=\w)|(?<={LETTER})/(?={LETTER})", " या "),
    rule(r"\s--+\s", ", "),
    rule(rf"\s?([{re.escape(''.join(_SIGNS))}])\s?", lambda m: f" {_SIGNS[m[1]]} "),
    rule(r" +([.,;:!?)।])", r"\1"),
)
ANY_SIGN = re.compile(rf"[&+=@%#/*]|->|--|[{''.join(set(_SIGNS) - set('&+=@%*'))}]| [।.,;:!?)]")
