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
    """Keep of the message by that name only `text`; where that is nothing, no message."""
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
    """What the question to this reply is known by."""
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
    """As another call may have it, which counts its replies anew."""
    return tuple(replace(message, name="") for message in history)


def plain(text: str) -> str:
    """Words without case and punctuation, to tell whether two transcripts say the same."""
    # By category, not isalnum(): vowel signs of Devanagari and others are part of their words.
    return "".join(c for c in text.lower() if category(c)[0] not in "PS").strip()
