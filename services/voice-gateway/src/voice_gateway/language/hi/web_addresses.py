"""Web and mail addresses and file names, with Hindi words for their signs."""

import re

from voice_gateway.language.speakable.rules import Match, Rule, rule

_ENDINGS = "com|org|net|edu|gov|io|ai|dev|app|info|co|in|uk"
_SIGNS = {"@": "ऐट", ".": "डॉट", "/": "स्लैश", "-": "डैश", "_": "अंडरस्कोर", "+": "प्लस", ":": "कोलन"}


def _address(match: Match) -> str:
    """Spell the host and the path; the query and the fragment are left out."""
    whole = match.group()
    address = whole.rstrip(".,;:!?")
    spelt = re.sub(r"^(?:https?://|mailto:)?(?:www\.)?|[?#].*$", "", address).rstrip("/")
    for sign, name in _SIGNS.items():
        spelt = spelt.replace(sign, f" {name} ")
    return " ".join(spelt.split()) + whole[len(address) :]


ADDRESSES: tuple[Rule, ...] = (
    rule(r"\b[\w.+-]+@[\w-]+(?:\.[\w-]+)+", _address),
    rule(r"\b(?:https?://|www\.)[\w./?#&=%:~+-]+", _address),
    rule(rf"\b(?:[A-Za-z0-9-]+\.)+(?:{_ENDINGS})\b(?:/[\w./?#&=%~+-]*)?(?!\.\w)", _address),
    rule(r"(?<=\w)\.(?=[a-z]\w*\b)", " डॉट "),
)
