"""Reads from a call's event log what a replay needs: the caller, the utterances and the replies.

Pure. The caller's events stay as they were recorded. Transcripts are grouped into utterances, each
of which ends with its final, which the recogniser gave by itself or when it was asked. A reply has
its question, the time until its audio, and how much of it was heard at which time.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from math import inf
from statistics import median
from typing import Any

from voice_gateway import conversation as c
from voice_gateway.conversation.history import plain
from voice_gateway.observe.event_log import EventLog, LoggedStep, question_in

_DEFAULT_VOICE_S = 0.5  # until a reply's audio, if no reply of the call had any
_DEFAULT_ASKED_S = 0.1  # until a final that was asked for, if the call has none
_DEFAULT_LENGTH_S = 3.0  # of a reply's audio, if no reply of the call was heard to its end
_LEAST_REST_S = 0.5  # of audio after the place where a reply was cut off
_CHARS_PER_S = 15.0

Shape = Sequence[tuple[float, int]]
"""Pairs of seconds since a reply began to sound, and characters heard by then."""


@dataclass(frozen=True, slots=True)
class Utterance:
    interims: tuple[c.CallerSpoke, ...]
    final: c.CallerSpoke | None
    """None: the call ended before the final."""
    asked_s: float | None = None
    """Seconds from the request for the final to the final; None: the recogniser was not asked."""
    ignored: frozenset[int] = frozenset()
    """After how many interims a final was asked for, and did not come."""


@dataclass(frozen=True, slots=True)
class ReplyRecord:
    """A reply as it was recorded, or as it is estimated."""

    question: str
    """The question, or the text itself where no model was asked."""
    voice_s: float | None
    """From the reply's beginning to its first audio; None: it had no audio."""
    text: str = ""
    length_s: float | None = None
    """From its first audio until all of it was sent; None: it was cut off."""
    shape: Shape = ()
    failed_s: float | None = None
    """From its beginning until it failed without any audio."""
    recorded: bool = True
    heard_s: float = inf
    """How many seconds of it were recorded; the rest is an estimate."""


@dataclass(slots=True)
class Material:
    """The parts of a log that do not depend on the settings, as far as that can be known."""

    caller: Sequence[c.Event]
    """The caller's events in order, without the transcripts."""
    utterances: Sequence[Utterance]
    replies: list[ReplyRecord]
    asked_s: float
    """The typical time from asking for a final to the final, in this call."""
    voice_s: float
    length_s: float

    def reply_to(self, question: str) -> ReplyRecord:
        """The reply to this question; each recorded reply is used once, whole ones first."""
        same = [reply for reply in self.replies if plain(reply.question) == plain(question)]
        if not same:
            return ReplyRecord(
                question, self.voice_s, "(not recorded)", self.length_s, recorded=False
            )
        reply = min(same, key=lambda reply: (reply.length_s is None, reply.voice_s is None))
        self.replies.remove(reply)
        return self._completed(reply)

    def _completed(self, reply: ReplyRecord) -> ReplyRecord:
        if reply.failed_s is not None or reply.length_s is not None:
            return reply
        heard_s = reply.shape[-1][0] if reply.shape else 0.0
        return replace(
            reply,
            voice_s=self.voice_s if reply.voice_s is None else reply.voice_s,
            length_s=max(heard_s + _LEAST_REST_S, self.length_s),
            heard_s=heard_s if reply.voice_s is not None else -1.0,
        )


@dataclass(slots=True)
class _Reply:
    question: str
    began: float
    released: bool
    """Whether the caller may hear it: it is no draft."""
    voice: float | None = None
    sounds: float | None = None
    ended: float | None = None
    text: str = ""
    paused: float | None = None
    shape: list[tuple[float, int]] = field(default_factory=list[tuple[float, int]])

    def resume(self, at: float) -> None:
        """Move the start of the sound by the length of the pause."""
        if self.paused is not None and self.sounds is not None:
            self.sounds += at - max(self.paused, self.sounds)
        self.paused = None

    def record(self) -> ReplyRecord:
        sounds, ended = self.sounds, self.ended
        return ReplyRecord(
            self.question,
            None if self.voice is None else self.voice - self.began,
            self.text,
            None if sounds is None or ended is None else ended - sounds,
            tuple(self.shape),
            ended - self.began if ended is not None and self.voice is None else None,
        )


