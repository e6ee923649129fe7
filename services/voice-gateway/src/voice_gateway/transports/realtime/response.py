"""Translates a reply to a response's server events, `response.created` to `response.done`."""

from voice_gateway.audio.pcm import seconds
from voice_gateway.errors import ServiceError
from voice_gateway.messages import (
    CutOff,
    ReplyAudio,
    ReplyText,
    ToolCalled,
    Transcript,
    TurnOver,
    Usage,
)
from voice_gateway.transports.realtime import items
from voice_gateway.transports.realtime.caller_turn import add_transcript, added, done
from voice_gateway.transports.realtime.fields import Json
from voice_gateway.transports.realtime.items import Item
from voice_gateway.transports.realtime.session_options import RATE_HZ
from voice_gateway.transports.realtime.state import Events, Response, State


def begin(state: State, reply: int) -> Events:
    state.during_response = None
    response = state.begin_response(reply)
    return created(state, response)


def dropped(state: State, request: int) -> Events:
    """Tell of a response that was cancelled before its reply began: it begins and is over."""
    if not (state.asked and state.asked[0].number == request):
        return []  # the live reply was taken for the one that was asked for
    response = state.begin_response(0)
    state.end(response)
    state.cancelling = False
    details = {"type": "cancelled", "reason": "client_cancelled"}
    over = state.event("response.done", response=_shown(state, response, "cancelled", details))
    return [*created(state, response), over]


def created(state: State, response: Response) -> Events:
    return [state.event("response.created", response=_shown(state, response, "in_progress"))]


def text(state: State, message: ReplyText) -> Events:
    if not (response := state.live(message.reply)):
        return []
    events = _message(state, response)
    if message.apology:
        response.apology += message.text
    else:
        response.text = message.text if message.replaces else response.text + message.text
        response.pieces += 1
    kind = "output_audio_transcript" if response.spoken else "output_text"
    where = _where(response)
    return [*events, state.event(f"response.{kind}.delta", where, delta=message.text)]


def audio(state: State, message: ReplyAudio) -> Events:
    if not (response := state.live(message.reply)):
        return []
    events = _message(state, response)
    assert response.item
    response.item.sent_s += seconds(message.pcm, RATE_HZ)
    return [*events, *_audio_delta(state, response, response.encoder.feed(message.pcm))]


def _audio_delta(state: State, response: Response, audio: str) -> Events:
    if not audio:
        return []
    return [state.event("response.output_audio.delta", _where(response), delta=audio)]


def _message(state: State, response: Response) -> Events:
    """Begin the response's message with its first text or audio."""
    if response.item:
        return []
    wire = items.answer([], "in_progress")
    response.item, before = _put(state, response, wire)
    kind = "audio" if response.spoken else "text"
    part = {"type": "audio", "transcript": ""} if response.spoken else {"type": kind, "text": ""}
    return [
        *_output_added(state, response, response.item, before),
        state.event("response.content_part.added", _where(response), part=part),
    ]


def _put(state: State, response: Response, wire: Json) -> tuple[Item, str | None]:
    """Add an item to the output and, unless it is out of band, to the conversation."""
    if response.out_of_band:
        item, before = state.items.make(wire), None
    else:
        item, before = state.items.add(wire, response.number)
    response.output.append(item)
    return item, before


def _output_added(state: State, response: Response, item: Item, before: str | None) -> Events:
    values = {
        "response_id": response.id,
        "output_index": response.output.index(item),
        "item": items.shown(item.wire),
    }
    begun = state.event("response.output_item.added", values)
    return [begun] if response.out_of_band else [begun, *added(state, item, before)]


def _where(response: Response) -> Json:
    assert response.item
    return {
        "response_id": response.id,
        "item_id": response.item.id,
        "output_index": response.output.index(response.item),
        "content_index": 0,
    }


def _end_message(state: State, response: Response, status: str) -> Events:
    """Close the message, if it has begun; what was sent of it stays."""
    if not (item := response.item):
        return []
    where, said = _where(response), response.text + response.apology
    item.wire |= {"status": status, "content": [response.content]}
    if response.spoken:
        rest = response.encoder.flush() if status == "completed" else ""
        ends = [
            *_audio_delta(state, response, rest),
            state.event("response.output_audio.done", where),
            state.event("response.output_audio_transcript.done", where, transcript=said),
        ]
        part = {"type": "audio", "transcript": said}
    else:
        ends = [state.event("response.output_text.done", where, text=response.text)]
        part = {"type": "text", "text": response.text}
    return [
        *ends,
        state.event("response.content_part.done", where, part=part),
        *_output_done(state, response, item),
    ]


def _output_done(state: State, response: Response, item: Item) -> Events:
    values = {
        "response_id": response.id,
        "output_index": response.output.index(item),
        "item": items.shown(item.wire),
    }
    over = state.event("response.output_item.done", values)
    if response.out_of_band:
        return [over]
    return [done(state, item, state.items.before(item.id)), over]


