"""The Hindi words for numbers in ASCII digits: lakh and crore, and the halves that have words."""

NUM = r"(?:\d{1,3}(?:,\d{2,3})*,\d{3}(?!\d)|\d+)(?:\.\d+)?"
"""How a number is written: `1,23,456.50`."""
DASH = r"\s?[-–—]\s?"
LETTER = r"[\u0900-\u097f]"
ENDS = rf"(?!{LETTER}|\w)"
"""No letter follows, of either script."""

_UNTIL_100 = (
    "शून्य एक दो तीन चार पाँच छह सात आठ नौ "
    "दस ग्यारह बारह तेरह चौदह पंद्रह सोलह सत्रह अठारह उन्नीस "
    "बीस इक्कीस बाईस तेईस चौबीस पच्चीस छब्बीस सत्ताईस अट्ठाईस उनतीस "
    "तीस इकतीस बत्तीस तैंतीस चौंतीस पैंतीस छत्तीस सैंतीस अड़तीस उनतालीस "
    "चालीस इकतालीस बयालीस तैंतालीस चवालीस पैंतालीस छियालीस सैंतालीस अड़तालीस उनचास "
    "पचास इक्यावन बावन तिरपन चौवन पचपन छप्पन सत्तावन अट्ठावन उनसठ "
    "साठ इकसठ बासठ तिरसठ चौंसठ पैंसठ छियासठ सड़सठ अड़सठ उनहत्तर "
    "सत्तर इकहत्तर बहत्तर तिहत्तर चौहत्तर पचहत्तर छिहत्तर सतहत्तर अठहत्तर उनासी "
    "अस्सी इक्यासी बयासी तिरासी चौरासी पचासी छियासी सत्तासी अट्ठासी नवासी "
    "नब्बे इक्यानवे बानवे तिरानवे चौरानवे पचानवे छियानवे सत्तानवे अट्ठानवे निन्यानवे"
).split()
_SCALES = (
    (10**11, "खरब"),
    (10**9, "अरब"),
    (10**7, "करोड़"),
    (10**5, "लाख"),
    (1000, "हज़ार"),
    (100, "सौ"),
)
_LONGEST = 13  # digits; more are read one by one
_FIRST = {1: "पहल", 2: "दूसर", 3: "तीसर", 4: "चौथ", 6: "छठ"}


def cardinal(number: int) -> str:
    """The words for a `number` below 10 ** 13."""
    if number == 100:
        return "सौ"
    for scale, name in _SCALES:
        if number >= scale:
            head = f"{cardinal(number // scale)} {name}"
            return f"{head} {_rest(number % scale)}" if number % scale else head
    return _UNTIL_100[number]


def _rest(number: int) -> str:
    return "एक सौ" if number == 100 else cardinal(number)


def ordinal(number: int, vowel: str) -> str:
    """`vowel` is of the ending: "ा" for पहला, "ी" for पहली, "े" for पहले."""
    if number in _FIRST:
        return _FIRST[number] + vowel
    ending = {"ा": "वाँ", "ी": "वीं", "े": "वें"}[vowel]
    return cardinal(number) + ending


def year(number: int) -> str:
    """1947 is "उन्नीस सौ सैंतालीस"; years outside 1100 to 1999 are read as cardinals."""
    century, rest = divmod(number, 100)
    if not 11 <= century <= 19:
        return cardinal(number)
    return f"{cardinal(century)} सौ {cardinal(rest)}" if rest else f"{cardinal(century)} सौ"


def digits(text: str) -> str:
    """Read digit by digit; other characters of `text` are left out."""
    return " ".join(_UNTIL_100[int(digit)] for digit in text if digit in "0123456789")


def grouped(text: str) -> str:
    """Read digit by digit, with a pause between the groups; a mobile number has two."""
    groups = "".join(each if each in "0123456789" else " " for each in text).split()
    if len(groups) == 1 and len(groups[0]) == 10:
        groups = [groups[0][:5], groups[0][5:]]
    return ", ".join(map(digits, groups))


def number(text: str) -> str:
    """Read a number as `1,234.50`; a leading zero makes it a code, read digit by digit."""
    whole, point, fraction = text.replace(",", "").partition(".")
    code = len(whole) > _LONGEST or (len(whole) > 1 and whole[0] == "0")
    words = digits(whole) if code else cardinal(int(whole or 0))
    return f"{words} दशमलव {digits(fraction)}" if point else words


def alone(text: str) -> str:
    """Read a number with nothing beside it; four digits are a year where that fits."""
    return year(int(text)) if len(text) == 4 and text.isdecimal() else number(text)


def measured(text: str) -> str:
    """Read how much of something: 2.5 is "ढाई", 3.5 "साढ़े तीन", 1.25 "सवा"."""
    whole, _, fraction = text.replace(",", "").partition(".")
    if fraction.rstrip("0") not in ("5", "25", "75") or not 1 <= int(whole or 0) < 100:
        return number(text)
    return with_quarters(int(whole), {"5": 2, "25": 1, "75": 3}[fraction.rstrip("0")])


def with_quarters(whole: int, quarters: int) -> str:
    """A whole number and one, two or three quarters; each has a word of its own."""
    if quarters == 1:
        return "सवा" if whole == 1 else f"सवा {cardinal(whole)}"
    if quarters == 3:
        return f"पौने {cardinal(whole + 1)}"
    return {1: "डेढ़", 2: "ढाई"}.get(whole) or f"साढ़े {cardinal(whole)}"
