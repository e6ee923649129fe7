"""Defines the record of one simulated call: everything that happened, in order.

The steps of its conversation are between what came in and what went out.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import takewhile

from voice_gateway.conversation import Command, Event, Message
from voice_gateway.messages import FromCaller, ToCaller, Transcript

from voice_sim.script import Script

UNREAD = ("caller slow", "caller stopped reading")
DRAINED = "the gateway stops"


@dataclass(frozen=True, slots=True)
class Sent:
    """The gateway hands a message to the caller."""

    at: float
    message: ToCaller


@dataclass(frozen=True, slots=True)
class Received:
    """The gateway takes a message of the caller; None is the half-close."""

    at: float
    message: FromCaller | None


@dataclass(frozen=True, slots=True)
class Noticed:
    """The voice detector notices that the caller's voice begins, or falls silent."""

    at: float
    voiced: bool


@dataclass(frozen=True, slots=True)
class Judged:
    """An end-of-turn probability; None: there was no prediction."""

    at: float
    probability: float | None


@dataclass(frozen=True, slots=True)
class Transcribed:
    """The recogniser gives a transcript."""

    at: float
    transcript: Transcript


@dataclass(frozen=True, slots=True)
class Step:
    """The conversation took `event` in, and decided this."""

    at: float
    event: Event
    commands: tuple[Command, ...] = ()


@dataclass(frozen=True, slots=True)
class Over:
    """The last decision was made; its effects may still be on their way to the caller."""

    at: float


@dataclass(frozen=True, slots=True)
class Asked:
    """The model is asked; `answer` counts the requests from 1, and marks the answer's words."""

    at: float
    answer: int
    history: tuple[Message, ...]
    system_prompt: str = ""


@dataclass(frozen=True, slots=True)
class Wrote:
    """The model's answer is over; `text` is what it gave."""

    at: float
    answer: int
    text: str
    whole: bool


@dataclass(frozen=True, slots=True)
class Said:
    """The voice is asked for a clause, whose samples identify it."""

    at: float
    clause: int
    text: str
    samples: int
    """How many samples the whole clause has."""


@dataclass(frozen=True, slots=True)
class Spoke:
    """The clause is over after so many samples."""

    at: float
    clause: int
    samples: int
    whole: bool
    """Whether the voice gave the whole clause."""


@dataclass(frozen=True, slots=True)
class Fault:
    """Something the script made go wrong: `asr down`, `llm timed_out`, `caller slow`."""

    at: float
    what: str


@dataclass(frozen=True, slots=True)
class Left:
    """How the caller or the gateway ended the call from outside: `vanished` or `drained`."""

    at: float
    how: str


@dataclass(frozen=True, slots=True)
class Ended:
    at: float
    error: BaseException | None
    still_open: tuple[str, ...] = ()
    """Upstream calls that were started and not ended."""
    tasks: tuple[str, ...] = ()
    """Tasks that the call left behind."""
    broken: tuple[str, ...] = ()
    """What failed in callbacks of the loop, where no one could catch it."""
    hung: bool = False
    """Whether the call had to be ended from outside."""
    receiving_since: float | None = None
    """Since when the gateway had been waiting for the caller's next message, if it was."""


Entry = (
    Sent
    | Received
    | Noticed
    | Judged
    | Transcribed
    | Step
    | Over
    | Asked
    | Wrote
    | Said
    | Spoke
    | Fault
    | Left
    | Ended
)


@dataclass(slots=True)
class Record:
    script: Script
    entries: list[Entry] = field(default_factory=list[Entry])

    @property
    def decided(self) -> Iterator[Entry]:
        """The entries until the last decision, without the goodbye."""
        return takewhile(lambda entry: not isinstance(entry, Over), self.entries)

    @property
    def steps(self) -> Iterator[Step]:
        return (entry for entry in self.entries if isinstance(entry, Step))

    @property
    def over_at(self) -> float:
        return next((e.at for e in self.entries if isinstance(e, Over | Ended)), 0.0)

    @property
    def faults(self) -> frozenset[str]:
        return frozenset(entry.what for entry in self.entries if isinstance(entry, Fault))

    @property
    def unread(self) -> bool:
        """Whether the caller stopped reading for a time, so that messages came late or never."""
        return not self.faults.isdisjoint(UNREAD)

    @property
    def end(self) -> Ended:
        last = self.entries[-1]
        assert isinstance(last, Ended)
        return last
