"""The rules while a reply has the floor: what interrupts it, what pauses it, and how it ends.

voice    ______▅▇▅▂______________        ______▅▇▇▅▇▇▅
words                "mm-hm"                      "wait"
events         CallerVoiced | CallerQuiet | TimerFired    CallerVoiced | CallerSpoke
commands       PauseReply                 ResumeReply     PauseReply     CancelReply, Interrupted

Voice alone never cuts a reply off: it may be a television. It silences the reply for as long as it
lasts, up to `longest_pause_s`, and words that come later still interrupt.

voice    ______▅▇▇▅▇▇▅▇▇▅▇▇▅▇▂___________________
events         CallerVoiced | CallerQuiet | TimerFired
commands       PauseReply     AskFinal      ResumeReply
"""

from dataclasses import replace
from enum import Enum, auto
from itertools import takewhile

from voice_gateway.conversation import small_words
from voice_gateway.conversation.commands import (
    AnnounceReply,
    AskFinal,
    CancelReply,
    DropWords,
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
    newest,
    plain,
    question_name,
    with_answer,
    with_messages,
    with_question,
)
from voice_gateway.conversation.policy import TurnPolicy
from voice_gateway.conversation.state import (
    Conversation,
    Doubted,
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
    WITHDRAWN = auto()  # the same, of a question that the program has withdrawn
    BACKCHANNEL = auto()  # backchannels, or too few words to interrupt
    ANSWER = auto()  # small words that answer what the reply has just asked
    INTERRUPTION = auto()


def meaning(now: Conversation, floor: Replying, event: CallerSpoke, policy: TurnPolicy) -> Meaning:
    text = event.text.strip()
    if not may_interrupt(now, floor):
        return Meaning.KEPT
    if _is_late(now, floor, event, policy):
        same = not event.final or not text or plain(text) == plain(floor.provisional)
        corrected = Meaning.CORRECTION if _question_stands(now) else Meaning.WITHDRAWN
        return Meaning.LATE if same else corrected
    # Before the caller hears any of the reply, every word continues the question.
    if policy.interrupts(text) if floor.audible else text:
        return Meaning.INTERRUPTION
    answers = small_words.answer_at_once(floor, text, policy)
    return Meaning.ANSWER if answers else Meaning.BACKCHANNEL


def may_interrupt(now: Conversation, floor: Replying) -> bool:
    return floor.interruptible and now.options.interruptible


def kept(now: Conversation, floor: Replying, event: CallerSpoke) -> Step:
    text = event.text.strip()
    if text or event.final:
        now = replace(now, floor=small_words.replaced(floor))
    if not event.final:
        return (replace(now, interim=text) if text else now), ()
    retracted = (DropWords(now.interim, "retracted"),) if now.interim and not text else ()
    finals = (*now.finals, text) if text else now.finals
    return replace(now, finals=finals, interim=""), retracted


def late(now: Conversation, floor: Replying, event: CallerSpoke) -> Conversation:
    """After its final, nothing of the question is provisional any more.

    An interim that goes on with the question is in doubt until then: no final may come.
    """
    text = event.text.strip()
    if not text:
        return now
    floor = small_words.replaced(floor)
    if event.final:
        floor = replace(floor, provisional="")
    elif floor.doubted is None:
        floor = replace(floor, doubted=Doubted(text, 0, "unconfirmed", final=False))
    return replace(now, floor=floor)


def corrected(now: Conversation, floor: Replying, event: CallerSpoke) -> Step:
    """Make the question the open turn again, with the words of its final."""
    finals = (event.text.strip(), *now.finals)
    floor = small_words.replaced(floor)
    return _reopened(replace(now, finals=finals), floor, floor.provisional)


def backchannelled(
    now: Conversation, floor: Replying, event: CallerSpoke, policy: TurnPolicy
) -> Step:
    """The words do not interrupt; at their final, in silence, the reply goes on."""
    if event.text.strip():
        now = replace(now, prompted=False)
    now, commands = small_words.doubted(now, floor, event, policy)
    silent = event.final and not isinstance(now.voice, Voiced)
    if not (silent and policy.is_backchannel(event.text)) or not isinstance(now.floor, Replying):
        return now, commands
    now, more = resumed(now, now.floor)
    return now, (*commands, *more)


def interrupted(now: Conversation, floor: Replying, event: CallerSpoke, policy: TurnPolicy) -> Step:
    """The words take the floor from the reply; they may continue its question."""
    at = event.at
    began = now.voice.since if isinstance(now.voice, Voiced) else at
    soon = began - now.taken.at < policy.reopen_s
    goes_on = (soon or not floor.audible) and not floor.ended and _may_reopen(now)
    floor = small_words.replaced(replace(floor, heard="") if soon else floor)
    after, commands = _reopened(now, floor, event.text) if goes_on else cut(now, floor)
    if isinstance(now.voice, Quiet):
        # The reply's echo hid the caller's voice, so the silence counts from here, not from before
        # the reply. Probability 0 makes the wait longer: the interim may end inside a word.
        after = replace(after, voice=Quiet(at, probability=0.0))
    return after, commands


def answered(now: Conversation, floor: Replying, at: float) -> Step:
    """The small words answer what the reply has just asked: they take the floor."""
    after, commands = cut(now, small_words.replaced(floor))
    hidden = isinstance(now.voice, Quiet) and not floor.voiced
    return (replace(after, voice=Quiet(at)) if hidden else after), commands


def sounded(
    now: Conversation, floor: Replying, event: CallerVoiced | CallerQuiet, policy: TurnPolicy
) -> Step:
    """Voice pauses the reply; silence starts the wait for the transcript of that voice."""
    if isinstance(event, CallerQuiet):
        return _fell_silent(now, floor, event, policy)
    floor = replace(floor, voiced=True, heard_at_voice=floor.heard)
    may_pause = may_interrupt(now, floor) and now.line is Line.OPEN
    if not may_pause or floor.false_alarms >= policy.pauses:
        return replace(now, floor=floor, voice=Voiced(event.at)), ()
    since, audible = (floor.pause.since, floor.pause.audible) if floor.pause else (event.at, False)
    pause = Pause(since, max(event.at, since + policy.longest_pause_s), audible)
    after = replace(now, floor=replace(floor, pause=pause), voice=Voiced(event.at))
    return after, () if floor.pause else (PauseReply(now.reply),)


def caught_up(now: Conversation, floor: Replying, at: float, policy: TurnPolicy) -> Conversation:
    """The recogniser has come to the end of the voice: what it was is known, or soon will be."""
    pause = floor.pause
    if pause is None or not isinstance(now.voice, Quiet):
        return now
    pause = replace(pause, until=min(pause.until, at + policy.resume_s))
    return replace(now, floor=replace(floor, pause=pause))


def pause_over(now: Conversation, floor: Replying, at: float, policy: TurnPolicy) -> Step:
    """The pause is over: no words came, so that the reply goes on, also under a voice.

    The words of a recogniser that is behind may still come, where the voice was speech.
    """
    assert floor.pause
    latest = floor.pause.since + max(policy.longest_pause_s, policy.late_wait_s)
    speech = isinstance(now.voice, Voiced) or _is_speech(floor.pause, now.voice, policy)
    if now.behind and speech and at < latest:
        return replace(now, floor=replace(floor, pause=replace(floor.pause, until=latest))), ()
    return resumed(now, replace(floor, false_alarms=floor.false_alarms + 1))


def went_on(
    now: Conversation,
    floor: Replying,
    event: ReplyAudioStarted | ReplyHeard | ReplyEnded,
    policy: TurnPolicy,
) -> Step:
    if event.reply != now.reply:
        return now, ()  # the event is stale
    match event:
        case ReplyHeard(text=text):
            now = replace(now, floor=replace(floor, heard=text))
            return small_words.decided(now, text, policy)
        case ReplyEnded():
            return _ended(now, event, policy)
        case ReplyAudioStarted() if floor.pause:
            pause = replace(floor.pause, audible=True)
            return replace(now, floor=replace(floor, pause=pause)), ()
        case ReplyAudioStarted():
            return replace(now, floor=replace(floor, audible=True)), (AnnounceReply(now.reply),)


def _ended(now: Conversation, event: ReplyEnded, policy: TurnPolicy) -> Step:
    now, dropped = small_words.decided(now, event.text, policy, over=True)
    assert isinstance(now.floor, Replying)
    after, commands = resumed(now, now.floor)
    after = _passed(after, now.floor, event.text, interrupted=event.unfinished, calls=event.calls)
    return after, (*dropped, *commands, EndTurn(now.reply))


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
    dropped = small_words.dropped(floor)
    return after, (*dropped, CancelReply(now.reply), Interrupted(now.reply, floor.heard))


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
    asked, interim = now.history[-1].text, floor.provisional
    if interim and _gives_again(text, interim):
        asked = asked.removesuffix(interim).strip()
    after = _passed(replace(now, history=now.history[:-1]), floor, "", interrupted=True)
    finals = (asked, *now.finals) if asked else now.finals
    after = replace(after, floor=Listening(reopened=now.reply), finals=finals, interim="")
    dropped = small_words.dropped(floor)
    return after, (*dropped, CancelReply(now.reply), Interrupted(now.reply, "", reopened=True))


def _gives_again(text: str, interim: str) -> bool:
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
    if floor.added:
        history = newest(with_messages(history, floor.added))
    return replace(now, floor=Listening(), history=history)


def _is_late(now: Conversation, floor: Replying, event: CallerSpoke, policy: TurnPolicy) -> bool:
    """Whether the transcript is of the question still: no voice came since it was asked."""
    soon = event.at - now.taken.at < policy.late_s
    if not floor.provisional or floor.voiced or not isinstance(now.voice, Quiet) or not soon:
        return False
    words, provisional = plain(event.text), plain(floor.provisional)
    return event.final or words.startswith(provisional) or provisional.startswith(words)


def _question_stands(now: Conversation) -> bool:
    """Whether the question is still in the history: a program may have withdrawn it."""
    return bool(now.history) and now.history[-1].name == question_name(now.reply)


def _fell_silent(
    now: Conversation, floor: Replying, event: CallerQuiet, policy: TurnPolicy
) -> Step:
    """The words of a voice that was speech are asked for, and have as long as others."""
    after = replace(now, voice=Quiet(event.since))
    pause = floor.pause
    if pause is None:
        return after, ()
    speech = _is_speech(pause, after.voice, policy)
    wait_s = max(policy.resume_s, policy.final_wait_s) if speech else policy.resume_s
    until = min(event.at + wait_s, max(event.at, pause.since + policy.longest_pause_s))
    floor = replace(floor, pause=replace(pause, until=until))
    return replace(after, floor=floor), (AskFinal(),) if speech else ()


def _is_speech(pause: Pause, voice: Voiced | Quiet | None, policy: TurnPolicy) -> bool:
    """Whether the voice lasted so long that it was none of a cough, without any words yet."""
    lasted_s = voice.since - pause.since if isinstance(voice, Quiet) else 0.0
    return 0 < policy.interrupt_voice_s <= lasted_s
