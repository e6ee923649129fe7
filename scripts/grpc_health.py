#!/usr/bin/env python3
"""Asks a gRPC server whether it serves: `grpc-health HOST:PORT [SERVICE]`; status 0 says yes.

Stands in both images as their health check. It needs grpcio and no generated code: both messages of
grpc.health.v1.Health/Check are one field each.
"""

import argparse
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


def _service(name: str) -> str:
    if len(name.encode()) > 127:
        raise argparse.ArgumentTypeError("its name has more than 127 bytes")
    return name


def main() -> int:
    parser = argparse.ArgumentParser("grpc-health", description=__doc__)
    parser.add_argument("address", metavar="HOST:PORT")
    parser.add_argument("service", metavar="SERVICE", nargs="?", default="", type=_service)
    given = parser.parse_args()
    wrong = health(given.address, given.service)
    if wrong:
        sys.stderr.write(f"grpc-health: {wrong}\n")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
