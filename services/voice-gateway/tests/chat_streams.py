"""The table of chat streams that really occur, and what must come of each.

From public bug reports of programs that read such streams; the ids are those of
`docs/reliability/chat.md`.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from voice_gateway.messages import Incomplete, Usage
from voice_gateway.testing.fake_chat_wire import DONE, Json, event

NOON = "It is noon."
LONDON = '{"city": "London"}'
ROME = '{"city": "Rome"}'
WEATHER = ("get_weather", {"city": "London"})
WEATHER_ROME = ("get_weather", {"city": "Rome"})
BROKE_OFF = "broke off"


@dataclass(frozen=True, slots=True)
class Stream:
    """One body of a 200 answer, and what the caller must get of it."""

    name: str
    parts: Sequence[bytes]
    said: str = NOON
    calls: Sequence[tuple[str, Json]] = ()
    fault: str = ""
    """A part of what the caller is told; empty: there is no fault."""
    incomplete: Incomplete = ""
    usage: Usage | None = None
    tools: bool = False
    """Whether the caller's program has declared `get_weather`."""
    kind: str = "text/event-stream"
    stays_open: bool = False
    model: str = "meta/llama-3.1-8b-instruct"

    @property
    def body(self) -> bytes:
        return b"".join(self.parts)


def chunk(delta: Json | None, finish: str | None = None, **more: Any) -> bytes:
    choice = {"index": 0, "delta": delta, "finish_reason": finish}
    return event(
        {"id": "chatcmpl-1", "object": "chat.completion.chunk", "choices": [choice]} | more
    )


def text(*pieces: str) -> list[bytes]:
    return [chunk({"content": piece}) for piece in pieces]


def tool(**part: Any) -> bytes:
    return chunk({"tool_calls": [part]})


def written(said: str, finish: str = "stop") -> list[bytes]:
    """The whole stream of an answer with this text, three characters in each chunk."""
    return [*text(*(said[at : at + 3] for at in range(0, len(said), 3))), chunk({}, finish), DONE]


ROLE = chunk({"role": "assistant", "content": ""})
HALF, REST = text("It is"), text(" noon.")
STOP = chunk({}, "stop")
TOOL_STOP = chunk({}, "tool_calls")
NO_COUNTS = {"prompt_tokens": None, "completion_tokens": None}
ANSWER = [*HALF, *REST, STOP]


def counts(**given: Any) -> bytes:
    return event({"choices": [], "usage": given})


def begun(name: str = "get_weather", arguments: Any = "", **part: Any) -> bytes:
    return tool(function={"name": name, "arguments": arguments}, **part)


def went_on(arguments: str, **part: Any) -> bytes:
    return tool(function={"arguments": arguments}, **part)


USAGE = (
    Stream("A01 counts that are null", [*ANSWER, counts(**NO_COUNTS), DONE], usage=Usage(0, 0)),
    Stream("A01 only a total", [*ANSWER, counts(total_tokens=9), DONE], usage=Usage(0, 0)),
    Stream(
        "A01 counts that are no numbers",
        [*ANSWER, counts(prompt_tokens="many", completion_tokens=-1), DONE],
        usage=Usage(0, 0),
    ),
    Stream("A01 usage is a list", [*ANSWER, event({"choices": [], "usage": []}), DONE]),
    Stream(
        "A01 counts", [*ANSWER, counts(prompt_tokens=7, completion_tokens=3)], usage=Usage(7, 3)
    ),
)

ENDS = (
    Stream(
        "A02 as long as it may be",
        [*HALF, chunk({}, "length"), DONE],
        said="It is",
        incomplete="max_output_tokens",
    ),
    Stream("A02 filtered", [*HALF, chunk({}, "content_filter"), DONE], "It is", (), "",
           "content_filter"),
    Stream("A02 max_tokens", [*HALF, chunk({}, "MAX_TOKENS"), DONE], "It is", (), "",
           "max_output_tokens"),
    Stream("A02 the reason with the last text", [*HALF, chunk({"content": " noon."}, "length")],
           incomplete="max_output_tokens"),
    Stream("A03 half a sentence", HALF, said="It is", fault=BROKE_OFF),
    Stream("A03 in the middle of a chunk", [*HALF, REST[0][:30]], said="It is", fault=BROKE_OFF),
    Stream("A03 done without a reason", [*HALF, *REST, DONE]),
    Stream("A03 a reason without done", ANSWER),
    Stream("A03 left open after done", [*ANSWER, DONE], stays_open=True),
    Stream("A03 left open after the reason", ANSWER, stays_open=True),
    Stream("A03 the server gave up", [*HALF, chunk({}, "abort"), DONE], said="It is",
           fault="gave its answer up"),
)  # fmt: skip

