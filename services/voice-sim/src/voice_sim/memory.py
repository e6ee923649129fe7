"""What must hold of what the gateway remembers: the caller's words, and what was heard of its own.

Every word of a simulated call is said once, so that wherever it turns up, it is known who said it,
and when.
"""

import math
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import pairwise

from voice_gateway.conversation import Message
from voice_gateway.messages import (
    CutOff,
    Failed,
    FromCaller,
    Goodbye,
    Interrupt,
    Processing,
    ReplyAudio,
    ReplyText,
    ToCaller,
    Transcript,
    TurnOver,
    Typed,
)

from voice_sim.doubt import Utterance, few
from voice_sim.marks import CANNED, answer_of, clauses_in, reply_words, sayings
from voice_sim.people import text_of
from voice_sim.record import (
    UNREAD,
    Asked,
    Entry,
    Fault,
    Left,
    Noticed,
    Received,
    Record,
    Said,
    Sent,
    Spoke,
    Told,
)

_CALLERS = re.compile(r"[ut]\d+")
_PATIENCE_S = 5.0  # beyond the policy's own waits, before unanswered words count as lost
# How many words of a message may not have been sent: their pace within a clause is an estimate.
_SLACK_WORDS = 1
_SLACK_SHARE = 0.25


def the_history(record: Record) -> Iterator[str]:
    """What the model is asked begins and ends with a question, and takes turns."""
    for entry in record.entries:
        if isinstance(entry, Asked):
            for broken in _odd_history(entry.history, record.script.call.memory_messages):
                yield f"at {entry.at:.2f} the model was asked with a history that {broken}"


def _odd_history(history: tuple[Message, ...], most: int) -> Iterator[str]:
    roles = [message.role for message in history]
    unasked = bool(history) and answer_of(history[0].text) in CANNED
    if not roles or (roles[0] != "user" and not unasked) or roles[-1] != "user":
        yield f"does not begin and end with a question: {roles}"
    if any(a == b for a, b in pairwise(roles)):
        yield f"does not take turns: {roles}"
    if not all(message.text.strip() for message in history):
        yield "has an empty message"
    if len(history) > most:
        yield f"has {len(history)} messages; allowed: {most}"


def the_callers_words(record: Record) -> Iterator[str]:
    """No word of the caller is lost.

    Every final or typed text stands, whole and in order, in the last question of some later
    history; interim words do too, unless a later result replaced them. Not counted: what is said
    after the gateway drains or says goodbye, what is too short to interrupt, and, in calls with
    voice activity, interim words that only go on with the question under answer, and, once the
    gateway has spoken, words without a noticed voice: on loudspeakers they may be its own, come
    back, and a few are what recognisers make of silence. Still unanswered may be, at the end, a
    question whose reply the caller cut off, what waits for a firm greeting that the caller does not
    read, and what was said less than the policy's waits before a call that did not end well, or at
    the very moment at which a silent call ended. Calls whose caller does not read, and which may
    end for silence, are passed over: when their goodbye was decided is not told.
    """
    unread = any(isinstance(entry, Fault) and entry.what in UNREAD for entry in record.entries)
    call = record.script.call
    echoes = call.activity and not call.headphones
    waiting = _Waiting(
        call.words_to_interrupt, unread, call.activity, echoes, not call.greeting_interruptible
    )
    if unread and call.idle_end_s:
        return
    over_at = _goodbye_at(record)
    for entry in record.entries:
        if entry.at < over_at or not isinstance(entry, Told | Received):
            waiting.take(entry)
    end = record.end
    wait_s = call.longest_wait_s + _PATIENCE_S
    never_heard = unread and waiting.greets  # and nothing is answered before
    if end.error and (never_heard or waiting.closed or end.at - waiting.last_said < wait_s):
        return
    for words in waiting.unanswered():
        if end.error is None and not waiting.closed and words.at == end.at:
            continue
        yield f"what the caller said at {words.at:.2f} was never answered: {' '.join(words.said)}"


def _goodbye_at(record: Record) -> float:
    """When the gateway said goodbye; infinity where it never did."""
    told = (e.at for e in record.entries if isinstance(e, Sent) and isinstance(e.message, Goodbye))
    return next(told, math.inf)


@dataclass(slots=True)
class _Words:
    at: float
    said: list[str]
    cut: bool = False
    """The reply to them was cut off before the model was asked."""
    passed_over: bool = False
    """The model was asked later, without them."""
    guessed: bool = False
    """The model had been asked with them before they were final; that answer is not begun yet."""


