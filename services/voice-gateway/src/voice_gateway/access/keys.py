"""Owns the bearer keys: whose each is, found by its digest, as a key itself is kept nowhere."""

import hashlib
import hmac
import json
import tomllib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Literal, get_args

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from voice_gateway.principals import ANYONE, Limits, Principal, Rights

Right = Literal["system_prompt", "voice", "language", "model_options", "tools"]

_MOST_KEYS = 10_000
_LONGEST_NAME = 64
_PerMinute = Annotated[float, Field(gt=0, le=1e9)]


@dataclass(frozen=True, slots=True)
class Key:
    digest: bytes
    """The SHA-256 of the key."""
    owner: Principal


def find(keys: Sequence[Key], bearer: str) -> Principal | None:
    """Whose key this is. It takes as long for a right key as for a wrong one."""
    digest = hashlib.sha256(bearer.encode(errors="surrogatepass")).digest()
    owner = None
    for key in keys:
        if hmac.compare_digest(key.digest, digest):
            owner = key.owner
    return owner


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


class _Entry(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)

    name: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$", max_length=_LONGEST_NAME)
    sha256: str = Field(pattern=r"^[0-9A-Fa-f]{64}$")
    may: list[Right] | None = None
    limits: _Limits = _Limits()


class _File(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)

    keys: list[_Entry] = Field(max_length=_MOST_KEYS)


def in_file(text: bytes, rights: Rights) -> tuple[Key, ...]:
    """The keys of a file, which is TOML or JSON; raises ValueError with one line.

    `rights` has what one may replace whose entry does not say it.
    """
    try:
        entries = _File.model_validate(_document(text)).keys
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        where = ".".join(str(part) for part in first["loc"])
        raise ValueError(f"{where}: {first['msg']}") from None
    keys = tuple(_key(entry, rights) for entry in entries)
    _check_owners(keys)
    return keys


def _document(text: bytes) -> Any:
    try:
        said = text.decode()
        return json.loads(said) if said.lstrip().startswith("{") else tomllib.loads(said)
    except RecursionError:
        raise ValueError("it is nested too deep") from None
    except ValueError as error:
        # Neither the text nor a line of it is shown, as somebody may have put a key there.
        raise ValueError(f"it is neither TOML nor JSON ({type(error).__name__})") from None


def _key(entry: _Entry, rights: Rights) -> Key:
    own = rights if entry.may is None else rights_of(entry.may)
    limits = Limits(**entry.limits.model_dump())
    return Key(bytes.fromhex(entry.sha256), Principal(entry.name, own, limits))


def _check_owners(keys: Sequence[Key]) -> None:
    """Several keys may have one owner, while one replaces the other; no key has two."""
    owners: dict[str, Principal] = {}
    seen: set[bytes] = set()
    for key in keys:
        name = key.owner.name
        if name == ANYONE.name:
            raise ValueError(f"name is {name!r}, which stands for callers without a key")
        if owners.setdefault(name, key.owner) != key.owner:
            raise ValueError(f"the keys of {name!r} differ in what they may or in their limits")
        if key.digest in seen:
            raise ValueError(f"the key of {name!r} is there twice")
        seen.add(key.digest)
