"""The rules while a reply has the floor: what interrupts it, what pauses it, and how it ends.

voice    ______▅▇▅▂______________        ______▅▇▇▅▇▇▅
words                "mm-hm"                      "wait"
events         CallerVoiced | CallerQuiet | TimerFired    CallerVoiced | CallerSpoke
commands       PauseReply                 ResumeReply     PauseReply     CancelReply, Interrupted
"""

from dataclasses import replace
from enum import Enum, auto
from itertools import takewhile

from voice_gateway.conversation.commands import (
    AnnounceReply,
    CancelReply,
    EndTurn,
    Interrupted,
    PauseReply,
    ResumeReply,
)
from voice_gateway.conversation.events import (
    CallerQuiet,
    CallerSpoke,
    CallerVoiced,
    ReplyAudioStarted,
    ReplyEnded,
    ReplyHeard,
)
from voice_gateway.conversation.history import (
    UNANSWERED_CHARS,
    Message,
    ToolCall,
    answer_name,
    plain,
    question_name,
    with_answer,
    with_messages,
    with_question,
)
from voice_gateway.conversation.policy import TurnPolicy
from voice_gateway.conversation.state import (
    Conversation,
    Line,
    Listening,
    Pause,
    Quiet,
    Replying,
    Step,
    Voiced,
)


class Meaning(Enum):
    """What a transcript that comes during a reply means."""

    KEPT = auto()  # the reply is not interruptible: the words are a turn taken after it
    LATE = auto()  # a transcript of its question that changes nothing
    CORRECTION = auto()  # the final of its question differs from the provisional words
    BACKCHANNEL = auto()  # backchannels, or too few words to interrupt
    INTERRUPTION = auto()


def meaning(now: Conversation, floor: Replying, event: CallerSpoke, policy: TurnPolicy) -> Meaning:
    text = event.text.strip()
    if not may_interrupt(now, floor):
        return Meaning.KEPT
    if _is_late(now, floor, event, policy):
        same = not event.final or not text or plain(text) == plain(floor.provisional)
        return Meaning.LATE if same or not _question_stands(now) else Meaning.CORRECTION
    # Before the caller hears any of the reply, every word continues the question.
    takes_floor = policy.interrupts(text) if floor.audible else text
    return Meaning.INTERRUPTION if takes_floor else Meaning.BACKCHANNEL


def may_interrupt(now: Conversation, floor: Replying) -> bool:
    return floor.interruptible and now.options.interruptible


def kept(now: Conversation, event: CallerSpoke) -> Conversation:
    text = event.text.strip()
    if event.final:
        return replace(now, finals=(*now.finals, text) if text else now.finals, interim="")
    return replace(now, interim=text) if text else now


def late(now: Conversation, floor: Replying, event: CallerSpoke) -> Conversation:
    """After its final, nothing of the question is provisional any more."""
    done = event.final and event.text.strip()
    return replace(now, floor=replace(floor, provisional="", unsettled="")) if done else now


def corrected(now: Conversation, floor: Replying, event: CallerSpoke) -> Step:
    """Make the question the open turn again, with the words of its final."""
    after, commands = _reopened(now, floor, floor.provisional)
    return replace(after, finals=(*after.finals, event.text.strip())), commands


def backchannelled(
    now: Conversation, floor: Replying, event: CallerSpoke, policy: TurnPolicy
) -> Step:
    """The words do not interrupt; at their final, in silence, the reply goes on."""
    if event.text.strip():
        now = replace(now, prompted=False)
    silent = event.final and not isinstance(now.voice, Voiced)
    return resumed(now, floor) if silent and policy.is_backchannel(event.text) else (now, ())


def interrupted(now: Conversation, floor: Replying, event: CallerSpoke, policy: TurnPolicy) -> Step:
    """The words take the floor from the reply; they may continue its question."""
    at = event.at
    began = now.voice.since if isinstance(now.voice, Voiced) else at
    soon = began - now.turn_at < policy.reopen_s
    goes_on = (soon or not floor.audible) and not floor.ended and _may_reopen(now)
    floor = replace(floor, heard="") if soon else floor
    after, commands = _reopened(now, floor, event.text) if goes_on else cut(now, floor)
    if isinstance(now.voice, Quiet):
        # The reply's echo hid the caller's voice, so the silence counts from here, not from before
        # the reply. Probability 0 makes the wait longer: the interim may end inside a word.
        after = replace(after, voice=Quiet(at, probability=0.0))
    return after, commands


def sounded(
    now: Conversation, floor: Replying, event: CallerVoiced | CallerQuiet, policy: TurnPolicy
) -> Step:
    """Voice pauses the reply; silence starts the wait for the transcript of that voice."""
    if isinstance(event, CallerQuiet):
        pause = floor.pause and _after_silence(floor.pause, event.at, policy)
        return replace(now, floor=replace(floor, pause=pause), voice=Quiet(event.since)), ()
    floor = replace(floor, provisional="")
    may_pause = may_interrupt(now, floor) and now.line is Line.OPEN
    if not may_pause or floor.false_alarms >= policy.pauses:
        return replace(now, floor=floor, voice=Voiced(event.at)), ()
    since, audible = (floor.pause.since, floor.pause.audible) if floor.pause else (event.at, False)
    pause = Pause(since, _pause_deadline(floor, event.at, policy), audible)
    after = replace(now, floor=replace(floor, pause=pause), voice=Voiced(event.at))
    return after, () if floor.pause else (PauseReply(now.reply),)


