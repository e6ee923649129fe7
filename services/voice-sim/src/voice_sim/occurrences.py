"""Counts what occurred in simulated calls, which shows what they exercised."""

from collections import Counter

from voice_gateway.errors import CallError
from voice_gateway.messages import (
    Adjust,
    Answer,
    CutOff,
    EndOfUtterance,
    Forget,
    Interrupt,
    Noted,
    Paused,
    Played,
    Processing,
    ReplyText,
    Speaking,
    Truncated,
    TurnOver,
    TurnTaken,
    Typed,
    Withdrawn,
)

from voice_sim.call_record import (
    Ended,
    Entry,
    Fault,
    Judged,
    Left,
    Received,
    Record,
    Sent,
    Transcribed,
)
from voice_sim.marked_words import AGAIN, GOODBYE, GREETING, PROMPT, answer_of

_SENT: dict[type, str] = {
    Processing: "replies",
    Speaking: "spoken replies",
    CutOff: "interruptions",
    TurnOver: "whole turns",
    Paused: "pauses",
    TurnTaken: "kept turns",
}
_CANNED = {
    GREETING: "greetings",
    PROMPT: "idle prompts",
    GOODBYE: "goodbyes",
    AGAIN: "requests to say it again",
}
_RECEIVED: dict[type, str] = {
    Typed: "typed turns",
    Interrupt: "interrupts",
    EndOfUtterance: "ends of utterance",
    Played: "playback reports",
    type(None): "half-closes",
    Adjust: "adjustments",
    Noted: "messages noted",
    Withdrawn: "messages withdrawn",
    Answer: "answers asked for",
    Truncated: "truncations",
    Forget: "turns forgotten",
}


def occurred(record: Record) -> Counter[str]:
    return Counter(name for entry in record.entries if (name := _name(entry)))


def _name(entry: Entry) -> str | None:
    match entry:
        case Sent(_, ReplyText(apology=True)):
            return "apologies"
        case Sent(_, ReplyText(_, text)):
            return _CANNED.get(answer_of(text))
        case Judged(_, probability):
            return None if probability is None else "opinions"
        case Sent(_, message):
            return _SENT.get(type(message))
        case Received(_, message):
            return _RECEIVED.get(type(message))
        case Transcribed(_, transcript):
            return "finals" if transcript.final else "interims"
        case Fault(_, what):
            return what
        case Left(_, how):
            return how
        case Ended(_, error):
            return f"ended with {type(error).__name__}" if isinstance(error, CallError) else None
        case _:
            return None
