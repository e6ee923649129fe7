"""What must hold of what the gateway says unasked: greeting, idle prompt, goodbye."""

from collections.abc import Iterator
from dataclasses import dataclass, field

from voice_gateway.errors import CallLost
from voice_gateway.messages import (
    CutOff,
    Paused,
    Processing,
    ReplyText,
    Transcript,
    TurnOver,
    Typed,
)

from voice_sim.doubt import Utterance, few
from voice_sim.marks import GOODBYE, GREETING, PROMPT, answer_of
from voice_sim.record import (
    DRAINED,
    UNREAD,
    Ended,
    Entry,
    Fault,
    Left,
    Noticed,
    Received,
    Record,
    Sent,
    Told,
)
from voice_sim.script import Call

_HAIR_S = 0.002
_AT_ONCE_S = 0.5  # from the goodbye's last audio to the end of the call
_NAMES = {PROMPT: "the idle prompt", GOODBYE: "the goodbye"}


def the_greeting(record: Record) -> Iterator[str]:
    """A greeting opens the call; a firm one is paused and cut by nobody, and heard to its end."""
    greeting = record.script.call.greeting
    firm = bool(greeting) and not record.script.call.greeting_interruptible
    opens = next((n for n, greets in _kinds(record).items() if greets == GREETING), 0)
    if opens not in (0, 1) or (opens and not greeting):
        yield f"reply {opens} was the greeting"
    untold = _unread(record) or any(entry.what == "caller gone" for entry in _faults(record))
    heard = untold or any(_ends(entry, 1) for entry in record.entries)
    for entry in record.entries:
        match entry:
            case Sent(at, Processing(1)) if greeting and at > 0.0 and not _unread(record):
                yield f"the call was opened at {at:.2f}"
            case Ended(at, CallLost() as error) if firm and str(error) == DRAINED and not heard:
                yield f"at {at:.2f} the call ended in the greeting, which is firm"
            case Sent(at, CutOff(1)) if firm:
                yield f"at {at:.2f} the greeting was cut off, which is firm"
            case Sent(at, Paused(1)) if firm:
                yield f"at {at:.2f} the greeting was paused, which is firm"
            case _:
                pass


def the_silence(record: Record) -> Iterator[str]:
    """A silent call is spoken into in time, and only a silent one; see `_Silence`."""
    if _unread(record):
        return
    silence = _Silence(record.script.call, _kinds(record))
    for entry in record.entries:
        if silence.over:
            return
        yield from silence.take(entry)


def the_polite_end(record: Record) -> Iterator[str]:
    """A goodbye heard to its end ends the call, and well; nothing but a hang-up does so besides."""
    if _unread(record):
        return
    kinds, end = _kinds(record), record.end
    left, said_at = False, None
    for entry in record.entries:
        match entry:
            case Received(_, None) | Left():
                left = True
            case Sent(at, TurnOver(reply)) if kinds.get(reply) == GOODBYE:
                said_at = at
            case _:
                pass
    if said_at is not None and not left:
        if end.at - said_at > _AT_ONCE_S:
            yield f"the goodbye was over at {said_at:.2f}, and the call at {end.at:.2f}"
        elif end.error:
            yield f"the goodbye was said at {said_at:.2f}, and the call ended with {end.error!r}"
    elif end.error is None and not left and record.script.call.goodbye:
        yield f"at {end.at:.2f} the call ended well, though nobody hung up or said goodbye"


