"""Builds chat completion requests. Pure."""

from collections.abc import Iterator, Sequence
from typing import Any

from voice_gateway.conversation import Message
from voice_gateway.messages import ModelOptions, Tool

Json = dict[str, Any]

_CUT_OFF_MARK = " —"


def request(
    model: str, history: Sequence[Message], system_prompt: str, asking: ModelOptions
) -> Json:
    """The body of a streaming request, without the sampling options."""
    body: Json = {
        "model": model,
        "messages": list(_messages(history, system_prompt)),
        "stream": True,
    }
    if asking.tools:
        body["tools"] = [_tool(tool) for tool in asking.tools]
        body["tool_choice"] = _choice(asking.tool_choice)
    if asking.counts_tokens:
        body["stream_options"] = {"include_usage": True}
    return body


def _tool(tool: Tool) -> Json:
    about = {"name": tool.name, "description": tool.description, "parameters": tool.parameters}
    return {"type": "function", "function": about}


def _choice(asked: str) -> str | Json:
    if not asked.startswith("="):
        return asked
    return {"type": "function", "function": {"name": asked.removeprefix("=")}}


def _messages(history: Sequence[Message], system_prompt: str) -> Iterator[Json]:
    """Put each call next to its output, because servers refuse one without the other."""
    if system_prompt:
        yield {"role": "system", "content": system_prompt}
    outputs = {message.call_id: message.text for message in history if message.role == "tool"}
    for message in history:
        if message.calls:
            yield from _calls(message, outputs)
        elif message.role != "tool":
            yield {"role": message.role, "content": _text(message)}


def _calls(message: Message, outputs: dict[str, str]) -> Iterator[Json]:
    answered = [call for call in message.calls if call.call_id in outputs]
    if not answered:  # the caller's program has not answered yet, or never will
        if message.text:
            yield {"role": "assistant", "content": _text(message)}
        return
    calls = [
        {
            "id": call.call_id,
            "type": "function",
            "function": {"name": call.name, "arguments": call.arguments},
        }
        for call in answered
    ]
    yield {"role": "assistant", "content": message.text or None, "tool_calls": calls}
    for call in answered:
        yield {"role": "tool", "tool_call_id": call.call_id, "content": outputs[call.call_id]}


def _text(message: Message) -> str:
    """The text as the model reads it: an answer that was cut off ends with a dash.

    It is no ellipsis, because small models copy that into their next answer.
    """
    return f"{message.text.rstrip(',;:')}{_CUT_OFF_MARK}" if message.interrupted else message.text
