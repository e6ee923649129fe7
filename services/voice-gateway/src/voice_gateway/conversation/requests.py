"""The requests of the caller's program: replies, turn options and changes of the history."""

from dataclasses import replace

from voice_gateway.conversation import drafting, listening, replying, small_words
from voice_gateway.conversation.commands import DropRequest, DropWords
from voice_gateway.conversation.events import (
    CallerAsked,
    CallerChose,
    CallerEnded,
    CallerForgot,
    CallerNoted,
    CallerWithdrew,
    HeardAmended,
)
from voice_gateway.conversation.history import (
    History,
    amended,
    answer_name,
    newest,
    with_message_at,
    without,
)
from voice_gateway.conversation.policy import TurnOptions, TurnPolicy
from voice_gateway.conversation.state import (
    Conversation,
    Finals,
    Idle,
    Late,
    Line,
    Replying,
    Step,
)

HistoryChange = CallerNoted | CallerWithdrew | HeardAmended
Request = CallerAsked | CallerEnded | CallerForgot | CallerChose | HistoryChange


def follow(now: Conversation, event: Request, policy: TurnPolicy) -> Step:
    match event:
        case CallerAsked():
            return _asked(now, event, policy)
        case CallerEnded():
            return replace(now, commit_pending=now.options.by_hand), ()
        case CallerForgot(at, words):
            return _forgot_finals(now, words, at, policy) if words else _forgot(now, at, policy)
        case CallerChose():
            return _chose(now, event, policy)
        case _:
            return _history_changed(now, event, policy)


def _asked(now: Conversation, event: CallerAsked, policy: TurnPolicy) -> Step:
    """The program asks for a reply; a live reply counts as the answer."""
    if isinstance(now.floor, Replying) or now.line is Line.CLOSED:
        return now, (DropRequest(event.request),)
    return listening.asked(now, now.floor, event, policy)


def _forgot(now: Conversation, at: float, policy: TurnPolicy) -> Step:
    dropped = (DropWords(now.question(), "forgotten"),) if now.said() else ()
    now = replace(
        now, finals=(), interim="", taken=replace(now.taken, interim=""), commit_pending=False
    )
    if isinstance(now.floor, Replying):  # a pause depends on voice activity, not on the transcript
        dropped = (*dropped, *small_words.dropped(now.floor, "forgotten"))
        return replace(now, floor=replace(now.floor, doubted=None)), dropped
    now, commands = listening.forgotten(now, now.floor, at, policy)
    return now, (*dropped, *commands)


def _forgot_finals(
    now: Conversation, words: tuple[str, ...], at: float, policy: TurnPolicy
) -> Step:
    """Take these finals out of the open turn; what a reply has taken already stays."""
    kept, gone = list(now.finals), list[DropWords]()
    for text in filter(kept.__contains__, words):
        kept.remove(text)
        gone.append(DropWords(text, "forgotten"))
    now, floor = replace(now, finals=tuple(kept)), now.floor
    if isinstance(floor, Replying) or not gone:
        return now, tuple(gone)
    after, commands = listening.shortened(now, floor, at, policy)
    return after, (*gone, *commands)


def _chose(now: Conversation, event: CallerChose, policy: TurnPolicy) -> Step:
    before, after = now.options, replace(now, options=_options(event))
    floor = now.floor
    if isinstance(floor, Replying):
        return (after, ()) if after.options.interruptible else replying.resumed(after, floor)
    if isinstance(floor.wait, Idle) and before.idle_s != after.options.idle_s:
        floor = replace(floor, wait=None)  # the idle wait starts again with the new time
    if isinstance(floor.wait, Finals | Late) and after.options.by_hand:
        floor = replace(floor, wait=None)  # the program ends the turn that was about to end
    floor = listening.timed(after, floor, event.at, policy)
    return drafting.redrafted(after, floor, policy)


def _history_changed(now: Conversation, event: HistoryChange, policy: TurnPolicy) -> Step:
    """The program changes the history; the floor stays where it is."""
    floor = now.floor
    if isinstance(floor, Replying):
        return _while_replying(now, floor, event), ()
    history = _with_change(now.history, event)
    if history == now.history:
        return now, ()
    return drafting.redrafted(replace(now, history=history), floor, policy)


def _while_replying(now: Conversation, floor: Replying, event: HistoryChange) -> Conversation:
    """A message added at the end during a reply enters the history after that reply."""
    if isinstance(event, CallerNoted) and not _stands_before(now.history, event.after):
        return replace(now, floor=replace(floor, added=(*floor.added, event.message)))
    if isinstance(event, CallerWithdrew):
        floor = replace(floor, added=without(floor.added, event.name))
    return replace(now, floor=floor, history=_with_change(now.history, event))


def _stands_before(history: History, after: str | None) -> bool:
    """Whether a message behind the one of that name stands before the end of the history."""
    return after == "" or any(each.name == after for each in history[:-1])


def _with_change(history: History, event: HistoryChange) -> History:
    match event:
        case CallerNoted(message=message, after=after):
            return newest(with_message_at(history, message, after))
        case CallerWithdrew(name=name):
            return without(history, name)
        case HeardAmended(reply=reply, text=text):
            return amended(history, answer_name(reply), text)


def _options(event: CallerChose) -> TurnOptions:
    return TurnOptions(
        event.by_hand,
        event.answers,
        event.interruptible,
        event.silence_s,
        event.patience,
        event.idle_s,
        event.speaks_unasked,
    )
