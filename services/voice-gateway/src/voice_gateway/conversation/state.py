"""The state of a conversation: who has the floor, and the fields of each holder of it."""

from dataclasses import dataclass, field
from enum import Enum, auto

from voice_gateway.conversation.commands import Command, DropReason
from voice_gateway.conversation.history import Message
from voice_gateway.conversation.policy import TurnOptions, TurnPolicy


class Line(Enum):
    """What may still come from the caller."""

    OPEN = auto()
    CLOSING = auto()  # no more audio comes in, but transcripts may
    CLOSED = auto()  # no more transcripts come: the call ends with the last reply


@dataclass(frozen=True, slots=True)
class Voiced:
    """The caller's voice activity is on."""

    since: float


@dataclass(frozen=True, slots=True)
class Quiet:
    """The caller's voice activity is off."""

    since: float
    probability: float | None = None
    """The end-of-turn probability predicted in this silence; None: not known."""


@dataclass(frozen=True, slots=True)
class Behind:
    """The transcript is only a prefix of what the caller said."""

    broken: bool = False
    """The recogniser failed since it fell behind, and may not give the rest at all."""
    asked_again: bool = False
    """The caller was asked to say it again, and nothing was recognised since."""


# These are the waits of the caller's floor; each ends at its `until` if no event ends it before.


@dataclass(frozen=True, slots=True)
class Silence:
    """The caller's turn is over if the silence lasts until then."""

    until: float


@dataclass(frozen=True, slots=True)
class Finals:
    """The turn seems over, and the recogniser was asked for its final transcript."""

    until: float


@dataclass(frozen=True, slots=True)
class Late:
    """The caller has stopped, and the recogniser is behind: the words so far are only a prefix."""

    until: float


@dataclass(frozen=True, slots=True)
class Asked:
    """The caller's program asked for a reply, and the final of the question is still to come."""

    until: float
    request: int
    latest: float
    """How long the wait lasts while the recogniser is behind."""


@dataclass(frozen=True, slots=True)
class Idle:
    """Both sides are silent; at `until` the idle prompt is said, or the call ends."""

    until: float


@dataclass(frozen=True, slots=True)
class Draft:
    """The newest reply is being prepared before the turn is over; the caller does not hear it."""

    question: str
    audible: bool = False
    """The draft has audio."""


@dataclass(frozen=True, slots=True)
class Unchanged:
    """The caller is owed an answer, and no new words came since `since`."""

    since: float
    """When the words of the open turn came, or voice began after them: no later voice counts."""
    voiced: bool = False
    """Voice began since the words came."""
    length: int = 0
    """The length of the longest interim so far: one that is no longer brings nothing new."""
    latest: float | None = None
    """How long a recogniser that is behind has for more words, however often it falls behind."""


@dataclass(frozen=True, slots=True)
class Listening:
    """The caller has the floor."""

    wait: Silence | Finals | Late | Asked | Idle | None = None
    draft: Draft | None = None
    drafts: int = 0
    """How many drafts were begun in this turn."""
    unchanged: Unchanged | None = None
    cut: bool = False
    """The words of this turn cut off a reply that the caller heard."""
    ended: bool = False
    """The client ended this turn: it was not taken too early, whatever follows."""
    reopened: int = 0
    """The reply that answered this turn too early; 0: none did."""


@dataclass(frozen=True, slots=True)
class Pause:
    """The reply waits until it is known whether the caller's voice interrupts it."""

    since: float
    until: float
    audible: bool = False
    """The first audio of the reply came during the pause."""


@dataclass(frozen=True, slots=True)
class Doubted:
    """Words said into a reply, of which it is not known yet whether they answer it.

    They are small ones, or an interim that goes on with the question under answer.
    """

    text: str
    begun: int
    """How many characters of the reply were heard when they came."""
    reason: DropReason
    """Why they are dropped where they answer nothing."""
    final: bool = True


