"""The settings of the ports: where they are, who may call, and what callers may replace."""

from pathlib import Path
from typing import Self

from pydantic import Field, FilePath, SecretStr, field_validator, model_validator
from pydantic_settings import BaseSettings

from voice_gateway.settings.value_types import Port, is_jwks_url, is_loopback, words

RIGHTS = ("system_prompt", "voice", "language", "model_options", "tools")
_SHORTEST_SECRET = 32


class PortsAndKeys(BaseSettings):
    grpc_host: str = Field(
        "",
        description=(
            "Address that callers connect to; empty: every one where a key is asked for or "
            "ALLOW_ANYONE is true, else this machine's own alone."
        ),
    )
    grpc_port: Port = Field(50051, description="Port for callers; 0 takes any free one.")
    http_host: str = Field(
        "", description="Address of the web page and the WebSocket; empty: as for GRPC_HOST."
    )
    http_port: Port = Field(
        8080,
        description=(
            "Port of the web page, `/v1/realtime`, `/metrics`, `/healthz` and `/readyz`; 0 takes "
            "any free one."
        ),
    )
    http_origins: str = Field(
        "",
        description=(
            "Web sites whose pages may call besides the gateway's own, as `https://a.example "
            "https://b.example`; `*`: all."
        ),
    )
    http_hosts: str = Field(
        "",
        description=(
            "Names that browsers reach the HTTP port by, as `voice.example.org`, besides "
            "`localhost` and addresses in figures; a page under another name may not call where "
            "no key is asked for. `*`: any."
        ),
    )
    internal_port: Port | None = Field(
        None,
        description=(
            "Port of `/metrics`, `/healthz` and `/readyz` without a key and without TLS, for the "
            "cluster alone; 0 takes any free one, empty: none."
        ),
    )
    allow_anyone: bool = Field(
        False, description="Serve whoever reaches the ports, where no key is asked for."
    )
    api_keys: SecretStr = Field(
        SecretStr(""),
        description=(
            "Keys that open a call, on both ports, separated by commas; each is a principal of its "
            "own. None here, in API_KEYS_FILE or by JWT_JWKS: no key is asked for."
        ),
    )
    api_keys_file: FilePath | None = Field(
        None,
        description=(
            "File of keys with names, limits and rights, as their SHA-256, and of the clients' "
            "certificates that need none (see docs/security.md), in TOML or JSON; read again when "
            "it changes."
        ),
    )
    jwt_jwks: str = Field(
        "",
        description=(
            "Public keys of those who sign JWTs that open a call: a JWKS file, or its https URL."
        ),
    )
    jwt_issuer: str = Field("", description="The `iss` that a JWT must have.")
    jwt_audience: str = Field("", description="The `aud` that a JWT must have.")
    token_secret: SecretStr = Field(
        SecretStr(""),
        description=(
            "Signs the tokens that `/v1/realtime/client_secrets` gives for browsers, at least 32 "
            "characters and the same for all gateways; empty: each makes its own at its start."
        ),
    )
    caller_may: str = Field(
        " ".join(RIGHTS),
        description=(
            "What of the operator's choices callers may replace, where a key's own entry does not "
            "say it; `none`: nothing."
        ),
    )
    tls_cert: FilePath | None = Field(
        None,
        description=(
            "Certificate chain (PEM) for TLS on both ports, with TLS_KEY; read again when it "
            "changes. Empty: no TLS."
        ),
    )
    tls_key: FilePath | None = Field(None, description="The private key of TLS_CERT (PEM).")
    tls_client_ca: FilePath | None = Field(
        None,
        description="CA (PEM) that must have signed the certificate of every client; empty: none.",
    )

    tls_client_crl: FilePath | None = Field(
        None,
        description=(
            "List of the clients' certificates that are revoked (PEM, one list or several, each "
            "signed by one of TLS_CLIENT_CA); read again when it changes. Empty: none is asked."
        ),
    )

    @field_validator("api_keys")
    @classmethod
    def _some_key(cls, keys: SecretStr) -> SecretStr:
        text = keys.get_secret_value()
        if text and not text.replace(",", " ").split():
            raise ValueError("it holds no key; allowed: keys with commas between them, or empty")
        return keys

    @field_validator("jwt_jwks")
    @classmethod
    def _a_jwks(cls, where: str) -> str:
        if where and not (is_jwks_url(where) or ("://" not in where and Path(where).is_file())):
            raise ValueError("allowed: an https:// URL, a file that is there, or empty")
        return where

    @field_validator("token_secret")
    @classmethod
    def _long_enough(cls, secret: SecretStr) -> SecretStr:
        if 0 < len(secret.get_secret_value()) < _SHORTEST_SECRET:
            raise ValueError(f"allowed: at least {_SHORTEST_SECRET} characters, or empty")
        return secret

    @field_validator("caller_may")
    @classmethod
    def _rights(cls, text: str) -> str:
        wrong = next((each for each in words(text) if each not in RIGHTS), None)
        if wrong not in (None, "none") or (wrong and len(words(text)) > 1):
            allowed = ", ".join(RIGHTS)
            raise ValueError(f"{wrong!r} is none of {allowed}; allowed: some of them, or none")
        return text

    @model_validator(mode="after")
    def _what_belongs_together(self) -> Self:
        if bool(self.tls_cert) != bool(self.tls_key):
            raise ValueError("TLS_CERT and TLS_KEY are set together, or neither is")
        if self.tls_client_ca and not self.tls_cert:
            raise ValueError("TLS_CLIENT_CA needs TLS_CERT and TLS_KEY")
        if self.tls_client_crl and not self.tls_client_ca:
            raise ValueError("TLS_CLIENT_CRL needs TLS_CLIENT_CA")
        if self.jwt_jwks and not (self.jwt_issuer and self.jwt_audience):
            raise ValueError("JWT_JWKS needs JWT_ISSUER and JWT_AUDIENCE")
        for name, host in (("GRPC_HOST", self.grpc_host), ("HTTP_HOST", self.http_host)):
            if host and not is_loopback(host) and self.is_open():
                raise ValueError(
                    f"{name} is {host!r}, and nobody is asked for a key: set API_KEYS, "
                    "API_KEYS_FILE or JWT_JWKS, or ALLOW_ANYONE=true to serve whoever comes"
                )
        return self

    def asks_keys(self) -> bool:
        """Whether callers must show who they are."""
        return bool(self.api_keys.get_secret_value() or self.api_keys_file or self.jwt_jwks)

    def is_open(self) -> bool:
        """Whether whoever reaches the ports may call, and the operator has not said so."""
        return not (self.asks_keys() or self.tls_client_ca or self.allow_anyone)

    def serves_strangers(self) -> bool:
        """Whether whoever reaches a port that others than this machine reach may call."""
        if self.asks_keys() or self.tls_client_ca:
            return False
        hosts = (self.grpc_host, self.http_host)
        return any(not is_loopback(self.bound_host(host)) for host in hosts)

    def bound_host(self, host: str) -> str:
        """What GRPC_HOST or HTTP_HOST stands for."""
        return host or ("127.0.0.1" if self.is_open() else "0.0.0.0")

    def rights(self) -> frozenset[str]:
        """What callers may replace."""
        return frozenset(words(self.caller_may)) - {"none"}
