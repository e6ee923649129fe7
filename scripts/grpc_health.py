#!/usr/bin/env python3
"""Asks a gRPC server whether it serves: `grpc-health HOST:PORT [SERVICE]`; status 0 says yes.

Stands in both images as their health check. It needs grpcio and no generated code: both messages of
grpc.health.v1.Health/Check are one field each.
"""

import sys

import grpc

_PATIENCE_S = 4.0
_SERVING = b"\x08\x01"  # HealthCheckResponse{status: SERVING}


def health(address: str, service: str) -> str:
    """Return "" where the server says SERVING, else what is wrong."""
    name = service.encode()
    request = bytes((0x0A, len(name))) + name if name else b""  # HealthCheckRequest{service}
    with grpc.insecure_channel(address) as channel:
        check: grpc.UnaryUnaryMultiCallable[bytes, bytes] = channel.unary_unary(
            "/grpc.health.v1.Health/Check"
        )
        try:
            answer = check(request, timeout=_PATIENCE_S, wait_for_ready=True)
        except grpc.RpcError as error:
            return f"{address}: {error.code().name}"
    return "" if answer == _SERVING else f"{address}: does not serve {service or 'yet'}"


def main() -> int:
    if not 2 <= len(sys.argv) <= 3 or len(sys.argv[-1]) > 127:
        sys.stderr.write("usage: grpc-health HOST:PORT [SERVICE]\n")
        return 2
    wrong = health(sys.argv[1], sys.argv[2] if len(sys.argv) == 3 else "")
    if wrong:
        sys.stderr.write(f"grpc-health: {wrong}\n")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
