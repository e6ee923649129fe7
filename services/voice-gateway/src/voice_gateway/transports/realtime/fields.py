"""Reads and checks a client's JSON; an error names the value, its place and what is allowed."""

import json
from collections.abc import Collection, Mapping
from typing import Any, cast

Json = dict[str, Any]


class BadEvent(Exception):
    """A client event cannot be followed; it becomes an `error` event, and has no other effect."""

    def __init__(self, code: str, message: str, param: str | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.param = param


def known(value: Mapping[str, Any], allowed: Collection[str], path: str) -> None:
    for name in value:
        if name not in allowed:
            param = f"{path}.{name}" if path else name
            said = f"Unknown parameter: '{param}'. Allowed: {', '.join(sorted(allowed))}."
            raise BadEvent("unknown_parameter", said, param)


def child(value: Mapping[str, Any], name: str, path: str) -> Json:
    """Return an object that must be present."""
    found = value.get(name)
    if found is None:
        raise missing(f"{path}.{name}" if path else name)
    return as_object(found, f"{path}.{name}" if path else name)


def as_object(value: Any, param: str) -> Json:
    if not isinstance(value, dict):
        raise _wrong_type(param, "an object", value)
    return cast(Json, value)


def as_list(value: Any, param: str) -> list[Any]:
    if not isinstance(value, list):
        raise _wrong_type(param, "an array", value)
    return cast(list[Any], value)


def as_text(value: Any, param: str, longest: int) -> str:
    if not isinstance(value, str):
        raise _wrong_type(param, "a string", value)
    if len(value) > longest:
        raise above_max_length(param, len(value), longest)
    return value


def above_max_length(param: str, chars: int, longest: int) -> BadEvent:
    said = f"'{param}' has {chars} characters; allowed: at most {longest}."
    return BadEvent("string_above_max_length", said, param)


def as_json(value: Any, param: str, longest: int) -> None:
    """Check how long a value is that is only kept and shown again."""
    if (chars := len(json.dumps(value))) > longest:
        said = f"'{param}' has {chars} characters of JSON; allowed: at most {longest}."
        raise BadEvent("string_above_max_length", said, param)


def text(value: Mapping[str, Any], name: str, path: str, longest: int = 256) -> str:
    """Return a string that must be present, and not empty."""
    param = f"{path}.{name}" if path else name
    found = value.get(name)
    if found is None or found == "":
        raise missing(param)
    return as_text(found, param, longest)


def as_number(value: Any, param: str, least: float, most: float) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise _wrong_type(param, "a number", value)
    if not least <= value <= most:
        raise not_allowed(param, value, f"{least:g} to {most:g}")
    return value


def as_flag(value: Any, param: str) -> bool:
    if not isinstance(value, bool):
        raise _wrong_type(param, "true or false", value)
    return value


def one_of(value: Any, allowed: Collection[str], param: str) -> str:
    if not isinstance(value, str) or value not in allowed:
        raise not_allowed(param, value, " or ".join(repr(option) for option in allowed))
    return value


def missing(param: str) -> BadEvent:
    return BadEvent("missing_required_parameter", f"Missing required parameter: '{param}'.", param)


def not_allowed(param: str, value: Any, allowed: str) -> BadEvent:
    shown = repr(value)
    shown = shown if len(shown) <= 60 else f"{shown[:60]}…"
    return BadEvent("invalid_value", f"'{param}' is {shown}; allowed: {allowed}.", param)


def unsupported(param: str, said: str) -> BadEvent:
    return BadEvent("unsupported_value", f"'{param}': {said}", param)


def _wrong_type(param: str, wanted: str, value: Any) -> BadEvent:
    got = {
        "NoneType": "null",
        "bool": "a boolean",
        "int": "a number",
        "float": "a number",
        "str": "a string",
        "list": "an array",
        "dict": "an object",
    }.get(type(value).__name__, type(value).__name__)
    return BadEvent("invalid_type", f"'{param}' must be {wanted}, not {got}.", param)
