"""Checks that what comes in reaches the conversation, unchanged and in order."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import zip_longest

from voice_gateway import conversation as c
from voice_gateway.messages import (
    Adjust,
    Answer,
    EndOfUtterance,
    Forget,
    FromCaller,
    Interrupt,
    Noted,
    ReplyAudio,
    Transcript,
    Typed,
    Withdrawn,
)

from voice_sim.call_record import Entry, Fault, Noticed, Received, Record, Sent, Step, Transcribed

_EVENTS: dict[type[FromCaller], type[c.Event]] = {
    Typed: c.CallerTyped,
    Interrupt: c.CallerInterrupted,
    EndOfUtterance: c.CallerEnded,
    Noted: c.CallerNoted,
    Withdrawn: c.CallerWithdrew,
    Answer: c.CallerAsked,
    Forget: c.CallerForgot,
    Adjust: c.CallerChose,
}


def what_the_caller_sends(record: Record) -> Iterator[str]:
    """Each message is told to the conversation before the next one is taken."""
    waiting: Received | None = None
    for entry in record.decided:
        match entry:
            case Received(_, message):
                if waiting:
                    yield _untold(waiting)
                waiting = entry if type(message) in _EVENTS else None
            case Step(_, event) if waiting and waiting.message:
                waiting = None if isinstance(event, _EVENTS[type(waiting.message)]) else waiting
            case _:
                pass
    if waiting and _joined(record):
        yield _untold(waiting)


def _untold(received: Received) -> str:
    what = type(received.message).__name__
    return f"at {received.at:.2f} the caller sent {what}, and the conversation was not told"


def _joined(record: Record) -> bool:
    return any(isinstance(step.event, c.CallerJoined) for step in record.steps)


def what_is_noticed(record: Record) -> Iterator[str]:
    """The conversation is told whenever the caller's voice begins or falls silent."""
    noticed = [entry for entry in record.decided if isinstance(entry, Noticed)]
    events = [step.event for step in record.steps]
    edges = [event for event in events if isinstance(event, c.CallerVoiced | c.CallerQuiet)]
    for entry, event in zip_longest(noticed, edges):
        if not event or not entry or entry.voiced is not isinstance(event, c.CallerVoiced):
            yield f"{entry} was noticed, and the conversation told {event}"
            return


def what_is_recognised(record: Record) -> Iterator[str]:
    """Words that are certainly the caller's reach the conversation whole, and no others do.

    They are certain before any reply has sounded, without voice activity detection, and where voice
    activity was detected at every transcript of the utterance.
    """
    recognised = _Recognised(detects_activity=record.script.call.activity)
    for entry in record.decided:
        yield from recognised.take(entry)
    yield from recognised.missing()


@dataclass(slots=True)
class _Recognised:
    detects_activity: bool
    """Whether the call has voice activity detection."""
    joined: bool = False
    sounded: bool = False
    """Whether the caller was sent audio."""
    voiced: bool = False
    certain: bool = True
    """Whether voice activity was detected at all transcripts of the utterance."""
    over: bool = True
    """Whether the utterance has its final."""
    forgets: bool = False
    """Whether the open turn was to be forgotten."""
    interim_words: int = 0
    lost_words: int = 0
    """How many words a lost stream gave of the utterance; fewer of the next stream are no news."""
    words: set[str] = field(default_factory=set[str])
    due: Transcribed | None = None

    def take(self, entry: Entry) -> Iterator[str]:
        match entry:
            case Noticed(_, voiced):
                self.voiced = voiced
            case Sent(_, ReplyAudio()):
                self.sounded = True
            case Received(_, Forget()):
                self.forgets = True
            case Fault(_, what) if what.startswith("asr"):
                self.lost_words = max(self.lost_words, self.interim_words)
            case Transcribed(_, transcript):
                yield from self.missing()
                self._expect(entry, transcript)
            case Step(_, c.CallerJoined()):
                self.joined = True
            case Step(at, c.CallerSpoke() as event):
                yield from self._told(at, event)
            case _:
                pass

    def _expect(self, entry: Transcribed, transcript: Transcript) -> None:
        self.words |= set(transcript.text.split())
        self.certain = self.voiced and (self.certain or self.over)
        self.over = transcript.final
        count = 0 if transcript.final else len(transcript.text.split())
        repeats = not transcript.final and count < self.lost_words
        if transcript.final or count:
            self.interim_words = count
        self.lost_words = self.lost_words if repeats else 0
        sure = self.certain or not (self.detects_activity and self.sounded)
        told = sure and self.joined and not self.forgets and not repeats
        self.due = entry if told else None
        self.forgets = self.forgets and not transcript.final

    def _told(self, at: float, event: c.CallerSpoke) -> Iterator[str]:
        due = self.due.transcript if self.due else None
        if due and (event.text, event.final) == (due.text, due.final):
            self.due = None
        elif (
            not set(event.text.split()) <= self.words
        ):  # otherwise the words were uncertain until now
            yield f"at {at:.2f} {event.text!r} was told, and nothing like it recognised"

    def missing(self) -> Iterator[str]:
        if self.due:
            text = self.due.transcript.text
            yield f"at {self.due.at:.2f} {text!r} was recognised, and not told as it was"
        self.due = None
