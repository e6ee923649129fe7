"""When a turn is over, and when a sound is an interruption.

Pure: rules and their numbers, no state. Seconds throughout.
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class TurnPolicy:
    settle_s: float = 0.0
    """How long after the recogniser's final words the turn is taken to be over."""

    max_silence_s: float = 3.0
    """How long interim words may wait for their final."""

    words_to_interrupt: int = 1
    """How many words during a reply are an interruption."""

    memory_messages: int = 40
    """How many messages of the conversation the model is reminded of."""

    def interrupts(self, text: str) -> bool:
        return len(text.split()) >= self.words_to_interrupt

    def turn_ends(self, at: float, *, final: bool) -> float:
        """When the turn is over if the caller says nothing more after `at`."""
        return at + (self.settle_s if final else self.max_silence_s)
