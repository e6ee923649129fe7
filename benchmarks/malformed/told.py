"""Looks for the gateway's insides in what callers are told. Pure."""

import json
import re
from collections.abc import Mapping
from typing import Any, NoReturn

PLANTED = "planted-9f1c7"
"""Stands in every secret that the gateway is given, and in nothing that a caller sends."""

_INSIDES: Mapping[str, re.Pattern[str]] = {
    "a secret": re.compile(PLANTED),
    "a traceback": re.compile(r"Traceback|\bFile \"|line \d+, in "),
    "a path": re.compile(r"\.py\b|site-packages|/(home|root|usr|tmp|opt|work|app)/"),
    "an exception's name": re.compile(r"\b[A-Z]\w+(Error|Exception)\b|\bgrpc\.|asyncio|aiohttp"),
    "an object's address": re.compile(r"\bobject at\b|0x[0-9a-f]{8,}"),
    "an address of its network": re.compile(r"127\.0\.0\.1|\[::1\]|localhost:\d"),
}


def insides(text: str) -> list[str]:
    """Which of the gateway's insides stand in a text."""
    return [name for name, pattern in _INSIDES.items() if pattern.search(text)]


def strictly(text: str) -> Any:
    """Parse a text as JSON has it, without Python's own numbers; raises ValueError."""
    return json.loads(text, parse_constant=_refuse)


def _refuse(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is no JSON")
