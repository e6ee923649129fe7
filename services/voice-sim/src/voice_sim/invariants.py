"""Everything that must hold in every call; each rule yields a sentence where it is broken."""

from collections.abc import Callable, Iterator

from voice_sim import ends, floor, memory, silence
from voice_sim.known import is_known
from voice_sim.record import Record

Rule = Callable[[Record], Iterator[str]]

RULES: tuple[Rule, ...] = (
    ends.true_reasons,
    ends.the_end_comes,
    ends.nothing_left,
    ends.nothing_begins,
    floor.the_floor,
    floor.the_pace,
    memory.the_history,
    memory.the_callers_words,
    memory.what_was_heard,
    memory.whole_replies,
    silence.the_greeting,
    silence.the_silence,
    silence.the_polite_end,
)


def broken(record: Record) -> list[str]:
    """What does not hold in this call, each once; what is known to be so is left out."""
    said = (f"{rule.__name__}: {sentence}" for rule in RULES for sentence in rule(record))
    return [sentence for sentence in dict.fromkeys(said) if not is_known(sentence)]
