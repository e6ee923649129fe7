"""What was said in a call, as the model is told it: one turn of one side after the other."""

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from functools import reduce
from typing import Literal
from unicodedata import category


@dataclass(frozen=True, slots=True)
class ToolCall:
    """The model asks the caller's program to do something."""

    call_id: str
    name: str
    arguments: str
    """JSON, as the model wrote it."""


@dataclass(frozen=True, slots=True)
class Message:
    role: Literal["user", "assistant", "system", "tool"]
    text: str
    interrupted: bool = False
    """The caller cut it off: `text` is what was heard of it, and no word more."""
    calls: tuple[ToolCall, ...] = ()
    """Of the assistant."""
    call_id: str = ""
    """Of a tool: the call that `text` answers."""
    name: str = field(default="", compare=False)
    """What it is known by to whoever may change or withdraw it later."""


History = tuple[Message, ...]


def with_question(history: History, text: str, name: str = "") -> History:
    """Add the caller's words; to a question nobody answered they are its continuation."""
    if history and history[-1].role == "user":
        return (*history[:-1], Message("user", f"{history[-1].text} {text}", name=name))
    return (*history, Message("user", text, name=name))


def with_answer(
    history: History,
    text: str,
    *,
    interrupted: bool = False,
    calls: tuple[ToolCall, ...] = (),
    name: str = "",
) -> History:
    """Add what was heard of a reply; two in a row are one message: chat templates want turns."""
    if not text and not calls:
        return history
    last = history[-1] if history else None
    if last and last.role == "assistant" and not last.calls and not calls:
        said = Message("assistant", f"{last.text} {text}", interrupted, name=name)
        return (*history[:-1], said)
    return (*history, Message("assistant", text, interrupted, calls, name=name))


def with_message(history: History, message: Message) -> History:
    """Add any message; what one side says in two messages is one turn of it."""
    match message.role:
        case "user":
            return with_question(history, message.text, message.name)
        case "assistant":
            cut, calls, name = message.interrupted, message.calls, message.name
            return with_answer(history, message.text, interrupted=cut, calls=calls, name=name)
        case _:
            return (*history, message)


def with_messages(history: History, messages: Iterable[Message]) -> History:
    return reduce(with_message, messages, history)


def without(history: History, name: str) -> History:
    """Take out the message by that name; what then stands side by side is one turn."""
    kept = tuple(message for message in history if message.name != name)
    return history if len(kept) == len(history) else with_messages((), kept)


def amended(history: History, name: str, text: str) -> History:
    """Keep of the message by that name only `text`; where that is nothing, no message."""
    if all(message.name != name or message.text == text for message in history):
        return history
    return with_messages((), (_cut_to(m, text) if m.name == name else m for m in history))


def _cut_to(message: Message, text: str) -> Message:
    return message if message.text == text else replace(message, text=text, interrupted=True)


def question_name(reply: int) -> str:
    """What the question to this reply is known by."""
    return f"question-{reply}"


def answer_name(reply: int) -> str:
    return f"answer-{reply}"


def remembered(history: History, limit: int) -> History:
    """The newest messages, from a question on, unless the call began with a greeting."""
    if len(history) <= limit:
        return history
    kept = history[-limit:]
    return kept[1:] if kept[0].role == "assistant" else kept


def nameless(history: History) -> History:
    """As another call may have it, which counts its replies anew."""
    return tuple(replace(message, name="") for message in history)


def plain(text: str) -> str:
    """Words without case and punctuation, to tell whether two transcripts say the same."""
    # By category, not isalnum(): vowel signs of Devanagari and others are part of their words.
    return "".join(c for c in text.lower() if category(c)[0] not in "PS").strip()
