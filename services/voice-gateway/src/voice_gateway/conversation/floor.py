"""While a reply is live: what takes the floor from it, what only makes it pause, and its end.

voice    ______▅▇▅▂______________        ______▅▇▇▅▇▇▅
words                "mm-hm"                      "wait"
events         CallerVoiced | CallerQuiet | TimerFired    CallerVoiced | CallerSpoke
commands       PauseReply                 ResumeReply     PauseReply     CancelReply, Interrupted
"""

from dataclasses import replace

from voice_gateway.conversation.commands import (
    AnnounceReply,
    CancelReply,
    EndCall,
    EndTurn,
    Interrupted,
    PauseReply,
    ResumeReply,
    Say,
)
from voice_gateway.conversation.events import (
    CallerQuiet,
    CallerSpoke,
    CallerVoiced,
    ReplyAudioStarted,
    ReplyEnded,
    ReplyHeard,
)
from voice_gateway.conversation.policy import TurnPolicy
from voice_gateway.conversation.state import (
    Conversation,
    Phase,
    Step,
    turn_end,
    yield_floor,
)


def reply_went_on(
    now: Conversation, event: ReplyAudioStarted | ReplyHeard | ReplyEnded, policy: TurnPolicy
) -> Step:
    match event:
        case ReplyAudioStarted() if now.paused_at is not None:
            return replace(now, held_speaks=True), ()
        case ReplyAudioStarted(reply=reply):
            return replace(now, phase=Phase.SPEAKING), (AnnounceReply(reply),)
        case ReplyHeard(text=text):
            return replace(now, heard=text), ()
        case ReplyEnded(at=at, reply=reply, text=text, calls=calls):
            resumed, commands = resume(now)
            after = yield_floor(resumed, text, calls=calls)
            after = replace(after, deadline=turn_end(after, at, policy))
            return after, (*commands, EndTurn(reply))


def caller_sounded(
    now: Conversation, event: CallerVoiced | CallerQuiet, policy: TurnPolicy
) -> Step:
    """A sound makes the reply pause until it is known what it is; silence starts that wait."""
    if isinstance(event, CallerQuiet):
        after = replace(now, voiced_since=None, quiet_since=event.since)
        if now.paused_at is None:
            return after, ()
        return replace(after, deadline=_pause_end(now.paused_at, event.at, policy)), ()
    after = replace(now, voiced_since=event.at, quiet_since=None, taken="")
    if now.firm or now.closing or not now.manner.interruptible:
        return after, ()
    if now.false_alarms >= policy.pauses:
        return after, ()
    paused_at = event.at if now.paused_at is None else now.paused_at
    after = replace(after, paused_at=paused_at, deadline=_voice_is_serious(after, event.at, policy))
    return after, (PauseReply(now.reply),) if now.paused_at is None else ()


def pause_over(now: Conversation) -> Step:
    """What made the reply pause went on for too long to be nothing, or was nothing."""
    if now.voiced_since is not None and now.phase is Phase.SPEAKING:
        return cut_reply(now)
    return resume(replace(now, false_alarms=now.false_alarms + 1))


def only_listens(now: Conversation, event: CallerSpoke, policy: TurnPolicy) -> Step:
    """Words that are no interruption; once they are all there are, the reply goes on."""
    nothing = event.final and now.voiced_since is None and policy.is_backchannel(event.text)
    return resume(now) if nothing else (now, ())


def note(now: Conversation, event: CallerSpoke) -> Conversation:
    """Keep words that were said into a reply that cannot be interrupted: they are its answer."""
    text = event.text.strip()
    if not event.final:
        return replace(now, murmur=text) if text else now
    return replace(now, words=(*now.words, text) if text else now.words, murmur="")


def resume(now: Conversation) -> Step:
    """Let the reply go on from where it stopped, if it did."""
    if now.paused_at is None:
        return now, ()
    after = replace(now, paused_at=None, deadline=None, held_speaks=False)
    if not now.held_speaks:
        return after, (ResumeReply(now.reply),)
    return replace(after, phase=Phase.SPEAKING), (AnnounceReply(now.reply), ResumeReply(now.reply))


def cut_reply(now: Conversation) -> Step:
    """Take the floor from the reply, if one is live."""
    if now.phase is Phase.LISTENING:
        return now, ()
    after = yield_floor(now, now.heard, interrupted=True)
    return after, (CancelReply(now.reply), Interrupted(now.reply, now.heard))


def drop_held(now: Conversation) -> Step:
    """Give up the reply that is being prepared, if there is one."""
    if not now.held:
        return now, ()
    return replace(now, held=0, guess="", held_speaks=False), (CancelReply(now.held),)


def speak_up(now: Conversation, at: float, policy: TurnPolicy) -> Step:
    """Nobody has said anything for long: ask whether the caller is there, or end the call."""
    silence_s = policy.prompts_after(now.manner)
    if silence_s and not now.prompted:
        return say(replace(now, prompted=True), policy.idle_prompt, at, silence_s)
    if not policy.goodbye:
        return replace(now, idle_at=None), (EndCall(),)
    after, commands = say(now, policy.goodbye, at)
    return replace(after, ending=True), commands


def say(now: Conversation, text: str, at: float, silence_s: float = 0.0) -> Step:
    number = now.reply + 1
    after = replace(now, phase=Phase.THINKING, reply=number, turn_at=at, idle_at=None)
    return after, (Say(number, text, silence_s),)


def _voice_is_serious(now: Conversation, at: float, policy: TurnPolicy) -> float:
    """When a voice that goes on takes the floor, or is given up on: nothing was heard yet."""
    if now.phase is Phase.SPEAKING and policy.interrupt_voice_s:
        return at + policy.interrupt_voice_s
    return at + policy.longest_pause_s


def _pause_end(paused_at: float, at: float, policy: TurnPolicy) -> float:
    return min(at + policy.resume_s, max(at, paused_at + policy.longest_pause_s))
