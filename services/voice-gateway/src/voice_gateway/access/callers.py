"""Tells who calls, by the bearer that a caller gives: a key, a JWT or one of our own tokens."""

import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from voice_gateway.access.jwts import Issuer
from voice_gateway.access.keys import Key, find
from voice_gateway.access.tokens import PREFIX, Token, Tokens
from voice_gateway.errors import NotPermitted, Unauthenticated
from voice_gateway.principals import ANYONE, Principal, Rights

log = logging.getLogger(__name__)

_SIGNED = "jwt:"  # no name of a key has a colon
_LONGEST_CHARS = 16_384
_TELL_EVERY_S = 1.0


@dataclass(frozen=True, slots=True)
class _Known:
    """A principal, and when what it showed ends (seconds since the epoch); None: it does not."""

    principal: Principal
    until: float | None = None
    by_token: bool = False


class Callers:
    """Knows all who may call. With neither keys nor an issuer, that is anyone."""

    def __init__(
        self,
        *,
        keys: Callable[[], Sequence[Key]] | None,
        issuer: Issuer | None,
        tokens: Tokens,
        rights: Rights,
    ) -> None:
        """`keys` gives those of the moment; `rights` is for whoever has none of their own."""
        self._keys = keys
        self._issuer = issuer
        self._tokens = tokens
        self._rights = rights
        self._told_at = float("-inf")
        self._untold = 0

    @property
    def asks(self) -> bool:
        """Whether a caller must show something."""
        return bool(self._keys or self._issuer)

    async def authenticate(self, bearer: str) -> Principal:
        """Who shows this; raises Unauthenticated."""
        return (await self._known(bearer)).principal

    async def mint(self, bearer: str, lasts_s: float) -> Token:
        """A token for whoever shows this; raises Unauthenticated or NotPermitted."""
        known = await self._known(bearer)
        if known.by_token:
            raise NotPermitted("A token gets no further token; use a key.")
        return self._tokens.mint(known.principal.name, lasts_s, known.until)

    async def _known(self, bearer: str) -> _Known:
        if not self.asks:
            return _Known(Principal(ANYONE.name, self._rights))
        try:
            return await self._found(bearer)
        except Unauthenticated as error:
            self._tell(error.reason)
            raise

    async def _found(self, bearer: str) -> _Known:
        if not bearer:
            raise Unauthenticated(
                "No API key was given; send one as `Authorization: Bearer KEY`.", "no key was given"
            )
        if len(bearer) > _LONGEST_CHARS:
            raise Unauthenticated("Incorrect API key provided.", "a key is far too long")
        if owner := find(self._present(), bearer):
            return _Known(owner)
        if bearer.startswith(PREFIX):
            return _Known(self._named(self._tokens.principal(bearer)), by_token=True)
        if self._issuer and bearer.count(".") == 2:
            signed = await self._issuer.check(bearer)
            return _Known(Principal(_SIGNED + signed.subject, self._rights), signed.expires_at)
        raise Unauthenticated("Incorrect API key provided.", "a key is not known")

    def _present(self) -> Sequence[Key]:
        return self._keys() if self._keys else ()

    def _named(self, name: str) -> Principal:
        """The principal of a token, as it is now; raises Unauthenticated where it is gone."""
        if name.startswith(_SIGNED) and self._issuer:
            return Principal(name, self._rights)
        for key in self._present():
            if key.owner.name == name:
                return key.owner
        raise Unauthenticated("The token is not accepted.", "a token's principal has no key now")

    def _tell(self, reason: str) -> None:
        """Log a refusal; while many come, one a second."""
        now = time.monotonic()
        if now - self._told_at < _TELL_EVERY_S:
            self._untold += 1
            return
        more = f" (and {self._untold} before it)" if self._untold else ""
        log.info("a caller is refused: %s%s", reason, more)
        self._told_at, self._untold = now, 0