@dataclass(slots=True)
class _Waiting:
    """The caller's words that no history has yet."""

    shortest: int
    unread: bool
    """The caller does not read everything that is sent."""
    activity: bool
    """Turns go by the caller's voice: interim words of the question under way wait for finals."""
    echoes: bool
    """What the gateway says may come back."""
    greets: bool
    """A greeting that cannot be interrupted is still to be heard to its end."""
    question: list[str] = field(default_factory=list[str])
    """What the model was asked last."""
    begun: bool = False
    """Its answer to that has begun."""
    begun_at: float = -1.0
    finals: list[_Words] = field(default_factory=list[_Words])
    interim: _Words | None = None
    last_said: float = 0.0
    closed: bool = False
    drained: bool = False
    utterance: Utterance = field(default_factory=Utterance)
    spoken: bool = False
    """The caller was sent audio."""

    def take(self, entry: Entry) -> None:
        match entry:
            case Noticed(at, voiced):
                self.utterance.notice(at, voiced=voiced)
            case Sent(_, ReplyAudio()):
                self.spoken = True
            case Asked(at, _, history):
                self._asked(at, _CALLERS.findall(history[-1].text))
            case _:
                self._take_words(entry)

    def _take_words(self, entry: Entry) -> None:
        match entry:
            case Told(at, Transcript(text, final)):
                certain = self.utterance.take(at, final=final) or not self._doubts(text)
                if not self.drained and (certain or not self.spoken):
                    self._said(at, text, final=final)
                elif not self.echoes or (final and not text):
                    self.interim = None
            case Received(at, message):
                self._received(at, message)
            case Left(_, "drained"):
                self.drained = True
            case Sent(at, message):
                self._sent(at, message)
            case _:
                pass

    def _received(self, at: float, message: FromCaller | None) -> None:
        match message:
            case Typed(text) if not self.drained:
                self.finals.append(_Words(at, _CALLERS.findall(text)))
                self.last_said = at
            case Interrupt() if self.unread:
                self._cut()  # the interruption may be among what the caller did not read
            case None:
                self.closed = True
            case _:
                pass

    def _sent(self, at: float, message: ToCaller) -> None:
        match message:
            case CutOff():
                self._cut()
            case TurnOver():
                self.greets = False
            case Processing():
                self.begun = True
                self.begun_at = at
                self.finals = [words for words in self.finals if not words.guessed]
            case ReplyText(_, text) if answer_of(text) in CANNED:
                self._settle()
            case _:
                pass

    def _doubts(self, text: str) -> bool:
        """Whether it need not have been said by the caller, where no voice was noticed."""
        return self.echoes or (self.activity and few(text))

    def _said(self, at: float, text: str, *, final: bool) -> None:
        words = _CALLERS.findall(text)
        self.last_said = at
        if final or words:
            self.interim = None
        if len(words) < self.shortest:
            return
        known = _after(self.question, words, 0) is not None
        if final and not (known and (self.begun or self.unread)):
            self.finals.append(_Words(at, words, guessed=known))
        elif not final and not (self.activity and not set(words).isdisjoint(self.question)):
            self.interim = _Words(at, words)

    def _asked(self, at: float, question: list[str]) -> None:
        left: list[_Words] = []
        place = 0
        # Begun with PROCESSING in the same moment, or prepared, and held until PROCESSING comes.
        self.question, self.begun = question, self.begun_at == at
        for words in self.finals:
            found = _after(question, words.said, place)
            if found is None:
                words.passed_over = at > words.at
                left.append(words)
            else:
                place = found
        self.finals = left
        if self.interim and _after(question, self.interim.said, 0) is not None:
            self.interim = None

    def _cut(self) -> None:
        for words in self._all():
            words.cut = True

    def _settle(self) -> None:
        """The gateway spoke unasked: nothing goes on any more with a question that was cut off."""
        self.finals = [words for words in self.finals if not words.cut]
        if self.interim and self.interim.cut:
            self.interim = None

    def _all(self) -> list[_Words]:
        return [*self.finals, *([self.interim] if self.interim else [])]

    def unanswered(self) -> list[_Words]:
        return [words for words in self._all() if words.passed_over or not words.cut]


def _after(question: list[str], words: list[str], place: int) -> int | None:
    """Where `question` goes on after these words, said in order from `place` on."""
    for word in words:
        if word not in question[place:]:
            return None
        place = question.index(word, place) + 1
    return place


@dataclass(slots=True)
class _Clause:
    text: str
    planned: int
    whole: bool = False
    """The voice said it was all of it: nobody can know better."""
    made: int = 0
    sent: int = 0
    reply: int = 0
    """In which it was first sent."""

    def words_sent(self) -> int:
        """How many of its words had been sent as audio, at an even pace per character."""
        words = self.text.split()
        full = self.made if self.whole else self.planned
        if not self.sent or not full:
            return 0
        reached = len(self.text) * self.sent / full
        ends = (sum(len(w) + 1 for w in words[: n + 1]) - 1 for n in range(len(words)))
        return sum(1 for end in ends if end <= reached + 0.5)


