"""The step of a conversation: hands each event to the holder of the floor, and passes the floor."""

from dataclasses import replace

from voice_gateway.conversation import drafting, listening, replying
from voice_gateway.conversation.commands import DropWords, EndCall
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
    RecognitionBehind,
    RecognitionCaughtUp,
    ReplyAudioStarted,
    ReplyEnded,
    ReplyHeard,
    TimerFired,
)
from voice_gateway.conversation.history import marked, repeats
from voice_gateway.conversation.policy import TurnPolicy
from voice_gateway.conversation.replying import Meaning
from voice_gateway.conversation.requests import follow
from voice_gateway.conversation.state import (
    Asked,
    Behind,
    Conversation,
    Idle,
    Line,
    Listening,
    Quiet,
    Replying,
    Step,
)
from voice_gateway.conversation.unasked import greeted, idle_wait_over, with_idle_wait


def step(now: Conversation, event: Event, policy: TurnPolicy) -> Step:
    """Return the conversation after `event`, and the commands it gives rise to."""
    after, commands = _step(now, event, policy)
    if after.history is not now.history and not isinstance(event, CallerJoined):
        history = marked(after.history, now.history, policy.language)
        after = replace(after, history=history)
    return with_idle_wait(after, event.at, policy), commands


def _step(now: Conversation, event: Event, policy: TurnPolicy) -> Step:
    match event:
        case ReplyAudioStarted() | ReplyHeard() | ReplyEnded():
            return _reply_went_on(now, event, policy)
        case CallerSpoke():
            return _spoke(now, event, policy)
        case CallerVoiced() | CallerQuiet() | EndOfTurnProbability():
            return _sounded(now, event, policy)
        case RecognitionBehind() | RecognitionCaughtUp():
            return _recognition_moved(now, event, policy)
        case TimerFired(at=at):
            return _timer_fired(now, at, policy)
        case CallerTyped():
            return _typed(now, event, policy)
        case CallerInterrupted(at=at):
            return _interrupted(now, at, policy)
        case CallerJoined() | CallerClosed() | CallerFinished():
            return _joined_or_left(now, event, policy)
        case _:
            return follow(now, event, policy)


def _spoke(now: Conversation, event: CallerSpoke, policy: TurnPolicy) -> Step:
    if now.line is Line.CLOSED:  # the call only waits for its last reply to end
        return now, _dropped_at_the_end(event.text, final=event.final)
    if event.final and listening.confirms(now, event, policy):
        awaits = event.awaits and now.options.by_hand
        return replace(now, taken=replace(now.taken, interim=""), commit_pending=awaits), ()
    if event.final:
        now = replace(now, taken=replace(now.taken, interim=""))
    elif repeats(event.text.strip(), now.taken.interim):
        return now, ()  # a recogniser that hears music gives the same words for minutes
    floor = now.floor
    if isinstance(floor, Listening):
        return listening.spoke(now, floor, event, policy)
    if event.final:
        now = replace(now, commit_pending=event.awaits and now.options.by_hand)
    return _spoke_during_reply(now, floor, event, policy)


def _spoke_during_reply(
    now: Conversation, reply: Replying, event: CallerSpoke, policy: TurnPolicy
) -> Step:
    """Handle a transcript during a reply by what it means."""
    meaning = replying.meaning(now, reply, event, policy)
    if meaning not in (Meaning.LATE, Meaning.WITHDRAWN):
        now = listening.works_again(now)
    match meaning:
        case Meaning.KEPT:
            return replying.kept(now, reply, event)
        case Meaning.LATE:
            return replying.late(now, reply, event), ()
        case Meaning.WITHDRAWN:
            dropped = DropWords(event.text.strip(), "withdrawn")
            return replying.late(now, reply, event), (dropped,)
        case Meaning.BACKCHANNEL:
            return replying.backchannelled(now, reply, event, policy)
        case Meaning.ANSWER:
            now, cut = replying.answered(now, reply, event.at)
            now, more = listening.spoke(now, _cut_for_words(now, reply), event, policy)
        case Meaning.CORRECTION:
            now, cut = replying.corrected(now, reply, event)
            now, more = listening.take_turn(now, _after_reply(now), event.at, policy, reply.request)
        case Meaning.INTERRUPTION:
            now, cut = replying.interrupted(now, reply, event, policy)
            now, more = listening.spoke(now, _cut_for_words(now, reply), event, policy)
    return now, (*cut, *more)


def _cut_for_words(now: Conversation, reply: Replying) -> Listening:
    return replace(_after_reply(now), cut=reply.audible)


