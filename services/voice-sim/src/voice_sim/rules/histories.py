"""Checks the histories that the model is asked with."""

from collections.abc import Iterator, Sequence
from itertools import pairwise

from voice_gateway import conversation as c

from voice_sim.call_record import Record
from voice_sim.marked_words import CANNED, answer_of


def the_history(record: Record) -> Iterator[str]:
    """A history begins and ends with a question and takes turns, except for a program's messages.

    An answer that a program asks for may have any last message. The newest turn is whole, even if
    it has more messages than are remembered.
    """
    most = record.script.call.policy.memory_messages
    requests = c.CallerNoted | c.CallerWithdrew | c.CallerAsked
    programmed = any(isinstance(step.event, requests) for step in record.steps)
    for step in record.steps:
        for command in step.commands:
            if isinstance(command, c.StartReply | c.PrepareReply):
                asked = isinstance(command, c.StartReply) and bool(command.request)
                for odd in _odd(command.history, most, asked=asked, programmed=programmed):
                    yield f"at {step.event.at:.2f} reply {command.reply} has a history that {odd}"


def _odd(
    history: Sequence[c.Message], most: int, *, asked: bool, programmed: bool
) -> Iterator[str]:
    roles = [message.role for message in history]
    unasked = programmed or (bool(history) and answer_of(history[0].text) in CANNED)
    if not asked and (roles[-1:] != ["user"] or (roles[0] != "user" and not unasked)):
        yield f"does not begin and end with a question: {roles}"
    if any(a == b != "system" for a, b in pairwise(roles)):
        yield f"does not take turns: {roles}"
    if not all(message.text.strip() for message in history):
        yield "has an empty message"
    one_turn = all(message.role != "user" for message in history[1:])
    if len(history) > most and not one_turn:
        yield f"has {len(history)} messages; allowed: {most}"
