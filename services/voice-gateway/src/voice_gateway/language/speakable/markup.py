"""The neutral clean-up of any language: removes markup and keeps the words."""

import html
import re
import unicodedata

_FENCE = re.compile(r"```[^\n]*")
_LINK = re.compile(r"!?\[([^\]]*)\](?:\([^)]*\)|\[[^\]]*\])")
_CITATION = re.compile(r"\s?\[\^?\d+\]|\[[ xX]\]")  # a citation, or a check box
_ADDRESS = re.compile(r"<((?:https?://|mailto:)?[^\s<>]*[.@][^\s<>]*)>")
_TAG = re.compile(r"</?[A-Za-z][^<>]*>|<!--.*?-->", re.DOTALL)
_ENTITY = re.compile(r"&(?:[A-Za-z]{2,8}|#\d{1,6});")
_LINE_MARK = re.compile(r"^[ \t]*(?:#{1,6}\s+|[-*+•]\s+|>[ \t]?)+", re.MULTILINE)
_TABLE_RULE = re.compile(r"^[ \t|:=-]*-{2,}[ \t|:=-]*$", re.MULTILINE)
_TABLE_ROW = re.compile(r"^[ \t]*\|(.*?)\|?[ \t]*$", re.MULTILINE)
_FRACTION = re.compile(r"\\[dt]?frac\{([^{}]*)\}\{([^{}]*)\}")
_TIMES = re.compile(r"\\(?:times|cdot)\b")
_FORMULA = re.compile(r"\\[()\[\]]|\\(?:text|mathrm|left|right)\b")
_EMPHASIS = re.compile(r"(?<!\w)_+|_+(?!\w)|\*\*+|`+|~~+")
_STAR = re.compile(r"(?<!\d)(?<!\d\s)\*|\*(?!\s?\d)")
_MARK = re.compile(r"[*`~{}^<>#]+")
_GAP = re.compile(r"[_|\\\s]+")
_SIGNS = "°№"  # Unicode puts them into the category of pictographs


def unmarked(text: str) -> str:
    """Remove the structure of a text: headings, lists, tables, links, tags and emphasis."""
    text = _FENCE.sub(" ", text)
    if "|" in text or "--" in text:
        text = _TABLE_ROW.sub(_cells, _TABLE_RULE.sub("", text))
    text = _LINK.sub(r"\1", text) if "[" in text else text
    text = _CITATION.sub("", text) if "[" in text else text
    if "<" in text:
        text = _TAG.sub(" ", _ADDRESS.sub(r" \1 ", text))
    if "\\" in text:
        text = _FORMULA.sub("", _TIMES.sub("×", _FRACTION.sub(r"\1/\2", text)))
    if "&" in text:
        text = _ENTITY.sub(lambda entity: html.unescape(entity.group()), text)
    return _STAR.sub("", _EMPHASIS.sub("", _LINE_MARK.sub("", text)))


def _cells(row: re.Match[str]) -> str:
    return ", ".join(filter(None, map(str.strip, row.group(1).split("|"))))


def bare(text: str) -> str:
    """Remove the marks and pictographs that are left; empty where no word remains."""
    text = _MARK.sub("", text)
    if not text.isascii():
        text = "".join(character for character in text if not _is_pictograph(character))
    text = _GAP.sub(" ", text).strip()
    return text if any(map(str.isalnum, text)) else ""


def _is_pictograph(character: str) -> bool:
    """Whether it is an emoji, a dingbat or a joiner; letters, marks and currency are none."""
    if character in _SIGNS:
        return False
    category = unicodedata.category(character)
    return category in {"So", "Sk", "Co", "Cn"} or character in "\u200d\ufe0f\u20e3"