def _after_reply(now: Conversation) -> Listening:
    """The caller's floor, with what it knows of the reply before it."""
    assert isinstance(now.floor, Listening)
    return now.floor


def _dropped_at_the_end(text: str, *, final: bool = True) -> tuple[DropWords, ...]:
    return (DropWords(text.strip(), "call_over"),) if final and text.strip() else ()


def _typed(now: Conversation, event: CallerTyped, policy: TurnPolicy) -> Step:
    """Typed text is a whole turn; it follows the words of the open turn."""
    if now.line is Line.CLOSED:
        return now, _dropped_at_the_end(event.text)
    floor = now.floor
    answered = now.interim or now.taken.interim
    now = replace(
        now,
        finals=(*now.said(), event.text),
        interim="",
        taken=replace(now.taken, interim=answered),
    )
    if isinstance(floor, Listening):
        return listening.take_turn(now, replace(floor, ended=True), event.at, policy)
    if not floor.interruptible:
        return now, ()
    now, cut = replying.cut(now, floor)
    now, more = listening.take_turn(now, Listening(ended=True), event.at, policy)
    return now, (*cut, *more)


def _interrupted(now: Conversation, at: float, policy: TurnPolicy) -> Step:
    """The client stops the reply, or takes back its request for one."""
    floor = now.floor
    if isinstance(floor, Listening):
        return listening.request_taken_back(now, floor, at, policy)
    if not floor.interruptible:
        return now, ()
    now, cut = replying.cut(now, floor)
    now, more = _back_to_caller(now, at, policy, over=now.line is Line.CLOSED)
    return now, (*cut, *more)


def _sounded(
    now: Conversation, event: CallerVoiced | CallerQuiet | EndOfTurnProbability, policy: TurnPolicy
) -> Step:
    if isinstance(event, EndOfTurnProbability):
        return _probability_known(now, event, policy), ()
    if isinstance(now.floor, Listening):
        return listening.sounded(now, now.floor, event, policy)
    return replying.sounded(now, now.floor, event, policy)


def _recognition_moved(
    now: Conversation, event: RecognitionBehind | RecognitionCaughtUp, policy: TurnPolicy
) -> Step:
    """The recogniser fell behind the caller's speech, or has caught up with it."""
    if isinstance(event, RecognitionCaughtUp):
        now = replace(now, behind=None)
        if isinstance(now.floor, Listening):
            return listening.caught_up(now, now.floor, event.at, policy)
        return replying.caught_up(now, now.floor, event.at, policy), ()
    was = now.behind or Behind()
    now = replace(now, behind=replace(was, broken=was.broken or event.broken))
    if isinstance(now.floor, Listening):
        now = replace(now, floor=listening.timed(now, now.floor, event.at, policy))
    return now, ()


def _probability_known(
    now: Conversation, event: EndOfTurnProbability, policy: TurnPolicy
) -> Conversation:
    """Set the end of the turn anew by the end-of-turn probability."""
    if not isinstance(now.voice, Quiet):
        return now  # the voice went on during the prediction
    now = replace(now, voice=replace(now.voice, probability=event.probability))
    if isinstance(now.floor, Replying) or not now.said():
        return now
    return replace(now, floor=listening.timed(now, now.floor, event.at, policy))


def _timer_fired(now: Conversation, at: float, policy: TurnPolicy) -> Step:
    if now.wake_at is None or at < now.wake_at:
        return now, ()
    if isinstance(now.floor, Replying):
        return replying.pause_over(now, now.floor, at, policy)
    if isinstance(now.floor.wait, Idle):
        return idle_wait_over(now, at, policy)
    return listening.wait_over(now, now.floor, at, policy)


def _reply_went_on(
    now: Conversation, event: ReplyAudioStarted | ReplyHeard | ReplyEnded, policy: TurnPolicy
) -> Step:
    floor = now.floor
    if isinstance(floor, Listening):
        return drafting.went_on(now, floor, event), ()
    after, commands = replying.went_on(now, floor, event, policy)
    if isinstance(after.floor, Replying):
        return after, commands
    over = floor.goodbye or now.line is Line.CLOSED
    after, more = _back_to_caller(after, event.at, policy, over=over)
    return after, (*commands, *more)


def _back_to_caller(now: Conversation, at: float, policy: TurnPolicy, *, over: bool) -> Step:
    """The caller has the floor again; words kept during the reply are its open turn."""
    if not over:
        return replace(now, floor=listening.timed(now, _after_reply(now), at, policy)), ()
    if now.said():
        return listening.take_turn(now, Listening(), at, policy)
    return now, (EndCall(),)


def _joined_or_left(
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
