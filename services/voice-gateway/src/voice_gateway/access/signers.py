"""Owns the public keys that sign JWTs: a JWKS from a file or from an https URL.

Only public keys for signatures count; a symmetric or private key in a set is passed over.
"""

import asyncio
import hashlib
import json
import logging
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import httpx2
import jwt
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from voice_gateway.access.watched import WatchedFiles

log = logging.getLogger(__name__)

_TIMEOUT_S = 5.0
_MOST_BYTES = 256 * 1024
_KEEP_S = 300.0
"""How long keys from a URL are used before they are fetched again."""
_AGAIN_S = 10.0
"""The least time between two fetches, however many unknown keys callers name."""


@dataclass(frozen=True, slots=True)
class Signer:
    """A public key, and the only algorithm that its set allows for it, if it names one."""

    key: Any
    algorithm: str | None
    fingerprint: str
    """Tells this key from any other, whatever its set calls it."""


Signers = Mapping[str, Signer]
"""The keys by their `kid`; empty for one without."""


class NoSigners(Exception):
    """The keys could not be had so far."""


class SignerSource(Protocol):
    async def find(self, kid: str) -> Signer | None:
        """The key of this id; an empty one means the only key there is. Raises NoSigners."""
        ...

    def holds(self, fingerprint: str) -> bool:
        """Whether this key is there, or was a moment ago and may only be missed by mistake."""
        ...

    async def run(self) -> None:
        """Keep the keys up to date until cancelled."""
        ...

    async def close(self) -> None: ...


def signers(document: bytes) -> Signers:
    """Read a JWKS; raises ValueError where it holds no key that can be used."""
    try:
        given: Any = json.loads(document)
        entries = given["keys"]
        found = [key for entry in entries if (key := _usable(entry))]
    except (KeyError, TypeError, AttributeError, RecursionError):
        raise ValueError("it is no JWKS, which is a JSON object with `keys`") from None
    except ValueError:
        raise ValueError("it is not JSON") from None
    if not found:
        raise ValueError("it holds no public key for signatures")
    return dict(found)


def _usable(entry: Mapping[str, Any]) -> tuple[str, Signer] | None:
    if entry.get("kty") == "oct" or "d" in entry or entry.get("use", "sig") != "sig":
        return None
    try:
        key = jwt.PyJWK(dict(entry))
    except (jwt.PyJWTError, ValueError, TypeError):
        return None  # of a kind that is not known here
    return key.key_id or "", Signer(key.key, entry.get("alg"), _fingerprint(key.key))


def _fingerprint(key: Any) -> str:
    public = key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return hashlib.sha256(public).hexdigest()[:32]


def _has(found: Signers, fingerprint: str) -> bool:
    return any(signer.fingerprint == fingerprint for signer in found.values())


def _pick(found: Signers, kid: str) -> Signer | None:
    if kid:
        return found.get(kid)
    return next(iter(found.values())) if len(found) == 1 else None


class SignersFile:
    """Keys from a file, read again when it changes."""

    def __init__(self, path: Path) -> None:
        self._file = WatchedFiles("JWT_JWKS", [path], _only)

    async def find(self, kid: str) -> Signer | None:
        return _pick(self._file.value, kid)

    def holds(self, fingerprint: str) -> bool:
        return _has(self._file.value, fingerprint) or _has(self._file.settled, fingerprint)

    async def run(self) -> None:
        await self._file.run()

    async def close(self) -> None:
        """Nothing is open."""


def _only(contents: Sequence[bytes]) -> Signers:
    return signers(contents[0])


class FetchedSigners:
    """Keys from a URL: fetched again in time, and at once when a token names an unknown key.

    Only `run` fetches, so that no caller who hangs up breaks off what others wait for.
    """

    def __init__(self, url: str) -> None:
        self._url = url
        # Made once, as its certificates take a while to load.
        self._client = httpx2.AsyncClient(timeout=_TIMEOUT_S)
        self._found: Signers = {}
        self._before: Signers = {}
        """Those of the fetch before the last."""
        self._fetched_at = float("-inf")
        self._wanted = asyncio.Event()
        self._over = asyncio.Event()
        """Set while nothing is fetched, or about to be."""
        self._failing = False

    async def close(self) -> None:
        await self._client.aclose()

    async def find(self, kid: str) -> Signer | None:
        if (key := _pick(self._found, kid)) is None:
            await self._fetched_anew()
            key = _pick(self._found, kid)
        if key is None and not self._found:
            raise NoSigners
        return key

    def holds(self, fingerprint: str) -> bool:
        return _has(self._found, fingerprint) or _has(self._before, fingerprint)

    async def run(self) -> None:
        while True:
            self._over.clear()
            await self._fetch()
            self._wanted.clear()
            self._over.set()
            with suppress(TimeoutError):
                async with asyncio.timeout(_AGAIN_S if self._doubtful else _KEEP_S):
                    await self._wanted.wait()

    @property
    def _doubtful(self) -> bool:
        """Whether the last fetch failed, or lacks a key on which calls may run."""
        return self._failing or not self._before.items() <= self._found.items()

    async def _fetched_anew(self) -> None:
        """Wait until the keys were fetched, unless that was tried a moment ago."""
        now = asyncio.get_running_loop().time()
        if self._over.is_set() and now - self._fetched_at >= _AGAIN_S:
            self._over.clear()
            self._wanted.set()
        with suppress(TimeoutError):
            async with asyncio.timeout(_TIMEOUT_S + 1):
                await self._over.wait()

    async def _fetch(self) -> None:
        self._fetched_at = asyncio.get_running_loop().time()
        try:
            self._before, self._found = self._found, signers(await self._document())
        except (httpx2.HTTPError, OSError, ValueError) as error:
            self._tell(error)
        else:
            self._failing = False

    async def _document(self) -> bytes:
        async with (
            asyncio.timeout(_TIMEOUT_S),
            self._client.stream("GET", self._url) as answer,
        ):
            answer.raise_for_status()
            document = b""
            async for chunk in answer.aiter_bytes():
                document += chunk
                if len(document) > _MOST_BYTES:
                    raise ValueError(f"it is longer than {_MOST_BYTES} bytes")
            return document

    def _tell(self, error: Exception) -> None:
        if not self._failing:  # one line for each run of failures
            said = str(error) if type(error) is ValueError else type(error).__name__
            log.error("JWT_JWKS cannot be fetched, and the keys so far stay: %s", said)
        self._failing = True


def source(where: str) -> SignerSource:
    """The keys at a URL or in a file; raises OSError or ValueError for a file that is no JWKS."""
    return FetchedSigners(where) if "://" in where else SignersFile(Path(where))
