"""Checks a session's `turn_detection`, and turns it into the call's turn options."""

from typing import Any

from voice_gateway.conversation.policy import TurnOptions
from voice_gateway.transports.realtime import fields
from voice_gateway.transports.realtime.fields import Json

_SERVER_VAD_FIELDS = frozenset(
    """type threshold prefix_padding_ms silence_duration_ms idle_timeout_ms create_response
    interrupt_response""".split()
)
_SEMANTIC_VAD_FIELDS = frozenset("type eagerness create_response interrupt_response".split())
# This is the protocol's default, which clients send unasked. The gateway then uses silences of its
# own, which depend on the transcript.
_DEFAULT_SILENCE_MS = 500
_IDLE_BOUNDS_MS = 5000, 30_000  # the protocol's own
_PATIENCE_BY_EAGERNESS = {"low": 2.0, "medium": 1.0, "auto": 1.0, "high": 0.6}


def checked(asked: Any) -> Json | None:
    if asked is None:
        return None
    path = "session.audio.input.turn_detection"
    given = fields.as_object(asked, path)
    kind = fields.one_of(given.get("type"), ("server_vad", "semantic_vad"), f"{path}.type")
    return _server_vad(given, path) if kind == "server_vad" else semantic_vad(given, path)


def _server_vad(given: Json, path: str) -> Json:
    fields.known(given, _SERVER_VAD_FIELDS, path)
    idle = given.get("idle_timeout_ms")
    if idle is not None:
        idle = round(fields.as_number(idle, f"{path}.idle_timeout_ms", *_IDLE_BOUNDS_MS))
    silence = given.get("silence_duration_ms")
    if silence is None:
        silence = _DEFAULT_SILENCE_MS
    return {
        "type": "server_vad",
        "threshold": _number(given, "threshold", path, 0.5, 1),
        "prefix_padding_ms": _number(given, "prefix_padding_ms", path, 300, 60_000),
        "silence_duration_ms": fields.as_number(silence, f"{path}.silence_duration_ms", 50, 10_000),
        "idle_timeout_ms": idle,
        **_turn_flags(given, path),
    }


def _number(given: Json, name: str, path: str, usual: float, most: float) -> float:
    value = given.get(name)
    return usual if value is None else fields.as_number(value, f"{path}.{name}", 0, most)


def semantic_vad(given: Json, path: str = "") -> Json:
    fields.known(given, _SEMANTIC_VAD_FIELDS, path)
    eagerness = fields.one_of(
        given.get("eagerness") or "auto", _PATIENCE_BY_EAGERNESS, f"{path}.eagerness"
    )
    return {"type": "semantic_vad", "eagerness": eagerness, **_turn_flags(given, path)}


def _turn_flags(given: Json, path: str) -> Json:
    names = ("create_response", "interrupt_response")
    asked = {name: given.get(name) for name in names}
    return {
        name: True if flag is None else fields.as_flag(flag, f"{path}.{name}")
        for name, flag in asked.items()
    }


def turns(detection: Json | None) -> TurnOptions:
    if detection is None:
        return TurnOptions(by_hand=True, answers=False, interruptible=False)
    silence_ms = detection.get("silence_duration_ms", _DEFAULT_SILENCE_MS)
    idle_ms = detection.get("idle_timeout_ms")
    return TurnOptions(
        answers=detection["create_response"],
        interruptible=detection["interrupt_response"],
        silence_s=None if silence_ms == _DEFAULT_SILENCE_MS else silence_ms / 1000,
        patience=_PATIENCE_BY_EAGERNESS.get(detection.get("eagerness", "auto"), 1.0),
        idle_s=idle_ms and idle_ms / 1000,
    )