@dataclass(slots=True)
class _Silence:
    """Since when nobody has said anything.

    Words that the gateway may take for its own, come back, may or may not have broken the silence.
    """

    call: Call
    kinds: dict[int, int]
    voiced: bool = False
    live: int = 0
    surely: float = 0.0
    """It began no earlier than this."""
    before: float = 0.0
    """It began then, but for a sound in this very moment, which may come too late."""
    perhaps: float = 0.0
    """It began no later than this."""
    prompted: bool = False
    """The caller was asked whether it is there, and has not surely said anything since."""
    unanswered: bool = False
    """Nor has it perhaps."""
    over: bool = False
    """The caller has left, or its line is closed: nothing more is said for its silence."""
    utterance: Utterance = field(default_factory=Utterance)

    def take(self, entry: Entry) -> Iterator[str]:
        if not self.live and not self.voiced:
            yield from self._too_long(entry.at)
        match entry:
            case Noticed(at, voiced):
                self.utterance.notice(at, voiced=voiced)
                self.voiced = voiced
                self._broken(at)
            case Told(at, Transcript(text, final)):
                certain = self.utterance.take(at, final=final) or not self._doubts(text)
                if text:
                    self._broken(at, surely=certain)
            case Received(at, Typed()) | Sent(at, Transcript(_)):
                self._broken(at)  # words in doubt are sent once they are taken for the caller's
            case Received(_, None) | Left():
                self.over = True
            case Sent(at, Processing(reply)):
                yield from self._begins(at, reply)
            case Sent(at, TurnOver() | CutOff()):
                self.live = 0
                self.surely = self.perhaps = at
            case _:
                pass

    def _doubts(self, text: str) -> bool:
        return self.call.activity and (few(text) or not self.call.headphones)

    def _broken(self, at: float, *, surely: bool = True) -> None:
        self.perhaps, self.unanswered = at, False
        if surely:
            self.before = self.surely if at > self.surely + _HAIR_S else self.before
            self.surely = at
            self.prompted = False

    def _begins(self, at: float, reply: int) -> Iterator[str]:
        self.live = reply
        kind = self.kinds.get(reply, 0)
        self.prompted = self.prompted or reply not in self.kinds  # perhaps: it showed no word
        if kind not in _NAMES:
            return
        name = _NAMES[kind]
        wait_s = self.call.idle_prompt_s if kind == PROMPT else self.call.idle_end_s
        if self.voiced and at - self.surely > _HAIR_S:  # a voice in this very moment comes too late
            yield f"at {at:.2f} {name} was said while the caller spoke"
        since = self.surely if at - self.surely > _HAIR_S else self.before
        if not wait_s or at - since < wait_s - _HAIR_S:
            yield (
                f"at {at:.2f} {name} was said after {at - since:.2f} s of silence; "
                f"its wait: {wait_s:g} s"
            )
        if kind == PROMPT and self.unanswered:
            yield f"at {at:.2f} the caller was asked again, and nobody had said anything"
        if kind == GOODBYE and self.call.idle_prompt_s and not self.prompted:
            yield f"at {at:.2f} the goodbye was said to a caller whom nobody had asked"
        if kind == PROMPT:
            self.prompted = self.unanswered = True

    def _too_long(self, at: float) -> Iterator[str]:
        prompt_s, end_s = self.call.idle_prompt_s, self.call.idle_end_s
        wait_s = max(prompt_s, end_s)
        if not wait_s or (self.prompted and not end_s):
            return
        if at - self.perhaps > wait_s + self.call.longest_wait_s + _HAIR_S:
            yield f"from {self.perhaps:.2f} to {at:.2f} nobody said anything, nor did the gateway"


def _kinds(record: Record) -> dict[int, int]:
    """Whose words each reply showed: the model's answer, or the greeting's, the prompt's…"""
    kinds: dict[int, int] = {}
    for entry in record.entries:
        if isinstance(entry, Sent) and isinstance(entry.message, ReplyText):
            kinds.setdefault(entry.message.reply, answer_of(entry.message.text))
    return kinds


def _ends(entry: Entry, reply: int) -> bool:
    return (
        isinstance(entry, Sent)
        and isinstance(entry.message, TurnOver)
        and (entry.message.reply == reply)
    )


def _unread(record: Record) -> bool:
    """Messages come late, so that they do not tell when the gateway decided."""
    return any(entry.what in UNREAD for entry in _faults(record))


def _faults(record: Record) -> Iterator[Fault]:
    return (entry for entry in record.entries if isinstance(entry, Fault))
