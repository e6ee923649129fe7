"""Owns TLS on both ports: the certificates, and how each port takes new ones without a restart."""

import ssl
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import grpc

from voice_gateway.access.watched import WatchedFiles


@dataclass(frozen=True, slots=True)
class TlsFiles:
    cert: Path
    key: Path
    client_ca: Path | None = None
    """Who must have signed the certificates of clients; None: clients need none."""

    @property
    def paths(self) -> list[Path]:
        return [self.cert, self.key, *([self.client_ca] if self.client_ca else [])]


@dataclass(frozen=True, slots=True)
class Certificates:
    """What both ports show and trust at the moment."""

    chain_pem: bytes
    key_pem: bytes
    client_ca_pem: bytes | None
    context: ssl.SSLContext


def watched(files: TlsFiles) -> WatchedFiles[Certificates]:
    """Read the certificates; raises OSError or ValueError where they do not fit together."""

    def read(contents: Sequence[bytes]) -> Certificates:
        ca = contents[2] if files.client_ca else None
        return Certificates(contents[0], contents[1], ca, _context(files))

    return WatchedFiles("TLS_CERT", files.paths, read)


def _context(files: TlsFiles) -> ssl.SSLContext:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    try:
        # A key with a pass phrase would ask for it at a terminal.
        context.load_cert_chain(files.cert, files.key, password=lambda: "")
        if files.client_ca:
            context.load_verify_locations(files.client_ca)
            context.verify_mode = ssl.CERT_REQUIRED
    except ssl.SSLError as error:
        raise ValueError(f"certificate, key and CA do not fit together: {error.reason}") from None
    return context


def http_context(now: Callable[[], Certificates]) -> ssl.SSLContext:
    """A context for the HTTP port that answers each handshake with the certificates of `now`."""
    context = now().context

    def newest(handshake: ssl.SSLObject, name: str | None, first: ssl.SSLContext) -> None:
        handshake.context = now().context

    served = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    served.verify_mode = context.verify_mode
    served.sni_callback = newest
    return served


def grpc_credentials(now: Callable[[], Certificates]) -> Any:
    """Credentials for the gRPC port that look for new certificates at each handshake."""
    shown = now()

    def newest() -> Any:
        nonlocal shown
        if now() is shown:
            return None  # what gRPC has is still right
        shown = now()
        return _grpc_certificates(shown)

    return grpc.dynamic_ssl_server_credentials(
        _grpc_certificates(shown),
        newest,
        require_client_authentication=shown.client_ca_pem is not None,
    )


def _grpc_certificates(shown: Certificates) -> Any:
    return grpc.ssl_server_certificate_configuration(
        [(shown.key_pem, shown.chain_pem)], root_certificates=shown.client_ca_pem
    )
