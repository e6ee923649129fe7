"""What a replay takes from the event log of a call: the caller, the recogniser and the replies.

Pure. The caller's events stand as they were recorded. The recogniser's words belong to utterances,
each of which ends in its final words: given of its own accord, or because it was asked. A reply
has its question, how long it took to sound, and how far it was heard when.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from math import inf
from statistics import median
from typing import Any

from voice_gateway import conversation as c
from voice_gateway.conversation.history import plain
from voice_gateway.observe.event_log import EventLog, Kept, question_in

_VOICE_S = 0.5  # until a reply sounds, where no reply of the call did
_ASKED_S = 0.1  # until final words that were asked for, where none of the call were
_MORE_S = 0.5  # at least, of a reply that was cut off
_CHARS_PER_S = 15.0

Shape = Sequence[tuple[float, int]]
"""How many characters of a reply were heard so many seconds after it began to sound."""


@dataclass(frozen=True, slots=True)
class Utterance:
    interims: tuple[c.CallerSpoke, ...]
    final: c.CallerSpoke | None
    """None where the call ended before."""
    asked_s: float | None = None
    """How long after it was asked for it came; None: it came of its own accord."""
    ignored: frozenset[int] = frozenset()
    """After how many of its interims the recogniser was asked, and went on all the same."""


@dataclass(frozen=True, slots=True)
class Told:
    """A reply as it was recorded, or as it is guessed to have been."""

    question: str
    """Or the words themselves, where it needed no model."""
    voice_s: float | None
    """From its beginning until it sounded; None: it never did."""
    text: str = ""
    length_s: float | None = None
    """From when it sounded until all of it was sent; None: it was cut off."""
    shape: Shape = ()
    failed_s: float | None = None
    """From its beginning until it failed without a sound."""
    recorded: bool = True
    heard_s: float = inf
    """How far it was recorded; what it is beyond that is a guess."""


@dataclass(slots=True)
class Material:
    """Everything of a log that does not depend on the settings, as far as that can be told."""

    caller: Sequence[c.Event]
    """In order, without the recogniser's words."""
    utterances: Sequence[Utterance]
    replies: list[Told]
    asked_s: float
    """How long final words that are asked for take, in this call."""
    voice_s: float
    length_s: float

    def told(self, question: str) -> Told:
        """The reply to this question; each recorded one is taken once, whole ones first."""
        same = [reply for reply in self.replies if plain(reply.question) == plain(question)]
        if not same:
            return Told(question, self.voice_s, "(not recorded)", self.length_s, recorded=False)
        reply = min(same, key=lambda reply: (reply.length_s is None, reply.voice_s is None))
        self.replies.remove(reply)
        return self._completed(reply)

    def _completed(self, reply: Told) -> Told:
        if reply.failed_s is not None or reply.length_s is not None:
            return reply
        heard_s = reply.shape[-1][0] if reply.shape else 0.0
        return replace(
            reply,
            voice_s=self.voice_s if reply.voice_s is None else reply.voice_s,
            length_s=max(heard_s + _MORE_S, self.length_s),
            heard_s=heard_s if reply.voice_s is not None else -1.0,
        )


@dataclass(slots=True)
class _Reply:
    question: str
    began: float
    open: bool
    """Not held back from the caller."""
    voice: float | None = None
    sounds: float | None = None
    ended: float | None = None
    text: str = ""
    paused: float | None = None
    shape: list[tuple[float, int]] = field(default_factory=list[tuple[float, int]])

    def resume(self, at: float) -> None:
        """As if the time of the pause had not been."""
        if self.paused is not None and self.sounds is not None:
            self.sounds += at - max(self.paused, self.sounds)
        self.paused = None

    def told(self) -> Told:
        sounds, ended = self.sounds, self.ended
        return Told(
            self.question,
            None if self.voice is None else self.voice - self.began,
            self.text,
            None if sounds is None or ended is None else ended - sounds,
            tuple(self.shape),
            ended - self.began if ended is not None and self.voice is None else None,
        )


