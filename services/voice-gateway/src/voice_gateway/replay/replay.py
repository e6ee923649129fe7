"""Replays a recorded call's event log, as it was and with other settings, and prints both."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields, replace
from math import inf

from voice_gateway.conversation.policy import TurnPolicy
from voice_gateway.observe.event_log import EventLog, read
from voice_gateway.replay.compared import side_by_side, summarised
from voice_gateway.replay.rerun import differs, rerun


class BadChange(Exception):
    """A change names no setting, or a wrong value; the text says what is allowed."""


def is_log(lines: Sequence[str]) -> bool:
    return bool(lines) and lines[0].startswith("{")


@dataclass(frozen=True, slots=True)
class Replay:
    """The recorded call beside the replayed one, as text."""

    text: str
    as_recorded: bool
    """Whether this version, fed the recorded events, decides as was recorded."""


def replayed(lines: Iterable[str], changes: Sequence[str]) -> Replay:
    """Replay a log with these changes, NAME=VALUE each. Raises BadLog and BadChange."""
    log = read(lines)
    policy = changed(log.policy, changes)
    course = rerun(log, policy)
    names = "recorded", " ".join(changes) or "replayed"
    table = side_by_side(
        summarised(log.steps), summarised(course.steps), names, log.at, course.estimated_from
    )
    other = differs(log)
    notes = _notes(log, other, course.estimated_from, course.why, changes)
    return Replay("\n".join([*_head(log), "", *table, "", *notes]), as_recorded=other is None)


def changed(policy: TurnPolicy, changes: Sequence[str]) -> TurnPolicy:
    """The policy after each NAME=VALUE. Raises BadChange."""
    for change in changes:
        name, _, text = change.partition("=")
        known = {f.name for f in fields(policy)}
        if name not in known:
            raise BadChange(f"{name!r} is no setting; allowed: {', '.join(sorted(known))}")
        policy = replace(policy, **{name: _value(change, text, getattr(policy, name))})
    return policy


def _value(change: str, text: str, now: float | str) -> float | str | bool:
    """The text as a value like the one it replaces."""
    if isinstance(now, str):
        return text
    if isinstance(now, bool):
        if text not in ("true", "false"):
            raise BadChange(f"{change!r}: allowed are true and false")
        return text == "true"
    try:
        value = type(now)(text)
    except ValueError:
        raise BadChange(f"{change!r}: allowed is a number such as {now}") from None
    if not 0 <= value < inf:
        raise BadChange(f"{change!r}: allowed are numbers from 0 on")
    return value


def _head(log: EventLog) -> Iterable[str]:
    lasted_s = log.steps[-1].event.at - log.at if log.steps else 0.0
    yield f"call {log.call}, {log.began}, {lasted_s:.1f} s, {len(log.steps)} events"
    usual = TurnPolicy()
    values = ((f.name, getattr(log.policy, f.name), getattr(usual, f.name)) for f in fields(usual))
    changed = " ".join(f"{name}={value!r}" for name, value, other in values if value != other)
    yield f"recorded with {changed or 'the default policy'}"


def _notes(
    log: EventLog,
    other: tuple[float, str] | None,
    estimated_from: float | None,
    why: str,
    changes: Sequence[str],
) -> Iterable[str]:
    if log.unknown:
        yield f"settings of the recording that this version does not know: {', '.join(log.unknown)}"
    if log.lost:
        yield f"{log.lost} events were not written; the replay ends before the first of them"
    elif not log.over:
        yield "the log breaks off before the call's end"
    if other:
        yield f"this version decides otherwise from {other[0] - log.at:.2f} s on: {other[1]}"
    else:
        yield "fed the recorded events, this version decides every one of them as it was recorded"
    if changes:
        yield "the caller says what it said, when it said it, whatever it hears now"
    if estimated_from is not None:
        yield f"~ estimated from {estimated_from - log.at:.2f} s on: {why}"
