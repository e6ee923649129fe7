"""The messages of a call as the model gets them: the two sides alternate."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from functools import reduce
from itertools import accumulate, pairwise
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
    language: str = field(default="", compare=False)
    """The language that the call was in when it was said; empty: that is not known."""


History = tuple[Message, ...]

UNANSWERED_CHARS = 8_000
"""How many characters of questions that nobody answered wait for the next answer. That is ten
minutes of speech: a caller who is cut off at every other word is still understood, and what was
asked while no model answered does not grow into one endless question."""

KEPT_CHARS = 400_000
"""How many characters of a conversation are kept where a program notes something: more than models
of today are told at once. What it notes without asking for an answer would grow without end."""

_QUESTION = "question-"


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
    """Add what was heard of a reply; where that is nothing, its question stays unanswered."""
    if not text and not calls:
        return _still_asked(history)
    return with_message(history, Message("assistant", text, interrupted, calls, name=name))


def _still_asked(history: History, limit: int = UNANSWERED_CHARS) -> History:
    """Take out the oldest of the last questions, where they are together longer than `limit`.

    The newest question stays, whatever its length, and so does what a program noted.
    """
    chars, dropped = 0, set[int]()
    for place in range(len(history) - 1, -1, -1):
        message = history[place]
        if message.role == "assistant":
            break
        if _is_question(message):
            chars += len(message.text)
            if chars > limit and chars > len(message.text):
                dropped.add(place)
    if not dropped:
        return history
    return tuple(message for place, message in enumerate(history) if place not in dropped)


def last_heard(history: History) -> str:
    """What the caller has heard last, if it was said after the caller's last words."""
    newest = history[-1] if history else None
    return newest.text if newest and newest.role == "assistant" else ""


def asked_again(history: History, question: str) -> History | None:
    """The history up to its last question, if this is it and its answer was not heard to its end.

    None: the question is not there, and is to be added.
    """
    end = len(history)
    while end and history[end - 1].role == "assistant" and history[end - 1].interrupted:
        end -= 1
    if not end or history[end - 1].role != "user":
        return None
    kept, asked = plain(history[end - 1].text), plain(question)
    return history[:end] if kept.endswith(asked) or asked.endswith(kept) else None


def with_message(history: History, message: Message) -> History:
    """Add any message but one of the assistant that says and calls nothing."""
    says_nothing = message.role == "assistant" and not message.text and not message.calls
    return history if says_nothing else (*history, message)


def with_message_at(history: History, message: Message, after: str | None) -> History:
    """Add a message behind the one named `after`, or at the end where there is none of that name.

    An empty name means the start, and None the end.
    """
    if after is None:
        return with_message(history, message)
    places = [n + 1 for n, each in enumerate(history) if each.name == after] or [len(history)]
    place = places[-1] if after else 0
    return (*with_message(history[:place], message), *history[place:])


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
    turns: list[list[Message]] = []
    for message in history:
        if turns and _same_turn(turns[-1][-1], message):
            turns[-1].append(message)
        else:
            turns.append([message])
    return tuple(map(_as_one, turns))


def _as_one(turn: Sequence[Message]) -> Message:
    if len(turn) == 1:
        return turn[0]
    return replace(turn[-1], text=" ".join(message.text for message in turn))


def _same_turn(last: Message, message: Message) -> bool:
    one_side = last.role == message.role and message.role in ("user", "assistant")
    return one_side and not last.calls and not message.calls


def question_name(reply: int) -> str:
    """The name of the user message that this reply answers."""
    return f"{_QUESTION}{reply}"


def _is_question(message: Message) -> bool:
    return message.role == "user" and message.name.startswith(_QUESTION)


def answer_name(reply: int) -> str:
    return f"answer-{reply}"


