"""Translates the caller's turn to server events: its start, its committed audio, its transcript."""

from voice_gateway.errors import ServiceError
from voice_gateway.messages import Forget, FromCaller, Transcript, Withdrawn
from voice_gateway.transports.realtime import items
from voice_gateway.transports.realtime.fields import BadEvent, Json
from voice_gateway.transports.realtime.items import Item
from voice_gateway.transports.realtime.state import Committed, Events, OpenTurn, State

_WORDS = "conversation.item.input_audio_transcription"
_ROUNDING_S = 0.1  # the least that can be committed


def recognised(state: State, transcript: Transcript) -> Events:
    """Take a transcript; one that comes during a response may turn out to interrupt it."""
    if not transcript.text.strip():
        return _await_final(state, transcript) if state.awaiting else []
    if state.response and state.options.config.turns.interruptible:
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
        return _answered(state, reply)
    _taken(state, reply)
    turn, state.turn = state.turn, None
    if turn is None or not turn.transcript:
        return []
    wire = {"id": turn.item_id, **items.spoken_question(turn.transcript)}
    item, events = committed(state, wire, reply)
    stopped = state.event(
        "input_audio_buffer.speech_stopped", audio_end_ms=state.received_ms, item_id=turn.item_id
    )
    return [
        *([stopped] if turn.announced else []),
        *events,
        *_transcribed(state, item, turn.transcript),
    ]


def commit_by_hand(state: State) -> Events:
    """Make the caller audio so far an item at once; its transcript follows."""
    turn, state.turn = state.open_turn(), None
    wire = {"id": turn.item_id, **items.spoken_question("")}
    item, events = committed(state, wire, 0)
    waiting = Committed(item, turn, state.received_s)
    state.awaiting.append(waiting)
    state.unanswered.append(waiting)
    known = turn.finals and not turn.interim
    return [*events, *_finish(state, waiting)] if known else events


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
    values = {"item": items.untranscribed(item.wire), "previous_item_id": before}
    kinds = ("conversation.item.added", "conversation.item.done")
    return item, [buffer, *(state.event(kind, values) for kind in kinds)]


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
    """Take words of what was committed; a final completes all that it reaches the end of."""
    until_s = transcript.until_s
    if until_s is None:  # it is not known which it is of: each has one final
        until_s = state.awaiting[0].end_s
    over = [each for each in state.awaiting if each.end_s <= until_s + _ROUNDING_S]
    rest = [each for each in state.awaiting if each.end_s > until_s - _ROUNDING_S]
    is_later = transcript.text and _is_later(state, transcript)
    later = add_transcript(state, transcript) if is_later else None
    if later is None:
        its = rest[:1] or over[-1:] if not transcript.final else over[-1:] or rest[:1]
        its[0].turn.absorb(transcript)
    ends = over if transcript.final else []
    return [*(event for each in ends for event in _finish(state, each)), *(later or [])]


def _is_later(state: State, transcript: Transcript) -> bool:
    """Whether the words were said after all that was committed."""
    words, until_s = transcript.words, transcript.until_s
    began_s = words[0].start_s if words else until_s
    return began_s is not None and began_s > state.awaiting[-1].end_s + _ROUNDING_S


def _answered(state: State, reply: int) -> Events:
    """An answer begins, or could: it does not wait for the finals of words that it has."""
    over = [each for each in state.awaiting if each.turn.transcript] or [*state.awaiting][:1]
    events = [event for each in over for event in _finish(state, each)]
    _taken(state, reply)
    return events


def _taken(state: State, reply: int) -> None:
    """The words of all that was committed, but for what is awaited, belong to this reply's turn."""
    for each in state.unanswered:
        each.item.reply = reply
    state.unanswered = [*state.awaiting]


def _finish(state: State, committed: Committed) -> Events:
    """Tell the words of what was committed, or have them forgotten."""
    state.awaiting.remove(committed)
    item, turn = committed.item, committed.turn
    if committed.deleted:
        state.for_call += _forgotten(turn)
        return []
    item.wire["content"][0]["transcript"] = turn.transcript
    return _transcribed(state, item, turn.transcript)


def _forgotten(turn: OpenTurn) -> list[FromCaller]:
    words = tuple(filter(None, turn.finals))
    return [Forget(words)] if words else []


def deleted(state: State, item: Item) -> list[FromCaller]:
    """The client deletes this item: its words leave the open turn, or the history."""
    committed = next((each for each in state.unanswered if each.item is item), None)
    if committed is None:
        return [] if state.items.shares_turn(item) else [Withdrawn(item.name)]
    state.unanswered.remove(committed)
    if committed not in state.awaiting:
        return _forgotten(committed.turn)
    if not (state.unanswered or state.turn or state.uncommitted_s):
        state.awaiting.clear()  # nothing else was said, so that its words need not be waited for
        return [Forget()]
    committed.deleted = True
    return []


def _transcribed(state: State, item: Item, transcript: str) -> Events:
    return transcribed(state, item, transcript, 0, item.sent_s)


def transcribed(state: State, item: Item, transcript: str, index: int, seconds: float) -> Events:
    """Tell the words of one part of an item, if the client wants to know them."""
    if not state.options.transcribes:
        return []
    where = {"item_id": item.id, "content_index": index}
    usage = {"type": "duration", "seconds": round(seconds, 3)}
    completed = state.event(f"{_WORDS}.completed", where, transcript=transcript, usage=usage)
    if not transcript:
        return [completed]
    return [state.event(f"{_WORDS}.delta", where, delta=transcript), completed]


def not_transcribed(state: State, item: Item, index: int, why: ServiceError | BadEvent) -> Events:
    """Tell why one part of an item has no words."""
    if isinstance(why, BadEvent):
        error = {"type": "invalid_request_error", "code": why.code, "message": str(why)}
    else:
        code = f"{why.stage}_{why.code}"
        error = {"type": "server_error", "code": code, "message": why.sentence}
    where = {"item_id": item.id, "content_index": index}
    return [state.event(f"{_WORDS}.failed", where, error={**error, "param": None})]