def pause_over(now: Conversation, floor: Replying) -> Step:
    """The pause is over: voice that still lasts interrupts, else it was a false alarm."""
    if isinstance(now.voice, Voiced) and floor.audible:
        return cut(now, floor)
    return resumed(now, replace(floor, false_alarms=floor.false_alarms + 1))


def went_on(
    now: Conversation, floor: Replying, event: ReplyAudioStarted | ReplyHeard | ReplyEnded
) -> Step:
    if event.reply != now.reply:
        return now, ()  # the event is stale
    match event:
        case ReplyHeard(text=text):
            return replace(now, floor=replace(floor, heard=text)), ()
        case ReplyEnded(text=text, calls=calls, unfinished=unfinished):
            after, commands = resumed(now, floor)
            after = _passed(after, floor, text, interrupted=unfinished, calls=calls)
            return after, (*commands, EndTurn(now.reply))
        case ReplyAudioStarted() if floor.pause:
            pause = replace(floor.pause, audible=True)
            return replace(now, floor=replace(floor, pause=pause)), ()
        case ReplyAudioStarted():
            return replace(now, floor=replace(floor, audible=True)), (AnnounceReply(now.reply),)


def resumed(now: Conversation, floor: Replying) -> Step:
    """End the reply's pause, if it has one."""
    pause = floor.pause
    if pause is None:
        return replace(now, floor=floor), ()
    after = replace(now, floor=replace(floor, pause=None, audible=floor.audible or pause.audible))
    announced = (AnnounceReply(now.reply),) if pause.audible else ()
    return after, (*announced, ResumeReply(now.reply))


def cut(now: Conversation, floor: Replying) -> Step:
    """Cut the reply off and give the floor to the caller."""
    after = _passed(now, floor, floor.heard, interrupted=True)
    return after, (CancelReply(now.reply), Interrupted(now.reply, floor.heard))


def left_over(now: Conversation, heard: str) -> tuple[Message, ...]:
    """The history if the call ends now; `heard` is what was heard of the live reply."""
    if isinstance(now.floor, Listening):
        open_turn = with_question(now.history, now.question())
        return open_turn if now.floor.reopened else now.history
    return _passed(now, now.floor, heard, interrupted=True).history


def _reopened(now: Conversation, floor: Replying, text: str) -> Step:
    """The turn was taken too early: make it the open turn again; nothing of the reply is kept.

    `text` are the next words that are recognised. The recogniser gives words again that were
    interim when the turn was taken, unless its stream was lost since.
    """
    asked, interim = now.history[-1].text, floor.unsettled
    if interim and _repeats(text, interim):
        asked = asked.removesuffix(interim).strip()
    after = _passed(replace(now, history=now.history[:-1]), floor, "", interrupted=True)
    finals = (asked, *now.finals) if asked else now.finals
    after = replace(after, floor=Listening(reopened=now.reply), finals=finals, interim="")
    return after, (CancelReply(now.reply), Interrupted(now.reply, "", reopened=True))


def _repeats(text: str, interim: str) -> bool:
    """Whether the transcript has the interim words again, of which it may have changed some."""
    words, before = plain(text).split(), plain(interim).split()
    pairs = zip(words, before, strict=False)
    same = sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], pairs))
    return same == len(words) or 2 * same >= len(before)


def _may_reopen(now: Conversation) -> bool:
    """Whether the reply answers a question that can go on: not one that goes on for ever."""
    return _question_stands(now) and len(now.history[-1].text) <= UNANSWERED_CHARS


def _passed(
    now: Conversation,
    floor: Replying,
    said: str,
    *,
    interrupted: bool = False,
    calls: tuple[ToolCall, ...] = (),
) -> Conversation:
    """Give the floor back to the caller; the history keeps `said` of the reply."""
    name = answer_name(now.reply)
    history = with_answer(now.history, said, interrupted=interrupted, calls=calls, name=name)
    return replace(now, floor=Listening(), history=with_messages(history, floor.added))


def _is_late(now: Conversation, floor: Replying, event: CallerSpoke, policy: TurnPolicy) -> bool:
    """Whether the transcript is of the question still: no voice came since it was asked."""
    soon = event.at - now.turn_at < policy.late_s
    if not floor.provisional or not isinstance(now.voice, Quiet) or not soon:
        return False
    words, provisional = plain(event.text), plain(floor.provisional)
    return event.final or words.startswith(provisional) or provisional.startswith(words)


def _question_stands(now: Conversation) -> bool:
    """Whether the question is still in the history: a program may have withdrawn it."""
    return bool(now.history) and now.history[-1].name == question_name(now.reply)


def _pause_deadline(floor: Replying, at: float, policy: TurnPolicy) -> float:
    """When lasting voice interrupts an audible reply, or the pause of an unheard one ends."""
    if floor.audible and policy.interrupt_voice_s:
        return at + policy.interrupt_voice_s
    return at + policy.longest_pause_s


def _after_silence(pause: Pause, at: float, policy: TurnPolicy) -> Pause:
    until = min(at + policy.resume_s, max(at, pause.since + policy.longest_pause_s))
    return replace(pause, until=until)
