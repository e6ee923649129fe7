"""Lists all rules; each yields a sentence for every place where a call breaks it."""

from collections.abc import Callable, Iterator

from voice_sim.call_record import Record
from voice_sim.known_faults import is_known
from voice_sim.rules import (
    apologies,
    call_end,
    caller_words,
    dead_air,
    histories,
    intake,
    messages_sent,
    outcome,
    program_requests,
    reply_order,
    silence,
    speech,
)

Rule = Callable[[Record], Iterator[str]]

RULES: tuple[Rule, ...] = (
    intake.what_the_caller_sends,
    intake.what_is_noticed,
    intake.what_is_recognised,
    reply_order.one_reply_at_a_time,
    reply_order.a_pause_ends,
    caller_words.the_callers_words,
    caller_words.nothing_is_forgotten,
    histories.the_history,
    program_requests.turns_as_asked_for,
    program_requests.an_answer_comes,
    dead_air.no_dead_air,
    dead_air.only_words_cut_a_reply_off,
    dead_air.small_words,
    silence.the_greeting,
    silence.the_silence,
    silence.the_polite_end,
    outcome.what_was_decided,
    outcome.what_the_caller_said,
    outcome.what_is_asked,
    outcome.nothing_before_its_release,
    messages_sent.the_order,
    messages_sent.the_pace,
    speech.what_was_heard,
    speech.whole_replies,
    apologies.a_failure_is_heard_of,
    apologies.it_is_no_answer,
    call_end.true_reasons,
    call_end.the_end_comes,
    call_end.nothing_left,
)


def broken(record: Record) -> list[str]:
    """The sentences of the rules that this call breaks, each once, without known faults."""
    said = (f"{rule.__name__}: {sentence}" for rule in RULES for sentence in rule(record))
    return [sentence for sentence in dict.fromkeys(said) if not is_known(sentence)]