@dataclass(frozen=True, slots=True)
class Replying:
    """A reply has the floor."""

    audible: bool = False
    """The caller may be hearing the reply."""
    heard: str = ""
    """What the caller has heard of the reply."""
    heard_at_voice: str = ""
    """What it had heard when its voice began last."""
    doubted: Doubted | None = None
    provisional: str = ""
    """The words of the question that were interim when the turn was taken, until their final."""
    voiced: bool = False
    """The caller's voice began since the turn was taken."""
    ended: bool = False
    """The client ended the turn: words that follow are another turn's."""
    replaces: int = 0
    """The earlier reply to the same turn, which was taken too early; 0: there was none."""
    request: int = 0
    """The request of the caller's program that the reply answers; 0: it answers the caller."""
    interruptible: bool = True
    goodbye: bool = False
    """The call ends with this reply."""
    pause: Pause | None = None
    false_alarms: int = 0
    """How many pauses of this reply were for no interruption."""
    added: tuple[Message, ...] = ()
    """Messages of the caller's program that enter the history after this reply."""


@dataclass(frozen=True, slots=True)
class Taken:
    """The newest turn that was taken."""

    at: float = 0.0
    """When it was taken, or a reply began that answers none."""
    interim: str = ""
    """Its interim words, until their final: given again, they are not new."""


@dataclass(frozen=True, slots=True)
class Conversation:
    floor: Listening | Replying = Listening()
    history: tuple[Message, ...] = ()
    reply: int = 0
    """The number of the newest reply (live, draft or over); an event of an older one is stale."""
    finals: tuple[str, ...] = ()
    """The final transcripts of the open turn."""
    interim: str = ""
    """The interim transcript, which may still change."""
    voice: Voiced | Quiet | None = None
    """The caller's voice activity; None: not known."""
    behind: Behind | None = None
    """The recogniser is behind the caller; None: the words cover all that the caller said."""
    taken: Taken = Taken()
    commit_pending: bool = False
    """The client ended the utterance, and the recogniser's final has not come yet."""
    prompted: bool = False
    """The idle prompt was said, and the caller has been silent since."""
    line: Line = Line.OPEN
    options: TurnOptions = field(default_factory=TurnOptions)
    """The turn options of the caller's program."""

    @property
    def wake_at(self) -> float | None:
        """The time at which the driver sends `TimerFired`; None: no timer runs."""
        due = self.floor.wait if isinstance(self.floor, Listening) else self.floor.pause
        return due.until if due else None

    @property
    def awaits_silence(self) -> bool:
        """What is over at `wake_at` is a silence of the caller, which must have been heard."""
        return isinstance(self.floor, Listening) and isinstance(self.floor.wait, Silence)

    @property
    def at_rest(self) -> bool:
        """Nobody speaks, and no answer is owed: a call that ends now loses nothing."""
        floor = self.floor
        waits = isinstance(floor, Replying) or not isinstance(floor.wait, Idle | None)
        return not (waits or self.said() or self.behind or isinstance(self.voice, Voiced))

    def said(self) -> tuple[str, ...]:
        """Everything the caller said in the open turn."""
        return (*self.finals, self.interim) if self.interim else self.finals

    def question(self) -> str:
        return " ".join(self.said())

    def goes_on(self, at: float, policy: TurnPolicy) -> bool:
        """Whether voice that begins now probably continues the same turn."""
        unanswered = isinstance(self.floor, Replying) and not self.floor.audible
        return unanswered or at - self.taken.at < policy.reopen_s or bool(self.said())


def taken_back(before: Conversation, after: Conversation) -> tuple[int, str] | None:
    """The reply that the words of this step take back, and the whole turn that they belong to."""
    if isinstance(after.floor, Listening):
        return (after.floor.reopened, after.question()) if after.floor.reopened else None
    taken_now = isinstance(before.floor, Listening) or before.reply != after.reply
    if not (taken_now and after.floor.replaces):
        return None
    return after.floor.replaces, after.history[-1].text


Commands = tuple[Command, ...]
Step = tuple[Conversation, Commands]
