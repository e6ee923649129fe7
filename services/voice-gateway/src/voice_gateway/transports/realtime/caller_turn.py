"""The caller's turn as server events: speech that begins, audio that is committed, its words."""

from voice_gateway.messages import Transcript
from voice_gateway.transports.realtime import items
from voice_gateway.transports.realtime.fields import Json
from voice_gateway.transports.realtime.items import Item
from voice_gateway.transports.realtime.state import Events, State


def heard(state: State, heard: Transcript) -> Events:
    """The recogniser's words; while a response is under way they may turn out to interrupt it."""
    if state.response:
        state.late = heard
        return []
    return _await_final(state, heard) if state.awaiting else speech(state, heard)


def speech(state: State, heard: Transcript) -> Events:
    """The caller has the floor and says this."""
    turn = state.open_turn()
    turn.absorb(heard)
    if turn.announced or state.options.by_hand:
        return []
    turn.announced = True
    return [
        state.event(
            "input_audio_buffer.speech_started",
            audio_start_ms=_start_ms(state, heard),
            item_id=turn.item_id,
        )
    ]


def _start_ms(state: State, heard: Transcript) -> int:
    if heard.words:
        return round(heard.words[0].start_s * 1000)
    since_s = max(0.0, state.heard_s - state.uncommitted_s)
    return round(max(since_s, state.heard_s - 1.0) * 1000)


def commit(state: State, reply: int) -> Events:
    """The open turn becomes an item, if there is one."""
    if state.awaiting:
        return _finish_awaited(state, reply)
    turn, state.turn = state.turn, None
    if turn is None or not turn.transcript:
        return []
    wire = {"id": turn.item_id, **items.spoken_question(turn.transcript)}
    stopped = state.event(
        "input_audio_buffer.speech_stopped", audio_end_ms=state.heard_ms, item_id=turn.item_id
    )
    return [
        *([stopped] if turn.announced else []),
        *committed(state, wire, reply)[1],
        *_transcribed(state, turn.item_id, turn.transcript),
    ]


def timed_out(state: State, reply: int, silence_s: float) -> Events:
    """Nothing was said for so long that the caller is asked; who wants to know of it is told."""
    if not state.options.prompts:
        return []
    wire = {"id": state.new_id("item"), **items.spoken_question("")}
    triggered = state.event(
        "input_audio_buffer.timeout_triggered",
        audio_start_ms=max(0, state.heard_ms - round(silence_s * 1000)),
        audio_end_ms=state.heard_ms,
        item_id=wire["id"],
    )
    return [triggered, *committed(state, wire, reply)[1]]


def committed(state: State, wire: Json, reply: int) -> tuple[Item, Events]:
    """The caller's audio up to here is an item."""
    seconds, state.uncommitted_s = state.uncommitted_s, 0.0
    item, before = state.items.add(wire, reply)
    item.sent_s = seconds
    buffer = state.event("input_audio_buffer.committed", item_id=item.id, previous_item_id=before)
    return item, [buffer, *added(state, item, before), done(state, item, before)]


def added(state: State, item: Item, before: str | None) -> Events:
    values = {"item": items.shown(item.wire), "previous_item_id": before}
    return [state.event("conversation.item.added", values)]


def done(state: State, item: Item, before: str | None) -> Json:
    values = {"item": items.shown(item.wire), "previous_item_id": before}
    return state.event("conversation.item.done", values)


def created(state: State, item: Item, before: str | None) -> Events:
    """An item of the client's own."""
    return [*added(state, item, before), done(state, item, before)]


def _await_final(state: State, heard: Transcript) -> Events:
    turn = state.open_turn()
    turn.absorb(heard)
    return _finish_awaited(state, 0) if heard.final else []


def _finish_awaited(state: State, reply: int) -> Events:
    item, state.awaiting = state.awaiting, None
    turn, state.turn = state.turn, None
    assert item
    item.reply = reply or item.reply
    transcript = turn.transcript if turn else ""
    item.wire["content"][0]["transcript"] = transcript
    return _transcribed(state, item.id, transcript)


def _transcribed(state: State, item_id: str, transcript: str) -> Events:
    if not state.options.transcribes:
        return []
    kind = "conversation.item.input_audio_transcription"
    where = {"item_id": item_id, "content_index": 0}
    seconds = state.items.find(item_id, "retrieve").sent_s
    usage = {"type": "duration", "seconds": round(seconds, 3)}
    completed = state.event(f"{kind}.completed", where, transcript=transcript, usage=usage)
    if not transcript:
        return [completed]
    return [state.event(f"{kind}.delta", where, delta=transcript), completed]
