"""Owns those who sign in the tests of TLS: the gateway's certificate, and its clients'."""

import ssl
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import grpc
import trustme
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding, load_pem_private_key


@dataclass(frozen=True)
class Client:
    """A program that trusts the gateway and has a certificate of its own."""

    made: trustme.LeafCert
    trusted: trustme.CA

    @property
    def context(self) -> ssl.SSLContext:
        """What it shows over HTTP."""
        context = ssl.create_default_context(cadata=self.trusted.cert_pem.bytes().decode())
        leaf: Any = self.made
        leaf.configure_cert(context)
        return context

    @property
    def credentials(self) -> grpc.ChannelCredentials:
        """What it shows over gRPC."""
        return grpc.ssl_channel_credentials(
            self.trusted.cert_pem.bytes(),
            self.made.private_key_pem.bytes(),
            b"".join(pem.bytes() for pem in self.made.cert_chain_pems),
        )

    @property
    def der(self) -> bytes:
        return ssl.PEM_cert_to_DER_cert(self.made.cert_chain_pems[0].bytes().decode())


@dataclass
class Authorities:
    """Who signs the gateway's certificate, and who its clients'."""

    folder: Path
    server: trustme.CA = field(default_factory=trustme.CA)
    clients: trustme.CA = field(default_factory=trustme.CA)

    def write(self) -> dict[str, Path]:
        """Write what the gateway shows and trusts; return its settings."""
        made = self.server.issue_cert("localhost", "127.0.0.1")
        paths = {name: self.folder / name for name in ("tls_cert", "tls_key", "tls_client_ca")}
        paths["tls_cert"].write_bytes(b"".join(pem.bytes() for pem in made.cert_chain_pems))
        paths["tls_key"].write_bytes(made.private_key_pem.bytes())
        paths["tls_client_ca"].write_bytes(self.clients.cert_pem.bytes())
        return paths

    def revoke(self, *clients: Client, lasts: timedelta = timedelta(days=1), **by: Any) -> Path:
        """Write the list of the certificates that are revoked; `by`: who signs it, and more."""
        path = self.folder / "tls_client_crl"
        path.write_bytes(crl(by.pop("authority", self.clients), clients, lasts, **by))
        return path

    def client(self, *names: str, common_name: str | None = None, **more: Any) -> Client:
        """A client with a certificate of these names."""
        made = self.clients.issue_cert(*names, common_name=common_name, **more)
        return Client(made, self.server)


def crl(
    authority: trustme.CA,
    clients: Iterable[Client],
    lasts: timedelta,
    extension: x509.ExtensionType | None = None,
) -> bytes:
    """A list of revoked certificates in PEM, as an authority publishes it."""
    issuer = x509.load_pem_x509_certificate(authority.cert_pem.bytes())
    key: Any = load_pem_private_key(authority.private_key_pem.bytes(), None)
    until = datetime.now(UTC) + lasts
    began = until - timedelta(days=30)
    made = x509.CertificateRevocationListBuilder(issuer.subject, began, until)
    for each in clients:
        serial = x509.load_der_x509_certificate(each.der).serial_number
        entry = x509.RevokedCertificateBuilder(serial, began).build()
        made = made.add_revoked_certificate(entry)
    if extension:
        made = made.add_extension(extension, critical=True)
    return made.sign(key, hashes.SHA256()).public_bytes(Encoding.PEM)
