"""Checks that a caller hears of each reply that fails, once, and that no history has its words."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field

from voice_gateway import conversation as c
from voice_gateway.messages import CutOff, Failed, ReplyAudio, ReplyText, TurnOver

from voice_sim.call_record import Asked, Record, Sent, Step
from voice_sim.marked_words import APOLOGY, APOLOGY_CLAUSE, answer_of, clauses_in, reply_words
from voice_sim.simulated_services import apology_samples


@dataclass(slots=True)
class _Failures:
    samples: int
    """How many the whole apology has."""
    failed: set[int] = field(default_factory=set[int])
    unasked: set[int] = field(default_factory=set[int])
    """Greetings, prompts and goodbyes, which fail in silence."""
    heard: Counter[int] = field(default_factory=Counter[int])
    """The samples of the apology that were sent in each reply."""

    def take(self, sent: Sent) -> Iterator[str]:
        match sent.message:
            case Failed(_, reply) if reply:
                self.failed.add(reply)
            case ReplyText(reply, apology=True) if reply not in self.failed:
                yield f"at {sent.at:.2f} reply {reply} apologised before it was said to fail"
            case ReplyAudio(reply, _, audio):
                found = dict(clauses_in(audio)).get(APOLOGY_CLAUSE, 0)
                self.heard[reply] += found
                if found and reply not in self.failed:
                    yield f"at {sent.at:.2f} reply {reply} apologised without a failure"
            case TurnOver(reply):
                due = self.samples if reply in self.failed - self.unasked else 0
                if self.heard[reply] != due:
                    yield (
                        f"at {sent.at:.2f} reply {reply} ended after {self.heard[reply]} samples "
                        f"of an apology, where {due} were due"
                    )
            case CutOff(reply) if self.heard[reply] > self.samples:
                yield f"at {sent.at:.2f} reply {reply} apologised more than once"
            case _:
                pass


def a_failure_is_heard_of(record: Record) -> Iterator[str]:
    """A turn that failed ends with one apology, unless it was interrupted or has no voice left."""
    call = record.script.call
    failures = _Failures(0 if call.apology == "never" else apology_samples(call.rate_hz))
    for entry in record.entries:
        match entry:
            case Sent():
                yield from failures.take(entry)
            case Step(_, _, commands):
                failures.unasked.update(
                    command.reply for command in commands if isinstance(command, c.Say)
                )
            case _:
                pass


def it_is_no_answer(record: Record) -> Iterator[str]:
    """No history that the model is asked with has words of an apology."""
    for entry in record.entries:
        if not isinstance(entry, Asked):
            continue
        told = (word for message in entry.history for word in reply_words(message.text))
        if any(answer_of(word) == APOLOGY for word in told):
            yield f"at {entry.at:.2f} answer {entry.answer} was asked for with an apology"
