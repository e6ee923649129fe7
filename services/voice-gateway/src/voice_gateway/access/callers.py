"""Tells who calls, by what a caller shows: a key, a JWT, one of our own tokens or a certificate."""

import logging
import time
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, replace

from voice_gateway.access import certificates
from voice_gateway.access.jwts import LEEWAY_S, Issuer
from voice_gateway.access.keys import Entries, Key, find
from voice_gateway.access.revocations import Revocations
from voice_gateway.access.tokens import PREFIX, Claims, Token, Tokens
from voice_gateway.access.watched import WatchedFiles
from voice_gateway.errors import NotPermitted, Unauthenticated
from voice_gateway.principals import ANYONE, Grant, Lapsed, Principal, Rights, never_lapsed

log = logging.getLogger(__name__)

_SIGNED = "jwt:"  # no name of a key has a colon
_LONGEST_CHARS = 16_384
_TELL_EVERY_S = 1.0
_NO_KEY = "No API key was given; send one as `Authorization: Bearer KEY`."
_KEY_GONE = "The key of this call was taken away; call again with another."
_ENTRY_GONE = "The certificate of this call opens no calls any more."
_TOO_OLD = "The token of this call has expired; call again with a new one."
_DISOWNED = "The token of this call is not accepted any more; call again with a new one."
_REVOKED = "The client certificate was revoked; call again with another."
_CERTIFICATE_OVER = "The certificate of this call has expired; call again with a new one."


@dataclass(frozen=True, slots=True)
class _Known:
    """A principal, and how long it may stay by what it showed."""

    principal: Principal
    lapsed: Lapsed = never_lapsed
    until: float | None = None
    """When what was shown ends (seconds since the epoch); None: it does not."""
    by: str = ""
    """Names what was shown in a token that is minted for it."""
    by_token: bool = False
    carried: bytes = b""
    """What its token carries for a front."""
    certificate: str = ""
    """The fingerprint of the certificate that it showed, or its token was asked for with."""


