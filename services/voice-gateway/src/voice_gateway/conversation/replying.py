"""While a reply has the floor: what takes it away, what only makes the reply pause, and its end.

voice    ______▅▇▅▂______________        ______▅▇▇▅▇▇▅
words                "mm-hm"                      "wait"
events         CallerVoiced | CallerQuiet | TimerFired    CallerVoiced | CallerSpoke
commands       PauseReply                 ResumeReply     PauseReply     CancelReply, Interrupted
"""

from dataclasses import replace
from enum import Enum, auto

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
    Message,
    ToolCall,
    answer_name,
    plain,
    question_name,
    with_answer,
    with_messages,
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
    """What words are that come during a reply."""

    KEPT = auto()  # the reply cannot be interrupted: they are its answer, and taken after it
    LATE = auto()  # words of its question that change nothing
    CORRECTION = auto()  # its question's final words, and they are others
    BACKCHANNEL = auto()  # a listener's small words, or too few
    INTERRUPTION = auto()


def meaning(now: Conversation, floor: Replying, event: CallerSpoke, policy: TurnPolicy) -> Meaning:
    text = event.text.strip()
    if not may_interrupt(now, floor):
        return Meaning.KEPT
    if _is_late(now, floor, event, policy):
        same = not event.final or not text or plain(text) == plain(floor.provisional)
        return Meaning.LATE if same or not _asks(now) else Meaning.CORRECTION
    # Before anything of the answer was heard, any word goes on with the question.
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
    """Once its final words are there, nothing of the question is provisional any more."""
    done = event.final and event.text.strip()
    return replace(now, floor=replace(floor, provisional="")) if done else now


def corrected(now: Conversation, floor: Replying, event: CallerSpoke) -> Step:
    """The question is the caller's open turn again, with its final words."""
    asked = now.history[-1].text.removesuffix(floor.provisional).strip()
    finals = (asked, event.text.strip()) if asked else (event.text.strip(),)
    after, commands = cut(replace(now, history=now.history[:-1]), replace(floor, heard=""))
    return replace(after, finals=finals, interim=""), commands


def only_listens(
    now: Conversation, floor: Replying, event: CallerSpoke, policy: TurnPolicy
) -> Step:
    """Words that are no interruption; once they are all there are, the reply goes on."""
    if event.text.strip():
        now = replace(now, prompted=False)
    silent = event.final and not isinstance(now.voice, Voiced)
    return resumed(now, floor) if silent and policy.is_backchannel(event.text) else (now, ())


def interrupted(now: Conversation, floor: Replying, at: float, policy: TurnPolicy) -> Step:
    """Words take the floor."""
    began = now.voice.since if isinstance(now.voice, Voiced) else at
    if began - now.turn_at < policy.reopen_s:
        # The caller only went on: nothing was answered yet, whatever was heard of it.
        floor = replace(floor, heard="")
    after, commands = cut(now, floor)
    if isinstance(now.voice, Quiet):
        # Words without a voice: the reply drowned it. The silence counts from here, not from before
        # the reply, and is waited for as if they went on: they may be the first half of a word.
        after = replace(after, voice=Quiet(at, probability=0.0))
    return after, commands


def sounded(
    now: Conversation, floor: Replying, event: CallerVoiced | CallerQuiet, policy: TurnPolicy
) -> Step:
    """A sound makes the reply pause until it is known what it is; silence starts that wait."""
    if isinstance(event, CallerQuiet):
        pause = floor.pause and _until_resumed(floor.pause, event.at, policy)
        return replace(now, floor=replace(floor, pause=pause), voice=Quiet(event.since)), ()
    floor = replace(floor, provisional="")
    may_pause = may_interrupt(now, floor) and now.line is Line.OPEN
    if not may_pause or floor.false_alarms >= policy.pauses:
        return replace(now, floor=floor, voice=Voiced(event.at)), ()
    since, audible = (floor.pause.since, floor.pause.audible) if floor.pause else (event.at, False)
    pause = Pause(since, _serious_at(floor, event.at, policy), audible)
    after = replace(now, floor=replace(floor, pause=pause), voice=Voiced(event.at))
    return after, () if floor.pause else (PauseReply(now.reply),)


