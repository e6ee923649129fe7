"""The kinds of values that settings have, with their limits."""

import re
from collections.abc import Callable
from ipaddress import ip_address
from typing import Annotated
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field

_HIGHEST_PORT = 65_535
_URI = re.compile(r"(dns:///)?([^\s/:,]+|\[[0-9a-fA-F:.]+\]):(\d{1,5})")
_HTTP_URL = re.compile(r"https?://[^\s/?#]+\S*")


def _is_uri(text: str) -> bool:
    found = _URI.fullmatch(text)
    return bool(found) and 0 < int(found[3]) <= _HIGHEST_PORT


def _is_http_url(text: str) -> bool:
    return bool(_HTTP_URL.fullmatch(text))


def _list_of(is_item: Callable[[str], bool], allowed: str) -> AfterValidator:
    """Checks each item of a list of addresses, which commas or spaces separate."""

    def check(text: str) -> str:
        items = text.replace(",", " ").split()
        wrong = next((each for each in items if not is_item(each)), None)
        if wrong is not None or not items:
            raise ValueError(f"{wrong or text!r} is not {allowed}, or a list of them")
        return text

    return AfterValidator(check)


Uris = Annotated[str, _list_of(_is_uri, "HOST:PORT, [IPV6]:PORT or dns:///NAME:PORT")]
HttpUrls = Annotated[str, _list_of(_is_http_url, "an http:// or https:// URL")]
Port = Annotated[int, Field(ge=0, le=_HIGHEST_PORT)]
Seconds = Annotated[float, Field(gt=0, le=86_400)]
Milliseconds = Annotated[int, Field(ge=0, le=60_000)]
Probability = Annotated[float, Field(ge=0, le=1)]


def words(text: str) -> list[str]:
    return text.replace(",", " ").split()


def is_jwks_url(url: str) -> bool:
    """Whether nobody can change what is fetched from it: by https, or from this machine."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return False
    own = parts.scheme == "http" and is_loopback(parts.hostname or "")
    return bool(parts.hostname) and (parts.scheme == "https" or own)


def is_redis_url(url: str) -> bool:
    try:
        parts = urlsplit(url)
        port = parts.port  # it raises where this is no number
    except ValueError:
        return False
    database = parts.path.strip("/")
    named = parts.scheme in ("redis", "rediss") and bool(parts.hostname) and port != 0
    return named and (database.isdecimal() or not database)


def is_loopback(host: str) -> bool:
    """Whether only this machine reaches this host."""
    if host == "localhost":
        return True
    try:
        return ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False