ERROR = {"message": "engine at 10.0.0.7 died", "type": "server_error", "code": 500}
REPORTED = "reported an error"
ERRORS = (
    Stream("A04 an error after text", [*HALF, event({"error": ERROR})], "It is", (), REPORTED),
    Stream(
        "A04 an error object",
        [*HALF, event({"object": "error", "message": "engine died", "code": 500}), DONE],
        said="It is",
        fault=REPORTED,
    ),
    Stream(
        "A04 an error, and the line stays open",
        [*HALF, event({"error": ERROR})],
        said="It is",
        fault=REPORTED,
        stays_open=True,
    ),
    Stream(
        "A04 an error without the blank line",
        [*HALF, event({"error": ERROR}).removesuffix(b"\n")],
        said="It is",
        fault=REPORTED,
        stays_open=True,
    ),
    Stream(
        "A04 an error event",
        [*HALF, b'event: error\ndata: {"code": 500}\n\n'],
        said="It is",
        fault=REPORTED,
        stays_open=True,
    ),
    Stream("A04 an error as text", [*HALF, event({"error": "no memory"})], "It is", (), REPORTED),
    Stream("A04 a detail", [*HALF, event({"detail": "Not Found"})], "It is", (), REPORTED),
    Stream("A04 an error without data", [*HALF, b'{"error":{}}\n\n'], "It is", (), REPORTED),
    Stream("A04 an error that is null", [*HALF, chunk({"content": " noon."}, error=None), STOP]),
    Stream("A04 an error after the end", [*ANSWER, event({"error": ERROR})]),
    Stream("A04 no JSON", [*HALF, b'data: {"choices": [{"delta"\n\n'], "It is", (), "no JSON"),
    Stream("A04 a number", [*HALF, b"data: 5\n\n"], "It is", (), "no chat chunk"),
    Stream("A04 choices that are none", [*HALF, event({"choices": [5]})], "It is", (),
           "cannot be read"),
)  # fmt: skip

CALLS = (
    Stream("a call in parts", [begun(index=0, id="a"), went_on('{"city": ', index=0),
           went_on('"London"}', index=0), TOOL_STOP, DONE], "", [WEATHER], tools=True),
    Stream("A05 one index, two ids", [begun(index=0, id="a", arguments=LONDON),
           begun(index=0, id="b", arguments=ROME), TOOL_STOP, DONE], "", [WEATHER, WEATHER_ROME],
           tools=True),
    Stream("A05 no index, two ids", [begun(id="a", arguments=LONDON),
           begun(id="b", arguments=ROME), TOOL_STOP, DONE], "", [WEATHER, WEATHER_ROME],
           tools=True),
    Stream("A05 one index, no ids", [begun(index=0, arguments=LONDON),
           begun(index=0, arguments=ROME), TOOL_STOP, DONE], "", [WEATHER, WEATHER_ROME],
           tools=True),
    Stream("A05 one index, two ids, in parts", [begun(index=0, id="a"), went_on(LONDON, index=0),
           begun(index=0, id="b"), went_on(ROME, index=0), TOOL_STOP], "",
           [WEATHER, WEATHER_ROME], tools=True),
    Stream("A05 two indexes, taking turns", [begun(index=0, id="a"), begun(index=1, id="b"),
           went_on('{"city": "Lon', index=0), went_on('{"city": "Ro', index=1),
           went_on('don"}', index=0), went_on('me"}', index=1), TOOL_STOP], "",
           [WEATHER, WEATHER_ROME], tools=True),
    Stream("A05 both in one chunk", [chunk({"tool_calls": [
               {"id": "a", "function": {"name": "get_weather", "arguments": LONDON}},
               {"id": "b", "function": {"name": "get_weather", "arguments": ROME}}]}), TOOL_STOP],
           "", [WEATHER, WEATHER_ROME], tools=True),
    Stream("A06 name and id with each part", [begun(index=0, id="a"),
           begun(index=0, id="a", arguments='{"city": '),
           begun(index=0, id="a", arguments='"London"}'), TOOL_STOP], "", [WEATHER], tools=True),
    Stream("A06 a new id with each part", [begun(index=0, id="a"),
           went_on('{"city": ', index=0, id="b"), went_on('"London"}', index=0, id="c"),
           TOOL_STOP], "", [WEATHER], tools=True),
    Stream("A06 the name in parts", [begun("get_", index=0, id="a"), begun("weather", index=0),
           went_on(LONDON, index=0), TOOL_STOP], "", [WEATHER], tools=True),
    Stream("A06 an object", [begun(index=0, id="a", arguments={"city": "London"}), TOOL_STOP], "",
           [WEATHER], tools=True),
    Stream("A06 JSON in a string", [begun(index=0, id="a", arguments=json.dumps(LONDON)),
           TOOL_STOP], "", [WEATHER], tools=True),
    Stream("A06 no arguments", [begun(index=0, id="a"), TOOL_STOP], "", [("get_weather", {})],
           tools=True),
    Stream("A06 cut by the limit", [begun(index=0, id="a", arguments='{"city":"Lon'),
           chunk({}, "length"), DONE], "", (), "call of get_weather was cut off",
           "max_output_tokens", tools=True),
    Stream("A06 cut by the end", [begun(index=0, id="a", arguments='{"city":"Lon')], "", (),
           BROKE_OFF, tools=True),
    Stream("A06 one is whole, one is cut", [begun(index=0, id="a", arguments=LONDON),
           begun(index=1, id="b", arguments='{"city":"Lon'), chunk({}, "length")], "", [WEATHER],
           "cut off", "max_output_tokens", tools=True),
    Stream("A06 the old field", [chunk({"function_call": {"name": "get_weather"}}),
           chunk({"function_call": {"arguments": LONDON}}), chunk({}, "function_call")], "",
           [WEATHER], tools=True),
    Stream("a call that nobody declared", [begun(index=0, id="a", arguments=LONDON), TOOL_STOP],
           "", (), "none was declared"),
    Stream("a call that nobody declared, after text", [*HALF, *REST, begun(index=0, id="a"),
           TOOL_STOP]),
)  # fmt: skip

