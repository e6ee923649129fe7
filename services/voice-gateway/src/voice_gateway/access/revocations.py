"""Owns which clients' certificates are revoked: the lists of TLS_CLIENT_CRL.

A list counts if one of TLS_CLIENT_CA has signed it. One that is past its next update stays in
force: whoever it revokes is no better for that, and to refuse all others would end every call.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm

from voice_gateway.access.certificates import fingerprint
from voice_gateway.access.watched import WatchedFiles

_LISTS = re.compile(rb"-----BEGIN X509 CRL-----.+?-----END X509 CRL-----", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Revocations:
    """What the lists say at one moment."""

    revoked: frozenset[str] = frozenset()
    """The fingerprints of certificates."""
    next_update: float = float("inf")
    """When the first of the lists should have been replaced, in seconds since the epoch."""


def watched(crl: Path, client_ca: Path) -> WatchedFiles[Revocations]:
    """Read the lists; raises OSError or ValueError where they are none, or somebody else's."""
    return WatchedFiles("TLS_CLIENT_CRL", [crl, client_ca], _read)


def _read(contents: Sequence[bytes]) -> Revocations:
    lists = [_parsed(pem) for pem in _LISTS.findall(contents[0])]
    if not lists:
        raise ValueError("it holds no list of revoked certificates in PEM")
    authorities = x509.load_pem_x509_certificates(contents[1])
    for each in lists:
        _check(each, authorities)
    updates = [each.next_update_utc for each in lists]
    return Revocations(
        frozenset(each for one in lists for each in _fingerprints(one)),
        min((at.timestamp() for at in updates if at), default=float("inf")),
    )


def _parsed(pem: bytes) -> x509.CertificateRevocationList:
    try:
        return x509.load_pem_x509_crl(pem)
    except ValueError:
        raise ValueError("a list of revoked certificates cannot be read") from None


def _fingerprints(found: x509.CertificateRevocationList) -> Iterator[str]:
    issuer = found.issuer.public_bytes()
    return (fingerprint(issuer, entry.serial_number) for entry in found)


def _check(found: x509.CertificateRevocationList, authorities: Sequence[x509.Certificate]) -> None:
    """Raise ValueError for a list that does not say all of what its issuer has revoked."""
    issuer = found.issuer.rfc4514_string()
    if not any(_has_signed(each, found) for each in authorities):
        raise ValueError(f"the list of {issuer!r} is signed by none of TLS_CLIENT_CA")
    for extension in found.extensions:
        partial = x509.DeltaCRLIndicator | x509.IssuingDistributionPoint
        if extension.critical and isinstance(extension.value, partial):
            raise ValueError(f"the list of {issuer!r} is a part of one; only whole ones are read")


def _has_signed(authority: x509.Certificate, found: x509.CertificateRevocationList) -> bool:
    if authority.subject != found.issuer:
        return False
    try:
        return found.is_signature_valid(authority.public_key())  # pyright: ignore[reportArgumentType]
    except (InvalidSignature, UnsupportedAlgorithm, TypeError):
        return False
