"""Money in every currency and spelling: "US$5", "5 USD", "€3,50", "$1.2M-$1.5M", "₹10 crore"."""

import re

from voice_gateway.language.en.numbers import DASH, NUM, counted, number
from voice_gateway.language.en.units import PER
from voice_gateway.language.speakable.rules import Match, Rule, any_of, rule

Coin = tuple[str, str, str, str]
"""Singular and plural, of the currency and of its hundredth part if it has one."""


def _dollars(of: str = "") -> Coin:
    return f"{of} dollar".strip(), f"{of} dollars".strip(), "cent", "cents"


_EURO: Coin = ("euro", "euros", "cent", "cents")
_POUND: Coin = ("pound", "pounds", "penny", "pence")
_RUPEE: Coin = ("rupee", "rupees", "paisa", "paise")
_YEN: Coin = ("yen", "yen", "", "")
_YUAN: Coin = ("yuan", "yuan", "", "")
_WON: Coin = ("won", "won", "", "")
_REAL: Coin = ("real", "reais", "centavo", "centavos")
_FRANC: Coin = ("Swiss franc", "Swiss francs", "centime", "centimes")
_SHEKEL: Coin = ("shekel", "shekels", "agora", "agorot")
_LIRA: Coin = ("lira", "lira", "kurus", "kurus")
_RUBLE: Coin = ("ruble", "rubles", "kopeck", "kopecks")

_SIGNS: dict[str, Coin] = {
    "$": _dollars(),
    "US$": _dollars("US"),
    "A$": _dollars("Australian"),
    "AU$": _dollars("Australian"),
    "C$": _dollars("Canadian"),
    "CA$": _dollars("Canadian"),
    "HK$": _dollars("Hong Kong"),
    "NZ$": _dollars("New Zealand"),
    "S$": _dollars("Singapore"),
    "R$": _REAL,
    "€": _EURO,
    "£": _POUND,
    "₹": _RUPEE,
    "Rs.": _RUPEE,
    "Rs": _RUPEE,
    "¥": _YEN,
    "₩": _WON,
    "₪": _SHEKEL,
    "₺": _LIRA,
    "₽": _RUBLE,
    "₿": ("bitcoin", "bitcoins", "", ""),
}
_CODES: dict[str, Coin] = {
    "USD": _dollars("US"),
    "AUD": _dollars("Australian"),
    "CAD": _dollars("Canadian"),
    "HKD": _dollars("Hong Kong"),
    "NZD": _dollars("New Zealand"),
    "SGD": _dollars("Singapore"),
    "EUR": _EURO,
    "GBP": _POUND,
    "INR": _RUPEE,
    "JPY": _YEN,
    "CNY": _YUAN,
    "RMB": _YUAN,
    "KRW": _WON,
    "BRL": _REAL,
    "CHF": _FRANC,
    "ILS": _SHEKEL,
    "TRY": _LIRA,
    "RUB": _RUBLE,
    "AED": ("dirham", "dirhams", "fils", "fils"),
    "SAR": ("riyal", "riyals", "halala", "halalas"),
    "MXN": ("Mexican peso", "Mexican pesos", "centavo", "centavos"),
    "ZAR": ("rand", "rand", "cent", "cents"),
    "SEK": ("krona", "kronor", "öre", "öre"),
    "NOK": ("krone", "kroner", "øre", "øre"),
    "DKK": ("krone", "kroner", "øre", "øre"),
    "PLN": ("zloty", "zlotys", "grosz", "groszy"),
    "BTC": ("bitcoin", "bitcoins", "", ""),
}
_BEHIND_ONLY: dict[str, Coin] = {
    "kr": ("krone", "kroner", "øre", "øre"),
    "zł": ("zloty", "zlotys", "grosz", "groszy"),
    "¢": ("cent", "cents", "", ""),
}
_COINS = _SIGNS | _CODES | _BEHIND_ONLY
_SIGN = "".join(sign for sign in _SIGNS if len(sign) == 1)
_BEFORE = rf"(?<![A-Za-z])(?:{any_of(_SIGNS)})|\b(?:{any_of(_CODES)})(?=\s?\d)"
_BEHIND = rf"[{_SIGN}¢]|(?:{any_of([*_CODES, 'kr', 'zł'])})(?!\w)"

