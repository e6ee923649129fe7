"""Opens a client's frames as events: whatever is in them, none costs the event loop more than 5 ms.

What would take long is told by counting characters, before anything is parsed. Only the audio of an
event may be long: it is cut out unparsed, and comes as several events.
"""

import json
import re
from collections.abc import Iterator, Sequence
from math import isfinite
from typing import Any, cast

from voice_gateway.transports.realtime.fields import BadEvent, Json, above_max_length

MOST_AUDIO_CHARS = 20 * 1024 * 1024
"""In one event: 15 MiB of audio in base64, as the protocol has it."""
MOST_ITEM_AUDIO_CHARS = 4 * 1024 * 1024
"""In one item: 65 s as `audio/pcm`, 6 min as G.711."""
LARGEST_BYTES = MOST_AUDIO_CHARS + 4096
MOST_EVENT_CHARS = 256 * 1024
"""Of an event without its audio: it holds the longest instructions, and tools at length."""
_MOST_PARTS = 10_000
"""Values in one event. As many small ones take as long to parse as megabytes of text."""
_DEEPEST = 64
_AUDIO_CHARS = 64 * 1024  # of base64 in one event that is passed on: a second of audio
_APPEND = "input_audio_buffer.append"
_CREATE = "conversation.item.create"
_AUDIO = re.compile(r'"audio"\s*:\s*"')
_SURROGATE = re.compile(r"\\u[dD][89a-fA-F]")  # as JSON escapes it, whole pair or half


def opened(frame: str | bytes) -> Iterator[Json]:
    """The event in a frame; audio that is long comes as several, cut as they are asked for.

    Raises BadEvent.
    """
    if isinstance(frame, bytes):
        raise BadEvent("invalid_frame", "Events are JSON in text frames, not binary.")
    if len(frame) > MOST_EVENT_CHARS:
        return _opened_long(frame)
    event = parsed(frame)
    audio = event.get("audio") if event.get("type") == _APPEND else None
    if not isinstance(audio, str) or len(audio) <= _AUDIO_CHARS:
        return iter((event,))
    return _pieces(event, audio, range(len(audio)))


def _pieces(event: Json, text: str, audio: range) -> Iterator[Json]:
    """The event again and again, with the audio that stands there in the text, piece by piece."""
    for start in range(audio.start, audio.stop, _AUDIO_CHARS):
        yield {**event, "audio": text[start : min(start + _AUDIO_CHARS, audio.stop)]}


def _opened_long(frame: str) -> Iterator[Json]:
    event, audio = _without_audio(frame)
    if _is_appended(event, audio):
        return _pieces(event, frame, audio)
    if part := _in_item(event):
        if len(audio) > MOST_ITEM_AUDIO_CHARS:
            param = f"item.content[{event['item']['content'].index(part)}].audio"
            raise above_max_length(param, len(audio), MOST_ITEM_AUDIO_CHARS)
        part["audio"] = frame[audio.start : audio.stop]
        return iter((event,))
    raise _too_large(len(frame))


def _without_audio(frame: str) -> tuple[Json, range]:
    """The event without its audio, and where in the frame its audio is, which is not parsed."""
    found = _AUDIO.search(frame, 0, MOST_EVENT_CHARS)
    start = found.end() if found else len(frame)
    end = frame.find('"', start)
    rest_chars = start + len(frame) - end if found and end >= 0 else len(frame)
    if rest_chars > MOST_EVENT_CHARS:
        raise _too_large(rest_chars)
    return parsed(frame[:start] + frame[end:]), range(start, end)


def _is_appended(event: Json, audio: range) -> bool:
    """Whether the audio of a frame that was cut out of its event is the caller's."""
    if event.get("type") != _APPEND or event.get("audio") != "":
        return False
    if len(audio) > MOST_AUDIO_CHARS:
        raise above_max_length("audio", len(audio), MOST_AUDIO_CHARS)
    return True


def _in_item(event: Json) -> Json | None:
    """The part of a new item that the audio was cut out of; None: it is of no item."""
    empty = [part for part in parts_with_audio(event) if not part["audio"]]
    return empty[0] if event.get("type") == _CREATE and len(empty) == 1 else None


def parts_with_audio(event: Json) -> list[Json]:
    """The parts of an event's item that have audio, whatever else it has."""
    item = event.get("item")
    content = cast(Json, item).get("content") if isinstance(item, dict) else None
    parts = cast(list[Any], content) if isinstance(content, list) else []
    objects = [cast(Json, part) for part in parts if isinstance(part, dict)]
    return [part for part in objects if isinstance(part.get("audio"), str)]


def parsed(text: str) -> Json:
    """Parse a text as a JSON object whose size has been checked."""
    brackets = text.count("[") + text.count("{")
    if (parts := brackets + text.count(",")) > _MOST_PARTS:
        raise BadEvent(
            "event_too_large", f"The event has {parts} parts; allowed: at most {_MOST_PARTS}."
        )
    try:
        event = _JSON.decode(text)
    except (ValueError, RecursionError):
        raise BadEvent("invalid_json", "The message is not JSON.") from None
    if not isinstance(event, dict):
        raise BadEvent("invalid_event", "The message must be a JSON object with a 'type'.")
    if brackets > _DEEPEST and _deeper_than(event, _DEEPEST):
        said = f"The event is nested too deeply; allowed: {_DEEPEST} levels."
        raise BadEvent("event_too_large", said)
    if _SURROGATE.search(text) and not _is_unicode(event):
        raise BadEvent("invalid_json", "The message has half a surrogate pair, which is no text.")
    return cast(Json, event)


def _finite(number: str) -> float:
    """A number as JSON has it: Python would take NaN and Infinity, and write them again."""
    if not isfinite(value := float(number)):
        raise ValueError(f"{number} is no JSON number")
    return value


_JSON = json.JSONDecoder(parse_float=_finite, parse_constant=_finite)  # made once: it takes a while


def _too_large(chars: int) -> BadEvent:
    return BadEvent(
        "event_too_large",
        f"The event has {chars} characters; allowed: at most {MOST_EVENT_CHARS}, but for the "
        "audio of input_audio_buffer.append and of an item, which is written without escapes.",
    )


def _deeper_than(value: Any, levels: int) -> bool:
    level: list[Any] = [value]
    for _ in range(levels):
        level = [inner for outer in level for inner in _inside(outer)]
        if not level:
            return False
    return True


def _inside(value: Any) -> Sequence[Any]:
    if isinstance(value, dict):
        return list(cast(Json, value).values())
    return cast(list[Any], value) if isinstance(value, list) else ()


def _is_unicode(event: Any) -> bool:
    try:
        json.dumps(event, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        return False
    return True
