"""Who has the floor, and what happens next: the state of a conversation, and its one step."""

from dataclasses import dataclass, replace
from enum import Enum, auto
from typing import assert_never
from unicodedata import category

from voice_gateway.conversation.commands import (
    AnnounceVoice,
    AskFinal,
    CancelReply,
    Command,
    EndCall,
    EndTurn,
    Interrupted,
    Message,
    PrepareReply,
    ReleaseReply,
    StartReply,
)
from voice_gateway.conversation.events import (
    CallerClosed,
    CallerFinished,
    CallerInterrupted,
    CallerQuiet,
    CallerSpoke,
    CallerTyped,
    CallerVoiced,
    Event,
    ReplyEnded,
    ReplyHeard,
    TimerFired,
    VoiceStarted,
)
from voice_gateway.policy import TurnPolicy, sounds_open


class Phase(Enum):
    LISTENING = auto()  # the caller has the floor
    THINKING = auto()  # a reply is being made; nothing of it was heard yet
    SPEAKING = auto()  # the caller is hearing a reply


@dataclass(frozen=True, slots=True)
class Conversation:
    phase: Phase = Phase.LISTENING
    history: tuple[Message, ...] = ()
    reply: int = 0
    """The live reply, or the last one: whatever names an older one is stale."""
    words: tuple[str, ...] = ()
    """The caller's final words in the open turn."""
    murmur: str = ""
    """The caller's words that may still change."""
    heard: str = ""
    """What the caller has heard of the live reply."""
    taken: str = ""
    """The words of the question under way that were not final when the turn was taken."""
    deadline: float | None = None
    """When silence becomes the end of the caller's turn."""
    turn_at: float = 0.0
    """When the turn under way was taken."""
    voiced_since: float | None = None
    """Since when the caller makes voice; None where it is silent, or nothing is known of it."""
    quiet_since: float | None = None
    """Since when the caller is silent; None where it makes voice, or nothing is known of it."""
    asked: bool = False
    """The recogniser was asked for its final words."""
    held: int = 0
    """The reply that is being prepared out of hearing; 0: none."""
    guess: str = ""
    """The question it answers."""
    guessed: int = 0
    """How many replies were prepared in this turn."""
    held_speaks: bool = False
    """The held reply has audio."""
    closing: bool = False
    """No more audio comes in, but words may."""
    finished: bool = False
    """No more words come: the call ends with the reply to the last ones."""


Step = tuple[Conversation, tuple[Command, ...]]


def step(now: Conversation, event: Event, policy: TurnPolicy) -> Step:
    """Return the conversation after `event`, and the commands it gives rise to."""
    match event:
        case VoiceStarted() | ReplyHeard() | ReplyEnded() if now.held:
            return _held_went_on(now, event), ()
        case VoiceStarted() | ReplyHeard() | ReplyEnded():
            stale = event.reply != now.reply or now.phase is Phase.LISTENING
            return (now, ()) if stale else _reply_went_on(now, event)
        case CallerSpoke() | CallerTyped():
            # Once finished, the call only waits for its last reply.
            return (now, ()) if now.finished else _caller_said(now, event, policy)
        case CallerVoiced() | CallerQuiet():
            return _caller_sounded(now, event, policy)
        case CallerInterrupted():
            after, commands = _cut_reply(now)
            return after, (*commands, EndCall()) if after.finished else commands
        case CallerClosed():
            return replace(now, closing=True, deadline=None), ()
        case CallerFinished(at=at):
            return _finish(now, at, policy)
        case TimerFired(at=at):
            due = now.deadline is not None and at >= now.deadline
            return _silence_fell(now, at, policy) if due else (now, ())
        case _:
            assert_never(event)


def _reply_went_on(now: Conversation, event: VoiceStarted | ReplyHeard | ReplyEnded) -> Step:
    match event:
        case VoiceStarted(reply=reply):
            return replace(now, phase=Phase.SPEAKING), (AnnounceVoice(reply),)
        case ReplyHeard(text=text):
            return replace(now, heard=text), ()
        case ReplyEnded(reply=reply, text=text):
            after = _yield_floor(now, text)
            return after, (EndTurn(reply), EndCall()) if after.finished else (EndTurn(reply),)


