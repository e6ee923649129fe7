"""What happens in a call: the facts that may change who has the floor.

Every event carries the time it happened at, in seconds.
"""

from dataclasses import dataclass

from voice_gateway.conversation.history import Message, ToolCall


@dataclass(frozen=True, slots=True)
class CallerJoined:
    """The call begins."""

    at: float
    recalled: tuple[Message, ...] = ()
    """What was said in the calls that this one goes on with."""


@dataclass(frozen=True, slots=True)
class CallerSpoke:
    """The recogniser's idea of the words since its last final ones."""

    at: float
    text: str
    final: bool


@dataclass(frozen=True, slots=True)
class CallerVoiced:
    """The caller's voice began: sound, not yet words."""

    at: float


@dataclass(frozen=True, slots=True)
class CallerQuiet:
    at: float
    since: float
    """When the voice had fallen silent."""


@dataclass(frozen=True, slots=True)
class EndOfTurnProbability:
    """How complete the turn sounds that the voice has just fallen silent in."""

    at: float
    probability: float


@dataclass(frozen=True, slots=True)
class CallerTyped:
    at: float
    text: str


@dataclass(frozen=True, slots=True)
class CallerInterrupted:
    """The caller asked for silence without a word."""

    at: float


@dataclass(frozen=True, slots=True)
class CallerEnded:
    """The caller says that its utterance ends here; its final words are on their way."""

    at: float


@dataclass(frozen=True, slots=True)
class CallerForgot:
    """What the caller said in the open turn is not to count."""

    at: float


@dataclass(frozen=True, slots=True)
class CallerAsked:
    """The caller's program wants an answer now, to whatever was said."""

    at: float
    request: int = 1
    """The number of this request, from 1 on; its answer bears it."""


@dataclass(frozen=True, slots=True)
class CallerNoted:
    """The caller's program adds a message to the conversation; it is not answered for that."""

    at: float
    message: Message


@dataclass(frozen=True, slots=True)
class CallerWithdrew:
    """The caller's program takes a message out of the conversation."""

    at: float
    name: str


@dataclass(frozen=True, slots=True)
class CallerChose:
    """How the caller's program wants turns taken from now on: see `policy.TurnOptions`."""

    at: float
    by_hand: bool
    answers: bool
    interruptible: bool
    silence_s: float | None
    patience: float
    idle_s: float | None = None


@dataclass(frozen=True, slots=True)
class CallerClosed:
    """The last audio is in; the recogniser still works on it."""

    at: float


@dataclass(frozen=True, slots=True)
class CallerFinished:
    """There is nothing more to recognise."""

    at: float


@dataclass(frozen=True, slots=True)
class ReplyAudioStarted:
    at: float
    reply: int


@dataclass(frozen=True, slots=True)
class ReplyHeard:
    """The caller has heard the reply up to here; said before any event that may cut it off."""

    at: float
    reply: int
    text: str


@dataclass(frozen=True, slots=True)
class ReplyEnded:
    """All of the reply was sent, or it failed after `text`."""

    at: float
    reply: int
    text: str
    calls: tuple[ToolCall, ...] = ()


@dataclass(frozen=True, slots=True)
class HeardAmended:
    """Of a reply that is over the caller has heard only this."""

    at: float
    reply: int
    text: str


@dataclass(frozen=True, slots=True)
class TimerFired:
    at: float


Event = (
    CallerJoined
    | CallerSpoke
    | CallerVoiced
    | CallerQuiet
    | EndOfTurnProbability
    | CallerTyped
    | CallerInterrupted
    | CallerEnded
    | CallerForgot
    | CallerAsked
    | CallerNoted
    | CallerWithdrew
    | CallerChose
    | CallerClosed
    | CallerFinished
    | ReplyAudioStarted
    | ReplyHeard
    | ReplyEnded
    | HeardAmended
    | TimerFired
)