def remembered(history: History, limit: int) -> History:
    """The newest `limit` turns, from a question on, unless the call began with a greeting."""
    starts = [n for n in range(len(history)) if not n or not _same_turn(*history[n - 1 : n + 1])]
    if len(starts) <= limit:
        return history
    edges = [0, *turn_edges(history)]
    kept = history[next((n for n in edges if n >= starts[-limit]), edges[-1]) :]
    return without_exchanges(kept, limit, lambda _: 1)


def newest(history: History, chars: int = KEPT_CHARS) -> History:
    """The newest turns that have together at most so many characters.

    Of one turn that is longer by itself the oldest tool calls go, and then its oldest messages.
    """
    excess = sum(map(_chars, history)) - chars
    if excess <= 0:
        return history
    before = [0, *accumulate(map(_chars, history))]
    edges = [0, *turn_edges(history)]
    kept = history[next((n for n in edges if before[n] >= excess), edges[-1]) :]
    return _oldest_gone(without_exchanges(kept, chars, _chars), chars)


def _oldest_gone(turn: History, chars: int) -> History:
    excess = sum(map(_chars, turn)) - chars
    gone: set[int] = set()
    for place, message in enumerate(turn[:-1]):
        if excess <= 0:
            break
        if not message.calls and message.role != "tool":
            excess -= _chars(message)
            gone.add(place)
    return tuple(each for n, each in enumerate(turn) if n not in gone) if gone else turn


def _chars(message: Message) -> int:
    return len(message.text) + sum(len(call.arguments) for call in message.calls)


def turn_edges(history: History) -> list[int]:
    """The places, but for 0, from which a history may be told without what was before.

    The last is at the last question, so that the newest turn is always told.
    """
    asked = max((n for n, each in enumerate(history) if each.role == "user"), default=len(history))
    told = (n for n in _seams(history) if history[n].role not in ("assistant", "tool"))
    return [n for n in told if n <= asked]


def without_exchanges(turn: History, most: float, size_of: Callable[[Message], float]) -> History:
    """Take out the oldest tool calls of one turn, with their outputs, until it has that size.

    The newest call stays, and all that anybody said.
    """
    excess = sum(map(size_of, turn)) - most
    parts = pairwise([0, *_seams(turn), len(turn)])
    calls = [range(start, end) for start, end in parts if start < end and turn[start].calls]
    gone: set[int] = set()
    for exchange in calls[:-1]:
        if excess <= 0:
            break
        places = [n for n in exchange if turn[n].role in ("assistant", "tool")]
        excess -= sum(size_of(turn[n]) for n in places)
        gone.update(places)
    return tuple(each for n, each in enumerate(turn) if n not in gone) if gone else turn


def _seams(history: History) -> list[int]:
    """The places, but for 0, that part no turn of one side, and no tool call from its outputs."""
    called = {call.call_id for message in history for call in message.calls}
    seams: list[int] = []
    answers: set[str] = set()  # the calls of the outputs from here on that were made before
    for place in range(len(history) - 1, 0, -1):
        message = history[place]
        if message.role == "tool" and message.call_id in called:
            answers.add(message.call_id)
        answers.difference_update(call.call_id for call in message.calls)
        if not answers and not _same_turn(history[place - 1], message):
            seams.append(place)
    return seams[::-1]


def marked(history: History, before: History, language: str) -> History:
    """The history, in which what was not there before is marked as said in this language."""
    known = set(map(id, before))
    return tuple(
        each if each.language or id(each) in known else replace(each, language=language)
        for each in history
    )


def nameless(history: History) -> History:
    """The messages without names: names hold reply numbers, and each call counts from 1."""
    return tuple(replace(message, name="") for message in history)


def repeats(text: str, interim: str) -> bool:
    """Whether an interim transcript has no words but those that an earlier one begins with."""
    words = plain(text).split()
    return bool(words) and words == plain(interim).split()[: len(words)]


def plain(text: str) -> str:
    """The text without case and punctuation, to compare two transcripts."""
    # isalnum() would drop the vowel signs of Devanagari, which are part of their words.
    return "".join(c for c in text.lower() if category(c)[0] not in "PS").strip()