class Callers:
    """Knows all who may call. With neither keys nor an issuer, that is anyone."""

    def __init__(
        self,
        *,
        listed: Entries | None,
        file: WatchedFiles[Entries] | None,
        issuer: Issuer | None,
        tokens: Tokens,
        rights: Rights,
        now: Callable[[], float],
        revocations: WatchedFiles[Revocations] | None = None,
    ) -> None:
        """`rights` is for whoever has none of their own; `now` gives seconds since the epoch."""
        self._revocations = revocations
        self._stale: Revocations | None = None
        self._listed = listed
        self._file = file
        self._issuer = issuer
        self._tokens = tokens
        self._rights = rights
        self._now = now
        self._told_at = float("-inf")
        self._untold = 0

    @property
    def asks(self) -> bool:
        """Whether a caller must show something."""
        return bool(self._listed or self._file or self._issuer)

    @property
    def revokes(self) -> bool:
        """Whether a certificate may be one that is revoked."""
        return self._revocations is not None

    def connected(self, certificate: bytes) -> Lapsed:
        """How long one may stay connected by its certificate, in DER, whatever else it shows.

        Raises Unauthenticated where it is revoked.
        """
        if not (certificate and self._revocations):
            return never_lapsed
        shown = certificates.read(certificate)
        lapsed = self._unless_revoked(shown.fingerprint)
        if lapsed():
            reason = f"a client's certificate is revoked: {shown.described()}"
            reason = f"{reason}, serial {shown.serial:x}"
            self._tell(reason)
            raise Unauthenticated(_REVOKED, reason)
        return lapsed

    async def authenticate(self, bearer: str, certificate: bytes = b"") -> Principal:
        """Who shows this; raises Unauthenticated."""
        return (await self.admit(bearer, certificate)).principal

    async def admit(self, bearer: str, certificate: bytes = b"") -> Grant:
        """Who shows this, for a call; raises Unauthenticated.

        A bearer counts where there is one, right or wrong, and else the certificate, in DER.
        """
        connected = self.connected(certificate)
        known = await self._known(bearer, certificate)
        lapsed = known.lapsed
        if connected is not never_lapsed:
            lapsed = _first_of(connected, lapsed)
        return Grant(known.principal, lapsed, known.carried)

    def recognises(self, certificate: bytes) -> bool:
        """Whether a certificate alone opens a call; nothing is logged."""
        try:
            self.connected(certificate)
            return bool(certificate and self._certified(certificate))
        except Unauthenticated:
            return False

    async def mint(
        self, bearer: str, lasts_s: float, certificate: bytes = b"", carried: bytes = b""
    ) -> Token:
        """A token for whoever shows this; raises Unauthenticated or NotPermitted."""
        self.connected(certificate)
        known = await self._known(bearer, certificate)
        if known.by_token:
            raise NotPermitted("A token gets no further token; use a key.")
        return self._tokens.mint(
            known.principal.name,
            lasts_s,
            known.until,
            known.by,
            certificate=known.certificate,
            carried=carried,
        )

    async def _known(self, bearer: str, certificate: bytes) -> _Known:
        try:
            if not self.asks:
                return self._anyone(bearer)
            return await self._found(bearer) if bearer else self._certified(certificate)
        except Unauthenticated as error:
            self._tell(error.reason)
            raise

    def _anyone(self, bearer: str) -> _Known:
        """Whoever it is. A token counts here as well, right or wrong, as it may carry something."""
        who, is_token = Principal(ANYONE.name, self._rights), bearer.startswith(PREFIX)
        carried = self._tokens.claims(bearer).carried if is_token else b""
        return _Known(who, by_token=is_token, carried=carried)

    async def _found(self, bearer: str) -> _Known:
        if len(bearer) > _LONGEST_CHARS:
            raise Unauthenticated("Incorrect API key provided.", "a key is far too long")
        if key := self._key(bearer):
            return self._by_entry(key.owner, [key.digest])
        if bearer.startswith(PREFIX):
            claims = self._tokens.claims(bearer)
            return self._with_claims(self._of_token(claims), claims)
        if self._issuer and bearer.count(".") == 2:
            signed = await self._issuer.check(bearer)
            return self._of_jwt(_SIGNED + signed.subject, signed.expires_at, signed.signer)
        raise Unauthenticated("Incorrect API key provided.", "a key is not known")

    def _key(self, bearer: str) -> Key | None:
        """It takes as long wherever the key stands."""
        found = [find(entries.keys, bearer) for entries in self._present()]
        return next(filter(None, found), None)

    def _by_entry(
        self,
        owner: Principal,
        digests: Sequence[bytes],
        until: float | None = None,
        *,
        gone: str = _KEY_GONE,
        by_token: bool = False,
    ) -> _Known:
        """One whose call may last while one of these entries holds, and no longer than `until`."""

        def hold(entries: Entries) -> bool:
            return any(entries.hold(digest, owner.name) for digest in digests)

        def lapsed() -> str:
            if until is not None and self._now() >= until:
                return _CERTIFICATE_OVER
            # Half a file may be a whole one with fewer keys, so that it must have settled.
            settled = self._file and hold(self._file.settled)
            return "" if settled or any(map(hold, self._present())) else gone

        return _Known(owner, lapsed, until, self._tokens.mark(digests[0]), by_token)

    def _of_jwt(self, name: str, until: float, signer: str) -> _Known:
        lapsed = self._jwt_lapses(until, signer)
        return _Known(Principal(name, self._rights), lapsed, until, signer)

    def _of_token(self, claims: Claims) -> _Known:
        """The principal of a token, as it is now; raises Unauthenticated where its key is gone.

        A call by a token lasts as what the token was minted for does, and not as the token.
        """
        name = claims.principal
        if name.startswith(_SIGNED) and self._issuer:
            until = claims.expires_at if claims.until is None else claims.until
            lapsed = self._jwt_lapses(until, claims.by)
            if not lapsed():
                return _Known(Principal(name, self._rights), lapsed, by_token=True)
        for entries in self._present():
            # A token of a gateway before this one does not say which entry it is for.
            given = [d for d in entries.digests(name) if claims.by in ("", self._tokens.mark(d))]
            if given:
                owner = entries.principals[name]
                return self._by_entry(owner, given, claims.until, by_token=True)
        raise Unauthenticated("The token is not accepted.", "a token's key is gone")

    def _with_claims(self, known: _Known, claims: Claims) -> _Known:
        """What else a token says of its holder; raises Unauthenticated for a revoked one's."""
        known = replace(known, carried=claims.carried)
        if not (claims.certificate and self._revocations):
            return known
        revoked = self._unless_revoked(claims.certificate)
        if revoked():
            raise Unauthenticated("The token is not accepted.", "a token's certificate is revoked")
        return replace(known, lapsed=_first_of(revoked, known.lapsed))

    def _unless_revoked(self, fingerprint: str) -> Lapsed:
        """Lapsed once a list has the certificate; a list need not settle, as it is signed whole."""

        def lapsed() -> str:
            assert self._revocations
            known = self._revocations.value
            if self._now() >= known.next_update and known is not self._stale:
                self._stale = known
                log.error("TLS_CLIENT_CRL is out of date, and stays in force; replace it")
            return _REVOKED if fingerprint in known.revoked else ""

        return lapsed

    def _certified(self, der: bytes) -> _Known:
        """The principal that a certificate names; raises Unauthenticated where it is not one."""
        entries = self._file.value if self._file else Entries()
        if not (der and entries.certificates):
            raise Unauthenticated(_NO_KEY, "no key was given")
        shown = certificates.read(der)
        found = entries.of(shown.names)
        if len(found) != 1:
            raise _not_one(shown, found)
        if shown.until <= self._now():
            raise Unauthenticated("The client certificate has expired.", "a certificate expired")
        ((name, digests),) = found.items()
        known = self._by_entry(entries.principals[name], digests, shown.until, gone=_ENTRY_GONE)
        return replace(known, certificate=shown.fingerprint) if self._revocations else known

    def _present(self) -> Iterator[Entries]:
        """The entries by which calls may begin."""
        if self._listed:
            yield self._listed
        if self._file:
            yield self._file.value

    def _jwt_lapses(self, until: float, signer: str) -> Lapsed:
        """Lapsed at its end, or once its signer is none of the issuer's; "": that is not known."""

        def lapsed() -> str:
            if self._now() >= until + LEEWAY_S:
                return _TOO_OLD
            known = not signer or (self._issuer and self._issuer.signers.holds(signer))
            return "" if known else _DISOWNED

        return lapsed

    def _tell(self, reason: str) -> None:
        """Log a refusal; while many come, one a second."""
        now = time.monotonic()
        if now - self._told_at < _TELL_EVERY_S:
            self._untold += 1
            return
        more = f" (and {self._untold} before it)" if self._untold else ""
        log.info("a caller is refused: %s%s", reason, more)
        self._told_at, self._untold = now, 0


def _first_of(first: Lapsed, second: Lapsed) -> Lapsed:
    """Lapsed as soon as one of them is."""
    return lambda: first() or second()


def _not_one(shown: certificates.Certificate, found: Collection[str]) -> Unauthenticated:
    names = f"a certificate's names are {shown.described()}"
    if found:
        said = "The client certificate stands for several callers; send an API key."
        return Unauthenticated(said, f"{names}, which are those of {', '.join(sorted(found))}")
    said = (
        "The client certificate is not known here; send an API key as `Authorization: Bearer KEY`."
    )
    return Unauthenticated(said, f"{names}, and none is in API_KEYS_FILE")