LLAMA = '{"name": "get_weather", "parameters": {"city": "London"}}'
HERMES = '{"name": "get_weather", "arguments": {"city": "London"}}'
HERMES_ROME = '{"name": "get_weather", "arguments": {"city": "Rome"}}'
_WRITTEN_CALLS = {
    "Llama 3.1": LLAMA,
    "Llama 3.1, with a type": '{"type": "function", ' + LLAMA[1:],
    "a function object": f'{{"type": "function", "function": {HERMES}}}',
    "a list": f"[{HERMES}]",
    "in a code block": f"```json\n{LLAMA}\n```",
    "python_tag": f"<|python_tag|>{LLAMA}<|eom_id|>",
    "python_tag, left open": f"<|python_tag|>{LLAMA}",
    "function": f"<function=get_weather>{LONDON}</function>",
    "function without its bracket": f"<function=get_weather{LONDON}</function>",
    "Hermes": f"<tool_call>\n{HERMES}\n</tool_call>",
    "Hermes, left open": f"<tool_call>\n{HERMES}",
    "Qwen": (
        "<tool_call><function=get_weather><parameter=city>\nLondon\n</parameter></function>"
        "</tool_call>"
    ),
    "Mistral": f"[TOOL_CALLS][{HERMES}]",
    "Mistral, newer": f"[TOOL_CALLS]get_weather[ARGS]{LONDON}",
    "harmony": (
        "<|channel|>analysis<|message|>hm<|end|><|start|>assistant<|channel|>commentary "
        f"to=functions.get_weather <|constrain|>json<|message|>{LONDON}<|call|>"
    ),
    "DeepSeek": (
        "<｜tool▁calls▁begin｜><｜tool▁call▁begin｜>function<｜tool▁sep｜>get_weather\n"
        f"```json\n{LONDON}\n```<｜tool▁call▁end｜><｜tool▁calls▁end｜>"
    ),
    "Kimi": (
        "<|tool_calls_section_begin|><|tool_call_begin|>functions.get_weather:0"
        f"<|tool_call_argument_begin|>{LONDON}<|tool_call_end|><|tool_calls_section_end|>"
    ),
}
CALLS_AS_TEXT = (
    *(
        Stream(f"A07 {name}", written(spelled), "", [WEATHER], tools=True)
        for name, spelled in _WRITTEN_CALLS.items()
    ),
    *(
        Stream(f"A07 {name}, none declared", written(spelled), "", (), "none was declared")
        for name, spelled in _WRITTEN_CALLS.items()
    ),
    Stream("A07 after text", written(f"Let me see. {LLAMA}"), "Let me see.", [WEATHER], tools=True),
    Stream(
        "A07 two",
        written(f"<tool_call>{HERMES}</tool_call>\n<tool_call>{HERMES_ROME}</tool_call>"),
        said="",
        calls=[WEATHER, WEATHER_ROME],
        tools=True,
    ),
    Stream("A07 two with a semicolon", written(f"{LLAMA}; {HERMES_ROME}"), "",
           [WEATHER, WEATHER_ROME], tools=True),
    Stream("A07 cut by the limit", written(LLAMA[:40], "length"), "", (), "cut off",
           "max_output_tokens", tools=True),
    Stream("A07 cut by the limit, in a tag", written(f"<tool_call>{HERMES[:40]}", "length"), "", (),
           "cut off", "max_output_tokens", tools=True),
    Stream("A07 no JSON", written("<|python_tag|>get_weather.call(city='London')"), "", (),
           "cannot be read", tools=True),
    Stream("A07 both as a call and as text", [*written(LLAMA)[:-2],
           begun(index=0, id="a", arguments=LONDON), TOOL_STOP], "", [WEATHER], tools=True),
    *(
        Stream(f"JSON that was asked for: {answer}", written(answer), said=answer, tools=tools)
        for tools in (False, True)
        for answer in ('{"name": "Bob", "age": 3}', '{"city": "London"}', '[{"name": "Bob"}]',
                       'Write {"name": 1} or {x}.', "[see](http://a.b)", "if a < b, or b<a: `x`")
    ),
)  # fmt: skip

