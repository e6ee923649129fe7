"""Opens channels to Riva's addresses, with TLS and metadata, and turns gRPC's errors into ours."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import grpc
import grpc.aio

from voice_gateway.adapters.addresses import Refused
from voice_gateway.errors import (
    Misconfigured,
    Rejected,
    ServiceError,
    Stage,
    TimedOut,
    Unavailable,
)

_OPTIONS: list[tuple[str, int]] = [
    ("grpc.max_receive_message_length", 32 * 1024 * 1024),
    ("grpc.initial_reconnect_backoff_ms", 200),
    ("grpc.max_reconnect_backoff_ms", 3_000),
    ("grpc.min_reconnect_backoff_ms", 5_000),  # in spite of its name: the longest try to connect
    # A channel of its own is a connection of its own, and waits for no other channel's.
    ("grpc.use_local_subchannel_pool", 1),
]
_PONG_MS = 5_000  # the longest wait for the answer to a ping
_CALLER_ERRORS = {grpc.StatusCode.INVALID_ARGUMENT, grpc.StatusCode.NOT_FOUND}
_OPERATOR_ERRORS = {
    grpc.StatusCode.UNAUTHENTICATED,
    grpc.StatusCode.PERMISSION_DENIED,
    grpc.StatusCode.UNIMPLEMENTED,
}
_UNCONNECTED = ("failed to connect to", "dns resolution failed")  # how gRPC's own texts begin
_FREED_STREAM = "must specify the START flag"  # Riva frees a stream after 60 s without audio


@dataclass(frozen=True, slots=True)
class RivaConnection:
    """The address of one of Riva's services, or a list of them, and the credentials it wants."""

    stage: Stage
    uri: str
    tls: bool = False
    tls_ca: Path | None = None
    api_key: str = ""
    function_id: str = ""
    host: str = ""
    """The name that the certificate must have, where `uri` is one of its records."""
    keepalive_s: float = 0.0
    """Seconds without traffic before a ping; 0: none."""

    def open(self) -> grpc.aio.Channel:
        """Open a channel on the running loop; connects with the first call."""
        if not self.tls:
            return grpc.aio.insecure_channel(self.uri, options=self._options())
        options = [("grpc.ssl_target_name_override", self.host)] if self.host else []
        credentials = grpc.ssl_channel_credentials(self._roots())
        return grpc.aio.secure_channel(self.uri, credentials, options=[*self._options(), *options])

    def at(self, uri: str, host: str = "") -> "RivaConnection":
        """The same for one address."""
        return replace(self, uri=uri, host=host)

    def _roots(self) -> bytes | None:
        try:
            return self.tls_ca.read_bytes() if self.tls_ca else None
        except OSError as error:
            said = f"RIVA_TLS_CA {self.tls_ca} cannot be read: {error.strerror}"
            raise Misconfigured(self.stage, said) from None

    def _options(self) -> list[tuple[str, int]]:
        # There are no pings by default: a server may allow one per five minutes, and close the
        # connection if more come ("too many pings"). Recognition sends silence instead.
        if not self.keepalive_s:
            return _OPTIONS
        return [
            *_OPTIONS,
            ("grpc.keepalive_time_ms", round(self.keepalive_s * 1000)),
            ("grpc.keepalive_timeout_ms", _PONG_MS),
            ("grpc.http2.ping_timeout_ms", _PONG_MS),  # without it, gRPC waits for a minute
            ("grpc.http2.max_pings_without_data", 0),
        ]

    def metadata(self) -> tuple[tuple[str, str], ...]:
        """The metadata of every call; NVIDIA's hosted Riva wants both entries."""
        pairs: list[tuple[str, str]] = []
        if self.api_key:
            pairs.append(("authorization", f"Bearer {self.api_key}"))
        if self.function_id:
            pairs.append(("function-id", self.function_id))
        return tuple(pairs)

    def fault(self, error: grpc.aio.AioRpcError, asked: str) -> ServiceError:
        """Translate a failed call; `asked` says in words what was requested."""
        code, details = error.code(), error.details() or ""
        where = f"Riva {self.stage.upper()} at {self.uri}"
        if code is grpc.StatusCode.DEADLINE_EXCEEDED:
            return TimedOut(self.stage, f"{where} did not answer in time")
        if code in _CALLER_ERRORS and _FREED_STREAM not in details:
            refused = f"{asked} is refused"
            return Rejected(self.stage, f"{refused}: {details}", refused)
        if code in _OPERATOR_ERRORS:
            return Misconfigured(self.stage, f"{where} refuses the gateway: {code.name} {details}")
        kind = Refused if _unconnected(code, details) else Unavailable
        return kind(self.stage, f"{where} failed: {code.name} {details}")


def _unconnected(code: grpc.StatusCode, details: str) -> bool:
    """Whether gRPC says that it found nobody to talk to, and not a server that it is unwell."""
    said = details.lower()
    return code is grpc.StatusCode.UNAVAILABLE and any(part in said for part in _UNCONNECTED)


def parameters(response: Any) -> list[dict[str, str]]:
    """The parameters of each model in one of Riva's `Get…Config` responses."""
    return [dict(model.parameters) for model in response.model_config]
