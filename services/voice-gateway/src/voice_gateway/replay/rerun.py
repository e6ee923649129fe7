"""Runs a recorded call again with other settings, as far as that can be known.

The conversation is the real one. The caller says and does what it did, when it did; services take
as long as they took. What the recording does not have is estimated, and marked: the final when the
recogniser is asked at another moment, and the reply to a question that was not asked then. The
caller is assumed to say the same to another answer.
"""

import heapq
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import count
from typing import Any

from voice_gateway import conversation as c
from voice_gateway.conversation.history import plain
from voice_gateway.conversation.policy import TurnPolicy
from voice_gateway.observe.event_log import EventLog, LoggedStep, encoded
from voice_gateway.replay.recorded import (
    Material,
    ReplyRecord,
    Utterance,
    heard_at,
    material,
)

_SOUNDING_TOLERANCE_S = 0.05
_MOST_STEPS = 1_000_000
_LAST_ANSWER_S = 60.0  # how much longer the last answer may take, if the caller waits for it


@dataclass(frozen=True, slots=True)
class Course:
    """The steps of a call, and from when on something in them is estimated."""

    steps: Sequence[LoggedStep]
    estimated_from: float | None = None
    why: str = ""


def differs(log: EventLog) -> tuple[float, str] | None:
    """When and how this version first decides otherwise than the recording, if it does."""
    now = c.Conversation()
    for step in log.steps:
        now, commands = c.step(now, step.event, log.policy)
        said = [encoded(command) for command in commands]
        if said != list(step.commands):
            return step.event.at, f"{_names(step.commands)} was recorded, now it is {_names(said)}"
    return None


def _names(commands: Sequence[Mapping[str, Any]]) -> str:
    return " and ".join(str(command["is"]) for command in commands) or "nothing"


def rerun(log: EventLog, policy: TurnPolicy) -> Course:
    """The call as it would have gone with this policy, up to where the log ends."""
    ends_at = log.steps[-1].event.at if log.steps else log.at
    hung_up = any(isinstance(step.event, c.CallerFinished) for step in log.steps)
    return _Rerun(material(log), policy, ends_at + (_LAST_ANSWER_S if hung_up else 0.0)).run()


@dataclass(slots=True)
class _Recogniser:
    """The recogniser: gives the recorded words, at the moments when it is asked now."""

    utterances: Sequence[Utterance]
    current: int = 0
    """The utterance whose final was not given yet."""
    said: list[str] = field(default_factory=list[str])
    """Words of the current utterance that became final before its end."""
    carried: str = ""
    """Words of earlier utterances without a final; they begin the current one."""
    rest: str = ""
    """Words of the current utterance that may still change."""

    def interim(self, number: int, text: str) -> str:
        """The text it gives now for this interim of an utterance."""
        self._move_to(number)
        self.rest = self._unsaid(text)
        return _joined(self.carried, self.rest)

    def final(self, number: int) -> str | None:
        """The final of this utterance; None if it was given before."""
        of = self.utterances[number].final
        if number < self.current or not of:
            return None
        self._move_to(number)
        text = _joined(self.carried, self._unsaid(of.text))
        self._begin(number + 1)
        return text

    def cut(self) -> str:
        """Make the words so far final, in the middle of an utterance."""
        text = _joined(self.carried, self.rest)
        self.said += [plain(word) for word in self.rest.split()]
        self.carried = self.rest = ""
        return text

    def whole(self, at: float) -> Utterance | None:
        """The current utterance, if all of it was said by now."""
        if self.current >= len(self.utterances):
            return None
        of = self.utterances[self.current]
        return of if of.final and of.interims and of.interims[-1].at <= at else None

    def goes_on(self, at: float) -> bool:
        """Whether it was asked at this point in the recording, too, and gave no final."""
        if self.current >= len(self.utterances):
            return False
        of = self.utterances[self.current]
        return sum(interim.at <= at for interim in of.interims) in of.ignored

    def _move_to(self, number: int) -> None:
        while self.current < number:
            of = self.utterances[self.current].final
            self.carried = _joined(self.carried, self._unsaid(of.text if of else self.rest))
            self._begin(self.current + 1, self.carried)

    def _begin(self, number: int, carried: str = "") -> None:
        self.current, self.said, self.carried, self.rest = number, [], carried, ""

    def _unsaid(self, text: str) -> str:
        words = text.split()
        same = [plain(word) for word in words[: len(self.said)]] == self.said
        return " ".join(words[len(self.said) :]) if same else text


