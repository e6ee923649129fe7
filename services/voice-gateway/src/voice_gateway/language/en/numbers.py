"""The English words for numbers in ASCII digits."""

NUM = r"(?:\d{1,3}(?:,\d{2,3})*,\d{3}(?!\d)|\d+)(?:\.\d+)?"
"""How a number is written: `1,234.50`."""
DASH = r"\s?[-–—]\s?"

_UNITS = (
    "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen "
    "fifteen sixteen seventeen eighteen nineteen"
).split()
_TENS = "twenty thirty forty fifty sixty seventy eighty ninety".split()
_SCALES = ((10**12, "trillion"), (10**9, "billion"), (10**6, "million"), (1000, "thousand"))
_INDIAN_SCALES = ((10**7, "crore"), (10**5, "lakh"), (1000, "thousand"))
_ORDINALS = {
    "one": "first",
    "two": "second",
    "three": "third",
    "five": "fifth",
    "eight": "eighth",
    "nine": "ninth",
    "twelve": "twelfth",
}
_LONGEST = 15  # digits; more are read one by one
_ROMAN = {"I": 1, "V": 5, "X": 10, "L": 50, "C": 100}

Scales = tuple[tuple[int, str], ...]


def cardinal(number: int, scales: Scales = _SCALES) -> str:
    """The words for a `number` below 10 ** 15."""
    for scale, name in scales:
        if number >= scale:
            head = f"{cardinal(number // scale, scales)} {name}"
            return _with_rest(head, number % scale, scales)
    if number >= 100:
        return _with_rest(f"{_UNITS[number // 100]} hundred", number % 100, scales)
    if number < 20:
        return _UNITS[number]
    ten = _TENS[number // 10 - 2]
    return f"{ten}-{_UNITS[number % 10]}" if number % 10 else ten


def _with_rest(head: str, rest: int, scales: Scales) -> str:
    return f"{head} {cardinal(rest, scales)}" if rest else head


def ordinal(number: int) -> str:
    words = cardinal(number)
    cut = max(words.rfind(" "), words.rfind("-")) + 1
    head, last = words[:cut], words[cut:]
    if last in _ORDINALS:
        return head + _ORDINALS[last]
    return head + (last[:-1] + "ieth" if last.endswith("y") else last + "th")


def year(number: int) -> str:
    """The words for a year from 1100 to 2099; other numbers are read as cardinals."""
    century, rest = divmod(number, 100)
    if not 11 <= century <= 20 or (century == 20 and rest < 10):
        return cardinal(number)
    return pairs(str(number))


def pairs(text: str) -> str:
    """Read a number that names something, as a house or a flight: `212` is "two twelve"."""
    if len(text) not in (3, 4) or text[0] == "0":
        return digits(text) if len(text) > 2 else number(text)
    if text.endswith("000"):
        return cardinal(int(text))
    head, rest = cardinal(int(text[:-2])), int(text[-2:])
    if not rest:
        return f"{head} hundred"
    return f"{head} {'oh ' if rest < 10 else ''}{cardinal(rest)}"


def digits(text: str) -> str:
    """Read digit by digit; other characters of `text` are left out."""
    return " ".join(_UNITS[int(digit)] for digit in text if digit in "0123456789")


def grouped(text: str) -> str:
    """Read digit by digit, with a pause between the groups."""
    groups = "".join(each if each in "0123456789" else " " for each in text).split()
    return ", ".join(map(digits, groups))


def number(text: str) -> str:
    """Read a number as `1,234.50`; a leading zero makes it a code, read digit by digit.

    Who writes `1,00,000` says lakh and crore.
    """
    whole, point, fraction = text.replace(",", "").partition(".")
    code = len(whole) > _LONGEST or (len(whole) > 1 and whole[0] == "0")
    scales = _INDIAN_SCALES if _has_pairs(text) else _SCALES
    words = digits(whole) if code else cardinal(int(whole or 0), scales)
    return f"{words} point {digits(fraction)}" if point else words


def _has_pairs(text: str) -> bool:
    return any(len(group) == 2 for group in text.partition(".")[0].split(",")[1:])


def alone(text: str) -> str:
    """Read a number with nothing beside it; four digits are a year where that fits."""
    return year(int(text)) if len(text) == 4 and text.isdecimal() else number(text)


def counted(amount: str, one: str, more: str) -> str:
    return f"{number(amount)} {one if amount == '1' else more}"


def plural(word: str) -> str:
    """The plural of the last word of a number: `nineties`, `tenths`, `hundreds`."""
    return word[:-1] + "ies" if word.endswith("y") else word + ("es" if word[-1] == "x" else "s")


def roman(text: str) -> int:
    """The value of a Roman numeral."""
    values = [_ROMAN[each] for each in text]
    following = [*values[1:], 0]
    return sum(-one if one < after else one for one, after in zip(values, following, strict=True))


def letters(text: str) -> str:
    """Spell the letters of `text`, apart."""
    return " ".join(text.replace(".", "").replace(" ", "").upper())
