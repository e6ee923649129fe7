"""Checks that nothing is silent for ever: whoever was heard is answered, or a reason is recorded.

A caller is heard by its words, by a voice that a reply pauses for, and by a voice of which a
recogniser that failed gives nothing. Time alone, and events that bring nothing new, make no wait
longer.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from voice_gateway import conversation as c
from voice_gateway.conversation.history import plain
from voice_gateway.conversation.policy import TurnPolicy

from voice_sim.call_record import Record
from voice_sim.draw_floor import SMALL_WORDS
from voice_sim.rules.followed import ROUNDING_S, Followed, follow, last

_ASKED = re.compile(r"\?(?=\s|$)")
_YES = frozenset(text for text in SMALL_WORDS if text.lower().startswith(("yes", "okay")))


def no_dead_air(record: Record) -> Iterator[str]:
    """After a caller was heard, there is an answer, a question back, or a reason within a bound."""
    heard = _Heard(record.script.call.policy)
    for step, before in follow(record):
        yield from heard.waited(step.event.at, before)
        heard.take(step.event, before)
        heard.settle(step.event.at, step.commands)
    yield from heard.waited(record.over_at, last(record))


@dataclass(slots=True)
class _Heard:
    """What the caller is owed an answer for, and since when nothing new came."""

    policy: TurnPolicy
    since: float | None = None
    voiced: bool = False
    """Voice began since."""
    longest: int = 0
    """How long the longest interim since the last final has been."""
    broken_since: float | None = None
    asked_again: bool = False
    question: str = ""
    """The question of the newest reply, or the turn that was kept since."""
    interim: str = ""

    def take(self, event: c.Event, before: Followed) -> None:
        if isinstance(event, c.CallerSpoke) and self._is_late(event):
            self.longest = 0
            return
        match event:
            case c.CallerSpoke(at, text, final) if text.strip() and not before.finished:
                self._spoken(at, text, final=final)
            case c.CallerSpoke(final=True):
                self.longest = 0
            case c.CallerTyped(at) if not before.finished:
                self.since, self.voiced = at, False
            case c.CallerVoiced(at) if not self.voiced:
                self.since, self.voiced = at if self.since is not None else None, True
            case c.RecognitionBehind(at, True):
                self.broken_since = at if self.broken_since is None else self.broken_since
            case c.RecognitionCaughtUp():
                self.broken_since = None
            case c.CallerChose(at):
                self.since = at if self.since is not None else None
                self.broken_since = at if self.broken_since is not None else None
            case _:
                pass

    def _spoken(self, at: float, text: str, *, final: bool) -> None:
        if final or len(text) > self.longest:
            self.since, self.voiced = at, False
        self.longest = 0 if final else max(self.longest, len(text))
        self.interim = self.interim if final else text
        self.broken_since = None
        self.asked_again = False

    def _is_late(self, event: c.CallerSpoke) -> bool:
        """Whether it is the final of the question under answer, or that was answered last."""
        return event.final and bool(plain(event.text)) and plain(event.text) in plain(self.question)

    def settle(self, at: float, commands: tuple[c.Command, ...]) -> None:
        for command in commands:
            if isinstance(command, c.StartReply | c.PrepareReply):
                self.question = _question_in(command.history)
            if isinstance(command, c.KeepTurn):
                self.question = self.interim
            match command:
                case c.StartReply() | c.Say() | c.ReleaseReply() | c.KeepTurn() | c.DropWords():
                    self.since = None
                    if isinstance(command, c.Say) and command.asks_again:
                        self.asked_again, self.broken_since = True, None
                case c.EndTurn() | c.Interrupted():
                    self.since = at if self.since is not None else None
                    self.broken_since = at if self.broken_since is not None else None
                case _:
                    pass

    def waited(self, at: float, before: Followed) -> Iterator[str]:
        if before.live or before.closed or before.options.by_hand:
            return
        policy, options = self.policy, before.options
        silences_s = (policy.silence_s, policy.unsure_silence_s, policy.open_silence_s)
        longest_s = max(*silences_s, policy.halting_silence_s) * options.patience
        longest_s = max(longest_s, options.silence_s or 0.0, policy.settle_s)
        most_s = policy.max_silence_s + longest_s + policy.late_wait_s + 3 * policy.final_wait_s
        if self.since is not None and at - self.since > most_s + _VOICE_S + ROUNDING_S:
            yield f"what was heard at {self.since:.2f} was answered by nothing until {at:.2f}"
            self.since = None
        lost = self.broken_since is not None and before.sounded and not self.asked_again
        if not (lost and options.answers):
            return
        assert self.broken_since is not None
        most_s = policy.max_silence_s + 3 * policy.late_wait_s + longest_s
        since = max(self.broken_since, before.sounded_at, self.since or 0.0)
        if at - since > most_s + ROUNDING_S:
            yield f"a voice of {since:.2f} could not be recognised, and nobody asked until {at:.2f}"
            self.broken_since = None


_VOICE_S = 10.0  # a stretch of voice within the silence that ends a turn


def only_words_cut_a_reply_off(record: Record) -> Iterator[str]:
    """A voice without words pauses a reply, and it goes on; only words and clients end it."""
    may = c.CallerSpoke | c.CallerTyped | c.CallerInterrupted
    for step, _ in follow(record):
        if isinstance(step.event, may):
            continue
        for command in step.commands:
            if isinstance(command, c.Interrupted):
                yield f"at {step.event.at:.2f} {type(step.event).__name__} cut off a reply"


def small_words(record: Record) -> Iterator[str]:
    """Final small words are answered, or dropped for a reason; "yes" to a question never is."""
    said = _SmallWords()
    for step, before in follow(record):
        said.take(step.event, before)
        for command in step.commands:
            yield from said.carry_out(step.event.at, command)


@dataclass(slots=True)
class _SmallWords:
    open: list[str] = field(default_factory=list[str])
    """Small words of which nothing has become yet."""
    answers: set[str] = field(default_factory=set[str])
    """Those of them that answer a question."""
    heard: str = ""
    question: str = ""
    """The question of the newest reply, or the turn that was kept since."""
    interim: str = ""

    def take(self, event: c.Event, before: Followed) -> None:
        match event:
            case c.ReplyHeard(_, reply, text) if reply == before.live:
                self.heard = text
            case c.CallerSpoke(_, text, False) if text:
                self.interim = text
            case c.CallerSpoke(_, text, True) if text in SMALL_WORDS and not before.finished:
                if plain(text) in plain(self.question):
                    return  # it may be the late final of that question
                self.open.append(text)
                if before.live and _ASKED.search(self.heard) and text in _YES:
                    self.answers.add(text)
            case _:
                pass

    def carry_out(self, at: float, command: c.Command) -> Iterator[str]:
        match command:
            case c.DropWords(text, reason):
                if reason == "backchannel" and text in self.answers:
                    yield f"at {at:.2f} {text!r} was dropped, which answers {self.heard!r}"
                self.open = [each for each in self.open if each not in text]
            case c.PrepareReply(_, history):
                self.question = _question_in(history)
            case c.StartReply(_, history):
                self.question = _question_in(history)
                yield from self._left(at, self.question)
            case c.KeepTurn():
                self.open, self.question = [], self.interim
            case c.ReleaseReply() | c.Say(asks_again=True):
                self.open = []  # they are in the history
            case c.EndCall():
                yield from self._left(at, "")
            case _:
                pass
        if isinstance(command, c.StartReply | c.Say | c.ReleaseReply):
            self.heard = ""
            self.answers.clear()

    def _left(self, at: float, question: str) -> Iterator[str]:
        lost = [each for each in self.open if each not in question]
        self.open = []
        if lost:
            yield f"what became of {', '.join(map(repr, lost))} is not recorded at {at:.2f}"


def _question_in(history: tuple[c.Message, ...]) -> str:
    return next((m.text for m in reversed(history) if m.role == "user"), "")
