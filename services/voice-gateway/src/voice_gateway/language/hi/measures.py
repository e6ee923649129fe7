"""Amounts with units, in Latin and in Devanagari: "60 किमी/घंटा", "1.5 किलो", "35°C"."""

from voice_gateway.language.hi.numbers import DASH, ENDS, NUM, cardinal, measured, number
from voice_gateway.language.speakable.rules import Match, Rule, any_of, rule

_UNITS = {
    "%": "प्रतिशत",
    "°C": "डिग्री सेल्सियस",
    "°F": "डिग्री फ़ारेनहाइट",
    "°": "डिग्री",
    "km²": "वर्ग किलोमीटर",
    "m²": "वर्ग मीटर",
    "m³": "घन मीटर",
    "sq ft": "वर्ग फुट",
    "sqft": "वर्ग फुट",
    "वर्ग किमी": "वर्ग किलोमीटर",
    "वर्ग मी": "वर्ग मीटर",
    "km": "किलोमीटर",
    "किमी": "किलोमीटर",
    "m": "मीटर",
    "मी": "मीटर",
    "मी.": "मीटर",
    "cm": "सेंटीमीटर",
    "सेमी": "सेंटीमीटर",
    "mm": "मिलीमीटर",
    "मिमी": "मिलीमीटर",
    "ft": "फुट",
    "kg": "किलोग्राम",
    "kgs": "किलोग्राम",
    "किग्रा": "किलोग्राम",
    "g": "ग्राम",
    "gm": "ग्राम",
    "mg": "मिलीग्राम",
    "L": "लीटर",
    "l": "लीटर",
    "ली": "लीटर",
    "ली.": "लीटर",
    "ml": "मिलीलीटर",
    "mL": "मिलीलीटर",
    "मिली": "मिलीलीटर",
    "tsp": "छोटा चम्मच",
    "tbsp": "बड़ा चम्मच",
    "hrs": "घंटे",
    "hr": "घंटा",
    "hours": "घंटे",
    "min": "मिनट",
    "mins": "मिनट",
    "sec": "सेकंड",
    "s": "सेकंड",
    "ms": "मिलीसेकंड",
    "TB": "टीबी",
    "GB": "जीबी",
    "MB": "एमबी",
    "KB": "केबी",
    "Mbps": "एमबीपीएस",
    "Gbps": "जीबीपीएस",
    "GHz": "गीगाहर्ट्ज़",
    "MHz": "मेगाहर्ट्ज़",
    "Hz": "हर्ट्ज़",
    "dB": "डेसिबल",
    "kWh": "किलोवाट घंटा",
    "kW": "किलोवाट",
    "MW": "मेगावाट",
    "W": "वाट",
    "V": "वोल्ट",
    "mAh": "एमएएच",
    "kcal": "किलो कैलोरी",
    "mmHg": "एमएमएचजी",
    "bpm": "बीपीएम",
    "rpm": "आरपीएम",
    "kmph": "किलोमीटर प्रति घंटा",
    "MP": "मेगापिक्सल",
}
PER = {
    "s²": "सेकंड वर्ग",
    "s": "सेकंड",
    "sec": "सेकंड",
    "min": "मिनट",
    "h": "घंटा",
    "hr": "घंटा",
    "hour": "घंटा",
    "day": "दिन",
    "week": "सप्ताह",
    "mo": "माह",
    "month": "माह",
    "yr": "वर्ष",
    "year": "वर्ष",
    "kg": "किलोग्राम",
    "km": "किलोमीटर",
    "L": "लीटर",
    "l": "लीटर",
    "घं": "घंटा",
    "person": "व्यक्ति",
    "किमी": "किलोमीटर",
} | {
    word: word
    for word in (
        "सेकंड मिनट घंटा घंटे दिन सप्ताह हफ़्ता माह महीना महीने वर्ष साल किलो किलोग्राम किलोमीटर लीटर "
        "व्यक्ति यूनिट दर्जन पीस"
    ).split()
}
# Units in words, before which a half has its own word: "ढाई घंटे".
_IN_WORDS = (
    "घंटे घंटा मिनट दिन महीने साल किलो किलोग्राम किलोमीटर मीटर लीटर फुट फीट इंच कप चम्मच गुना गुणा "
    "बजे मील एकड़ बीघा"
).split()
_UNIT = any_of(_UNITS)
_WORD = rf"(?:{any_of(_IN_WORDS)})"


def _quantity(match: Match) -> str:
    amount, upto, unit, per = match.groups()
    said = f"{measured(amount)} से {measured(upto)}" if upto else _amount(amount, unit)
    return f"{said} {_UNITS[unit]}" + (f" प्रति {PER[per]}" if per else "")


def _amount(amount: str, unit: str) -> str:
    return number(amount) if unit in ("%", "°C", "°F", "°") else measured(amount)


MEASURES: tuple[Rule, ...] = (
    rule(
        r"\b(\d)['′]\s?(\d{1,2})(?:[\"″”]|''|\b)",
        lambda m: f"{number(m[1])} फुट {number(m[2])} इंच",
    ),
    rule(
        r"\b(\d{2,3})/(\d{2,3})(?=\s?mm\s?Hg)",
        lambda m: f"{cardinal(int(m[1]))} बटा {m[2]}",
    ),
    rule(
        rf"(?<![\w.,])({NUM})(?:\s?[%°]?{DASH}({NUM}))?[\s-]?({_UNIT})(?![²³]){ENDS}"
        rf"(?:\s?/\s?({any_of(PER)})(?![²³]){ENDS})?",
        _quantity,
    ),
    rule(
        rf"(?<![\w.,])(\d{{1,2}}(?:\.\d+)?){DASH}(\d{{1,2}}\.\d+)(?= {_WORD}{ENDS})",
        lambda m: f"{measured(m[1])} से {measured(m[2])}",
    ),
    rule(rf"(?<![\w.,])(\d{{1,2}}\.\d+)(?= {_WORD}{ENDS})", lambda m: measured(m[1])),
)