def _caller_said(now: Conversation, event: CallerSpoke | CallerTyped, policy: TurnPolicy) -> Step:
    if isinstance(event, CallerSpoke):
        return _caller_spoke(now, event, policy)
    after, cut = _cut_reply(now)
    after = replace(after, words=(*_said(after), event.text), murmur="")
    after, asked = _take_turn(after, event.at, policy)
    return after, (*cut, *asked)


def _caller_spoke(now: Conversation, event: CallerSpoke, policy: TurnPolicy) -> Step:
    text = event.text.strip()
    if now.phase is not Phase.LISTENING:
        if _is_late(now, event, policy):
            return _correct(now, text, event.at, policy) if event.final and text else (now, ())
        if not policy.interrupts(text):
            return now, ()
    if not text and not event.final:
        return now, ()  # the recogniser has second thoughts; what it said before still waits
    after, commands = _cut_reply(_reopened(now, event.at, policy))
    if event.final:
        words = (*after.words, text) if text else after.words
        after = replace(after, words=words, murmur="", asked=False)
    else:
        after = replace(after, murmur=text)
    after, prepared = _prepare(replace(after, deadline=_turn_end(after, event.at, policy)), policy)
    return after, (*commands, *prepared)


def _caller_sounded(
    now: Conversation, event: CallerVoiced | CallerQuiet, policy: TurnPolicy
) -> Step:
    if isinstance(event, CallerVoiced):
        after, commands = _drop_held(now)
        after = replace(after, voiced_since=event.at, quiet_since=None, asked=False, taken="")
        return replace(after, deadline=_turn_end(after, event.at, policy)), commands
    after = replace(now, voiced_since=None, quiet_since=event.since)
    return _prepare(replace(after, deadline=_turn_end(after, event.at, policy)), policy)


def _prepare(now: Conversation, policy: TurnPolicy) -> Step:
    """Have the answer made ahead, if the caller is silent and the words seem to be all."""
    text = " ".join(_said(now))
    if now.held and _plain(text) == _plain(now.guess):
        return now, ()
    after, dropped = _drop_held(now)
    ready = after.deadline is not None and after.quiet_since is not None
    if not ready or sounds_open(text) or after.guessed >= policy.guesses:
        return after, dropped
    number = after.reply + 1
    history = _remembered(_with_question(now.history, text), policy.memory_messages)
    after = replace(
        after, reply=number, held=number, guess=text, guessed=after.guessed + 1, held_speaks=False
    )
    return after, (*dropped, PrepareReply(number, history))


def _drop_held(now: Conversation) -> Step:
    if not now.held:
        return now, ()
    return replace(now, held=0, guess=""), (CancelReply(now.held),)


def _held_went_on(now: Conversation, event: VoiceStarted | ReplyHeard | ReplyEnded) -> Conversation:
    match event:
        case VoiceStarted(reply=now.held):
            return replace(now, held_speaks=True)
        case ReplyEnded(reply=now.held):
            return replace(now, held=0, guess="")  # it failed; the turn will be answered anew
        case _:
            return now


def _turn_end(now: Conversation, at: float, policy: TurnPolicy) -> float | None:
    """When the turn is over if nothing more happens."""
    if now.phase is not Phase.LISTENING or now.closing or not _said(now):
        return None
    if now.asked:
        return now.deadline
    if now.quiet_since is not None:
        return max(at, now.quiet_since + policy.silence_after(" ".join(_said(now))))
    going_on = now.voiced_since is not None or now.murmur
    return at + (policy.max_silence_s if going_on else policy.settle_s)


def _silence_fell(now: Conversation, at: float, policy: TurnPolicy) -> Step:
    """The caller has been silent long enough: have the last words made final, or answer."""
    listens = now.voiced_since is not None or now.quiet_since is not None
    if now.murmur and not now.asked and listens:
        return replace(now, asked=True, deadline=at + policy.final_wait_s), (AskFinal(),)
    return _take_turn(now, at, policy)