THOUGHT = "They ask for the time. It is noon, so I say so."
_TAGS = ("think", "thinking", "THINK", "Think", "thought", "reasoning")
THOUGHTS = (
    Stream("A08 only the closing tag", written(f"{THOUGHT}\n</think>\n\n{NOON}")),
    Stream("A08 only the closing tag, twice", written(f"{THOUGHT}</think>{NOON}</think>")),
    Stream("A08 a model that thinks", written(f"Hm, noon</think>{NOON}"), model="deepseek-r1"),
    *(
        Stream(f"A09 <{tag}>", written(f"<{tag}>{THOUGHT}</{tag}>\n\n{NOON}")) for tag in _TAGS
    ),
    Stream("A09 <think >", written(f"<think >{THOUGHT}</think >{NOON}")),
    Stream("A09 [THINK]", written(f"[THINK]{THOUGHT}[/THINK]{NOON}")),
    Stream("A09 left open", written(f"{NOON}<think>{THOUGHT}")),
    Stream("A09 nothing but a thought", written(f"<think>{THOUGHT}", "length"), "", (),
           "used up its tokens", "max_output_tokens"),
    Stream("A09 no thought", written("a <thing> b <th"), said="a <thing> b <th"),
    Stream("reasoning_content", [chunk({"reasoning_content": THOUGHT}), *ANSWER, DONE]),
    Stream("reasoning", [chunk({"reasoning": THOUGHT, "content": None}), *ANSWER, DONE]),
)  # fmt: skip

_EOT_AND_MORE = "<|eot_id|><|start_header_id|>user<|end_header_id|>\n\nAnd now?"
TOKENS = tuple(
    Stream(f"A10 {name}", written(spelled))
    for name, spelled in {
        "harmony": f"<|channel|>analysis<|message|>{THOUGHT}<|channel|>final<|message|>{NOON}",
        "harmony, whole": (
            f"<|start|>assistant<|channel|>analysis<|message|>{THOUGHT}<|end|>"
            f"<|start|>assistant<|channel|>final<|message|>{NOON}<|return|>"
        ),
        "harmony, no thought": f"<|channel|>final<|message|>{NOON}",
        "eot": f"{NOON}<|eot_id|>",
        "Llama's header": f"<|start_header_id|>assistant<|end_header_id|>\n\n{NOON}<|eot_id|>",
        "the caller's next turn": f"{NOON}{_EOT_AND_MORE}",
        "ChatML": f"<|im_start|>assistant\n{NOON}<|im_end|>",
        "Gemma": f"<start_of_turn>model\n{NOON}<end_of_turn>",
        "Mistral": f"<s>[INST] what time is it [/INST] {NOON}</s>",
        "Phi": f"<|assistant|>\n{NOON}<|end|>",
        "DeepSeek": f"<｜Assistant｜>{NOON}<｜end▁of▁sentence｜>",
        "in the middle": "It is<|reserved_special_token_7|> noon.",
        "system": f"[INST] <<SYS>>Be brief.<</SYS>> what time is it [/INST]{NOON}",
    }.items()
)

