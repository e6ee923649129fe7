"""Builds what tells who may call, and keeps it up to date while the gateway runs."""

import secrets
from collections.abc import Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from voice_gateway.access import keys, revocations, signers
from voice_gateway.access.callers import Callers
from voice_gateway.access.jwts import Issuer
from voice_gateway.access.tokens import Tokens
from voice_gateway.access.watched import WatchedFiles

Watch = Callable[[], Coroutine[None, None, None]]


@dataclass(frozen=True, slots=True)
class AccessOptions:
    """Who may call; with no keys, no file and no signers: anyone."""

    keys: str = ""
    """A list with commas."""
    keys_file: Path | None = None
    jwks: str = ""
    """A file or a URL."""
    issuer: str = ""
    audience: str = ""
    token_secret: str = ""
    may: frozenset[str] = frozenset()
    """What callers may replace whose key does not say it."""
    certificates: bool = False
    """Clients are asked for a certificate."""
    client_crl: Path | None = None
    """Which of those are revoked, signed by one of `client_ca`."""
    client_ca: Path | None = None


class Access:
    """Owns all that tells who calls, until it is closed."""

    def __init__(self, options: AccessOptions) -> None:
        """Read the files; raises OSError or ValueError with one line that names the setting."""
        rights = keys.rights_of(options.may)
        self._rights = rights
        self._file = self._opened(options.keys_file, certificates=options.certificates)
        self._signers = _signers(options.jwks)
        self._revocations = _revocations(options)
        found = self._signers
        issuer = Issuer(found, options.issuer, options.audience) if found else None
        secret = options.token_secret.encode() or secrets.token_bytes(32)
        self.callers = Callers(
            listed=keys.Entries(keys.listed(options.keys, rights)) if options.keys else None,
            file=self._file,
            issuer=issuer,
            tokens=Tokens(secret, _now),
            rights=rights,
            now=_now,
            revocations=self._revocations,
        )

    @property
    def watches(self) -> Mapping[str, Watch]:
        """What keeps the keys and those who sign JWTs up to date, each until it is cancelled."""
        found: dict[str, Watch] = {}
        if self._file:
            found["keys"] = self._file.run
        if self._signers:
            found["signers"] = self._signers.run
        if self._revocations:
            found["revocations"] = self._revocations.run
        return found

    async def close(self) -> None:
        if self._signers:
            await self._signers.close()

    def _opened(
        self, path: Path | None, *, certificates: bool
    ) -> WatchedFiles[keys.Entries] | None:
        if path is None:
            return None

        def read(contents: Sequence[bytes]) -> keys.Entries:
            return keys.in_file(contents[0], self._rights, certificates=certificates)

        try:
            return WatchedFiles("API_KEYS_FILE", [path], read)
        except (OSError, ValueError) as error:
            raise ValueError(f"API_KEYS_FILE cannot be used: {error}") from None


def _signers(where: str) -> signers.SignerSource | None:
    try:
        return signers.source(where) if where else None
    except (OSError, ValueError) as error:
        raise ValueError(f"JWT_JWKS cannot be used: {error}") from None


def _revocations(options: AccessOptions) -> WatchedFiles[revocations.Revocations] | None:
    if not (options.client_crl and options.client_ca):
        return None
    try:
        return revocations.watched(options.client_crl, options.client_ca)
    except (OSError, ValueError) as error:
        raise ValueError(f"TLS_CLIENT_CRL cannot be used: {error}") from None


def _now() -> float:
    return datetime.now(UTC).timestamp()
