"""Builds OpenAI's chat completions as the scripted model sends them."""

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

Json = dict[str, Any]

_PIECE = re.compile(r"\s*\S+\s*$|\s*\S+")
_ERROR_TYPES = {
    400: ("invalid_request_error", None),
    401: ("invalid_request_error", "invalid_api_key"),
    404: ("invalid_request_error", "model_not_found"),
    429: ("requests", "rate_limit_exceeded"),
}
DONE = b"data: [DONE]\n\n"


def pieces_of(text: str) -> list[str]:
    """Cut the text into words, each with the space before it."""
    return _PIECE.findall(text) or ([text] if text else [])


def event(payload: Mapping[str, Any]) -> bytes:
    return b"data: " + json.dumps(payload, ensure_ascii=False).encode() + b"\n\n"


def error_body(status: int, message: str) -> Json:
    kind, code = _ERROR_TYPES.get(status, ("server_error", None))
    return {"error": {"message": message, "type": kind, "param": None, "code": code}}


def chunk(head: Json, delta: Json, finish: str | None = None, *, with_usage: bool = False) -> Json:
    """One streamed chunk; `usage` is null on all but the last where the client asked for it."""
    choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish}
    body = head | {"object": "chat.completion.chunk", "choices": [choice]}
    return body | {"usage": None} if with_usage else body


def tool_call_parts(ordinal: int, name: str, arguments: str) -> list[Json]:
    """The deltas of one tool call: its name first, then its arguments in two halves."""
    half = len(arguments) // 2
    begin = {"name": name, "arguments": ""}
    parts = [
        {"index": 0, "id": f"call_{ordinal}", "type": "function", "function": begin},
        {"index": 0, "function": {"arguments": arguments[:half]}},
        {"index": 0, "function": {"arguments": arguments[half:]}},
    ]
    return [{"tool_calls": [part]} for part in parts]


def usage_chunk(head: Json, messages: Sequence[Json], pieces: int) -> Json:
    usage = usage_of(messages, pieces)
    return head | {"object": "chat.completion.chunk", "choices": [], "usage": usage}


def completion(head: Json, messages: Sequence[Json], text: str) -> Json:
    """The whole answer to a request without `stream`."""
    message = {"role": "assistant", "content": text, "refusal": None}
    choice = {"index": 0, "message": message, "logprobs": None, "finish_reason": "stop"}
    usage = usage_of(messages, len(pieces_of(text)))
    return head | {"object": "chat.completion", "choices": [choice], "usage": usage}


def usage_of(messages: Sequence[Json], pieces: int) -> Json:
    asked = sum(len(str(message.get("content", "")).split()) for message in messages)
    return {
        "prompt_tokens": asked,
        "completion_tokens": pieces,
        "total_tokens": asked + pieces,
    }


def model_list(names: Sequence[str]) -> Json:
    models = [{"id": name, "object": "model", "created": 0, "owned_by": "test"} for name in names]
    return {"object": "list", "data": models}
