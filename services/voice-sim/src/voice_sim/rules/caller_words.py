"""Checks that each of the caller's words is answered after its turn, or kept for later.

Every word of a simulated call is said once, so that a word found anywhere tells who said it, and
when.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from voice_gateway import conversation as c
from voice_gateway.conversation.policy import TurnPolicy

from voice_sim.call_record import Record, Step
from voice_sim.rules.followed import ROUNDING_S, Followed, follow, last, longest_wait_s

_CALLERS = re.compile(r"[ut]\d+")
_NOTED = re.compile(r"[utn]\d+")


@dataclass(frozen=True, slots=True)
class _Words:
    at: float
    said: Sequence[str]


def the_callers_words(record: Record) -> Iterator[str]:
    """The words that the conversation was told are in the next reply's question, and in time.

    Words that do not interrupt the reply they come into do not count, nor do interim words that
    continue its question, nor final words of a question that the program has withdrawn. Forgotten
    words are in no question.
    """
    open_turn = _OpenTurn(record.script.call.policy)
    for step, before in follow(record):
        yield from open_turn.waited(step.event.at, before)
        open_turn.take(step, before)
        retracted = any(
            isinstance(command, c.DropWords) and command.reason == "retracted"
            for command in step.commands
        )
        for command in step.commands:
            yield from open_turn.answered(step.event.at, command, before, retracted=retracted)
    yield from open_turn.waited(record.over_at, last(record))


@dataclass(slots=True)
class _OpenTurn:
    """The caller's words that are in no question yet."""

    policy: TurnPolicy
    finals: list[_Words] = field(default_factory=list[_Words])
    interim: _Words | None = None
    question: list[str] = field(default_factory=list[str])
    """The words of the question under answer."""
    withdrawn: bool = False
    """The program has withdrawn that question."""
    forgotten: set[str] = field(default_factory=set[str])
    draft: list[str] = field(default_factory=list[str])
    taken: set[str] = field(default_factory=set[str])
    """The words of every turn that was answered or kept."""
    taken_interim: Sequence[str] = ()
    """Those of the last such turn that were not final, until a final comes."""

    def take(self, step: Step, before: Followed) -> None:
        match step.event:
            case c.CallerSpoke() as event if not before.finished:
                self._spoke(event, before)
            case c.CallerTyped(at, text) if not before.finished:
                self._end_interim()
                self.finals.append(_Words(at, _CALLERS.findall(text)))
            case c.CallerWithdrew(_, name) if before.live and name == f"question-{before.live}":
                self.withdrawn = True
            case c.CallerForgot():
                open_words = {word for words in self._all() for word in words.said}
                self.forgotten |= open_words - self.taken
                self.finals, self.interim = [], None
            case _:
                pass

    def _spoke(self, event: c.CallerSpoke, before: Followed) -> None:
        words = _Words(event.at, _CALLERS.findall(event.text))
        confirms = bool(words.said) and words.said == self.taken_interim
        if event.final:
            self.taken_interim = ()
            if confirms and not self._all():
                return  # it confirms a turn that was taken, and adds nothing
        elif words.said and words.said == self.taken_interim[: len(words.said)]:
            return  # it repeats an interim that was taken: nothing of this turn is taken back
        if event.final or event.text.strip():
            self.interim = None
        if not words.said or not self._counts(event, before):
            return
        self.forgotten.difference_update(words.said)
        known = before.live != 0 and not set(words.said).isdisjoint(self.question)
        if event.final:
            answered = before.live != 0 and _after(self.question, words.said, 0) is not None
            self.finals += [] if answered or (known and self.withdrawn) else [words]
        elif not known and not self._is_old(words.said):
            self.interim = words

    def _is_old(self, interim: Sequence[str]) -> bool:
        """Whether the interim only repeats words of this turn or another."""
        final = {word for words in self.finals for word in words.said}
        return (self.taken | final).issuperset(interim)

    def _counts(self, event: c.CallerSpoke, before: Followed) -> bool:
        sounding = before.live != 0 and before.audible and before.interruptible
        return not sounding or self.policy.interrupts(event.text)

    def _note_taken_interim(self) -> None:
        self.taken_interim = self.interim.said if self.interim else self.taken_interim

    def _end_interim(self) -> None:
        self._note_taken_interim()
        self.finals += [self.interim] if self.interim else []
        self.interim = None

    def _all(self) -> list[_Words]:
        return [*self.finals, *([self.interim] if self.interim else [])]

    def answered(
        self, at: float, command: c.Command, before: Followed, *, retracted: bool
    ) -> Iterator[str]:
        """`retracted`: the recogniser has taken words back in this step."""
        match command:
            case c.Say(asks_again=True):
                if not (before.behind or retracted):
                    yield f"at {at:.2f} the caller was asked to say again what was recognised"
                self.finals, self.interim = [], None
            case c.PrepareReply(_, history):
                self.draft = _question_in(history)
            case c.StartReply(_, history):
                yield from self._asked(at, _question_in(history))
            case c.ReleaseReply():
                yield from self._asked(at, self.draft)
            case c.KeepTurn():
                self.taken.update(word for words in self._all() for word in words.said)
                self._note_taken_interim()
                self.finals, self.interim = [], None
            case c.EndCall():
                yield from self._lost(f"never answered; the call was over at {at:.2f}")
            case _:
                pass

    def _asked(self, at: float, question: list[str]) -> Iterator[str]:
        self.question, self.withdrawn = question, False
        self._note_taken_interim()
        self.taken.update(question)
        if known := self.forgotten.intersection(question):
            yield f"at {at:.2f} what was to be forgotten was answered: {' '.join(sorted(known))}"
        place = 0
        left: list[_Words] = []
        for words in self._all():
            found = _after(question, words.said, place)
            left += [words] if found is None else []
            place = place if found is None else found
        self.finals, self.interim = left, None
        yield from self._lost(f"not in the question at {at:.2f}")

    def waited(self, at: float, before: Followed) -> Iterator[str]:
        """While nothing happens, words wait no longer than the policy says."""
        holds = before.live or before.closed or before.options.by_hand
        wait_s = longest_wait_s(self.policy, before)
        if not holds and at - before.active_at > wait_s + ROUNDING_S:
            yield from self._lost(f"still waiting at {at:.2f}")

    def _lost(self, how: str) -> Iterator[str]:
        for words in self._all():
            yield f"what the caller said at {words.at:.2f} was {how}: {' '.join(words.said)}"
        self.finals, self.interim = [], None


