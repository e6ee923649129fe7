"""Translates client events to messages for the call and to immediate server events.

Every event is checked here; one that cannot be followed raises BadEvent, and changes nothing.
"""

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from voice_gateway.conversation import Message
from voice_gateway.messages import (
    Adjust,
    Answer,
    Audio,
    CallConfig,
    EndOfUtterance,
    Forget,
    FromCaller,
    Interrupt,
    Noted,
    Played,
    Truncated,
)
from voice_gateway.transports.realtime import caller_turn, fields, items, transcription_session
from voice_gateway.transports.realtime import response as outcome
from voice_gateway.transports.realtime.clips import clips_in
from voice_gateway.transports.realtime.fields import BadEvent, Json
from voice_gateway.transports.realtime.items import Item
from voice_gateway.transports.realtime.rights import check_messages
from voice_gateway.transports.realtime.session_options import RATE_HZ
from voice_gateway.transports.realtime.state import Asked, Clip, Events, State

log = logging.getLogger(__name__)

_LEAST_COMMIT_S = 0.1
_MOST_OUT_OF_BAND = 4  # at once; each sends requests to the model and the voice of its own
_MOST_CANCELLED = 16  # requests that a client took back, and that are still to be told as over
_CONVERSATIONS = ("auto", "none")
_METADATA_PAIRS, _METADATA_KEY_CHARS, _METADATA_VALUE_CHARS = 16, 64, 512


@dataclass(frozen=True, slots=True)
class OutOfBandRequest:
    """An out-of-band response to make, about the conversation so far or its config's `input`."""

    number: int
    history: tuple[Message, ...]
    config: CallConfig


@dataclass
class Taken:
    """The effects of one client event."""

    for_call: list[FromCaller] = field(default_factory=list[FromCaller])
    events: Events = field(default_factory=list[Json])
    begins: OutOfBandRequest | None = None
    stops: int = 0
    """The number of the out-of-band response that is to end; 0: none."""
    clips: tuple[Item, Sequence[Clip]] | None = None
    """An item whose audio is to be transcribed."""
    acknowledged: int = 0
    """The sequence of the newest event that the client says it has; 0: it says nothing."""
    refused: Sequence[BadEvent] = ()
    """What of the event is not followed, while the rest is."""


def followed(state: State, event: Json) -> Taken:
    """Follow one client event; raises BadEvent."""
    kind = fields.text(event, "type", "")
    if kind not in _FOLLOW:
        raise fields.not_allowed("type", kind, ", ".join(sorted(_FOLLOW)))
    return _FOLLOW[kind](state, event)


def _update_session(state: State, event: Json) -> Taken:
    asked = fields.child(event, "session", "")
    refused = state.options.update(asked, has_audio=state.received_s > 0)
    state.decode(state.options.input_format)
    updated = state.event("session.updated", session=state.options.shown())
    return Taken([Adjust(state.options.config)], [updated], refused=refused)


# The caller audio.


def _append_audio(state: State, event: Json) -> Taken:
    audio = event.get("audio")
    if not isinstance(audio, str):
        raise fields.missing("audio")
    pcm = state.decoder.feed(audio)
    length_s = len(pcm) / (2 * RATE_HZ)
    state.received_s += length_s
    state.uncommitted_s += length_s
    return Taken([Audio(pcm)] if pcm else [])


def _commit_audio(state: State, event: Json) -> Taken:
    if state.uncommitted_s < _LEAST_COMMIT_S:
        raise BadEvent(
            "input_audio_buffer_commit_empty",
            "Error committing input audio buffer: buffer too small. Expected at least 100ms of "
            f"audio, but buffer only has {state.uncommitted_s * 1000:.2f}ms of audio.",
        )
    if not state.options.by_hand:
        return Taken([EndOfUtterance()])  # the turn is committed once its end is found
    return Taken([EndOfUtterance()], caller_turn.commit_by_hand(state))


def _clear_audio(state: State, event: Json) -> Taken:
    state.turn = None
    state.uncommitted_s = 0.0
    return Taken([Forget()], [state.event("input_audio_buffer.cleared")])


