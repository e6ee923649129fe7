"""Owns what makes a JWT one of the operator's: who signed it, for whom, and until when."""

from dataclasses import dataclass
from typing import Any, cast

import jwt

from voice_gateway.access.signers import NoSigners, Signer, SignerSource
from voice_gateway.errors import Unauthenticated

# A public key must never be taken for the secret of an HMAC, nor a token without a signature for a
# signed one: only these are looked at, whatever a token says of itself.
ALGORITHMS = (
    "RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA",
)  # fmt: skip
LEEWAY_S = 10.0
_LONGEST_CHARS = 8_192
_LONGEST_NAME = 256
_REFUSED = "The token is not accepted."
_EXPIRED = "The token has expired; ask for another."
_LATER = "Tokens cannot be checked just now; try again."


@dataclass(frozen=True, slots=True)
class Signed:
    """What a token says that was signed by one of ours."""

    subject: str
    expires_at: float
    signer: str
    """The fingerprint of the key that signed it."""


@dataclass(frozen=True, slots=True)
class Issuer:
    """Whose tokens are taken."""

    signers: SignerSource
    issuer: str
    audience: str

    async def check(self, token: str) -> Signed:
        """Check a token; raises Unauthenticated."""
        if len(token) > _LONGEST_CHARS:
            raise Unauthenticated(_REFUSED, f"a JWT has {len(token)} characters")
        algorithm, kid = _header(token)
        key = await self._key(kid)
        if key.algorithm not in (None, algorithm):
            raise Unauthenticated(_REFUSED, f"a JWT's alg {algorithm!r} is not its key's")
        return self._claims(token, algorithm, key)

    async def _key(self, kid: str) -> Signer:
        try:
            key = await self.signers.find(kid)
        except NoSigners:
            raise Unauthenticated(_LATER, "JWT_JWKS could not be fetched so far") from None
        if key is None:
            raise Unauthenticated(_REFUSED, f"a JWT's kid {kid[:40]!r} is not in JWT_JWKS")
        return key

    def _claims(self, token: str, algorithm: str, key: Signer) -> Signed:
        try:
            claims = jwt.decode(
                token,
                key.key,
                algorithms=[algorithm],
                issuer=self.issuer,
                audience=self.audience,
                leeway=LEEWAY_S,
                options={"require": ["exp", "iss", "aud", "sub"]},
            )
        except jwt.ExpiredSignatureError:
            raise Unauthenticated(_EXPIRED, "a JWT has expired") from None
        except (jwt.PyJWTError, ValueError, TypeError, RecursionError) as error:
            # Its text may quote the token, so that the kind has to do.
            reason = f"a JWT is refused: {type(error).__name__}"
            raise Unauthenticated(_REFUSED, reason) from None
        subject = cast(str, claims["sub"])
        if not subject or len(subject) > _LONGEST_NAME or not subject.isprintable():
            reason = f"a JWT's sub is no name: {subject[:40]!r}"
            raise Unauthenticated(_REFUSED, reason)
        return Signed(subject, float(claims["exp"]), key.fingerprint)


def _header(token: str) -> tuple[str, str]:
    """The token's algorithm and the id of its key; raises Unauthenticated."""
    try:
        header: dict[str, Any] = jwt.get_unverified_header(token)
    except (jwt.PyJWTError, ValueError, RecursionError):
        raise Unauthenticated(_REFUSED, "a JWT cannot be read") from None
    algorithm = header.get("alg")
    if algorithm not in ALGORITHMS:
        raise Unauthenticated(_REFUSED, f"a JWT's alg is {str(algorithm)[:20]!r}")
    if "crit" in header:
        raise Unauthenticated(_REFUSED, "a JWT's header has crit")
    return algorithm, str(header.get("kid") or "")