COIN_SIGNS = _SIGN
"""The currency signs of one character."""

SCALES = {
    "k": "thousand",
    "K": "thousand",
    "M": "million",
    "m": "million",
    "mn": "million",
    "B": "billion",
    "bn": "billion",
    "T": "trillion",
    "L": "lakh",
    "Cr": "crore",
    "cr": "crore",
}
_WORDS = "lakh crore|hundred|thousand|million|billion|trillion|lakh|crore"
# A comma before the last two digits is a decimal one; points then group the thousands.
_AMOUNT = rf"(?:\d{{1,3}}(?:\.\d{{3}})*,\d\d(?![\d,])|{NUM}|\.\d\d)"


def _scale(name: str) -> str:
    return (
        rf"(?:[\s-]?(?P<{name}>{_WORDS})s?\b"
        rf"|\s?(?P<{name}_letter>{any_of(SCALES)})\b(?!\.?\w))?"
    )


_MONEY = (
    rf"(?P<amount>{_AMOUNT}){_scale('scale')}"
    rf"(?:{DASH}(?:{any_of(_SIGNS)})?(?P<upto>{_AMOUNT}){_scale('more')})?"
)
_AFTER_MONEY = rf"(?:/-|\s?USD\b)?(?:\s?/\s?(?P<per>{any_of(PER)})(?![\w²³]))?"


def _plain(amount: str) -> str:
    """An amount with a decimal point: `1.234,56` becomes `1234.56`."""
    if re.search(r",\d\d$", amount):
        amount = amount.replace(".", "").replace(",", ".")
    return f"0{amount}" if amount.startswith(".") else amount


def _scaled(match: Match, name: str) -> str | None:
    letter = match[f"{name}_letter"]
    return match[name] or (SCALES[letter] if letter else None)


def _money(match: Match) -> str:
    per = f" per {PER[match['per']]}" if match["per"] else ""
    return _sum(match) + per


def _sum(match: Match) -> str:
    coin, amount, upto = _COINS[match["coin"]], _plain(match["amount"]), match["upto"]
    scale = _scaled(match, "scale")
    if upto:
        ends = (number(amount), scale, "to", number(_plain(upto)), _scaled(match, "more"), coin[1])
        return " ".join(filter(None, ends))
    return f"{number(amount)} {scale} {coin[1]}" if scale else _price(coin, amount)


def _price(coin: Coin, amount: str) -> str:
    one, more, part, parts = coin
    whole, _, hundredths = amount.replace(",", "").partition(".")
    if not part or len(hundredths) not in (0, 2):
        return counted(amount, one, more)
    rest = counted(str(int(hundredths)), part, parts) if int(hundredths or 0) else ""
    if rest and not whole.strip("0"):
        return rest
    whole_amount = amount.partition(".")[0]
    return counted(whole_amount, one, more) + (f" and {rest}" if rest else "")


def _worth(match: Match) -> str:
    """An amount that describes what follows it: "a twenty-dollar bill"."""
    coin, scale = _COINS[match["coin"]], _scaled(match, "scale")
    return f"{match[1]} {'-'.join(filter(None, (number(match['amount']), scale, coin[0])))} "


MONEY: tuple[Rule, ...] = (
    rule(
        rf"\b([Aa]n?) (?P<coin>[{_SIGN}])(?P<amount>\d[\d,]*(?:\.\d)?)"
        rf"(?:[\s-](?P<scale>{_WORDS})|(?P<scale_letter>{any_of(SCALES)}))?"
        r"[\s-](?=(?!(?:or|and|of|to|in|on|for|per|from|with|at|by|if|when)\b)[A-Za-z]{3,})",
        _worth,
    ),
    rule(rf"(?P<coin>{_BEFORE})\s?{_MONEY}{_AFTER_MONEY}", _money),
    rule(rf"(?<![\w.,]){_MONEY}\s?(?P<coin>{_BEHIND}){_AFTER_MONEY}", _money),
)
