"""The replies that no turn asked for: the greeting, the idle prompt and the goodbye."""

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
    if recalled or not (policy.greeting and now.options.speaks_unasked):
        return now, ()  # a call that continues another one has no greeting
    greeting = Replying(interruptible=policy.greeting_interruptible)
    return _say(now, greeting, policy.greeting, at)


def with_idle_wait(now: Conversation, at: float, policy: TurnPolicy) -> Conversation:
    """Start or stop the wait for the idle prompt, or for the end of a silent call."""
    active = isinstance(now.voice, Voiced) or bool(now.said())
    if active and now.prompted:
        now = replace(now, prompted=False)
    floor = now.floor
    if isinstance(floor, Replying):
        return now
    if active or now.line is not Line.OPEN:
        waits = isinstance(floor.wait, Idle)
        return replace(now, floor=replace(floor, wait=None)) if waits else now
    if floor.wait:
        return now
    prompts_s = policy.prompts_after(now.options)
    wait_s = policy.idle_end_s if now.prompted else prompts_s or policy.idle_end_s
    return replace(now, floor=replace(floor, wait=Idle(at + wait_s))) if wait_s else now


def idle_wait_over(now: Conversation, at: float, policy: TurnPolicy) -> Step:
    """The idle wait is over: say the idle prompt, or end the call."""
    silence_s = policy.prompts_after(now.options)
    if silence_s and not now.prompted:
        asked = replace(now, prompted=True)
        return _say(asked, Replying(), policy.idle_prompt, at, silence_s)
    if not (policy.goodbye and now.options.speaks_unasked):
        return replace(now, floor=Listening()), (EndCall(),)
    return _say(now, Replying(goodbye=True), policy.goodbye, at)


def _say(now: Conversation, floor: Replying, text: str, at: float, silence_s: float = 0.0) -> Step:
    number = now.reply + 1
    return replace(now, floor=floor, reply=number, taken=replace(now.taken, at=at)), (
        Say(number, text, silence_s),
    )
