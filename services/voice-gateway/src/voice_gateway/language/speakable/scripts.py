"""Which script a text is written in, and ASCII digits in place of any other script's.

A clause that is wholly a sentence in another script is read by that language's rules: a model that
answers a Hindi call in English means English numbers. "5 km" and "GPT-4" are no sentences.
"""

import re
import unicodedata

_SCRIPTS = {
    "en": re.compile(r"[A-Za-z]"),
    "hi": re.compile(r"[\u0904-\u0939\u0958-\u0961\u0972-\u097f]"),
}
_WORD_ENDS = r"(?=[\s.,;:!?]|$)"
_SENTENCES = {
    "en": re.compile(
        rf"\A(?=.*(?<!\S)[a-z]{{4,}}{_WORD_ENDS})(?:.*?(?<!\S)[A-Za-z]{{2,}}{_WORD_ENDS}){{2}}"
    ),
    "hi": _SCRIPTS["hi"],
}
_OTHER_DIGIT = re.compile(r"[^\W\x00-\x7f]")


def read_as(text: str, tag: str) -> str:
    """The tag whose rules read the text: `tag`, or the other one whose script all of it has."""
    language, _, region = tag.partition("-")
    own = _SCRIPTS.get(language)
    if own is None or own.search(text):
        return tag
    others = (other for other in _SENTENCES if other != language)
    found = next((other for other in others if _SENTENCES[other].search(text)), None)
    if found is None:
        return tag
    return f"{found}-{region}" if region else found


def with_ascii_digits(text: str) -> str:
    return text if text.isascii() else _OTHER_DIGIT.sub(_ascii_digit, text)


def _ascii_digit(match: re.Match[str]) -> str:
    value = unicodedata.decimal(match[0], None)
    return match[0] if value is None else str(value)
