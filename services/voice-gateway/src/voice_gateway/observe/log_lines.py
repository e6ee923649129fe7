"""Formats log lines, without keys and credentials, whoever wrote them into a text."""

import logging
import re
from collections.abc import Iterable

from voice_gateway.errors import without_credentials

_SHOWN = "(secret)"
_SHORTEST_SECRET = 4  # a shorter one would blot out parts of common words
_KEYS = re.compile(
    r"(?i)\b(?:sk|nvapi)-[\w*.-]{4,}"
    r"|(?:(?<=bearer )|(?<=openai-insecure-api-key\.)|(?<=voice-gateway-resume\.))[^\s'\",]+"
)
"""Keys by their looks: a provider may quote ours, or a part of it, and a library what a browser
sent as the names of subprotocols."""


class LogLines(logging.Formatter):
    """The format of the gateway's log; tracebacks are looked through, too."""

    def __init__(self, secrets: Iterable[str]) -> None:
        super().__init__("%(asctime)s %(levelname)s %(name)s: %(message)s")
        long_enough = {secret for secret in secrets if len(secret) >= _SHORTEST_SECRET}
        self._secrets = sorted(long_enough, key=len, reverse=True)

    def format(self, record: logging.LogRecord) -> str:
        line = super().format(record)
        for secret in self._secrets:
            line = line.replace(secret, _SHOWN)
        return _KEYS.sub(_SHOWN, without_credentials(line))
