"""Builds chat completion requests and reads the chunks of their answers. Pure."""

from collections.abc import Iterator, Sequence
from typing import Any

from voice_gateway.conversation import Message, ToolCall
from voice_gateway.messages import ModelOptions, Tool, Usage
from voice_gateway.ports import ModelPiece

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


class AnswerReader:
    """Reads one answer's chunks; `calls` gives the tool calls, whose parts come in many chunks."""

    def __init__(self) -> None:
        self._calls: dict[int, Json] = {}

    def take(self, chunk: Any) -> list[ModelPiece]:
        """The text and usage in this chunk; raises ValueError or the like if it is not a chunk."""
        pieces: list[ModelPiece] = []
        choices: list[Json] = chunk.get("choices") or [{}]
        delta: Json = choices[0].get("delta") or {}
        for part in delta.get("tool_calls") or ():
            self._add(part)
        if text := delta.get("content"):
            pieces.append(text)
        if usage := chunk.get("usage"):
            pieces.append(Usage(usage["prompt_tokens"], usage.get("completion_tokens", 0)))
        return pieces

    def calls(self) -> list[ModelPiece]:
        return [
            ToolCall(call["id"] or f"call_{index}", call["name"], call["arguments"] or "{}")
            for index, call in sorted(self._calls.items())
            if call["name"]
        ]

    def _add(self, part: Json) -> None:
        call = self._calls.setdefault(part.get("index", 0), {"id": "", "name": "", "arguments": ""})
        function: Json = part.get("function") or {}
        call["id"] = part.get("id") or call["id"]
        call["name"] += function.get("name") or ""
        call["arguments"] += function.get("arguments") or ""
