"""What is said to the caller unasked: the greeting, the question into a silence, the goodbye."""

from dataclasses import replace

from voice_gateway.conversation.commands import EndCall, Say
from voice_gateway.conversation.history import Message, nameless
from voice_gateway.conversation.policy import TurnPolicy
from voice_gateway.conversation.state import (
    Conversation,
    Idle,
    Line,
    Listening,
    Replying,
    Step,
    Voiced,
)


def greeted(
    now: Conversation, recalled: tuple[Message, ...], at: float, policy: TurnPolicy
) -> Step:
    now = replace(now, history=nameless(recalled))
    if recalled or not policy.greeting:
        return now, ()  # who is called back is not greeted again
    greeting = Replying(interruptible=policy.greeting_interruptible)
    return _say(now, greeting, policy.greeting, at)


def watched(now: Conversation, at: float, policy: TurnPolicy) -> Conversation:
    """Keep the time at which a silent call is spoken into, or ended."""
    sounds = isinstance(now.voice, Voiced) or bool(now.said())
    if sounds and now.prompted:
        now = replace(now, prompted=False)
    floor = now.floor
    if isinstance(floor, Replying):
        return now
    if sounds or now.line is not Line.OPEN:
        idles = isinstance(floor.wait, Idle)
        return replace(now, floor=replace(floor, wait=None)) if idles else now
    if floor.wait:
        return now
    prompts_s = policy.prompts_after(now.options)
    wait_s = policy.idle_end_s if now.prompted else prompts_s or policy.idle_end_s
    return replace(now, floor=replace(floor, wait=Idle(at + wait_s))) if wait_s else now


def broke_silence(now: Conversation, at: float, policy: TurnPolicy) -> Step:
    """Nobody has said anything for long: ask whether the caller is there, or end the call."""
    silence_s = policy.prompts_after(now.options)
    if silence_s and not now.prompted:
        asked = replace(now, prompted=True)
        return _say(asked, Replying(), policy.idle_prompt, at, silence_s)
    if not policy.goodbye:
        return replace(now, floor=Listening()), (EndCall(),)
    return _say(now, Replying(goodbye=True), policy.goodbye, at)


def _say(now: Conversation, floor: Replying, text: str, at: float, silence_s: float = 0.0) -> Step:
    number = now.reply + 1
    return replace(now, floor=floor, reply=number, turn_at=at), (Say(number, text, silence_s),)
