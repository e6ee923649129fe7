"""What a caller's program asks of the conversation, besides what the caller says."""

from dataclasses import replace

from voice_gateway.conversation import listening, replying
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
    with_message,
    without,
)
from voice_gateway.conversation.policy import TurnOptions, TurnPolicy
from voice_gateway.conversation.state import Conversation, Idle, Line, Replying, Step

OfHistory = CallerNoted | CallerWithdrew | HeardAmended
Request = CallerAsked | CallerEnded | CallerForgot | CallerChose | OfHistory


def follow(now: Conversation, event: Request, policy: TurnPolicy) -> Step:
    match event:
        case CallerAsked():
            return _asked(now, event, policy)
        case CallerEnded():
            return replace(now, commit_pending=now.options.by_hand), ()
        case CallerForgot(at=at):
            return _forgot(now, at, policy)
        case CallerChose():
            return _chose(now, event, policy)
        case _:
            return _remembered(now, event, policy)


def _asked(now: Conversation, event: CallerAsked, policy: TurnPolicy) -> Step:
    """An answer is asked for; one that is under way is that answer."""
    if isinstance(now.floor, Replying) or now.line is Line.CLOSED:
        return now, ()
    return listening.asked(now, now.floor, event, policy)


def _forgot(now: Conversation, at: float, policy: TurnPolicy) -> Step:
    now = replace(now, finals=(), interim="", commit_pending=False)
    if isinstance(now.floor, Replying):
        return now, ()  # its pause is about a sound, not about words
    return listening.forgotten(now, now.floor, at, policy)


def _chose(now: Conversation, event: CallerChose, policy: TurnPolicy) -> Step:
    before, after = now.options, replace(now, options=_options(event))
    floor = now.floor
    if isinstance(floor, Replying):
        return (after, ()) if after.options.interruptible else replying.resumed(after, floor)
    if isinstance(floor.wait, Idle) and before.idle_s != after.options.idle_s:
        floor = replace(floor, wait=None)  # another wait begins
    floor = listening.timed(after, floor, event.at, policy)
    return listening.made_anew(after, floor, policy)


def _remembered(now: Conversation, event: OfHistory, policy: TurnPolicy) -> Step:
    """The program changes what was said; nobody gets the floor for that."""
    floor = now.floor
    if isinstance(floor, Replying):
        return _while_replying(now, floor, event), ()
    history = _changed(now.history, event)
    if history == now.history:
        return now, ()
    return listening.made_anew(replace(now, history=history), floor, policy)


def _while_replying(now: Conversation, floor: Replying, event: OfHistory) -> Conversation:
    """What is added waits until the reply is over, and comes after it."""
    if isinstance(event, CallerNoted):
        return replace(now, floor=replace(floor, added=(*floor.added, event.message)))
    if isinstance(event, CallerWithdrew):
        floor = replace(floor, added=without(floor.added, event.name))
    return replace(now, floor=floor, history=_changed(now.history, event))


def _changed(history: History, event: OfHistory) -> History:
    match event:
        case CallerNoted(message=message):
            return with_message(history, message)
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
    )
