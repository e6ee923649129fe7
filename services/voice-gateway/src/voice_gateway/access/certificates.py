"""Owns what a client's certificate says: the names in it, and until when it is good.

That one of TLS_CLIENT_CA has signed it was checked in the handshake.
"""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from cryptography import x509
from cryptography.x509.oid import NameOID

from voice_gateway.errors import Unauthenticated

Kind = Literal["common_name", "dns", "uri", "email"]
CertificateName = tuple[Kind, str]

_LONGEST_SAID = 200


@dataclass(frozen=True, slots=True)
class Certificate:
    names: frozenset[CertificateName]
    until: float
    """Its end, in seconds since the epoch."""
    fingerprint: str
    """Tells it from any other, as a list of revoked certificates does."""
    serial: int

    def described(self) -> str:
        """The names, for the log."""
        said = ", ".join(f"{kind} {text!r}" for kind, text in sorted(self.names))
        return said[:_LONGEST_SAID] or "none"


def fingerprint(issuer: bytes, serial: int) -> str:
    """`issuer` is its name in DER."""
    return hashlib.sha256(issuer + f" {serial}".encode()).hexdigest()[:32]


def read(der: bytes) -> Certificate:
    """Read a certificate; raises Unauthenticated."""
    try:
        found = x509.load_der_x509_certificate(der)
        names = frozenset(as_compared(kind, text) for kind, text in _names(found))
        until, serial = found.not_valid_after_utc.timestamp(), found.serial_number
        return Certificate(names, until, fingerprint(found.issuer.public_bytes(), serial), serial)
    except (ValueError, x509.DuplicateExtension, x509.UnsupportedGeneralNameType) as error:
        reason = f"a certificate cannot be read: {type(error).__name__}"
        raise Unauthenticated("The client certificate cannot be read.", reason) from None


def as_compared(kind: Kind, text: str) -> CertificateName:
    """A name as it is compared: of them all, only those of DNS have no case."""
    return kind, text.lower() if kind == "dns" else text


def _names(certificate: x509.Certificate) -> Iterator[CertificateName]:
    for attribute in certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME):
        if isinstance(attribute.value, str):
            yield "common_name", attribute.value
    try:
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return
    for text in names.get_values_for_type(x509.DNSName):
        yield "dns", text
    for text in names.get_values_for_type(x509.UniformResourceIdentifier):
        yield "uri", text
    for text in names.get_values_for_type(x509.RFC822Name):
        yield "email", text
