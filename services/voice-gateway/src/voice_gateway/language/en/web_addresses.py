"""Web and mail addresses, file names, paths and handles."""

import re

from voice_gateway.language.en.numbers import digits
from voice_gateway.language.speakable.rules import Match, Rule, rule

_ENDINGS = "com|org|net|edu|gov|io|ai|dev|app|info|co|uk|de|fr|eu|ca|au|nz|ch|tv|in|us"
_FILES = "md|txt|py|js|ts|json|yaml|yml|html|css|csv|pdf|sh|toml|xml|docx|xlsx|png|jpg"


def _address(match: Match) -> str:
    """Spell the host and the path; the query and the fragment are left out."""
    whole = match.group()
    address = whole.rstrip(".,;:!?")
    spelt = re.sub(r"^(?:https?://|mailto:)?(?:www\.)?|[?#].*$", "", address).rstrip("/")
    return _spelt(spelt) + whole[len(address) :]


def _spelt(address: str) -> str:
    address = re.sub(r":(\d+)", lambda port: f" colon {digits(port[1])}", address)
    for sign, name in (("@", "at"), (".", "dot"), ("/", "slash"), ("-", "dash"), ("+", "plus")):
        address = address.replace(sign, f" {name} ")
    address = address.replace("_", " underscore ").replace("%20", " ")
    return " ".join(address.split())


def _path(match: Match) -> str:
    return _spelt(match.group())


ADDRESSES: tuple[Rule, ...] = (
    rule(r"\b[\w.+-]+@[\w-]+(?:\.[\w-]+)+", _address),
    rule(r"\b(?:https?://|www\.)[^\s<>()\"']+", _address),
    rule(rf"\b(?:[A-Za-z0-9-]+\.)+(?:{_ENDINGS})\b(?:/[^\s<>()\"']*)?(?!\.\w)", _address),
    rule(rf"\b[\w.-]+(?:/[\w.-]+)+\.(?:{_FILES})\b", _path),
    rule(r"(?<![\w/.])(?:/[a-z_][\w.-]*){2,}", _path),
)
FILES: tuple[Rule, ...] = (
    rule(r"(?<=\w)\.(?=[a-z]\w*\b)", " dot "),
    rule(r"(?<![\w.])\.(?=[A-Z]{3}\b)", "dot "),
)