_PARTS = [{"type": "thinking", "thinking": THOUGHT}, {"type": "text", "text": "It is"}]
WHOLE = {
    "object": "chat.completion",
    "choices": [{"index": 0, "message": {"role": "assistant", "content": NOON},
                 "finish_reason": "stop"}],
    "usage": {"prompt_tokens": 7, "completion_tokens": 3},
}  # fmt: skip
_WHOLE = json.dumps(WHOLE).encode()
_PAGE = b"<!DOCTYPE html>\n<html><body>We are down for maintenance</body></html>"
_JSON_ERROR = json.dumps({"error": ERROR}).encode()
_MESSAGE = {"choices": [{"index": 0, "message": {"content": NOON}, "finish_reason": "stop"}]}
_WHOLE_CALL = {"choices": [{"message": {"content": None, "tool_calls": [
    {"id": "a", "function": {"name": "get_weather", "arguments": LONDON}}]},
    "finish_reason": "tool_calls"}]}  # fmt: skip
SHAPES = (
    Stream("A11 a list of parts", [chunk({"content": _PARTS}), *REST, STOP]),
    Stream("A11 texts in a list", [chunk({"content": ["It is", " noon."]}), STOP]),
    Stream("A11 an object", [chunk({"content": {"type": "text", "text": NOON}}), STOP]),
    Stream("A11 a refusal", [chunk({"content": None, "refusal": NOON}), STOP]),
    Stream("A14 a page", [_PAGE], "", (), "web page", kind="text/html"),
    Stream("A14 a page that calls itself a stream", [_PAGE], "", (), "web page"),
    Stream("A14 an error", [_JSON_ERROR], "", (), REPORTED, kind="application/json"),
    Stream("A14 an error, and the line stays open", [_JSON_ERROR], "", (), REPORTED,
           kind="application/json", stays_open=True),
    Stream("A14 a whole completion", [_WHOLE], usage=Usage(7, 3), kind="application/json"),
    Stream("A14 a whole completion in parts", [_WHOLE[:50], _WHOLE[50:]], usage=Usage(7, 3),
           kind="application/json"),
    Stream("A14 a whole completion, cut", [_WHOLE[:50]], "", (), BROKE_OFF,
           kind="application/json"),
    Stream("A14 a whole completion with a call", [json.dumps(_WHOLE_CALL).encode()], "", [WEATHER],
           tools=True, kind="application/json"),
    Stream("A14 a whole message in an event", [event(_MESSAGE), DONE]),
    Stream("A14 whole messages beside deltas", [
        event({"choices": [{"delta": {"content": "It is"}, "message": {"content": "It is"}}]}),
        event({"choices": [{"delta": {"content": " noon."}, "message": {"content": NOON}}]}),
        STOP]),
    Stream("A14 nothing", [], "", (), "empty body"),
    Stream("A14 plain text", [b"upstream connect error\n"], "", (), "no chat stream",
           kind="text/plain"),
    Stream("A14 a list", [b"[]"], "", (), "no chat chunk", kind="application/json"),
)  # fmt: skip

KEPT = (
    Stream("comments and pings", [b": ping\n\n", b"event: ping\n\n", *HALF, b":\n\n", *REST, STOP]),
    Stream("an event ping with data", [b"event: ping\ndata: {}\n\n", *ANSWER, DONE]),
    Stream("empty and role-only deltas", [ROLE, chunk({}), chunk(None), *ANSWER, DONE]),
    Stream("no choices", [event({"choices": []}), event({"choices": None}), *ANSWER]),
    Stream("usage that is null", [chunk({"content": NOON}, usage=None), STOP]),
    Stream("CRLF", [part.replace(b"\n", b"\r\n") for part in (*ANSWER, DONE)]),
    Stream("CR", [part.replace(b"\n", b"\r") for part in (*ANSWER, DONE)]),
    Stream("no space after the colon", [part.replace(b"data: ", b"data:") for part in ANSWER]),
    Stream("data in two lines", [b'data: {"choices": [{"delta":\ndata: {"content": "It is"}}]}\n\n',
           *REST, STOP]),
    Stream("a byte order mark", [b"\xef\xbb\xbf", *ANSWER]),
    Stream("ids and retries", [b"id: 1\nretry: 5\n", *ANSWER, DONE]),
    Stream("text of many bytes", written("Zwölf Uhr. अभी बारह बजे हैं।"), "Zwölf Uhr. अभी बारह बजे हैं।"),
    Stream("the reason with each chunk", [chunk({"content": "It is"}, "stop"),
           chunk({"content": " noon."}, "stop"), DONE]),
)  # fmt: skip

STREAMS = (
    *(*USAGE, *ENDS, *ERRORS, *CALLS),
    *(*CALLS_AS_TEXT, *THOUGHTS, *TOKENS, *SHAPES, *KEPT),
)
