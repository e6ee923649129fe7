"""What a caller's program asks of the conversation, besides what the caller says."""

from dataclasses import replace

from voice_gateway.conversation.commands import Message, StartReply
from voice_gateway.conversation.events import (
    CallerChose,
    CallerForgot,
    CallerNoted,
    CallerWithdrew,
    HeardAmended,
)
from voice_gateway.conversation.floor import drop_held
from voice_gateway.conversation.policy import TurnOptions, TurnPolicy
from voice_gateway.conversation.state import (
    Conversation,
    Phase,
    Step,
    answer_name,
    remembered,
    turn_end,
    with_answer,
    with_question,
)

Request = CallerChose | CallerForgot | CallerNoted | CallerWithdrew | HeardAmended


def follow(now: Conversation, event: Request, policy: TurnPolicy) -> Step:
    """What changes the conversation, and gives nobody the floor."""
    match event:
        case CallerNoted(message=message):
            return _note(now, message), ()
        case CallerWithdrew(name=name):
            history, noted = _without(now.history, name), _without(now.noted, name)
            return replace(now, history=history, noted=noted), ()
        case HeardAmended(reply=reply, text=text):
            return replace(now, history=_amended(now.history, answer_name(reply), text)), ()
        case CallerForgot():
            after, dropped = drop_held(now)
            after = replace(after, words=(), murmur="", owed=False, asked=False, deadline=None)
            return after, dropped
        case CallerChose(at=at):
            after = replace(now, manner=_manner(event))
            if after.manner.idle_s != now.manner.idle_s:
                after = replace(after, idle_at=None)  # another wait begins
            if after.phase is not Phase.LISTENING:
                return after, ()
            return replace(after, deadline=turn_end(after, at, policy)), ()


def answer_now(now: Conversation, at: float, policy: TurnPolicy) -> Step:
    """Answer the conversation as it stands: nothing of the open turn waits."""
    before, dropped = drop_held(now)
    number = before.reply + 1
    history = remembered(before.history, policy.memory_messages)
    after = replace(
        before,
        phase=Phase.THINKING,
        history=history,
        reply=number,
        turn_at=at,
        asked=False,
        wanted=False,
        owed=False,
        taken="",
        deadline=None,
    )
    return after, (*dropped, StartReply(number, history, asked=True))


def _note(now: Conversation, message: Message) -> Conversation:
    if now.phase is not Phase.LISTENING:
        return replace(now, noted=(*now.noted, message))
    return replace(now, history=with_message(now.history, message))


def with_message(history: tuple[Message, ...], message: Message) -> tuple[Message, ...]:
    """Add a message of a program's; what one side says in two messages is one turn of it."""
    if message.role == "user":
        return with_question(history, message.text, message.name)
    if message.role == "assistant":
        return with_answer(history, message.text, calls=message.calls, name=message.name)
    return (*history, message)


def _without(messages: tuple[Message, ...], name: str) -> tuple[Message, ...]:
    return tuple(message for message in messages if message.name != name)


def _amended(history: tuple[Message, ...], name: str, text: str) -> tuple[Message, ...]:
    """Keep of the message by that name only `text`."""

    def amend(message: Message) -> Message:
        if message.name != name or message.text == text:
            return message
        return replace(message, text=text, interrupted=True)

    amended = (amend(message) for message in history)
    return tuple(m for m in amended if m.text or m.calls or m.role != "assistant")


def _manner(event: CallerChose) -> TurnOptions:
    return TurnOptions(
        event.by_hand,
        event.answers,
        event.interruptible,
        event.silence_s,
        event.patience,
        event.idle_s,
    )
