"""Serves the gateway's method as bytes: a relay need not decode the messages that it copies."""

from typing import Any, cast

import grpc
import grpc.aio

SERVICE, METHOD = "voice_workflow.VoiceGateway", "StreamAudio"


def serve_calls(server: grpc.aio.Server, handler: Any) -> None:
    """Have the server answer each call with `handler(requests, context)`."""
    method: Any = cast(Any, grpc).stream_stream_rpc_method_handler(handler)
    server.add_generic_rpc_handlers(
        [grpc.method_handlers_generic_handler(SERVICE, {METHOD: method})]
    )
