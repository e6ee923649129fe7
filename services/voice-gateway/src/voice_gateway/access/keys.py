"""Owns the bearer keys: whose each is, found by its digest, as a key itself is kept nowhere.

The file of keys also says whose calls those with a client's certificate are.
"""

import hashlib
import hmac
import json
import tomllib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Literal, Self, get_args

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from voice_gateway.access.certificates import CertificateName, Kind, as_compared
from voice_gateway.principals import ANYONE, Limits, Principal, Rights

Right = Literal["system_prompt", "voice", "language", "model_options", "tools"]

_MOST_KEYS = 10_000
_LONGEST_NAME = 64
_LONGEST_IN_CERTIFICATE = 1_024
_PerMinute = Annotated[float, Field(gt=0, le=1e9)]


@dataclass(frozen=True, slots=True)
class Key:
    digest: bytes
    """The SHA-256 of the key."""
    owner: Principal


class Entries:
    """All that may call by a key or a certificate, at one moment."""

    def __init__(
        self,
        keys: Sequence[Key] = (),
        certificates: Mapping[CertificateName, Principal] | None = None,
    ) -> None:
        self.keys = tuple(keys)
        self.certificates = certificates or {}
        owners = (*(key.owner for key in self.keys), *self.certificates.values())
        self.principals: Mapping[str, Principal] = {owner.name: owner for owner in owners}
        named = [(digest_of(name), owner) for name, owner in self.certificates.items()]
        self._held: dict[bytes, str] = {}
        self._digests: dict[str, list[bytes]] = {}
        for digest, owner in (*((key.digest, key.owner) for key in self.keys), *named):
            self._held[digest] = owner.name
            self._digests.setdefault(owner.name, []).append(digest)

    def hold(self, digest: bytes, principal: str) -> bool:
        """Whether this key or name in certificates is there, and is its principal's still."""
        return self._held.get(digest) == principal

    def digests(self, principal: str) -> Sequence[bytes]:
        """Those of all keys and names in certificates that a principal has."""
        return self._digests.get(principal, ())

    def of(self, names: Iterable[CertificateName]) -> Mapping[str, Sequence[bytes]]:
        """The principals that a certificate with these names is for; one, if all is well."""
        found: dict[str, list[bytes]] = {}
        for name in sorted(names):
            if owner := self.certificates.get(name):
                found.setdefault(owner.name, []).append(digest_of(name))
        return found


def digest_of(name: CertificateName) -> bytes:
    """What stands for a name in certificates where a key's digest stands for the key."""
    return hashlib.sha256("\n".join(("certificate", *name)).encode()).digest()


def find(keys: Sequence[Key], bearer: str) -> Key | None:
    """The entry of this key. It takes as long for a right key as for a wrong one."""
    digest = hashlib.sha256(bearer.encode(errors="surrogatepass")).digest()
    found = None
    for key in keys:
        if hmac.compare_digest(key.digest, digest):
            found = key
    return found


def listed(text: str, rights: Rights) -> tuple[Key, ...]:
    """The keys of a list with commas: each is a principal, named by the start of its digest."""
    given = filter(None, map(str.strip, text.split(",")))
    digests = [hashlib.sha256(key.encode()) for key in given]
    return tuple(
        Key(each.digest(), Principal(f"key-{each.hexdigest()[:12]}", rights)) for each in digests
    )


def rights_of(may: Iterable[str]) -> Rights:
    """The rights to replace these, and nothing else."""
    allowed = set(may)
    return Rights(**{name: name in allowed for name in get_args(Right)})


# The file of keys.


class _Limits(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)

    calls: Annotated[int, Field(ge=1, le=100_000)] | None = None
    new_calls_per_s: _PerMinute | None = None
    requests_per_min: _PerMinute | None = None
    typed_chars_per_min: _PerMinute | None = None