class _Voice:
    """Which clauses the caller has been sent, and how much of each."""

    def __init__(self) -> None:
        self.clauses: dict[int, _Clause] = {}

    def take(self, entry: Entry) -> Iterator[str]:
        match entry:
            case Said(_, number, text, samples):
                self.clauses[number] = _Clause(text, samples)
            case Spoke(_, number, samples, whole):
                self.clauses[number].made, self.clauses[number].whole = samples, whole
            case Sent(at, ReplyAudio(reply, _, audio)):
                for value, count in clauses_in(audio):
                    if value not in self.clauses:
                        yield f"at {at:.2f} reply {reply} sounds of nothing the voice said: {value}"
                    else:
                        clause = self.clauses[value]
                        clause.sent += count
                        clause.reply = clause.reply or reply
            case _:
                pass

    def spoken(self, answer: int) -> list[list[tuple[str, bool]]]:
        """Each time the answer was spoken, its words in order, and whether each had been sent."""
        spoken: dict[int, list[tuple[str, bool]]] = {}
        for clause in self.clauses.values():
            if clause.sent and answer_of(clause.text) == answer:
                words = spoken.setdefault(clause.reply, [])
                count = clause.words_sent()
                words += [(word, n < count) for n, word in enumerate(reply_words(clause.text))]
        return list(spoken.values())

    def last_said(self, answer: int, count: int, reply: int) -> list[_Clause]:
        """The clauses that the voice was last asked for of this answer, down to so many words.

        What is said unasked is the same text each time: by a reply, those that it was heard with.
        """
        last: list[_Clause] = []
        for clause in reversed(self.clauses.values()):
            its_own = answer not in CANNED or clause.reply == reply
            if count > 0 and its_own and answer_of(clause.text) == answer:
                last.insert(0, clause)
                count -= len(reply_words(clause.text))
        return last


def what_was_heard(record: Record) -> Iterator[str]:
    """The gateway remembers of its own words a beginning of what was sent as audio."""
    voice = _Voice()
    for entry in record.served:
        yield from voice.take(entry)
        if isinstance(entry, Asked):
            for message in entry.history:
                if message.role == "assistant" and (odd := _not_heard(message.text, voice)):
                    yield f"at {entry.at:.2f} the gateway remembers {odd}"


def _not_heard(text: str, voice: _Voice) -> str | None:
    odd = (_not_spoken(saying, text, voice) for saying in sayings(text))
    return next(filter(None, odd), None)


def _not_spoken(remembered: list[str], text: str, voice: _Voice) -> str | None:
    """What is odd about this part of the message; one of the times it was said must explain it."""
    answer = answer_of(remembered[0])
    times = voice.spoken(answer) or [[]]
    odd = [_not_said(remembered, text, answer, spoken) for spoken in times]
    return None if None in odd else odd[-1]


def _not_said(
    remembered: list[str], text: str, answer: int, spoken: list[tuple[str, bool]]
) -> str | None:
    if remembered != [word for word, _ in spoken[: len(remembered)]]:
        said = " ".join(word for word, _ in spoken)
        return f"{text!r}, no beginning of what it said in answer {answer}: {said!r}"
    unsent = [word for word, sent in spoken[: len(remembered)] if not sent]
    if len(unsent) > _SLACK_WORDS + _SLACK_SHARE * len(remembered):
        return f"{text!r}, of which {' '.join(unsent)!r} was not sent as audio"
    return None


def whole_replies(record: Record) -> Iterator[str]:
    """Of a reply that ended without failure all words were shown and spoken, all audio sent."""
    replies: dict[int, _Told] = {}
    voice = _Voice()
    for entry in record.entries:
        for _ in voice.take(entry):
            pass
        match entry:
            case Sent(_, ReplyText(reply, text)):
                replies.setdefault(reply, _Told()).text += text
            case Sent(_, Failed(_, reply)):
                replies.setdefault(reply, _Told()).failed = True
            case Sent(at, TurnOver(reply)):
                told = replies.setdefault(reply, _Told())
                if not told.failed and (missing := _missing(record, reply, told.text, voice)):
                    yield f"at {at:.2f} reply {reply} ended without failure, but {missing}"
            case _:
                pass


@dataclass(slots=True)
class _Told:
    text: str = ""
    failed: bool = False


def _missing(record: Record, reply: int, shown: str, voice: _Voice) -> str | None:
    answer = answer_of(shown)
    if not answer:
        return "none of its text was shown"
    words = reply_words(text_of(record.script, answer))
    if reply_words(shown) != words:
        return f"not all of its text was shown: {shown!r}"
    clauses = voice.last_said(answer, len(words), reply)
    if [w for c in clauses for w in reply_words(c.text)] != words:
        return f"not all of it was spoken: {' / '.join(c.text for c in clauses)!r}"
    for clause in clauses:
        if clause.sent != clause.made:
            return f"of {clause.text!r} {clause.sent} samples were sent, {clause.made} made"
    return None