def _last(history: Sequence[c.Message]) -> str:
    return history[-1].text if history else ""


def _joined(*texts: str) -> str:
    return " ".join(filter(None, texts))


@dataclass(slots=True)
class _Live:
    number: int
    record: ReplyRecord
    released: bool
    voice: float | None = None
    sounds: float | None = None
    paused: float | None = None
    ends: float | None = None

    def sounding_s(self, at: float) -> float:
        """Seconds of it that have sounded by then, without pauses."""
        if self.sounds is None:
            return 0.0
        return max(0.0, (at if self.paused is None else self.paused) - self.sounds)


@dataclass(order=True)
class _Due:
    at: float
    order: int
    what: "_What" = field(compare=False)


@dataclass(frozen=True, slots=True)
class _Interim:
    utterance: int
    spoke: c.CallerSpoke


@dataclass(frozen=True, slots=True)
class _Final:
    utterance: int


@dataclass(frozen=True, slots=True)
class _Cut:
    """A final of the words so far, which the recording does not have."""


_What = c.Event | _Interim | _Final | _Cut


class _Rerun:
    def __init__(self, of: Material, policy: TurnPolicy, ends_at: float) -> None:
        self._of = of
        self._policy = policy
        self._ends_at = ends_at
        self._recogniser = _Recogniser(of.utterances)
        self._now = c.Conversation()
        self._steps: list[LoggedStep] = []
        self._due: list[_Due] = []
        self._order = count()
        self._live: _Live | None = None
        self._over = False
        self._estimated: tuple[float, str] | None = None

    def run(self) -> Course:
        for event in self._of.caller:
            self._plan(event.at, event)
        for number, utterance in enumerate(self._of.utterances):
            for interim in utterance.interims:
                self._plan(interim.at, _Interim(number, interim))
            if utterance.final and utterance.asked_s is None:
                self._plan(utterance.final.at, _Final(number))
        while not self._over and len(self._steps) < _MOST_STEPS and self._next():
            pass
        at, why = self._estimated or (None, "")
        return Course(self._steps, at, why)

    def _next(self) -> bool:
        """Take the next event; False if there is none."""
        wake_at = self._now.wake_at
        next_at = self._due[0].at if self._due else None
        if wake_at is not None and (next_at is None or wake_at < next_at):
            due: _What = c.TimerFired(wake_at)
            at = wake_at
        elif next_at is not None:
            due, at = heapq.heappop(self._due).what, next_at
        else:
            return False
        if at > self._ends_at:
            return False
        self._happen(due, at)
        return True

    def _plan(self, at: float, what: _What) -> None:
        heapq.heappush(self._due, _Due(at, next(self._order), what))

    def _estimate(self, at: float, why: str) -> None:
        self._estimated = self._estimated or (at, why)

    def _happen(self, what: _What, at: float) -> None:
        match what:
            case _Interim(number, spoke):
                self._interim(number, spoke)
            case _Final(number):
                text = self._recogniser.final(number)
                if text is not None:
                    self._tell(c.CallerSpoke(at, text, final=True))
            case _Cut():
                if text := self._recogniser.cut():
                    self._tell(c.CallerSpoke(at, text, final=True))
            case c.ReplyAudioStarted() | c.ReplyEnded():
                self._replied(what)
            case _:
                self._tell(what)

    # The recogniser.

    def _interim(self, number: int, spoke: c.CallerSpoke) -> None:
        if number < self._recogniser.current:
            return  # its final was given already
        text = self._recogniser.interim(number, spoke.text)
        if self._recogniser.carried:
            self._estimate(spoke.at, "the recogniser was not asked for the words before")
        if text or not spoke.text:
            self._tell(c.CallerSpoke(spoke.at, text, final=False))

    def _ask(self, at: float) -> None:
        recogniser = self._recogniser
        if whole := recogniser.whole(at):
            took_s = self._of.asked_s if whole.asked_s is None else whole.asked_s
            self._plan(at + took_s, _Final(recogniser.current))
        elif (recogniser.rest or recogniser.carried) and not recogniser.goes_on(at):
            self._estimate(at, "the recogniser was asked in the middle of an utterance")
            self._plan(at + self._of.asked_s, _Cut())

    # The replies.

    def _begin(self, number: int, question: str, at: float, *, draft: bool = False) -> None:
        record = self._of.reply_to(question)
        if not record.recorded:
            self._estimate(at, f"nobody asked {question!r} in the recording")
        self._live = _Live(number, record, released=not draft)
        if record.failed_s is not None:
            self._plan(at + record.failed_s, c.ReplyEnded(at + record.failed_s, number, ""))
        elif record.voice_s is not None:
            self._plan(at + record.voice_s, c.ReplyAudioStarted(at + record.voice_s, number))

    def _replied(self, event: c.ReplyAudioStarted | c.ReplyEnded) -> None:
        live = self._live
        if not live or live.number != event.reply:
            return
        if isinstance(event, c.ReplyAudioStarted):
            live.voice = event.at
            if live.released:
                self._sound(live, event.at)
        elif live.record.failed_s is None and event.at != live.ends:
            return  # the reply paused, and ends later
        self._tell(event)

    def _sound(self, live: _Live, at: float) -> None:
        live.sounds = at
        live.ends = at + (live.record.length_s or 0.0)
        self._plan(live.ends, c.ReplyEnded(live.ends, live.number, live.record.text))

    def _resume(self, live: _Live, at: float) -> None:
        """Let the reply go on from where it stopped."""
        paused, live.paused = live.paused, None
        if paused is not None and live.sounds is not None:
            self._sound(live, live.sounds + at - max(paused, live.sounds))

    def _heard(self, at: float) -> c.ReplyHeard | None:
        live = self._live
        if live is None:
            return None
        sounding_s = live.sounding_s(at)
        if sounding_s > live.record.heard_s + _SOUNDING_TOLERANCE_S:
            self._estimate(at, f"the reply to {live.record.question!r} was recorded only so far")
        text = heard_at(live.record, sounding_s) if sounding_s else ""
        return c.ReplyHeard(at, live.number, text)

    # The conversation.

    def _tell(self, event: c.Event) -> None:
        heard = self._heard(event.at)
        for told in (heard, event) if heard else (event,):
            self._now, commands = c.step(self._now, told, self._policy)
            self._steps.append(LoggedStep(told, [encoded(command) for command in commands]))
            for command in commands:
                self._execute(command, told.at)

    def _execute(self, command: c.Command, at: float) -> None:
        match command:
            case c.AskFinal():
                self._ask(at)
            case c.StartReply(number, history):
                self._begin(number, _last(history), at)
            case c.PrepareReply(number, history):
                self._begin(number, _last(history), at, draft=True)
            case c.Say(number, text):
                self._begin(number, text, at)
            case c.CancelReply() | c.EndTurn():
                self._live = None
            case c.EndCall():
                self._over = True
            case _ if self._live:
                self._steer(self._live, command, at)
            case _:
                pass

    def _steer(self, live: _Live, command: c.Command, at: float) -> None:
        match command:
            case c.ReleaseReply():
                live.released = True
                if live.voice is not None:
                    self._sound(live, at)
            case c.PauseReply():
                live.paused = at
            case c.ResumeReply():
                self._resume(live, at)
            case _:
                pass  # no other command changes what comes in