def material(log: EventLog) -> Material:
    replies = [reply.told() for reply in _replies(log.steps).values()]
    utterances = list(_utterances(log.steps))
    events = [kept.event for kept in log.steps]
    return Material(
        [e for e in events if not isinstance(e, c.CallerSpoke | c.TimerFired) and not of_reply(e)],
        utterances,
        replies,
        _typical([u.asked_s for u in utterances], _ASKED_S),
        _typical([r.voice_s for r in replies], _VOICE_S),
        _typical([r.length_s for r in replies], 3.0),
    )


def of_reply(event: c.Event) -> bool:
    """Whether the event comes from a reply, not from the caller."""
    return isinstance(event, c.ReplyAudioStarted | c.ReplyHeard | c.ReplyEnded)


def heard_at(told: Told, sounding_s: float) -> str:
    """What was heard of a reply that has sounded for so long: to the last word that was over."""
    reached = _reached(told, sounding_s)
    if reached >= len(told.text):
        return told.text
    ends_word = told.text[reached : reached + 1].isspace()
    return told.text[:reached] if ends_word else told.text[:reached].rpartition(" ")[0]


def _reached(told: Told, sounding_s: float) -> int:
    before: tuple[float, int] = (0.0, 0)
    for at_s, count in told.shape:
        if at_s > sounding_s:
            span_s = at_s - before[0]
            return before[1] + int((count - before[1]) * (sounding_s - before[0]) / span_s)
        before = at_s, count
    return before[1] + int((sounding_s - before[0]) * _CHARS_PER_S)


def _typical(values: Sequence[float | None], otherwise: float) -> float:
    known = [value for value in values if value is not None]
    return median(known) if known else otherwise


def _utterances(steps: Sequence[Kept]) -> Iterator[Utterance]:
    interims: list[c.CallerSpoke] = []
    ignored: set[int] = set()
    asked_at: float | None = None
    for kept in steps:
        if isinstance(kept.event, c.CallerSpoke) and kept.event.final:
            asked_s = None if asked_at is None else kept.event.at - asked_at
            yield Utterance(tuple(interims), kept.event, asked_s, frozenset(ignored))
            interims, ignored, asked_at = [], set(), None
        elif isinstance(kept.event, c.CallerSpoke):
            if asked_at is not None:
                ignored.add(len(interims))
            interims.append(kept.event)
            asked_at = None
        if any(command["is"] == "AskFinal" for command in kept.commands):
            asked_at = kept.event.at
    if interims:
        yield Utterance(tuple(interims), None, ignored=frozenset(ignored))


def _replies(steps: Sequence[Kept]) -> dict[int, _Reply]:
    replies: dict[int, _Reply] = {}
    for kept in steps:
        event = kept.event
        reply = replies.get(getattr(event, "reply", 0))
        if reply:
            _went_on(reply, event)
        for command in kept.commands:
            _commanded(replies, command, event.at)
    return replies


def _went_on(reply: _Reply, event: c.Event) -> None:
    match event:
        case c.ReplyAudioStarted(at=at):
            reply.voice = at
            reply.sounds = at if reply.open else None
        case c.ReplyHeard(at=at, text=text) if reply.sounds is not None:
            reply.text = max(reply.text, text, key=len)
            until = at if reply.paused is None else max(reply.sounds, reply.paused)
            reply.shape.append((until - reply.sounds, len(text)))
        case c.ReplyEnded(at=at, text=text):
            reply.ended, reply.text = at, max(reply.text, text, key=len)
        case _:
            pass


def _commanded(replies: dict[int, _Reply], command: Mapping[str, Any], at: float) -> None:
    number = int(command.get("reply", 0))
    match command["is"]:
        case "StartReply" | "PrepareReply" as kind:
            replies[number] = _Reply(question_in(command), at, open=kind == "StartReply")
        case "Say":
            replies[number] = _Reply(command["text"], at, open=True)
        case "PauseReply" if number in replies:
            replies[number].paused = at
        case "ResumeReply" if number in replies:
            replies[number].resume(at)
        case "ReleaseReply" if number in replies:
            reply = replies[number]
            reply.open = True
            reply.sounds = None if reply.voice is None else at
        case _:
            pass
