"""Writes and reads a call's event log: the events and commands of its conversation, as JSON lines.

    {"voice_events": 1, "call": …, "began": …, "at": …, "policy": {…}}
    {"event": {"is": "CallerSpoke", "at": …, "text": …}, "commands": [{"is": "StartReply", …}]}
    {"dropped": "the evening flight", "reason": "echo", "at": …}
    {"over": true}

A line {"dropped": …} has recognised words that never reached the conversation; it is no step.
A line {"lost": 12} stands where steps were not written.

Times are the event loop's, without rounding, so that a replay decides exactly the same. Pure.
"""

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, fields, is_dataclass
from datetime import datetime
from itertools import takewhile
from typing import Any, cast, get_args

from voice_gateway.conversation import Command, Event, Message, ToolCall
from voice_gateway.conversation.policy import TurnPolicy
from voice_gateway.messages import CallConfig

FORMAT = 1
_EVENTS: dict[str, Callable[..., Event]] = {kind.__name__: kind for kind in get_args(Event)}
_PARTS: dict[str, Any] = {part.__name__: part for part in (Message, ToolCall)}
"""The types of the values in events that are not plain."""
_POLICY = frozenset(f.name for f in fields(TurnPolicy))
_NAMES_BEFORE_0_2 = {
    "VoiceStarted": "ReplyAudioStarted",
    "AnnounceVoice": "AnnounceReply",
    "PauseVoice": "PauseReply",
    "ResumeVoice": "ResumeReply",
    "TurnChance": "EndOfTurnProbability",
    "chance": "probability",
}
"""The names of events, commands and their fields in older logs, which are still read."""
_SAY_BEFORE_0_3 = {"request": 0, "asks_again": False}
"""What older logs do not say of a `Say`."""
_SETTINGS_BEFORE_0_2 = {"guesses": "drafts"}
"""The names of settings in older logs."""


class BadLog(Exception):
    """The log cannot be read; the text names the line and what is wrong with it."""


@dataclass(frozen=True, slots=True)
class LoggedStep:
    """One step of the conversation: the event, and the commands as they stand in the log."""

    event: Event
    commands: Sequence[Mapping[str, Any]]


def question_in(command: Mapping[str, Any]) -> str:
    """The question in a command's history: its last message."""
    history = command.get("history")
    return str(cast(Mapping[str, Any], history)["last"]) if isinstance(history, dict) else ""


@dataclass(frozen=True, slots=True)
class EventLog:
    call: str
    began: str
    """When the call began, in UTC."""
    at: float
    """When the call began, in the event loop's time."""
    policy: TurnPolicy
    steps: Sequence[LoggedStep]
    unknown: Sequence[str] = ()
    """Settings in the log that this version does not have."""
    over: bool = False
    """Whether the log goes on to the call's end."""
    lost: int = 0
    """How many steps were not written; `steps` ends before the first of them."""


def first_line(config: CallConfig, policy: TurnPolicy, began: datetime, at: float) -> str:
    return _line(
        voice_events=FORMAT,
        call=config.call_id,
        began=began.isoformat(timespec="milliseconds"),
        at=at,
        language=config.language,
        rate_hz=config.rate_hz,
        policy={f.name: encoded(getattr(policy, f.name)) for f in fields(policy)},
    )


def step_line(event: Event, decided: Iterable[Command]) -> str:
    commands = [encoded(command) for command in decided]
    return _line(event=encoded(event, whole=True), commands=commands)


def dropped_line(at: float, text: str, reason: str) -> str:
    return _line(dropped=text, reason=reason, at=at)


def gap_line(lost: int) -> str:
    return _line(lost=lost)


def last_line(*, over: bool) -> str:
    return _line(over=over)


def encoded(value: Any, *, whole: bool = False) -> Any:
    """A value as JSON; only the length and last message of a history, unless `whole`."""
    if is_dataclass(value):
        named = {f.name: encoded(getattr(value, f.name), whole=whole) for f in fields(value)}
        return {"is": type(value).__name__, **named}
    if isinstance(value, tuple | list):
        items = cast(Sequence[Any], value)
        if items and isinstance(items[-1], Message) and not whole:
            return {"messages": len(items), "last": items[-1].text}
        return [encoded(item, whole=whole) for item in items]
    return value


def read(lines: Iterable[str]) -> EventLog:
    """Parse a whole log; raises BadLog."""
    parsed = [_parsed(number, line) for number, line in enumerate(lines, 1) if line.strip()]
    if not parsed or parsed[0][1].get("voice_events") != FORMAT:
        raise BadLog(f'line 1 is no first line of an event log: {{"voice_events": {FORMAT}, …}}')
    first = parsed[0][1]
    whole = list(takewhile(lambda item: "lost" not in item[1], parsed[1:]))
    steps = [_logged_step(number, line) for number, line in whole if "event" in line]
    policy = _named_as_now(cast(dict[str, Any], first.get("policy", {})))
    return EventLog(
        str(first.get("call", "")),
        str(first.get("began", "")),
        float(first.get("at", 0.0)),
        TurnPolicy(**{name: value for name, value in policy.items() if name in _POLICY}),
        steps,
        tuple(sorted(policy.keys() - _POLICY)),
        over=bool(parsed[-1][1].get("over")),
        lost=max(int(line.get("lost", 0)) for _, line in parsed),
    )


def _named_as_now(policy: Mapping[str, Any]) -> dict[str, Any]:
    named = {_SETTINGS_BEFORE_0_2.get(name, name): value for name, value in policy.items()}
    if "greeting_firm" in named:
        named["greeting_interruptible"] = not named.pop("greeting_firm")
    return named


def _line(**values: Any) -> str:
    return json.dumps(values, ensure_ascii=False, separators=(",", ":"), default=repr) + "\n"


def _parsed(number: int, line: str) -> tuple[int, dict[str, Any]]:
    try:
        values = json.loads(line)
    except ValueError:
        raise BadLog(f"line {number} is no JSON: {line.strip()[:60]!r}") from None
    if not isinstance(values, dict):
        raise BadLog(f"line {number} is no object: {line.strip()[:60]!r}")
    return number, cast(dict[str, Any], values)


def _logged_step(number: int, line: Mapping[str, Any]) -> LoggedStep:
    said = _renamed(cast(Mapping[str, Any], line["event"]))
    commands = [_renamed(command) for command in line.get("commands", ())]
    name = str(said.pop("is", ""))
    if name not in _EVENTS:
        raise BadLog(f"line {number}: event {name!r} is none of {', '.join(sorted(_EVENTS))}")
    try:
        values = {key: _decoded(value) for key, value in said.items()}
        return LoggedStep(_EVENTS[name](**values), commands)
    except (TypeError, KeyError) as error:
        raise BadLog(f"line {number}: event {name}: {error}") from None


def _renamed(said: Mapping[str, Any]) -> dict[str, Any]:
    """An event or a command with its present names."""
    named = {_NAMES_BEFORE_0_2.get(key, key): value for key, value in said.items()}
    name = str(named.get("is", ""))
    if name == "StartReply" and "asked" in named:
        named["request"] = int(named.pop("asked"))  # requests had no numbers then
    if name == "Say":
        named = _SAY_BEFORE_0_3 | named
    return named | {"is": _NAMES_BEFORE_0_2.get(name, name)}


def _decoded(value: Any) -> Any:
    if isinstance(value, list):
        return tuple(_decoded(item) for item in cast(list[Any], value))
    if isinstance(value, dict):
        part = {key: _decoded(item) for key, item in cast(dict[str, Any], value).items()}
        return _PARTS[str(part.pop("is", ""))](**part)
    return value
