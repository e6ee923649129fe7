"""The one step: each event goes to whoever has the floor, and the floor passes on here."""

from dataclasses import replace

from voice_gateway.conversation import listening, replying
from voice_gateway.conversation.commands import EndCall
from voice_gateway.conversation.events import (
    CallerClosed,
    CallerFinished,
    CallerInterrupted,
    CallerJoined,
    CallerQuiet,
    CallerSpoke,
    CallerTyped,
    CallerVoiced,
    EndOfTurnProbability,
    Event,
    ReplyAudioStarted,
    ReplyEnded,
    ReplyHeard,
    TimerFired,
)
from voice_gateway.conversation.policy import TurnPolicy
from voice_gateway.conversation.replying import Meaning
from voice_gateway.conversation.requests import follow
from voice_gateway.conversation.state import (
    Asked,
    Conversation,
    Idle,
    Line,
    Listening,
    Quiet,
    Replying,
    Step,
)
from voice_gateway.conversation.unasked import broke_silence, greeted, watched


def step(now: Conversation, event: Event, policy: TurnPolicy) -> Step:
    """Return the conversation after `event`, and the commands it gives rise to."""
    after, commands = _step(now, event, policy)
    return watched(after, event.at, policy), commands


def _step(now: Conversation, event: Event, policy: TurnPolicy) -> Step:
    match event:
        case ReplyAudioStarted() | ReplyHeard() | ReplyEnded():
            return _reply_went_on(now, event, policy)
        case CallerSpoke():
            return _spoke(now, event, policy)
        case CallerVoiced() | CallerQuiet():
            if isinstance(now.floor, Listening):
                return listening.sounded(now, now.floor, event, policy)
            return replying.sounded(now, now.floor, event, policy)
        case EndOfTurnProbability():
            return _judged(now, event, policy), ()
        case TimerFired(at=at):
            return _time_is_up(now, at, policy)
        case CallerTyped():
            return _typed(now, event, policy)
        case CallerInterrupted(at=at):
            return _interrupted(now, at, policy)
        case CallerJoined() | CallerClosed() | CallerFinished():
            return _came_or_left(now, event, policy)
        case _:
            return follow(now, event, policy)


def _spoke(now: Conversation, event: CallerSpoke, policy: TurnPolicy) -> Step:
    if now.line is Line.CLOSED:
        return now, ()  # the call only waits for its last reply
    floor = now.floor
    if isinstance(floor, Listening):
        return listening.spoke(now, floor, event, policy)
    if event.final:
        now = replace(now, commit_pending=False)
    return _spoke_into(now, floor, event, policy)


def _spoke_into(now: Conversation, reply: Replying, event: CallerSpoke, policy: TurnPolicy) -> Step:
    """Words during a reply, by what they mean."""
    match replying.meaning(now, reply, event, policy):
        case Meaning.KEPT:
            return replying.kept(now, event), ()
        case Meaning.LATE:
            return replying.late(now, reply, event), ()
        case Meaning.BACKCHANNEL:
            return replying.only_listens(now, reply, event, policy)
        case Meaning.CORRECTION:
            now, cut = replying.corrected(now, reply, event)
            now, more = listening.take_turn(now, Listening(), event.at, policy, reply.request)
        case Meaning.INTERRUPTION:
            now, cut = replying.interrupted(now, reply, event.at, policy)
            now, more = listening.spoke(now, Listening(), event, policy)
    return now, (*cut, *more)


def _typed(now: Conversation, event: CallerTyped, policy: TurnPolicy) -> Step:
    """A whole turn, which goes on with what was being said."""
    if now.line is Line.CLOSED:
        return now, ()
    floor = now.floor
    now = replace(now, finals=(*now.said(), event.text), interim="")
    if isinstance(floor, Listening):
        return listening.take_turn(now, floor, event.at, policy)
    if not floor.interruptible:
        return now, ()
    now, cut = replying.cut(now, floor)
    now, more = listening.take_turn(now, Listening(), event.at, policy)
    return now, (*cut, *more)


def _interrupted(now: Conversation, at: float, policy: TurnPolicy) -> Step:
    """The caller asks for silence."""
    floor = now.floor
    if isinstance(floor, Listening) or not floor.interruptible:
        return now, ()
    now, cut = replying.cut(now, floor)
    now, more = _back_to_caller(now, at, policy, over=now.line is Line.CLOSED)
    return now, (*cut, *more)


def _judged(now: Conversation, event: EndOfTurnProbability, policy: TurnPolicy) -> Conversation:
    """How the turn sounds brings its end closer, or puts it off."""
    if not isinstance(now.voice, Quiet):
        return now  # it went on meanwhile
    now = replace(now, voice=replace(now.voice, probability=event.probability))
    if isinstance(now.floor, Replying) or not now.said():
        return now
    return replace(now, floor=listening.timed(now, now.floor, event.at, policy))


def _time_is_up(now: Conversation, at: float, policy: TurnPolicy) -> Step:
    if now.wake_at is None or at < now.wake_at:
        return now, ()
    if isinstance(now.floor, Replying):
        after, commands = replying.pause_over(now, now.floor)
        if isinstance(after.floor, Replying):
            return after, commands
        after, more = _back_to_caller(after, at, policy, over=False)
        return after, (*commands, *more)
    if isinstance(now.floor.wait, Idle):
        return broke_silence(now, at, policy)
    return listening.wait_over(now, now.floor, at, policy)


def _reply_went_on(
    now: Conversation, event: ReplyAudioStarted | ReplyHeard | ReplyEnded, policy: TurnPolicy
) -> Step:
    floor = now.floor
    if isinstance(floor, Listening):
        return listening.draft_went_on(now, floor, event), ()
    after, commands = replying.went_on(now, floor, event)
    if isinstance(after.floor, Replying):
        return after, commands
    over = floor.goodbye or now.line is Line.CLOSED
    after, more = _back_to_caller(after, event.at, policy, over=over)
    return after, (*commands, *more)


def _back_to_caller(now: Conversation, at: float, policy: TurnPolicy, *, over: bool) -> Step:
    """The caller has the floor again; what was said into the reply is its turn already."""
    if not over:
        return replace(now, floor=listening.timed(now, Listening(), at, policy)), ()
    if now.said():
        return listening.take_turn(now, Listening(), at, policy)
    return now, (EndCall(),)


def _came_or_left(
    now: Conversation, event: CallerJoined | CallerClosed | CallerFinished, policy: TurnPolicy
) -> Step:
    if isinstance(event, CallerJoined):
        return greeted(now, event.recalled, event.at, policy)
    finished = isinstance(event, CallerFinished) or now.line is Line.CLOSED
    now = replace(now, line=Line.CLOSED if finished else Line.CLOSING)
    if isinstance(now.floor, Replying):
        return replying.resumed(now, now.floor)  # the call ends with the reply
    if not finished:
        return replace(now, floor=listening.closing(now.floor)), ()
    if isinstance(now.floor.wait, Asked):
        return listening.answer(now, now.floor, now.floor.wait.request, event.at, policy)
    if now.said():
        return listening.take_turn(now, now.floor, event.at, policy)
    return now, (EndCall(),)
