"""Puts the messages of a chat request into an order of roles that a strict endpoint takes. Pure.

Chat templates of some models refuse a conversation that begins with a greeting, two messages of one
side in a row, a system message, or tool messages. What they refuse is told in another way.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

Json = dict[str, Any]

_FIRST_WORDS = "Hello."  # the caller's, before a greeting
_NEXT_WORDS = "Please go on."  # the caller's, where the conversation ends with the assistant
_NOTHING_SAID = "—"  # an answer to a tool's output that the caller interrupted before it was heard


@dataclass(frozen=True, slots=True)
class RoleRules:
    """What an endpoint takes; the defaults take everything."""

    alternate: bool = False
    """User and assistant take turns, from a user message on; a system message is the first."""
    system: bool = True
    """A system message is taken."""
    tools: bool = True
    """Tool calls and their outputs are taken."""

    def __and__(self, other: "RoleRules") -> "RoleRules":
        """What both rules allow."""
        return RoleRules(
            self.alternate or other.alternate,
            self.system and other.system,
            self.tools and other.tools,
        )


def ordered(messages: list[Json], rules: RoleRules) -> list[Json]:
    """The same conversation, told as the rules allow it."""
    if rules == RoleRules():
        return messages
    prompt = messages[0]["content"] if messages and messages[0]["role"] == "system" else ""
    told = list(_told(messages[1:] if prompt else messages, rules))
    turns = list(_turns(_from_a_user_to_a_user(told)))
    if prompt and rules.system:
        return [{"role": "system", "content": prompt}, *turns]
    if prompt:
        turns[0] = {"role": "user", "content": f"{prompt}\n\n{turns[0]['content']}"}
    return turns


def _told(messages: Iterable[Json], rules: RoleRules) -> Iterator[Json]:
    """Each message in a role that may stand anywhere."""
    for message in messages:
        if message["role"] == "system":
            yield {"role": "user", "content": message["content"]}
        elif message["role"] == "tool" and not rules.tools:
            yield {"role": "user", "content": f"Tool output: {message['content']}"}
        elif message.get("tool_calls") and not rules.tools:
            yield {"role": "assistant", "content": _as_words(message)}
        else:
            yield message


def _as_words(message: Json) -> str:
    calls = (each["function"] for each in message["tool_calls"])
    said = (f"{call['name']}({call['arguments']})" for call in calls)
    return " ".join([message["content"] or "", *said]).strip()


def _from_a_user_to_a_user(messages: list[Json]) -> list[Json]:
    if not messages or messages[0]["role"] != "user":
        messages = [{"role": "user", "content": _FIRST_WORDS}, *messages]
    if messages[-1]["role"] == "assistant":
        messages = [*messages, {"role": "user", "content": _NEXT_WORDS}]
    return messages


def _turns(messages: Iterable[Json]) -> Iterator[Json]:
    """Join what one side says in a row; only the assistant follows a tool's output."""
    last: Json | None = None
    for message in messages:
        if last and _one_turn(last, message):
            last = last | {"content": f"{last['content']} {message['content']}"}
            continue
        if last:
            yield last
            if last["role"] == "tool" and message["role"] == "user":
                yield {"role": "assistant", "content": _NOTHING_SAID}
        last = message
    if last:
        yield last


def _one_turn(last: Json, message: Json) -> bool:
    plain = last["role"] == message["role"] and last["role"] != "tool"
    return plain and not last.get("tool_calls") and not message.get("tool_calls")