def pause_over(now: Conversation, floor: Replying) -> Step:
    """What made the reply pause went on for too long to be nothing, or was nothing."""
    if isinstance(now.voice, Voiced) and floor.audible:
        return cut(now, floor)
    return resumed(now, replace(floor, false_alarms=floor.false_alarms + 1))


def went_on(
    now: Conversation, floor: Replying, event: ReplyAudioStarted | ReplyHeard | ReplyEnded
) -> Step:
    if event.reply != now.reply:
        return now, ()  # stale
    match event:
        case ReplyHeard(text=text):
            return replace(now, floor=replace(floor, heard=text)), ()
        case ReplyEnded(text=text, calls=calls):
            after, commands = resumed(now, floor)
            return _passed(after, floor, text, calls=calls), (*commands, EndTurn(now.reply))
        case ReplyAudioStarted() if floor.pause:
            pause = replace(floor.pause, audible=True)
            return replace(now, floor=replace(floor, pause=pause)), ()
        case ReplyAudioStarted():
            return replace(now, floor=replace(floor, audible=True)), (AnnounceReply(now.reply),)


def resumed(now: Conversation, floor: Replying) -> Step:
    """Let the reply go on from where it stopped, if it did."""
    pause = floor.pause
    if pause is None:
        return replace(now, floor=floor), ()
    after = replace(now, floor=replace(floor, pause=None, audible=floor.audible or pause.audible))
    announced = (AnnounceReply(now.reply),) if pause.audible else ()
    return after, (*announced, ResumeReply(now.reply))


def cut(now: Conversation, floor: Replying) -> Step:
    """Take the floor from the reply."""
    after = _passed(now, floor, floor.heard, interrupted=True)
    return after, (CancelReply(now.reply), Interrupted(now.reply, floor.heard))


def left_over(now: Conversation, heard: str) -> tuple[Message, ...]:
    """What is remembered where the call breaks off now; `heard` is of the live reply."""
    if isinstance(now.floor, Listening):
        return now.history
    return _passed(now, now.floor, heard, interrupted=True).history


def _passed(
    now: Conversation,
    floor: Replying,
    said: str,
    *,
    interrupted: bool = False,
    calls: tuple[ToolCall, ...] = (),
) -> Conversation:
    """Give the floor back to the caller, remembering of the reply only `said`."""
    name = answer_name(now.reply)
    history = with_answer(now.history, said, interrupted=interrupted, calls=calls, name=name)
    return replace(now, floor=Listening(), history=with_messages(history, floor.added))


def _is_late(now: Conversation, floor: Replying, event: CallerSpoke, policy: TurnPolicy) -> bool:
    """Whether these are still words of the question under way: the caller made no sound since."""
    soon = event.at - now.turn_at < policy.late_s
    if not floor.provisional or not isinstance(now.voice, Quiet) or not soon:
        return False
    words, provisional = plain(event.text), plain(floor.provisional)
    return event.final or words.startswith(provisional) or provisional.startswith(words)


def _asks(now: Conversation) -> bool:
    """Whether the question under way still stands: a program may have withdrawn it."""
    return bool(now.history) and now.history[-1].name == question_name(now.reply)


def _serious_at(floor: Replying, at: float, policy: TurnPolicy) -> float:
    """When a voice that goes on takes the floor, or is given up on: nothing was heard yet."""
    if floor.audible and policy.interrupt_voice_s:
        return at + policy.interrupt_voice_s
    return at + policy.longest_pause_s


def _until_resumed(pause: Pause, at: float, policy: TurnPolicy) -> Pause:
    until = min(at + policy.resume_s, max(at, pause.since + policy.longest_pause_s))
    return replace(pause, until=until)