def _question_in(history: Sequence[c.Message]) -> list[str]:
    """The caller's words in the history's last user message."""
    asked = next((m.text for m in reversed(history) if m.role == "user"), "")
    return _CALLERS.findall(asked)


def _after(question: Sequence[str], words: Sequence[str], place: int) -> int | None:
    """The place in `question` behind these words in order, from `place` on; None if not found."""
    for word in words:
        if word not in question[place:]:
            return None
        place = question.index(word, place) + 1
    return place


def nothing_is_forgotten(record: Record) -> Iterator[str]:
    """What was said or noted is in every later history, in order, unless it was withdrawn.

    The oldest messages are dropped when there are too many; words of a question that were not final
    may be replaced.
    """
    remembered = _Remembered(record.script.call.policy.memory_messages)
    for step, before in follow(record):
        remembered.take(step, before)
        for command in step.commands:
            yield from remembered.compare(step.event.at, command)


@dataclass(slots=True)
class _Remembered:
    most: int
    words: list[str] = field(default_factory=list[str])
    """The words of the caller and its program, in order."""
    added: list[str] = field(default_factory=list[str])
    """Words noted while a reply was live, which come after it."""
    names: dict[str, list[str]] = field(default_factory=dict[str, list[str]])
    """The words of each message that can be withdrawn."""
    drafted: Sequence[c.Message] = ()
    interim: set[str] = field(default_factory=set[str])
    provisional: set[str] = field(default_factory=set[str])
    """Words of the question under answer that were not final."""
    repeated: set[str] = field(default_factory=set[str])
    """Words that the recogniser gave again."""
    withdrawn: set[str] = field(default_factory=set[str])
    kept_turns: dict[str, list[str]] = field(default_factory=dict[str, list[str]])
    """Turns that were kept without an answer: the words that may be theirs, which is not told."""
    taken_again: dict[str, list[str]] = field(default_factory=dict[str, list[str]])
    """Of those turns, the words of a question that was reopened: they are theirs for certain."""
    again: list[str] = field(default_factory=list[str])
    """Words of the question that is being asked again."""
    reopened: list[str] = field(default_factory=list[str])
    """The same, until that turn is over: the program may discard them with it."""

    def take(self, step: Step, before: Followed) -> None:
        match step.event:
            case c.CallerNoted(_, message):
                words = _NOTED.findall(message.text)
                self.names[message.name] = words
                (self.added if before.live else self.words).extend(words)
                self.repeated.update(self.reopened)  # their turn stands where it ends
            case c.CallerWithdrew(_, name):
                if name in self.kept_turns:
                    self.repeated.update(self.kept_turns[name])
                    self._drop(set(self.taken_again.pop(name, ())))
                else:
                    self.withdrawn.update(self.names.pop(name, ()))
                self._drop(self.withdrawn)
            case c.CallerForgot():
                self._drop(set(self.reopened))
                self.reopened = []
            case c.CallerSpoke(_, text, final):
                said = set(_CALLERS.findall(text))
                self.repeated |= said.intersection(self.words)
                self.withdrawn -= said  # they were said again
                if final or not said.issubset(self.words):  # else it repeats an older question
                    self.interim = set() if final else said
            case _:
                pass
        if any(isinstance(command, c.EndTurn | c.Interrupted) for command in step.commands):
            self.again = []
            if any(isinstance(cut, c.Interrupted) and cut.reopened for cut in step.commands):
                # The question is taken back, and asked again with more words; its old name holds
                # nothing from then on.
                self.again = self.names.pop(f"question-{before.live}", [])
                self.reopened = self.again
                if f"question-{before.live}" in self.kept_turns:
                    self.repeated.update(self.again or self.words)  # some are the kept turn's
            said = [word for word in self.words if word not in self.again]
            self.words, self.added = [*said, *self.added, *self.again], []

    def _drop(self, words: set[str]) -> None:
        self.words = [word for word in self.words if word not in words]
        self.added = [word for word in self.added if word not in words]

    def compare(self, at: float, command: c.Command) -> Iterator[str]:
        reopened = self.reopened
        if isinstance(command, c.StartReply | c.ReleaseReply | c.KeepTurn | c.Say):
            self.reopened = []
        match command:
            case c.PrepareReply(_, history):
                self.drafted = history
            case c.StartReply(reply, history):
                yield from self._compare(at, reply, history)
            case c.ReleaseReply(reply):
                yield from self._compare(at, reply, self.drafted)
            case c.KeepTurn(reply) | c.Say(reply, asks_again=True):
                self.kept_turns.setdefault(f"question-{reply}", [])
                self.taken_again[f"question-{reply}"] = reopened
            case _:
                pass

    def _compare(self, at: float, reply: int, history: Sequence[c.Message]) -> Iterator[str]:
        words = [word for message in history for word in _NOTED.findall(message.text)]
        if known := (self.withdrawn - self.repeated).intersection(words):
            yield f"at {at:.2f} what was withdrawn is remembered: {' '.join(sorted(known))}"
        loose = self.provisional | self.repeated
        before = [word for word in self.words if word not in loose]
        gone = [word for word in before if word not in words]
        kept = [word for word in before if word in words]
        crowded = len(history) >= self.most - 1 and gone == before[: len(gone)]
        if gone and not crowded:
            yield f"at {at:.2f} what was said before is forgotten: {' '.join(gone)}"
        elif _after(words, kept, 0) is None:
            yield f"at {at:.2f} what was said before is remembered in another order"
        new = [word for word in words if word not in self.words or word in self.again]
        question = next((m.text for m in reversed(history) if m.role == "user"), "")
        own = f"question-{reply}"
        self.names[own] = [word for word in new if word in _NOTED.findall(question)]
        pending = [name for name, theirs in self.kept_turns.items() if not theirs]
        for name in (*pending, own) if pending else ():
            self.kept_turns[name] = new
        # A word that a kept turn and its late final both have may be forgotten where it was first.
        self.words, self.again = list(dict.fromkeys(reversed(words)))[::-1], []
        self.provisional, self.interim = self.interim, set()