def material(log: EventLog) -> Material:
    replies = [reply.record() for reply in _replies(log.steps).values()]
    utterances = list(_utterances(log.steps))
    events = [step.event for step in log.steps]
    return Material(
        [e for e in events if not isinstance(e, c.CallerSpoke | c.TimerFired) and not of_reply(e)],
        utterances,
        replies,
        _typical([u.asked_s for u in utterances], _DEFAULT_ASKED_S),
        _typical([r.voice_s for r in replies], _DEFAULT_VOICE_S),
        _typical([r.length_s for r in replies], _DEFAULT_LENGTH_S),
    )


def of_reply(event: c.Event) -> bool:
    """Whether the event comes from a reply and not from the caller."""
    return isinstance(event, c.ReplyAudioStarted | c.ReplyHeard | c.ReplyEnded)


def heard_at(reply: ReplyRecord, sounding_s: float) -> str:
    """The words heard to their end of a reply that has sounded for `sounding_s`."""
    reached = _reached(reply, sounding_s)
    if reached >= len(reply.text):
        return reply.text
    ends_word = reply.text[reached : reached + 1].isspace()
    return reply.text[:reached] if ends_word else reply.text[:reached].rpartition(" ")[0]


def _reached(reply: ReplyRecord, sounding_s: float) -> int:
    before: tuple[float, int] = (0.0, 0)
    for at_s, count in reply.shape:
        if at_s > sounding_s:
            span_s = at_s - before[0]
            return before[1] + int((count - before[1]) * (sounding_s - before[0]) / span_s)
        before = at_s, count
    return before[1] + int((sounding_s - before[0]) * _CHARS_PER_S)


def _typical(values: Sequence[float | None], otherwise: float) -> float:
    known = [value for value in values if value is not None]
    return median(known) if known else otherwise


def _utterances(steps: Sequence[LoggedStep]) -> Iterator[Utterance]:
    interims: list[c.CallerSpoke] = []
    ignored: set[int] = set()
    asked_at: float | None = None
    for step in steps:
        if isinstance(step.event, c.CallerSpoke) and step.event.final:
            asked_s = None if asked_at is None else step.event.at - asked_at
            yield Utterance(tuple(interims), step.event, asked_s, frozenset(ignored))
            interims, ignored, asked_at = [], set(), None
        elif isinstance(step.event, c.CallerSpoke):
            if asked_at is not None:
                ignored.add(len(interims))
            interims.append(step.event)
            asked_at = None
        if any(command["is"] == "AskFinal" for command in step.commands):
            asked_at = step.event.at
    if interims:
        yield Utterance(tuple(interims), None, ignored=frozenset(ignored))


def _replies(steps: Sequence[LoggedStep]) -> dict[int, _Reply]:
    replies: dict[int, _Reply] = {}
    for step in steps:
        event = step.event
        reply = replies.get(getattr(event, "reply", 0))
        if reply:
            _note_event(reply, event)
        for command in step.commands:
            _note_command(replies, command, event.at)
    return replies


def _note_event(reply: _Reply, event: c.Event) -> None:
    match event:
        case c.ReplyAudioStarted(at=at):
            reply.voice = at
            reply.sounds = at if reply.released else None
        case c.ReplyHeard(at=at, text=text) if reply.sounds is not None:
            reply.text = max(reply.text, text, key=len)
            until = at if reply.paused is None else max(reply.sounds, reply.paused)
            reply.shape.append((until - reply.sounds, len(text)))
        case c.ReplyEnded(at=at, text=text):
            reply.ended, reply.text = at, max(reply.text, text, key=len)
        case _:
            pass


def _note_command(replies: dict[int, _Reply], command: Mapping[str, Any], at: float) -> None:
    number = int(command.get("reply", 0))
    match command["is"]:
        case "StartReply" | "PrepareReply" as kind:
            replies[number] = _Reply(question_in(command), at, released=kind == "StartReply")
        case "Say":
            replies[number] = _Reply(command["text"], at, released=True)
        case "PauseReply" if number in replies:
            replies[number].paused = at
        case "ResumeReply" if number in replies:
            replies[number].resume(at)
        case "ReleaseReply" if number in replies:
            reply = replies[number]
            reply.released = True
            reply.sounds = None if reply.voice is None else at
        case _:
            pass
