"""The messages of a call as the model gets them: the two sides alternate."""

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from functools import reduce
from typing import Literal
from unicodedata import category


@dataclass(frozen=True, slots=True)
class ToolCall:
    """The model calls a tool of the caller's program."""

    call_id: str
    name: str
    arguments: str
    """JSON, as the model wrote it."""


@dataclass(frozen=True, slots=True)
class Message:
    role: Literal["user", "assistant", "system", "tool"]
    text: str
    interrupted: bool = False
    """The caller interrupted this message, or the model broke it off: `text` is what was heard."""
    calls: tuple[ToolCall, ...] = ()
    """The tool calls of an assistant message."""
    call_id: str = ""
    """The tool call that a tool message answers with `text`."""
    name: str = field(default="", compare=False)
    """The key by which the message can be changed or withdrawn later."""


History = tuple[Message, ...]


def with_question(history: History, text: str, name: str = "") -> History:
    """Add the caller's words; they continue the last question where nobody answered it."""
    return (*history, Message("user", text, name=name))


def with_answer(
    history: History,
    text: str,
    *,
    interrupted: bool = False,
    calls: tuple[ToolCall, ...] = (),
    name: str = "",
) -> History:
    """Add what was heard of a reply; where that is nothing, no message."""
    return with_message(history, Message("assistant", text, interrupted, calls, name=name))


def with_message(history: History, message: Message) -> History:
    """Add any message but one of the assistant that says and calls nothing."""
    says_nothing = message.role == "assistant" and not message.text and not message.calls
    return history if says_nothing else (*history, message)


def with_messages(history: History, messages: Iterable[Message]) -> History:
    return reduce(with_message, messages, history)


def without(history: History, name: str) -> History:
    """Take out the message by that name."""
    kept = tuple(message for message in history if message.name != name)
    return history if len(kept) == len(history) else kept


def amended(history: History, name: str, text: str) -> History:
    """Cut the message of that name to `text`; an empty `text` removes the message."""
    if all(message.name != name or message.text == text for message in history):
        return history
    return with_messages((), (_cut_to(m, text) if m.name == name else m for m in history))


def _cut_to(message: Message, text: str) -> Message:
    return message if message.text == text else replace(message, text=text, interrupted=True)


def as_turns(history: History) -> History:
    """The messages as the model is told them: chat templates want the two sides to take turns.

    What one side says in several messages is one turn. The messages themselves stay apart, so that
    each can be amended or withdrawn alone.
    """
    return reduce(_with_turn, history, ())


def _with_turn(turns: History, message: Message) -> History:
    last = turns[-1] if turns else None
    if last is None or not _same_turn(last, message):
        return (*turns, message)
    return (*turns[:-1], replace(message, text=f"{last.text} {message.text}"))


def _same_turn(last: Message, message: Message) -> bool:
    one_side = last.role == message.role and message.role in ("user", "assistant")
    return one_side and not last.calls and not message.calls


def question_name(reply: int) -> str:
    """The name of the user message that this reply answers."""
    return f"question-{reply}"


def answer_name(reply: int) -> str:
    return f"answer-{reply}"


def remembered(history: History, limit: int) -> History:
    """The newest `limit` turns, from a question on, unless the call began with a greeting."""
    starts = [n for n in range(len(history)) if not n or not _same_turn(*history[n - 1 : n + 1])]
    if len(starts) <= limit:
        return history
    kept = starts[-limit:]
    first = kept[1:] if history[kept[0]].role == "assistant" else kept
    return history[first[0] :] if first else ()


def nameless(history: History) -> History:
    """The messages without names: names hold reply numbers, and each call counts from 1."""
    return tuple(replace(message, name="") for message in history)


def plain(text: str) -> str:
    """The text without case and punctuation, to compare two transcripts."""
    # isalnum() would drop the vowel signs of Devanagari, which are part of their words.
    return "".join(c for c in text.lower() if category(c)[0] not in "PS").strip()
