"""Translates the caller's turn to server events: its start, its committed audio, its transcript."""

from voice_gateway.messages import Transcript
from voice_gateway.transports.realtime import items
from voice_gateway.transports.realtime.fields import Json
from voice_gateway.transports.realtime.items import Item
from voice_gateway.transports.realtime.state import Events, State


def recognised(state: State, transcript: Transcript) -> Events:
    """Take a transcript; one that comes during a response may turn out to interrupt it."""
    if state.response:
        state.during_response = transcript
        return []
    return _await_final(state, transcript) if state.awaiting else add_transcript(state, transcript)


def add_transcript(state: State, transcript: Transcript) -> Events:
    """Add a transcript to the open turn; the caller has the floor."""
    turn = state.open_turn()
    turn.absorb(transcript)
    if turn.announced or state.options.by_hand:
        return []
    turn.announced = True
    return [
        state.event(
            "input_audio_buffer.speech_started",
            audio_start_ms=_start_ms(state, transcript),
            item_id=turn.item_id,
        )
    ]


def _start_ms(state: State, transcript: Transcript) -> int:
    if transcript.words:
        return round(transcript.words[0].start_s * 1000)
    since_s = max(0.0, state.received_s - state.uncommitted_s)
    return round(max(since_s, state.received_s - 1.0) * 1000)


def commit(state: State, reply: int) -> Events:
    """Make the open turn an item, if there is one."""
    if state.awaiting:
        return _finish_awaited(state, reply)
    turn, state.turn = state.turn, None
    if turn is None or not turn.transcript:
        return []
    wire = {"id": turn.item_id, **items.spoken_question(turn.transcript)}
    stopped = state.event(
        "input_audio_buffer.speech_stopped", audio_end_ms=state.received_ms, item_id=turn.item_id
    )
    return [
        *([stopped] if turn.announced else []),
        *committed(state, wire, reply)[1],
        *_transcribed(state, turn.item_id, turn.transcript),
    ]


def timed_out(state: State, reply: int, silence_s: float) -> Events:
    """Tell a client that asked for idle timeouts that the caller was silent for `silence_s`."""
    if not state.options.prompts:
        return []
    wire = {"id": state.new_id("item"), **items.spoken_question("")}
    triggered = state.event(
        "input_audio_buffer.timeout_triggered",
        audio_start_ms=max(0, state.received_ms - round(silence_s * 1000)),
        audio_end_ms=state.received_ms,
        item_id=wire["id"],
    )
    return [triggered, *committed(state, wire, reply)[1]]


def committed(state: State, wire: Json, reply: int) -> tuple[Item, Events]:
    """Make the caller audio so far an item."""
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
    """Announce an item that the client created."""
    return [*added(state, item, before), done(state, item, before)]


def _await_final(state: State, transcript: Transcript) -> Events:
    turn = state.open_turn()
    turn.absorb(transcript)
    return _finish_awaited(state, 0) if transcript.final else []


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
