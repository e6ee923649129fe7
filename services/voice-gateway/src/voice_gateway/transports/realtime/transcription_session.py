"""Owns what is particular to a transcription session: words, no answers, and less to set."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Final, Literal

from voice_gateway.conversation.policy import TurnOptions
from voice_gateway.transports.realtime import fields
from voice_gateway.transports.realtime.fields import Json

Kind = Literal["realtime", "transcription"]

KIND: Final = "transcription"
FIELDS = frozenset("type audio include id object expires_at".split())
_DETECTION_FIELDS = ("type", "threshold", "prefix_padding_ms", "silence_duration_ms", "eagerness")
_OBJECTS: Mapping[Kind, str] = {
    "realtime": "realtime.session",
    "transcription": "realtime.transcription_session",
}


def kind_after(asked: Json, kind: Kind, *, has_audio: bool) -> Kind:
    """The session's type after an update; it is settled once caller audio has come."""
    wanted = fields.one_of(asked.get("type", kind), _OBJECTS, "session.type")
    if wanted != kind and has_audio:
        said = f"it is '{kind}' once audio has come; open another session."
        raise fields.unsupported("session.type", said)
    return "transcription" if wanted == KIND else "realtime"


def shown(session: Json) -> Json:
    """The session as the protocol shows one of its type."""
    session = {**session, "object": _OBJECTS[session["type"]]}
    if session["type"] != KIND:
        return session
    given = session["audio"]["input"]
    return {name: session[name] for name in FIELDS if name in session} | {
        "audio": {"input": {**given, "turn_detection": _detection(given["turn_detection"])}}
    }


def without_answers(turns: TurnOptions) -> TurnOptions:
    """The turns are found as ever, and nothing is said about them or their absence."""
    return replace(turns, answers=False, idle_s=None, speaks_unasked=False)


def check_answers(kind: Kind) -> None:
    """Raise BadEvent where no response can be asked for."""
    if kind == KIND:
        said = "a transcription session has no responses; open a session of type 'realtime'."
        raise fields.unsupported("type", said)


def _detection(asked: Json | None) -> Json | None:
    return asked and {name: asked[name] for name in _DETECTION_FIELDS if name in asked}