def _is_late(now: Conversation, event: CallerSpoke, policy: TurnPolicy) -> bool:
    """Whether these are still words of the question under way: the caller made no sound since."""
    if not now.taken or now.quiet_since is None or event.at - now.turn_at >= policy.late_s:
        return False
    words, taken = _plain(event.text), _plain(now.taken)
    return event.final or words.startswith(taken) or taken.startswith(words)


def _correct(now: Conversation, text: str, at: float, policy: TurnPolicy) -> Step:
    """The final words of a question that was taken before they came."""
    if _plain(text) == _plain(now.taken):
        return replace(now, taken=""), ()
    question = now.history[-1].text.removesuffix(now.taken).strip()
    after, cut = _cut_reply(replace(now, heard=""))
    words = (question, text) if question else (text,)
    after, asked = _take_turn(replace(after, history=now.history[:-1], words=words), at, policy)
    return after, (*cut, *asked)


def _plain(text: str) -> str:
    """Words without case and punctuation, to tell whether two transcripts say the same."""
    # By category, not isalnum(): vowel signs of Devanagari and others are part of their words.
    return "".join(c for c in text.lower() if category(c)[0] not in "PS").strip()


def _take_turn(now: Conversation, at: float, policy: TurnPolicy) -> Step:
    """The caller's turn is over: answer it, with what was prepared if it fits."""
    question = " ".join(_said(now))
    history = _remembered(_with_question(now.history, question), policy.memory_messages)
    fits = bool(now.held) and _plain(question) == _plain(now.guess)
    after = Conversation(
        Phase.SPEAKING if fits and now.held_speaks else Phase.THINKING,
        history,
        now.held if fits else now.reply + 1,
        taken=now.murmur,
        turn_at=at,
        voiced_since=now.voiced_since,
        quiet_since=now.quiet_since,
        closing=now.closing,
        finished=now.finished,
    )
    if not fits:
        _, dropped = _drop_held(now)
        return after, (*dropped, StartReply(after.reply, history))
    speaks = (AnnounceVoice(after.reply),) if now.held_speaks else ()
    return after, (ReleaseReply(after.reply), *speaks)


def _finish(now: Conversation, at: float, policy: TurnPolicy) -> Step:
    after = replace(now, closing=True, finished=True)
    if after.phase is not Phase.LISTENING:
        return after, ()  # the call ends with the reply
    if _said(after):
        return _take_turn(after, at, policy)
    return after, (EndCall(),)


def _cut_reply(now: Conversation) -> Step:
    """Take the floor from the reply, if one is live."""
    if now.phase is Phase.LISTENING:
        return now, ()
    after = _yield_floor(now, now.heard, interrupted=True)
    return after, (CancelReply(now.reply), Interrupted(now.reply, now.heard))


def _reopened(now: Conversation, at: float, policy: TurnPolicy) -> Conversation:
    """Where the caller only went on, nothing was answered yet, whatever was heard of it."""
    began = at if now.voiced_since is None else now.voiced_since
    return replace(now, heard="") if began - now.turn_at < policy.reopen_s else now


def _yield_floor(now: Conversation, said: str, *, interrupted: bool = False) -> Conversation:
    """Give the floor back to the caller, remembering of the reply only `said`."""
    answer = (Message("assistant", said, interrupted),) if said else ()
    history = (*now.history, *answer)
    return replace(now, phase=Phase.LISTENING, history=history, heard="", taken="")


def _with_question(history: tuple[Message, ...], text: str) -> tuple[Message, ...]:
    """Add the caller's words; to a question nobody answered they are its continuation."""
    if history and history[-1].role == "user":
        return (*history[:-1], Message("user", f"{history[-1].text} {text}"))
    return (*history, Message("user", text))


def _remembered(history: tuple[Message, ...], limit: int) -> tuple[Message, ...]:
    """The newest messages, from a question on: chat templates refuse to start with an answer."""
    kept = history[-limit:]
    return kept[1:] if kept[0].role == "assistant" else kept


def _said(now: Conversation) -> tuple[str, ...]:
    """Everything the caller said in the open turn."""
    return (*now.words, now.murmur) if now.murmur else now.words