class _Named(BaseModel):
    """Whose an entry is, and what its principal may."""

    model_config = ConfigDict(extra="forbid", strict=True)

    name: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$", max_length=_LONGEST_NAME)
    may: list[Right] | None = None
    limits: _Limits = _Limits()

    def owner(self, rights: Rights) -> Principal:
        own = rights if self.may is None else rights_of(self.may)
        return Principal(self.name, own, Limits(**self.limits.model_dump()))


class _Entry(_Named):
    sha256: str = Field(pattern=r"^[0-9A-Fa-f]{64}$")


_InCertificate = Annotated[str, Field(min_length=1, max_length=_LONGEST_IN_CERTIFICATE)]


class _Certificate(_Named):
    common_name: _InCertificate | None = None
    dns: _InCertificate | None = None
    uri: _InCertificate | None = None
    email: _InCertificate | None = None

    def said(self) -> list[CertificateName]:
        """What a certificate must say to be meant."""
        given = ((kind, getattr(self, kind)) for kind in get_args(Kind))
        return [as_compared(kind, text) for kind, text in given if text is not None]

    @model_validator(mode="after")
    def _says_one(self) -> Self:
        if len(self.said()) != 1:
            raise ValueError(f"allowed: just one of {', '.join(get_args(Kind))}")
        return self


class _File(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)

    keys: list[_Entry] | None = Field(None, max_length=_MOST_KEYS)
    certificates: list[_Certificate] | None = Field(None, max_length=_MOST_KEYS)


def in_file(text: bytes, rights: Rights, *, certificates: bool = True) -> Entries:
    """The entries of a file, which is TOML or JSON; raises ValueError with one line.

    `rights` has what one may replace whose entry does not say it; `certificates` tells whether
    clients are asked for one.
    """
    try:
        read = _File.model_validate(_document(text))
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        where = ".".join(str(part) for part in first["loc"])
        raise ValueError(f"{where}: {first['msg']}") from None
    if read.keys is None and read.certificates is None:
        raise ValueError("keys: Field required, or certificates")
    if read.certificates and not certificates:
        raise ValueError("certificates: no client is asked for one; set TLS_CLIENT_CA")
    keys = [Key(bytes.fromhex(each.sha256), each.owner(rights)) for each in read.keys or ()]
    named = [(each.said()[0], each.owner(rights)) for each in read.certificates or ()]
    _check_keys(keys)
    _check_certificates([name for name, _ in named])
    _check_owners([*(key.owner for key in keys), *(owner for _, owner in named)])
    return Entries(keys, dict(named))


def _document(text: bytes) -> Any:
    try:
        said = text.decode()
        return json.loads(said) if said.lstrip().startswith("{") else tomllib.loads(said)
    except RecursionError:
        raise ValueError("it is nested too deep") from None
    except ValueError as error:
        # Neither the text nor a line of it is shown, as somebody may have put a key there.
        raise ValueError(f"it is neither TOML nor JSON ({type(error).__name__})") from None


def _check_owners(given: Sequence[Principal]) -> None:
    """Several keys may have one owner, while one replaces the other."""
    owners: dict[str, Principal] = {}
    for owner in given:
        name = owner.name
        if name == ANYONE.name:
            raise ValueError(f"name is {name!r}, which stands for callers without a key")
        if owners.setdefault(name, owner) != owner:
            raise ValueError(f"the entries of {name!r} differ in what they may or in their limits")


def _check_keys(keys: Sequence[Key]) -> None:
    """No key has two owners."""
    seen: set[bytes] = set()
    for key in keys:
        if key.digest in seen:
            raise ValueError(f"the key of {key.owner.name!r} is there twice")
        seen.add(key.digest)


def _check_certificates(names: Sequence[CertificateName]) -> None:
    seen: set[CertificateName] = set()
    for kind, text in names:
        if (kind, text) in seen:
            raise ValueError(f"the certificate of {kind} {text!r} is there twice")
        seen.add((kind, text))