def tool_called(state: State, message: ToolCalled) -> Events:
    if not (response := state.live(message.reply)):
        return []
    call = message.call
    wire = {**items.call_item(call), "status": "in_progress", "arguments": ""}
    item, before = _put(state, response, wire)
    begun = _output_added(state, response, item, before)
    item.wire |= {"status": "completed", "arguments": call.arguments}
    where = {
        "response_id": response.id,
        "item_id": item.id,
        "output_index": response.output.index(item),
        "call_id": call.call_id,
    }
    kind = "response.function_call_arguments"
    return [
        *begun,
        state.event(f"{kind}.delta", where, delta=call.arguments),
        state.event(f"{kind}.done", where, name=call.name, arguments=call.arguments),
        *_output_done(state, response, item),
    ]


def failed(state: State, error: ServiceError, reply: int) -> Events:
    if response := state.live(reply):
        response.fault = error  # reported at the end of the response
        return []
    values = {"type": "server_error", "code": _code(error), "message": error.sentence}
    return [state.event("error", error={**values, "param": None, "event_id": None})]


def _code(error: ServiceError) -> str:
    return f"{error.stage}_{error.code}"


def turn_over(state: State, over: TurnOver) -> Events:
    if not (response := state.live(over.reply)):
        return []
    state.end(response)
    status, details = _outcome(response.fault, over)
    ends = _end_message(state, response, "completed" if status == "completed" else "incomplete")
    shown = _shown(state, response, status, details, over.usage)
    return [*ends, state.event("response.done", response=shown)]


def _outcome(fault: ServiceError | None, over: TurnOver) -> tuple[str, Json | None]:
    """The status and its details; what the model left out by a limit is no failure of its own."""
    if over.incomplete and (fault is None or fault.stage == "llm"):
        return "incomplete", {"type": "incomplete", "reason": over.incomplete}
    if fault is None:
        return "completed", None
    error = {"type": "server_error", "code": _code(fault), "message": fault.sentence}
    return "failed", {"type": "failed", "error": error}


def cut_off(state: State, cut: CutOff) -> Events:
    """End a response that was cut off, by the client's request or by the caller's voice."""
    if not (response := state.live(cut.reply)):
        return []
    turn, reason = _why_cut_off(state, response)
    ends = _end_message(state, response, "incomplete")
    if response.item:
        response.item.wire["content"] = [{**response.content, **_kept(response, cut.heard_text)}]
    details = {"type": "cancelled", "reason": reason}
    shown = _shown(state, response, "cancelled", details)
    over = state.event("response.done", response=shown)
    gone = _taken_back(state, response, cut) if reason == "turn_detected" else []
    return [*turn, *ends, over, *gone]


def _taken_back(state: State, response: Response, cut: CutOff) -> Events:
    """Delete the items of which the caller's voice has left nothing in the conversation."""
    unheard = None if cut.heard_text else response.item
    question = state.items.asked(cut.reply) if cut.reopened else None
    gone = [item.id for item in (unheard, question) if item and state.items.discard(item)]
    state.taken_back.extend(gone)
    return [state.event("conversation.item.deleted", item_id=item_id) for item_id in gone]


def _why_cut_off(state: State, response: Response) -> tuple[Events, str]:
    transcript = state.during_response
    state.end(response)
    if response.out_of_band:
        return [], "client_cancelled"
    by_client, state.cancelling = state.cancelling, False
    if by_client:
        return [], "client_cancelled"
    return add_transcript(state, transcript or Transcript("", final=False)), "turn_detected"


def _kept(response: Response, heard: str) -> Json:
    """The part of a cut-off answer that stays in the conversation."""
    return {"transcript" if response.spoken else "text": heard}


def _shown(
    state: State,
    response: Response,
    status: str,
    details: Json | None = None,
    usage: Usage | None = None,
) -> Json:
    session = response.options.session
    over = status != "in_progress"
    return {
        "id": response.id,
        "object": "realtime.response",
        "status": status,
        "status_details": details,
        "output": [items.shown(item.wire) for item in response.output] if over else [],
        "conversation_id": None if response.out_of_band else state.conversation_id,
        "output_modalities": ["audio"] if response.spoken else ["text"],
        "max_output_tokens": session["max_output_tokens"],
        "audio": {"output": {key: session["audio"]["output"][key] for key in ("format", "voice")}},
        "usage": _usage(usage, response.pieces) if over else None,
        "metadata": response.metadata,
    }


def _usage(usage: Usage | None, pieces: int) -> Json:
    """The model's own count; without one, its pieces of text (about a token each)."""
    given = usage or Usage(0, pieces)
    return {
        "total_tokens": given.input_tokens + given.output_tokens,
        "input_tokens": given.input_tokens,
        "output_tokens": given.output_tokens,
        "input_token_details": {
            "text_tokens": given.input_tokens, "audio_tokens": 0, "cached_tokens": 0
        },
        "output_token_details": {"text_tokens": given.output_tokens, "audio_tokens": 0},
    }  # fmt: skip
