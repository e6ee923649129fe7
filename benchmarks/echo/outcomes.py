"""The outcomes of replies that nobody talked over, and of those that somebody did. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from echo.call_plans import words_of

LATE_S = 1.5
"""Seconds after a clip's last sound within which it must have taken the floor."""


@dataclass(frozen=True, slots=True)
class Alone:
    """A reply that nobody talked over."""

    call: str
    reply: int
    text: str
    began_at: float
    ended_at: float
    interrupted: bool
    turns: int
    """Turns that nobody began, taken during the reply or right after it."""
    words: tuple[str, ...]
    """The words that the gateway took for the caller's."""
    pauses: int = 0
    """How often the reply paused for nothing."""


@dataclass(frozen=True, slots=True)
class TalkedOver:
    """A reply, and a clip spoken over it."""

    call: str
    reply: int
    text: str
    clip: str
    at: float
    late: bool
    """The reply had ended before the clip began."""
    taken_s: float | None
    """Seconds from the clip's first sound until the caller had the floor; None: it never had."""
    last_audio_s: float | None
    """Seconds from the clip's first sound to the reply's last audio message; None: none came."""
    silent_s: float | None
    """Seconds from the clip's first sound until the caller's loudspeaker was silent."""
    seconds: float
    wanted: tuple[str, ...]
    got: tuple[str, ...] | None = None
    """The words of the caller's turn as the model got them; None: no turn was taken."""

    @property
    def taken(self) -> bool:
        return self.taken_s is not None and self.taken_s <= self.seconds + LATE_S

    @property
    def errors(self) -> int:
        """The words that are wrong, left out or put in; all of them where there was no turn."""
        return word_errors(self.wanted, self.got or ())

    @property
    def own(self) -> tuple[str, ...]:
        """Words of the reply in the caller's turn that the caller did not say."""
        left = list(self.wanted)
        extra = [word for word in self.got or () if word not in left or left.remove(word)]
        reply = words_of(self.text)
        return tuple(word for word in extra if word in reply)


@dataclass(frozen=True, slots=True)
class Answered:
    """A short answer that repeats words of the question before it."""

    call: str
    asked: str
    wanted: tuple[str, ...]
    got: tuple[str, ...] | None
    """The words of the caller's turn as the model got them; None: no turn was taken."""

    @property
    def heard(self) -> bool:
        """Whether a turn was taken with words of it, as well as the recogniser writes them."""
        return bool(self.got) and word_errors(self.wanted, self.got or ()) < len(self.wanted)


@dataclass(slots=True)
class Calls:
    """What was seen in all calls of one way of taking turns."""

    alone: list[Alone] = field(default_factory=list[Alone])
    over: list[TalkedOver] = field(default_factory=list[TalkedOver])
    answered: list[Answered] = field(default_factory=list[Answered])
    late_s: list[float] = field(default_factory=list[float])
    problems: list[str] = field(default_factory=list[str])


@dataclass(slots=True)
class Clear:
    """A clip said while nothing plays: what the recogniser makes of it at best."""

    clip: str
    wanted: tuple[str, ...]
    got: tuple[str, ...]

    @property
    def errors(self) -> int:
        return word_errors(self.wanted, self.got)


def word_errors(wanted: Sequence[str], got: Sequence[str]) -> int:
    """Substitutions, insertions and deletions between two texts (Levenshtein over words)."""
    row = list(range(len(got) + 1))
    for i, word in enumerate(wanted, 1):
        before, row[0] = row[0], i
        for j, other in enumerate(got, 1):
            cost = min(row[j] + 1, row[j - 1] + 1, before + (word != other))
            before, row[j] = row[j], cost
    return row[-1]