# The conversation.


def _create_item(state: State, event: Json) -> Taken:
    asked = fields.child(event, "item", "")
    wire, message = items.checked(asked)
    check_messages([message], state.options.rights, "item.role")
    state.items.check_new(wire)
    state.items.check_call(wire)
    previous = event.get("previous_item_id")
    # A client that puts an item behind one that it does not know to be gone must not lose it.
    place = None if previous in state.taken_back else state.items.place(previous)
    if clips := clips_in(wire, state.options.input_format, state.options.config.language):
        state.admit_clips(clips)
    item, before = state.items.add(wire, after=place)
    _note_left_out(state, asked, wire)
    if clips:  # it is noted with its words
        return Taken([], caller_turn.created(state, item, before), clips=(item, clips))
    after = None if place is None else state.items.told_before(before)
    noted: list[FromCaller] = (
        [Noted(_named(message, item.id), after)] if items.says(message) else []
    )
    return Taken(noted, caller_turn.created(state, item, before))


def _note_left_out(state: State, asked: Json, wire: Json) -> None:
    """An error would end some clients' sessions: the item is shown as it was taken."""
    given, taken = (len(each.get("content", ())) for each in (asked, wire))
    if given > taken:
        said = "call %s: %d images of an item are left out, as the model sees none"
        log.info(said, state.options.config.call_id, given - taken)


def _named(message: Message, item_id: str) -> Message:
    return Message(
        message.role, message.text, calls=message.calls, call_id=message.call_id, name=item_id
    )


def _delete_item(state: State, event: Json) -> Taken:
    item = state.items.find(fields.text(event, "item_id", ""), "delete")
    for_call = caller_turn.deleted(state, item)
    state.items.remove(item.id)
    return Taken(for_call, [state.event("conversation.item.deleted", item_id=item.id)])


def _retrieve_item(state: State, event: Json) -> Taken:
    item = state.items.find(fields.text(event, "item_id", ""), "retrieve")
    return Taken([], [state.event("conversation.item.retrieved", item=items.shown(item.wire))])


def _truncate_item(state: State, event: Json) -> Taken:
    if event.get("item_id") in state.taken_back:
        return _truncate_taken_back(state, event)
    item = state.items.find(fields.text(event, "item_id", ""), "truncate")
    if item.wire.get("role") != "assistant" or not item.reply:
        raise fields.unsupported("item_id", "only spoken assistant messages can be truncated.")
    index = fields.as_number(event.get("content_index", 0), "content_index", 0, 0)
    end_ms = fields.as_number(event.get("audio_end_ms"), "audio_end_ms", 0, 1e9)
    # A client's clock runs ahead of audio that is sent at the pace of its playback.
    heard_s = min(end_ms / 1000, item.sent_s)
    if state.live(item.reply):
        state.cancelling = True  # a client that truncates the live response has stopped it
    else:
        item.shorten(heard_s)
    values: Json = {"item_id": item.id, "content_index": index, "audio_end_ms": round(end_ms)}
    truncated = state.event("conversation.item.truncated", values)
    return Taken([Truncated(item.reply, heard_s)], [truncated])


def _truncate_taken_back(state: State, event: Json) -> Taken:
    """The client stopped an answer that it does not know to be deleted."""
    names = ("item_id", "content_index", "audio_end_ms")
    values = {name: event.get(name, 0) for name in names}
    return Taken([], [state.event("conversation.item.truncated", values)])


# The response.


def _create_response(state: State, event: Json) -> Taken:
    transcription_session.check_answers(state.options.kind)
    asked = fields.as_object(event.get("response") or {}, "response")
    where = fields.one_of(
        asked.get("conversation") or "auto", _CONVERSATIONS, "response.conversation"
    )
    return (_respond if where == "auto" else _respond_out_of_band)(state, asked)


