"""The line to Riva: channel, TLS, metadata, and gRPC's errors in our words."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import grpc
import grpc.aio

from voice_gateway.errors import (
    Misconfigured,
    Rejected,
    ServiceError,
    Stage,
    TimedOut,
    Unavailable,
)

# No keepalive pings: a foreign server may allow one per five minutes and closes the connection over
# more ("too many pings"); recognition sends silence instead.
_OPTIONS = [
    ("grpc.max_receive_message_length", 32 * 1024 * 1024),
    ("grpc.initial_reconnect_backoff_ms", 200),
    ("grpc.max_reconnect_backoff_ms", 3_000),
]
_CALLERS_CHOICE = {grpc.StatusCode.INVALID_ARGUMENT, grpc.StatusCode.NOT_FOUND}
_OPERATORS_CHOICE = {
    grpc.StatusCode.UNAUTHENTICATED,
    grpc.StatusCode.PERMISSION_DENIED,
    grpc.StatusCode.UNIMPLEMENTED,
}
_IDLE_STREAM = "must specify the START flag"  # Riva frees a stream after 60 s without audio


@dataclass(frozen=True, slots=True)
class RivaLine:
    """Where one of Riva's services is, and how it is spoken to."""

    stage: Stage
    uri: str
    tls: bool = False
    tls_ca: Path | None = None
    api_key: str = ""
    function_id: str = ""

    def open(self) -> grpc.aio.Channel:
        """Open a channel on the running loop; connects with the first call."""
        if not self.tls:
            return grpc.aio.insecure_channel(self.uri, options=_OPTIONS)
        roots = self.tls_ca.read_bytes() if self.tls_ca else None
        return grpc.aio.secure_channel(
            self.uri, grpc.ssl_channel_credentials(roots), options=_OPTIONS
        )

    def metadata(self) -> tuple[tuple[str, str], ...]:
        """Sent with every call; NVIDIA's hosted Riva wants both."""
        pairs: list[tuple[str, str]] = []
        if self.api_key:
            pairs.append(("authorization", f"Bearer {self.api_key}"))
        if self.function_id:
            pairs.append(("function-id", self.function_id))
        return tuple(pairs)

    def fault(self, error: grpc.aio.AioRpcError, asked: str) -> ServiceError:
        """Translate a failed call; `asked` says what the caller wanted of it."""
        code, details = error.code(), error.details() or ""
        where = f"Riva {self.stage.upper()} at {self.uri}"
        if code is grpc.StatusCode.DEADLINE_EXCEEDED:
            return TimedOut(self.stage, f"{where} did not answer in time")
        if code in _CALLERS_CHOICE and _IDLE_STREAM not in details:
            return Rejected(self.stage, f"{asked} is refused: {details}")
        if code in _OPERATORS_CHOICE:
            return Misconfigured(self.stage, f"{where} refuses the gateway: {code.name} {details}")
        return Unavailable(self.stage, f"{where} failed: {code.name} {details}")


def parameters(response: Any) -> list[dict[str, str]]:
    """The parameters of each model in one of Riva's `Get…Config` responses."""
    return [dict(model.parameters) for model in response.model_config]
