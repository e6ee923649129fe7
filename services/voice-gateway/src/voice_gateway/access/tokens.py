"""Owns the short-lived tokens for browsers: mints them, and tells whose a token is.

A token is `ek_`, its claims, a dot and their HMAC; nothing is kept of it. It names its principal,
whose rights and limits hold for it as they are when it is used. It also says by what it was asked
for, and until when that lasts: a call may outlive its token, but not the key or JWT behind it. What
a front lets it carry stands behind its claims, signed with them.
"""

import hashlib
import hmac
import json
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Callable
from dataclasses import dataclass

from voice_gateway.errors import Unauthenticated

PREFIX = "ek_"
_PURPOSE = b"voice-gateway token 1\n"  # so that no other use of the secret makes a token
_MARKS = b"voice-gateway mark 1\n"
_MARK_BYTES = 12
_BEHIND = b"\n"  # the claims have none


@dataclass(frozen=True, slots=True)
class Token:
    value: str
    expires_at: int
    """Seconds since the epoch."""


@dataclass(frozen=True, slots=True)
class Claims:
    """What a token says."""

    principal: str
    expires_at: float
    until: float | None = None
    """When what it was minted for ends; None: at no time that was known."""
    by: str = ""
    """The signer of the JWT or the mark of the entry that it was minted for; empty: not known."""
    certificate: str = ""
    """The fingerprint of the certificate that it was minted for; empty: it was none."""
    carried: bytes = b""
    """What the front that asked for it reads again when it is used."""


class Tokens:
    """`now` gives seconds since the epoch."""

    def __init__(self, secret: bytes, now: Callable[[], float]) -> None:
        self._secret = secret
        self._now = now

    def mint(
        self,
        principal: str,
        lasts_s: float,
        until: float | None = None,
        by: str = "",
        *,
        certificate: str = "",
        carried: bytes = b"",
    ) -> Token:
        """A token for `lasts_s`; it ends with `until`, where what it was minted for ends then."""
        ends = self._now() + lasts_s
        expires_at = int(ends if until is None else min(ends, until))
        said = [principal, expires_at, until, by, *([certificate] if certificate else [])]
        claims = json.dumps(said, separators=(",", ":")).encode()
        claims += _BEHIND + carried if carried else b""
        return Token(f"{PREFIX}{_text(claims)}.{_text(self._mac(claims))}", expires_at)

    def claims(self, value: str) -> Claims:
        """What a token of ours says that has not expired; raises Unauthenticated."""
        signed, _, mac = value.removeprefix(PREFIX).partition(".")
        try:
            claims, given = _bytes(signed), _bytes(mac)
        except ValueError:
            raise _refused("a token is none of ours") from None
        if not hmac.compare_digest(self._mac(claims), given):
            raise _refused("a token was not signed with this TOKEN_SECRET")
        said, _, carried = claims.partition(_BEHIND)
        read = Claims(*json.loads(said), carried=carried)  # we wrote it ourselves
        if self._now() >= read.expires_at:
            raise Unauthenticated("The token has expired; ask for another.", "a token has expired")
        return read

    def mark(self, digest: bytes) -> str:
        """Stands for an entry in a token, whose holder learns nothing of a key by it."""
        return _text(hmac.new(self._secret, _MARKS + digest, hashlib.sha256).digest()[:_MARK_BYTES])

    def _mac(self, claims: bytes) -> bytes:
        return hmac.new(self._secret, _PURPOSE + claims, hashlib.sha256).digest()


def _refused(reason: str) -> Unauthenticated:
    return Unauthenticated("The token is not accepted.", reason)


def _text(data: bytes) -> str:
    return urlsafe_b64encode(data).rstrip(b"=").decode()


def _bytes(text: str) -> bytes:
    return urlsafe_b64decode(text.encode("ascii") + b"=" * (-len(text) % 4))