def _respond(state: State, asked: Json) -> Taken:
    if active := state.answering:
        raise BadEvent(
            "conversation_already_has_active_response",
            f"Conversation already has an active response in progress: {active}. Wait until the "
            "response is finished before creating a new one.",
        )
    if len(state.asked) >= _MOST_CANCELLED:
        said = f"{_MOST_CANCELLED} cancelled requests wait; allowed: as many."
        raise BadEvent("too_many_responses", said)
    request = _asked(state, asked)
    state.ask(request)
    assert request.options
    return Taken([Answer(request.options.config)])


def _respond_out_of_band(state: State, asked: Json) -> Taken:
    if len(state.out_of_band) >= _MOST_OUT_OF_BAND:
        said = f"{_MOST_OUT_OF_BAND} out-of-band responses are under way; allowed: as many."
        raise BadEvent("too_many_responses", said, "response.conversation")
    response = state.begin_out_of_band(_asked(state, asked))
    history = state.items.history()
    return Taken(
        events=outcome.created(state, response),
        begins=OutOfBandRequest(response.number, history, response.options.config),
    )


def _asked(state: State, asked: Json) -> Asked:
    given = asked.get("input")
    about = None if given is None else state.items.asked_about(given)
    check_messages(about or (), state.options.rights, "response.input")
    return Asked(_metadata(asked.get("metadata")), state.options.for_response(asked, about))


def _metadata(asked: Any) -> Json | None:
    if asked is None:
        return None
    given = fields.as_object(asked, "response.metadata")
    if len(given) > _METADATA_PAIRS:
        most = f"at most {_METADATA_PAIRS} pairs"
        raise fields.not_allowed("response.metadata", len(given), most)
    for name, value in given.items():
        fields.as_text(name, "response.metadata", _METADATA_KEY_CHARS)
        fields.as_text(value, f"response.metadata.{name}", _METADATA_VALUE_CHARS)
    return given


def _cancel_response(state: State, event: Json) -> Taken:
    response = state.response
    wanted = event.get("response_id")
    for each in state.out_of_band.values():
        if wanted == each.id:
            return Taken(stops=each.number)
    if state.asked and not state.asked[-1].cancelled and wanted is None:
        state.asked[-1].cancelled = True
        return Taken([Interrupt()])
    if response is None or wanted not in (None, response.id):
        raise BadEvent(
            "response_cancel_not_active", "Cancellation failed: no active response found"
        )
    state.cancelling = True
    return Taken([Interrupt()])


def _clear_output(state: State, event: Json) -> Taken:
    """Stop the live response: the event is WebRTC's, but clients that play audio send it, too."""
    response = state.response
    if response is None or not response.spoken:
        raise BadEvent(
            "output_audio_buffer_clear_not_active", "Clearing failed: nothing is being said."
        )
    state.cancelling = True
    cleared = state.event("output_audio_buffer.cleared", response_id=response.id)
    return Taken([Interrupt()], [cleared])


# Our own events, for what the protocol has none.


def _report_playback(state: State, event: Json) -> Taken:
    if event.get("item_id") in state.taken_back:
        return Taken()
    item = state.items.find(fields.text(event, "item_id", ""), "retrieve")
    played_ms = fields.as_number(event.get("played_ms"), "played_ms", 0, 1e9)
    return Taken([Played(item.reply, played_ms / 1000)] if item.reply else [])


def _acknowledge(state: State, event: Json) -> Taken:
    return Taken(acknowledged=int(fields.as_number(event.get("sequence"), "sequence", 0, 2**53)))


_FOLLOW: Mapping[str, Callable[[State, Json], Taken]] = {
    "session.update": _update_session,
    "input_audio_buffer.append": _append_audio,
    "input_audio_buffer.commit": _commit_audio,
    "input_audio_buffer.clear": _clear_audio,
    "output_audio_buffer.clear": _clear_output,
    "conversation.item.create": _create_item,
    "conversation.item.delete": _delete_item,
    "conversation.item.retrieve": _retrieve_item,
    "conversation.item.truncate": _truncate_item,
    "response.create": _create_response,
    "response.cancel": _cancel_response,
    "gateway.playback": _report_playback,
    "gateway.acknowledge": _acknowledge,
}
