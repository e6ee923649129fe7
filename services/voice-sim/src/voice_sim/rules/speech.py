"""Checks that replies are spoken whole, and remembered as far as they were heard."""

from collections.abc import Iterator
from dataclasses import dataclass

from voice_gateway import conversation as c
from voice_gateway.messages import Failed, ReplyAudio, ReplyText, TurnOver

from voice_sim.call_record import Entry, Record, Said, Sent, Spoke, Step
from voice_sim.marked_words import (
    APOLOGY_CLAUSE,
    CANNED,
    answer_of,
    clauses_in,
    reply_words,
    sayings,
)
from voice_sim.simulated_services import text_of

# So many remembered words may be unsent, because their pace within a clause is an estimate.
_UNSENT_WORDS = 1
_UNSENT_SHARE = 0.25


@dataclass(slots=True)
class _Clause:
    text: str
    planned: int
    whole: bool = False
    """Whether the voice gave the whole clause, as far as it says."""
    made: int = 0
    sent: int = 0
    reply: int = 0
    """The reply in which it was first sent."""

    def words_sent(self) -> int:
        """How many of its words were sent as audio, at an even pace per character."""
        words = self.text.split()
        full = self.made if self.whole else self.planned
        if not self.sent or not full:
            return 0
        reached = len(self.text) * self.sent / full
        ends = (sum(len(w) + 1 for w in words[: n + 1]) - 1 for n in range(len(words)))
        return sum(1 for end in ends if end <= reached + 0.5)


class _Voice:
    """The clauses that were sent to the caller, and how much of each."""

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
                    if value == APOLOGY_CLAUSE:
                        continue  # `apologies` looks at it
                    if value not in self.clauses:
                        yield f"at {at:.2f} reply {reply} sounds of nothing the voice said: {value}"
                    else:
                        clause = self.clauses[value]
                        clause.sent += count
                        clause.reply = clause.reply or reply
            case _:
                pass

    def spoken(self, answer: int) -> list[list[tuple[str, bool]]]:
        """For each time the answer was spoken, its words in order, and whether each was sent."""
        spoken: dict[int, list[tuple[str, bool]]] = {}
        for clause in self.clauses.values():
            if clause.sent and answer_of(clause.text) == answer:
                words = spoken.setdefault(clause.reply, [])
                count = clause.words_sent()
                words += [(word, n < count) for n, word in enumerate(reply_words(clause.text))]
        return list(spoken.values())

    def last_said(self, answer: int, count: int, reply: int) -> list[_Clause]:
        """The last clauses of this answer that the voice was asked for, up to `count` words.

        Prompts have the same text each time, so only those of this reply count. A clause that the
        voice was asked for again, as it had failed before any of it was sent, counts once.
        """
        last: list[_Clause] = []
        for clause in reversed(self.clauses.values()):
            its_own = answer not in CANNED or clause.reply == reply
            if last and last[0].text == clause.text and not clause.sent:
                continue
            if count > 0 and its_own and answer_of(clause.text) == answer:
                last.insert(0, clause)
                count -= len(reply_words(clause.text))
        return last


def what_was_heard(record: Record) -> Iterator[str]:
    """The remembered words of a reply are a beginning of what was sent as audio."""
    voice = _Voice()
    for entry in record.decided:
        yield from voice.take(entry)
        for command in entry.commands if isinstance(entry, Step) else ():
            if isinstance(command, c.StartReply | c.PrepareReply):
                for odd in _not_heard(command.history, voice):
                    yield f"at {entry.at:.2f} the gateway remembers {odd}"


def _not_heard(history: tuple[c.Message, ...], voice: _Voice) -> Iterator[str]:
    for message in history:
        if message.role == "assistant":
            odd = (_not_spoken(saying, message.text, voice) for saying in sayings(message.text))
            yield from filter(None, odd)


def _not_spoken(remembered: list[str], text: str, voice: _Voice) -> str | None:
    """What is wrong with this part of the message; it must match one of the times it was said."""
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
    if len(unsent) > _UNSENT_WORDS + _UNSENT_SHARE * len(remembered):
        return f"{text!r}, of which {' '.join(unsent)!r} was not sent as audio"
    return None


def whole_replies(record: Record) -> Iterator[str]:
    """A reply that ended without failure was shown and spoken whole, and all its audio sent."""
    replies: dict[int, _Shown] = {}
    voice = _Voice()
    for entry in record.entries:
        for _ in voice.take(entry):
            pass
        match entry:
            case Sent(_, ReplyText(reply, text, replaces=replaces)):
                shown = replies.setdefault(reply, _Shown())
                shown.text = text if replaces else shown.text + text
            case Sent(_, Failed(_, reply)):
                replies.setdefault(reply, _Shown()).failed = True
            case Sent(at, TurnOver(reply)):
                shown = replies.setdefault(reply, _Shown())
                if not shown.failed and (missing := _missing(record, reply, shown.text, voice)):
                    yield f"at {at:.2f} reply {reply} ended without failure, but {missing}"
            case _:
                pass


@dataclass(slots=True)
class _Shown:
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
