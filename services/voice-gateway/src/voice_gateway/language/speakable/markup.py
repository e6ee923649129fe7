"""The neutral clean-up of any language: removes markup and keeps the words."""

import html
import re
import unicodedata

from voice_gateway.language.speakable.latex import without_latex
from voice_gateway.language.speakable.unspoken import without_unspoken

_FENCE = re.compile(r"```[^\n]*|^[ \t]*~~~[^\n]*", re.MULTILINE)
_LINK = re.compile(r"!?\[([^\]]*)\](?:\([^)]*\)|\[[^\]]*\])")
_ADDRESS = re.compile(r"<((?:https?://|mailto:)?[^\s<>]*[.@][^\s<>]*)>")
_TAG = re.compile(r"</?[A-Za-z][^<>]*>|<!--.*?-->", re.DOTALL)
_ENTITY = re.compile(r"&(?:[A-Za-z]{2,8}|#\d{1,6});")
_LINE_MARK = re.compile(r"^[ \t]*(?:#{1,6}\s+|[-*+•▪◦‣→]\s+|>(?!\s?\d)[ \t]?)+", re.MULTILINE)
_TABLE_RULE = re.compile(r"^[ \t|:=-]*-{2,}[ \t|:=-]*$", re.MULTILINE)
_TABLE_ROW = re.compile(r"^[ \t]*\|(.*?)\|?[ \t]*$", re.MULTILINE)
_GROUPED_DIGITS = re.compile(r"(?<=\d)_(?=\d{3})")
_EMPHASIS = re.compile(r"(?<!\w)_+|_+(?!\w)|\*\*+|`+|~~+")
_STAR = re.compile(r"(?<![\d)])(?<![\d)]\s)(?<!\S )\*|\*(?!\s?[\d(]| \S)")
_LOWERED = re.compile(r"(?<=[A-Za-z])~(\w{1,3})~")
_UNDERLINE = re.compile(r"^[ \t]*={3,}[ \t]*$", re.MULTILINE)
_MARK = re.compile(r"[*`~{}^<>#]+")
_GAP = re.compile(r"[_|\\\s]+")
_GAP_BEFORE_MARK = re.compile(r"\s+(?=[,.!?;:।](?:\s|$))")
_SIGNS = "°№"  # Unicode puts them into the category of pictographs


def unmarked(text: str) -> str:
    """Remove the structure of a text: headings, lists, tables, links, tags and emphasis."""
    text = _FENCE.sub(" ", text)
    if "==" in text:
        text = _UNDERLINE.sub("", text)
    if "~" in text:
        text = _LOWERED.sub(r" \1 ", text)
    if "|" in text or "--" in text:
        text = _TABLE_ROW.sub(_cells, _TABLE_RULE.sub("", text))
    text = without_unspoken(text)
    text = _LINK.sub(r"\1", text) if "[" in text else text
    if "<" in text:
        text = _TAG.sub(" ", _ADDRESS.sub(r" \1 ", text))
    text = without_latex(text)
    if "_" in text:
        text = _GROUPED_DIGITS.sub("", text)
    if "&" in text:
        text = _ENTITY.sub(lambda entity: html.unescape(entity.group()), text)
    return _STAR.sub("", _EMPHASIS.sub("", _LINE_MARK.sub("", text)))


def _cells(row: re.Match[str]) -> str:
    return ", ".join(filter(None, map(str.strip, row.group(1).split("|"))))


def bare(text: str) -> str:
    """Remove the marks and pictographs that are left; empty where no word remains."""
    text = _MARK.sub("", text)
    if not text.isascii():
        kept = "".join(character for character in text if not _is_pictograph(character))
        text = text if kept == text else _GAP_BEFORE_MARK.sub("", kept)
    text = _GAP.sub(" ", text).strip()
    return text if any(map(str.isalnum, text)) else ""


def _is_pictograph(character: str) -> bool:
    """Whether it is an emoji, a dingbat or a joiner; letters, marks and currency are none."""
    if character in _SIGNS:
        return False
    category = unicodedata.category(character)
    return category in {"So", "Sk", "Co", "Cn"} or character in "\u200d\ufe0f\u20e3"
