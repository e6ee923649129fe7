"""Money: "₹2.5 लाख" is "ढाई लाख रुपये", "₹99.50" "निन्यानवे रुपये पचास पैसे"."""

from voice_gateway.language.hi.measures import PER
from voice_gateway.language.hi.numbers import DASH, ENDS, NUM, measured, number
from voice_gateway.language.speakable.rules import Match, Rule, any_of, rule

Coin = tuple[str, str, str]
"""Singular and plural, and the hundredth part if it has one."""

_RUPEE: Coin = ("रुपया", "रुपये", "पैसे")
_DOLLAR: Coin = ("डॉलर", "डॉलर", "सेंट")
_US_DOLLAR: Coin = ("अमेरिकी डॉलर", "अमेरिकी डॉलर", "सेंट")
_EURO: Coin = ("यूरो", "यूरो", "सेंट")
_POUND: Coin = ("पाउंड", "पाउंड", "पेंस")
_YEN: Coin = ("येन", "येन", "")
_DIRHAM: Coin = ("दिरहम", "दिरहम", "")

_SIGNS: dict[str, Coin] = {
    "₹": _RUPEE,
    "Rs.": _RUPEE,
    "Rs": _RUPEE,
    "रु.": _RUPEE,
    "रु": _RUPEE,
    "$": _DOLLAR,
    "US$": _US_DOLLAR,
    "€": _EURO,
    "£": _POUND,
    "¥": _YEN,
}
_CODES: dict[str, Coin] = {
    "INR": _RUPEE,
    "USD": _US_DOLLAR,
    "EUR": _EURO,
    "GBP": _POUND,
    "JPY": _YEN,
    "AED": _DIRHAM,
    "SAR": ("रियाल", "रियाल", ""),
    "AUD": ("ऑस्ट्रेलियाई डॉलर", "ऑस्ट्रेलियाई डॉलर", "सेंट"),
    "CAD": ("कनाडाई डॉलर", "कनाडाई डॉलर", "सेंट"),
    "SGD": ("सिंगापुर डॉलर", "सिंगापुर डॉलर", "सेंट"),
    "CHF": ("स्विस फ़्रैंक", "स्विस फ़्रैंक", ""),
    "CNY": ("युआन", "युआन", ""),
}
_COINS = _SIGNS | _CODES
_BEFORE = rf"(?<!\w)(?:{any_of(_SIGNS)})|\b(?:{any_of(_CODES)})(?=\s?\d)"
_BEHIND = rf"[₹$€£¥]|रु\.|(?:रु|{any_of(_CODES)}){ENDS}"

SCALES = {
    "सौ": "सौ",
    "हज़ार": "हज़ार",
    "हजार": "हज़ार",
    "लाख": "लाख",
    "करोड़": "करोड़",
    "अरब": "अरब",
    "खरब": "खरब",
    "मिलियन": "मिलियन",
    "बिलियन": "बिलियन",
    "ट्रिलियन": "ट्रिलियन",
    "trillion": "ट्रिलियन",
    "thousand": "हज़ार",
    "lakhs": "लाख",
    "lakh": "लाख",
    "crores": "करोड़",
    "crore": "करोड़",
    "million": "मिलियन",
    "billion": "बिलियन",
    "k": "हज़ार",
    "K": "हज़ार",
    "L": "लाख",
    "Cr": "करोड़",
    "cr": "करोड़",
    "M": "मिलियन",
    "B": "बिलियन",
}
_SCALE = rf"[\s-]?(?:लाख करोड़|{any_of(SCALES)}){ENDS}"
_SCALE_WORDS = any_of(each for each in SCALES if each == "सौ" or len(each) > len("Cr"))
_MONEY = (
    rf"(?P<amount>{NUM})(?P<scale>{_SCALE})?"
    rf"(?:{DASH}(?:{any_of(_SIGNS)})?(?P<upto>{NUM})(?P<more>{_SCALE})?)?"
)
_PER = rf"(?P<plus>\+)?(?:\s?/\s?(?P<per>{any_of(PER)}){ENDS})?"


def _money(match: Match) -> str:
    coin, amount, upto = _COINS[match["coin"]], match["amount"], match["upto"]
    scale, more, per = _scale(match["scale"]), _scale(match["more"]), match["per"]
    if upto:
        said = " ".join(filter(None, (measured(amount), scale, "से", measured(upto), more, coin[1])))
    elif scale:
        said = f"{measured(amount)} {scale} {coin[1]}"
    else:
        said = _price(coin, amount)
    said += " से अधिक" if match["plus"] else ""
    return f"{said} प्रति {PER[per]}" if per else said


def _scale(written: str | None) -> str:
    return " ".join(SCALES[each] for each in written.strip(" -").split()) if written else ""


def _price(coin: Coin, amount: str) -> str:
    one, more, parts = coin
    whole, _, hundredths = amount.replace(",", "").partition(".")
    if not parts or len(hundredths) not in (0, 2):
        return f"{number(amount)} {one if amount == '1' else more}"
    rest = f"{number(str(int(hundredths)))} {parts}" if int(hundredths or 0) else ""
    if rest and not whole.strip("0"):
        return rest
    said = f"{number(whole)} {one if whole == '1' else more}"
    return f"{said} {rest}" if rest else said


def _many(match: Match) -> str:
    upto = f"से {measured(match[2])}" if match[2] else ""
    return " ".join(filter(None, (measured(match[1]), upto, _scale(match[3]))))


MONEY: tuple[Rule, ...] = (
    rule(rf"(?P<coin>{_BEFORE})\s?{_MONEY}(?:/-)?{_PER}", _money),
    rule(rf"(?<![\w.,]){_MONEY}\s?(?P<coin>{_BEHIND}){_PER}", _money),
    rule(rf"(?<![\w.,])({NUM})(?:{DASH}({NUM}))?([\s-]?(?:{_SCALE_WORDS}){ENDS})", _many),
)
