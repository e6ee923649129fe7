"""Counts what occurred in simulated calls, so that one sees what was exercised."""

from collections import Counter

from voice_gateway.errors import CallError
from voice_gateway.messages import (
    CutOff,
    EndOfUtterance,
    Interrupt,
    Paused,
    Played,
    Processing,
    ReplyText,
    Speaking,
    TurnOver,
    Typed,
)

from voice_sim.marks import GOODBYE, GREETING, PROMPT, answer_of
from voice_sim.record import (
    Ended,
    Entry,
    Fault,
    Judged,
    Left,
    Received,
    Record,
    Sent,
    Told,
)

_SENT: dict[type, str] = {
    Processing: "replies",
    Speaking: "spoken replies",
    CutOff: "interruptions",
    TurnOver: "whole turns",
    Paused: "pauses",
}
_CANNED = {GREETING: "greetings", PROMPT: "idle prompts", GOODBYE: "goodbyes"}
_RECEIVED: dict[type, str] = {
    Typed: "typed turns",
    Interrupt: "interrupts",
    EndOfUtterance: "ends of utterance",
    Played: "playback reports",
    type(None): "half-closes",
}


def occurred(record: Record) -> Counter[str]:
    return Counter(name for entry in record.entries if (name := _name(entry)))


def _name(entry: Entry) -> str | None:
    match entry:
        case Sent(_, ReplyText(_, text)):
            return _CANNED.get(answer_of(text))
        case Judged(_, chance):
            return None if chance is None else "opinions"
        case Sent(_, message):
            return _SENT.get(type(message))
        case Received(_, message):
            return _RECEIVED.get(type(message))
        case Told(_, heard):
            return "finals" if heard.final else "interims"
        case Fault(_, what):
            return what
        case Left(_, how):
            return how
        case Ended(_, error):
            return f"ended with {type(error).__name__}" if isinstance(error, CallError) else None
        case _:
            return None
