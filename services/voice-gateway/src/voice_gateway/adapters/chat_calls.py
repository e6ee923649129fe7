"""Puts a model's tool calls together: from the parts of a stream, or from text. Pure.

Servers differ. Parallel calls come with one index for all of them, or with none; the id and the
name come once, or with each part; arguments are JSON text, an object, or JSON in a JSON string.
"""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, cast

from voice_gateway.conversation import ToolCall

Json = dict[str, Any]

MOST_CALLS = 64
MOST_ARGUMENTS_CHARS = 100_000  # of all calls of one answer

_NAMES = ("name", "function", "tool_name", "tool")
_ARGUMENTS = ("parameters", "arguments", "args", "input")
_SHAPE = frozenset({*_NAMES, *_ARGUMENTS, "type", "id", "call_id"})
_NAME = re.compile(r"[A-Za-z_][\w.\-]*")
_PARAMETER = re.compile(r"<parameter=([\w.\-]+)\s*>(.*?)</parameter\s*>", re.DOTALL)
_FUNCTION = re.compile(r"<function=([\w.\-]+)")
_JSON = re.compile(r"\[\s*\{|\{")
_AROUND_A_NAME = re.compile(r"<[^<>]*>|\[[A-Z_]+\]|```\w*")
_DECODER = json.JSONDecoder()


@dataclass(slots=True)
class _Parts:
    index: Any
    call_id: str = ""
    name: str = ""
    arguments: str = ""


class CallParts:
    """The tool calls of one answer, whose parts come in many chunks."""

    def __init__(self) -> None:
        self._calls: list[_Parts] = []
        self._chars = 0

    def add(self, part: Json) -> None:
        """Add a part; raises ValueError or the like if it is none, or if it is too much."""
        function: Json = part.get("function") or {}
        name, given = function.get("name") or "", function.get("arguments")
        whole = given is not None and not isinstance(given, str)
        arguments = _written(given) if whole else given or ""
        self._chars += len(name) + len(arguments)
        call = self._call_of(part, name, arguments)
        if self._chars > MOST_ARGUMENTS_CHARS or len(self._calls) > MOST_CALLS:
            raise ValueError("the tool calls have no end")
        call.call_id = call.call_id or str(part.get("id") or "")
        if name != call.name:
            call.name += name
        call.arguments = arguments if whole else call.arguments + arguments

    def taken(self) -> tuple[list[ToolCall], list[str]]:
        """The calls, and the names of those whose arguments are cut off, or no JSON."""
        calls: list[ToolCall] = []
        cut: list[str] = []
        for at, parts in enumerate(self._calls):
            arguments = as_arguments(parts.arguments)
            if parts.name and arguments is None:
                cut.append(parts.name)
            elif parts.name:
                calls.append(ToolCall(parts.call_id or f"call_{at}", parts.name, arguments or "{}"))
        return calls, cut

    def _call_of(self, part: Json, name: str, arguments: str) -> _Parts:
        """The call that a part belongs to, which may be a new one."""
        index, call_id = part.get("index"), str(part.get("id") or "")
        same = [call for call in self._calls if index is None or call.index in (None, index)]
        known = [call for call in same if call_id and call.call_id == call_id]
        if known:
            return known[-1]
        if not same or _begins(same[-1], call_id, name, arguments):
            self._calls.append(_Parts(index))
            return self._calls[-1]
        return same[-1]


def _begins(last: _Parts, call_id: str, name: str, arguments: str) -> bool:
    """Whether a part with the index of the `last` call begins another one: it has a name then."""
    if not name or not last.name:
        return False
    goes_on = name == last.name and not arguments.lstrip().startswith("{")
    whole = bool(last.arguments.strip()) and as_arguments(last.arguments) is not None
    if call_id and last.call_id:
        # Some servers make up a new id for each part of one call.
        return whole or not goes_on or not last.arguments
    return whole and not goes_on


def as_arguments(text: str) -> str | None:
    """Arguments as JSON; None if they are none, because they were cut off or for another reason."""
    text = text.strip()
    if not text or text == "null":
        return "{}"
    try:
        value: Any = json.loads(text)
        if isinstance(value, str):
            json.loads(value)
            return value
    except (ValueError, RecursionError):
        return None
    return text


def _written(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)


def calls_in_text(text: str, name: str = "") -> list[tuple[str, str]]:
    """The name and arguments of each call in a text that holds nothing else.

    `name` is the one that stands in the mark before the text.
    """
    if pairs := _PARAMETER.findall(text):
        about = _FUNCTION.search(text)
        name = name or (about[1] if about else "")
        return [(name, _written({key: value.strip() for key, value in pairs}))] if name else []
    return list(_spelled(text, name))


def _spelled(text: str, name: str) -> Iterator[tuple[str, str]]:
    at = 0
    while found := _JSON.search(text, at):
        before = text[at : found.start()]
        try:
            value, at = _DECODER.raw_decode(text, found.start())
        except (ValueError, RecursionError):
            return
        calls = calls_of(value)
        called = name or _name_in(before)
        if not calls and called and isinstance(value, dict):
            calls = [(called, _written(value))]
        yield from calls


def _name_in(before: str) -> str:
    """The name before its arguments: `get_weather[ARGS]`, `functions.get_weather:0<|…|>`."""
    words = _AROUND_A_NAME.sub(" ", before).split()
    names = [re.sub(r"^functions?\.|:\d+$", "", word) for word in words]
    known = [name for name in names if _NAME.fullmatch(name) and name != "function"]
    return known[-1] if known else ""


def calls_of(value: Any) -> list[tuple[str, str]]:
    """The calls that a JSON value spells out; none if it is anything else."""
    if isinstance(value, list):
        each = [calls_of(one) for one in cast("list[Any]", value)]
        return [call for calls in each for call in calls] if all(each) else []
    if not isinstance(value, dict) or not set(about := cast("Json", value)) <= _SHAPE:
        return []
    if isinstance(inner := about.get("function"), dict):
        return calls_of(inner)
    name = next((about[key] for key in _NAMES if isinstance(about.get(key), str)), "")
    given = [about[key] for key in _ARGUMENTS if key in about]
    if not given or not _NAME.fullmatch(name) or isinstance(given[0], list | int | float):
        return []
    arguments = as_arguments(given[0] if isinstance(given[0], str) else _written(given[0]))
    return [] if arguments is None else [(name, arguments)]
