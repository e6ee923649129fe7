"""What a conversation is at any moment: who has the floor, and what only that one can have."""

from dataclasses import dataclass, field
from enum import Enum, auto

from voice_gateway.conversation.commands import Command
from voice_gateway.conversation.history import Message
from voice_gateway.conversation.policy import TurnOptions, TurnPolicy


class Line(Enum):
    """How much may still come from the caller."""

    OPEN = auto()
    CLOSING = auto()  # no more audio comes in, but words may
    CLOSED = auto()  # no more words come: the call ends with the reply to the last ones


@dataclass(frozen=True, slots=True)
class Voiced:
    """The caller makes voice."""

    since: float


@dataclass(frozen=True, slots=True)
class Quiet:
    """The caller is silent."""

    since: float
    probability: float | None = None
    """The probability that the turn is complete, by its sound in this silence."""


# What the caller's floor waits for; each wait ends at its `until` if nothing else ends it.


@dataclass(frozen=True, slots=True)
class Silence:
    """The caller's turn is over if the silence lasts."""

    until: float


@dataclass(frozen=True, slots=True)
class Finals:
    """The turn seems over, and the recogniser was asked for its final words."""

    until: float


@dataclass(frozen=True, slots=True)
class Asked:
    """The caller's program wants an answer, and the final words of its question are to come."""

    until: float
    request: int


@dataclass(frozen=True, slots=True)
class Idle:
    """Nobody says anything, and something is said about that if it lasts."""

    until: float


@dataclass(frozen=True, slots=True)
class Draft:
    """The newest reply is prepared out of the caller's hearing, before the turn is over."""

    question: str
    audible: bool = False
    """There is audio of it."""


@dataclass(frozen=True, slots=True)
class Listening:
    """The caller has the floor."""

    wait: Silence | Finals | Asked | Idle | None = None
    draft: Draft | None = None
    drafts: int = 0
    """How many were begun in this turn."""


@dataclass(frozen=True, slots=True)
class Pause:
    """The reply waits for what the caller's sound turns out to be."""

    since: float
    until: float
    audible: bool = False
    """The first audio of the reply came meanwhile."""


@dataclass(frozen=True, slots=True)
class Replying:
    """A reply has the floor."""

    audible: bool = False
    """The caller may hear it."""
    heard: str = ""
    """What the caller has heard of it."""
    provisional: str = ""
    """The words of its question that were not final when the turn was taken."""
    request: int = 0
    """The request of the caller's program that it answers; 0: it answers the caller."""
    interruptible: bool = True
    goodbye: bool = False
    """The call ends with it."""
    pause: Pause | None = None
    false_alarms: int = 0
    """How often it paused for nothing."""
    added: tuple[Message, ...] = ()
    """Messages of the caller's program that wait for it to be over."""


@dataclass(frozen=True, slots=True)
class Conversation:
    floor: Listening | Replying = Listening()
    history: tuple[Message, ...] = ()
    reply: int = 0
    """The newest reply: the live one, the draft, or the last; what names an older one is stale."""
    finals: tuple[str, ...] = ()
    """The caller's final words in the open turn."""
    interim: str = ""
    """The caller's words that may still change."""
    voice: Voiced | Quiet | None = None
    """None: nothing is known of it."""
    turn_at: float = 0.0
    """When the newest reply's turn was taken."""
    commit_pending: bool = False
    """The caller has ended its utterance, and the recogniser has not answered that yet."""
    prompted: bool = False
    """The caller was asked whether it is still there, and has not made a sound since."""
    line: Line = Line.OPEN
    options: TurnOptions = field(default_factory=TurnOptions)
    """How the caller's program wants turns taken."""

    @property
    def wake_at(self) -> float | None:
        """When `TimerFired` is wanted."""
        due = self.floor.wait if isinstance(self.floor, Listening) else self.floor.pause
        return due.until if due else None

    def said(self) -> tuple[str, ...]:
        """Everything the caller said in the open turn."""
        return (*self.finals, self.interim) if self.interim else self.finals

    def question(self) -> str:
        return " ".join(self.said())

    def goes_on(self, at: float, policy: TurnPolicy) -> bool:
        """Whether a voice that begins now goes on with what was said, as far as one can know."""
        unanswered = isinstance(self.floor, Replying) and not self.floor.audible
        return unanswered or at - self.turn_at < policy.reopen_s or bool(self.said())


Commands = tuple[Command, ...]
Step = tuple[Conversation, Commands]
