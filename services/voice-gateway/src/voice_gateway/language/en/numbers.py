"""The English words for numbers in ASCII digits."""

_UNITS = (
    "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen "
    "fifteen sixteen seventeen eighteen nineteen"
).split()
_TENS = "twenty thirty forty fifty sixty seventy eighty ninety".split()
_SCALES = ((10**12, "trillion"), (10**9, "billion"), (10**6, "million"), (1000, "thousand"))
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


def cardinal(number: int) -> str:
    """The words for a `number` below 10 ** 15."""
    for scale, name in _SCALES:
        if number >= scale:
            return _with_rest(f"{cardinal(number // scale)} {name}", number % scale)
    if number >= 100:
        return _with_rest(f"{_UNITS[number // 100]} hundred", number % 100)
    if number < 20:
        return _UNITS[number]
    ten = _TENS[number // 10 - 2]
    return f"{ten}-{_UNITS[number % 10]}" if number % 10 else ten


def _with_rest(head: str, rest: int) -> str:
    return f"{head} {cardinal(rest)}" if rest else head


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
    if not rest:
        return f"{cardinal(century)} hundred"
    return f"{cardinal(century)} {'oh ' if rest < 10 else ''}{cardinal(rest)}"


def digits(text: str) -> str:
    """Read digit by digit; other characters of `text` are left out."""
    return " ".join(_UNITS[int(digit)] for digit in text if digit in "0123456789")


def number(text: str) -> str:
    """Read a number as `1,234.50`; a leading zero makes it a code, read digit by digit."""
    whole, point, fraction = text.replace(",", "").partition(".")
    code = len(whole) > _LONGEST or (len(whole) > 1 and whole[0] == "0")
    words = digits(whole) if code else cardinal(int(whole or 0))
    return f"{words} point {digits(fraction)}" if point else words


def plural(word: str) -> str:
    """The plural of the last word of a number: `nineties`, `tenths`, `hundreds`."""
    return word[:-1] + "ies" if word.endswith("y") else word + ("es" if word[-1] == "x" else "s")
