"""What one caller asked and what came of it, as the caller saw and heard it."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

from faults.spoken_questions import Question

Kind = Literal["audio", "error", "processing", "floor"]
"""A reply's audio, a failure that is told, a turn that is taken, the caller's floor again."""


@dataclass(frozen=True, slots=True)
class Came:
    """A message from the gateway, by the machine's monotonic clock."""

    at: float
    kind: Kind
    reply: int = 0
    words: tuple[str, ...] = ()
    """The words that this audio completes."""
    failed: str = ""
    """An error's stage and code."""


@dataclass(slots=True)
class Turn:
    """One question, and what came until the next one began."""

    call: int
    question: Question
    began_at: float
    ended_at: float = 0.0
    """When the last of its speech was sent."""
    over_at: float = 0.0
    """When its caller took the floor again."""
    came: list[Came] = field(default_factory=list[Came])

    @property
    def audio(self) -> Sequence[Came]:
        return [one for one in self.came if one.kind == "audio"]
