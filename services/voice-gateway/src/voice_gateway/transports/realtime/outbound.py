"""Translates the call's messages to the protocol's server events."""

from typing import assert_never

from voice_gateway.errors import CallError, GatewayFull, TooManyCalls, Unauthenticated
from voice_gateway.latency import TurnStages
from voice_gateway.messages import (
    CutOff,
    Failed,
    Goodbye,
    Listening,
    Moving,
    Paused,
    Processing,
    ReplyAudio,
    ReplyText,
    RequestDropped,
    Resumed,
    Speaking,
    Speaks,
    ToCaller,
    ToolCalled,
    Transcript,
    TurnOver,
    TurnTaken,
)
from voice_gateway.transports.realtime import caller_turn, response
from voice_gateway.transports.realtime.fields import BadEvent, Json
from voice_gateway.transports.realtime.state import Events, State, random_id


def opening(state: State) -> Events:
    """The events that a client gets before it sends anything."""
    conversation = {"id": state.conversation_id, "object": "realtime.conversation"}
    return [
        state.event("session.created", session=state.options.shown()),
        state.event("conversation.created", conversation=conversation),
    ]


def refused(state: State, why: BadEvent, event_id: str | None) -> Json:
    """The error event for a client event that was not followed; the call goes on."""
    return state.event("error", error=_error(why, event_id))


def turned_away(why: BadEvent) -> Json:
    """The only event of a socket on which no call begins."""
    return {"type": "error", "event_id": random_id("event"), "error": _error(why, None)}


def _error(why: BadEvent, event_id: str | None) -> Json:
    return {
        "type": "invalid_request_error",
        "code": why.code,
        "message": str(why),
        "param": why.param,
        "event_id": event_id,
    }


def ended(state: State, why: CallError) -> Json:
    """The error event for a call that fails."""
    error: Json = {"type": "server_error", "code": "call_ended", "message": str(why), "param": None}
    if isinstance(why, GatewayFull):
        error["code"] = _code_of(why)
        error["retry_after_s"] = why.retry_after_s
    if isinstance(why, Unauthenticated):  # as one is told who comes without a right key
        error.update(type="invalid_request_error", code="invalid_api_key")
    return state.event("error", error={**error, "event_id": None})


def _code_of(why: GatewayFull) -> str:
    return "rate_limit_exceeded" if isinstance(why, TooManyCalls) else "gateway_full"


def told(state: State, message: ToCaller) -> Events:
    """The events for a message of the call; none if the protocol has none for it."""
    extras = _extras(state, message) if state.extended else []
    return [*_events(state, message), *extras]


def _events(state: State, message: ToCaller) -> Events:
    match message:
        case ReplyAudio():
            return response.audio(state, message)
        case ReplyText():
            return response.text(state, message)
        case ToolCalled():
            return response.tool_called(state, message)
        case Transcript():
            return caller_turn.recognised(state, message)
        case _:
            return _noticed(state, message)


def _noticed(
    state: State,
    message: Listening
    | Processing
    | Speaking
    | Paused
    | Resumed
    | CutOff
    | Failed
    | TurnTaken
    | RequestDropped
    | TurnOver
    | Goodbye
    | Moving
    | Speaks,
) -> Events:
    match message:
        case TurnTaken(reply):
            return caller_turn.commit(state, reply)
        case Processing(reply, silence_s):
            said = caller_turn.commit(state, reply)
            silence = caller_turn.timed_out(state, reply, silence_s) if silence_s else []
            return [*said, *silence, *response.begin(state, reply)]
        case CutOff():
            return response.cut_off(state, message)
        case RequestDropped(request):
            return response.dropped(state, request)
        case Failed(error, reply):
            return response.failed(state, error, reply)
        case TurnOver():
            return response.turn_over(state, message)
        case Speaks():
            state.options.speaks(message)
            return [state.event("session.updated", session=state.options.shown())]
        case Moving():
            return [state.event("gateway.move")]  # only a call that can be resumed is told to
        case Listening() | Speaking() | Paused() | Resumed() | Goodbye():
            return []
        case _:
            assert_never(message)


# Our own events, for clients that asked for them.


def _extras(state: State, message: ToCaller) -> Events:
    """Our own events for `message`."""
    match message:
        case Transcript(text, final, stability, turn=turn) if text.strip():
            values: Json = {"text": text, "final": final, "stability": stability}
            return [state.event("gateway.transcript", values | ({"turn": turn} if turn else {}))]
        case Paused(reply):
            return _of(state, "paused", reply)
        case Resumed(reply):
            return _of(state, "resumed", reply)
        case CutOff(reply, heard_s, heard_text):
            values = {"heard_ms": round(heard_s * 1000), "heard_text": heard_text}
            return _of(state, "interrupted", reply, values)
        case TurnOver(reply, stages):
            return _of(state, "latency", reply, {"ms": _latency(stages)})
        case _:
            return []


def _of(state: State, kind: str, reply: int, values: Json | None = None) -> Events:
    if not (response := state.live(reply)):
        return []
    return [state.event(f"gateway.{kind}", {"response_id": response.id, **(values or {})})]


def _latency(stages: TurnStages) -> Json:
    return {
        "endpoint": _ms(stages.endpoint_s),
        "model": _ms(stages.model_s),
        "clause": _ms(stages.clause_s),
        "voice": _ms(stages.voice_s),
        "total": _ms(stages.total_s),
    }


def _ms(seconds: float | None) -> int | None:
    return None if seconds is None else round(seconds * 1000)
