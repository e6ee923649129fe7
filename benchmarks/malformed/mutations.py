"""Changes what is well-formed a little: bytes, texts and JSON values. Pure; a seed is a change."""

import json
from collections.abc import Callable, Sequence
from copy import deepcopy
from random import Random
from typing import Any, cast

Json = dict[str, Any]

_ODD_VALUES: Sequence[Any] = (
    None, True, False, 0, -1, 1.5, -0.0, 2**31, 2**63, 2**64, -(2**63), 10**300, 1e308, 5e-324,
    float("inf"), float("-inf"), float("nan"), "", " ", "0", "null", "\x00", "\x00" * 300,
    "\ud800", "\udfff\ud800", "\u202e\u2066", "\ufeff", "\u0300" * 200, "👩‍👩‍👧‍👦" * 20, "ﷺ" * 50,
    "x" * 300, "word " * 4_000, "%s%n{0}{x}", "../../x", "'\"\\", [], {}, [[]], [{}], [None],
    {"": None}, {"type": None}, {"type": []}, {"type": {}}, ["type"], [1, "a", None, {}],
)  # fmt: skip
_ODD_TEXTS = (
    "1e999", "-1e999", "NaN", "Infinity", "-Infinity", "1" * 400, "9" * 4_301, "+1", "01",
    "-", "1.", "tru", "null", '"', "\\", "\\u", "\\ud800", "\ufeff", "\x00", "{", "}", "[", "]",
    ",", ":", "//", "\u2028", '"type":"response.create",',
)  # fmt: skip


def changed_bytes(data: bytes, random: Random) -> bytes:
    """The bytes after one to four small changes."""
    changed = bytearray(data)
    for _ in range(random.randint(1, 4)):
        random.choice(_BYTE_CHANGES)(changed, random)
    return bytes(changed)


def _flip(data: bytearray, random: Random) -> None:
    if data:
        data[random.randrange(len(data))] ^= 1 << random.randrange(8)


def _put(data: bytearray, random: Random) -> None:
    place = random.randint(0, len(data))
    data[place:place] = random.randbytes(random.randint(1, 8))


def _remove(data: bytearray, random: Random) -> None:
    place = random.randint(0, len(data))
    del data[place : place + random.randint(1, 8)]


def _repeat(data: bytearray, random: Random) -> None:
    start = random.randint(0, len(data))
    data[start:start] = data[start : start + random.randint(1, 32)] * random.randint(1, 8)


def _cut(data: bytearray, random: Random) -> None:
    del data[random.randint(0, len(data)) :]


def _extreme(data: bytearray, random: Random) -> None:
    if data:
        data[random.randrange(len(data))] = random.choice((0, 0x7F, 0x80, 0xFF))


_BYTE_CHANGES: Sequence[Callable[[bytearray, Random], None]] = (
    _flip, _put, _remove, _repeat, _cut, _extreme,
)  # fmt: skip


def changed_value(value: Json, random: Random) -> Json:
    """The object with an odd value somewhere, a part missing, or one that belongs elsewhere."""
    changed = cast(Json, json.loads(json.dumps(value)))
    for _ in range(random.choice((1, 1, 1, 2, 3))):
        place = random.choice(_places(changed))
        random.choice(_VALUE_CHANGES)(*place, random)
    return changed


def _places(value: Json) -> list[tuple[Any, Any]]:
    """All containers in the object, each with one of its keys or indices."""
    found: list[tuple[Any, Any]] = [(value, "odd")]
    open_values: list[Any] = [value]
    while open_values:
        each = open_values.pop()
        if isinstance(each, dict):
            keys: list[Any] = list(cast(Json, each))
        else:
            keys = list(range(len(each)))
        found += [(each, key) for key in keys]
        open_values += [each[key] for key in keys if isinstance(each[key], dict | list)]
    return found


def _set_odd(container: Any, key: Any, random: Random) -> None:
    container[key] = deepcopy(random.choice(_ODD_VALUES))


def _drop(container: Any, key: Any, _random: Random) -> None:
    if isinstance(container, dict):
        cast(Json, container).pop(key, None)
    else:
        container[key] = None


def _nest(container: Any, key: Any, random: Random) -> None:
    inner: Any = deepcopy(random.choice(_ODD_VALUES))
    for _ in range(random.choice((1, 3, 60, 70, 250))):
        inner = {"a": inner} if random.random() < 0.5 else [inner]
    container[key] = inner


def _multiply(container: Any, key: Any, random: Random) -> None:
    value: Any = cast(Json, container).get(key) if isinstance(container, dict) else container[key]
    long = len(json.dumps(value)) > 1_000
    times = 2 if long else random.choice((2, 130, 300))
    container[key] = [deepcopy(value) for _ in range(times)]  # each is changed alone


_VALUE_CHANGES: Sequence[Callable[[Any, Any, Random], None]] = (
    _set_odd, _set_odd, _set_odd, _drop, _nest, _multiply,
)  # fmt: skip


def changed_text(text: str, random: Random) -> str:
    """The text with something that is no JSON, or hardly any, somewhere in it."""
    for _ in range(random.randint(1, 3)):
        start = random.randint(0, len(text))
        end = start + random.choice((0, 0, 1, 4))
        text = text[:start] + random.choice(_ODD_TEXTS) + text[end:]
    return text
