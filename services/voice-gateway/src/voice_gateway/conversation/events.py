"""The events that a step of the conversation takes in.

Every event carries the time it happened at, in seconds.
"""

from dataclasses import dataclass

from voice_gateway.conversation.history import Message, ToolCall


@dataclass(frozen=True, slots=True)
class CallerJoined:
    """The call begins."""

    at: float
    recalled: tuple[Message, ...] = ()
    """The messages of the earlier calls that this call continues."""


@dataclass(frozen=True, slots=True)
class CallerSpoke:
    """The recogniser's transcript of everything after its last final."""

    at: float
    text: str
    final: bool
    ended: bool = False
    """The client ended the utterance, which this final completes."""
    awaits: bool = False
    """The client ended more utterances, whose finals are still to come."""


@dataclass(frozen=True, slots=True)
class CallerVoiced:
    """The caller's voice activity began; no transcript is known yet."""

    at: float


@dataclass(frozen=True, slots=True)
class CallerQuiet:
    at: float
    since: float
    """When the caller's voice activity ended."""


@dataclass(frozen=True, slots=True)
class RecognitionBehind:
    """The transcript is only a prefix of what the caller said: more of it is to come."""

    at: float
    broken: bool = False
    """The recogniser failed, and may not give it at all."""


@dataclass(frozen=True, slots=True)
class RecognitionCaughtUp:
    """The transcript covers all that the caller said, again."""

    at: float


@dataclass(frozen=True, slots=True)
class EndOfTurnProbability:
    """The end-of-turn probability, predicted from the caller audio of the turn."""

    at: float
    probability: float


@dataclass(frozen=True, slots=True)
class CallerTyped:
    at: float
    text: str


@dataclass(frozen=True, slots=True)
class CallerInterrupted:
    """The client stopped the reply with a message; the caller said no words."""

    at: float


@dataclass(frozen=True, slots=True)
class CallerEnded:
    """The client ended the utterance; the recogniser's final is still to come."""

    at: float


@dataclass(frozen=True, slots=True)
class CallerForgot:
    """The caller's program discards the transcript of the open turn, or some finals of it."""

    at: float
    words: tuple[str, ...] = ()
    """The finals to discard, as they came; none: the whole transcript."""


@dataclass(frozen=True, slots=True)
class CallerAsked:
    """The caller's program asks for a reply now, whatever was said."""

    at: float
    request: int = 1
    """The number of this request, from 1 on; the reply to it carries the same number."""


@dataclass(frozen=True, slots=True)
class CallerNoted:
    """The caller's program adds a message to the history; this starts no reply."""

    at: float
    message: Message
    after: str | None = None
    """The name of the message that it stands behind; empty: the start, None: the end."""


@dataclass(frozen=True, slots=True)
class CallerWithdrew:
    """The caller's program removes a message from the history."""

    at: float
    name: str


@dataclass(frozen=True, slots=True)
class CallerChose:
    """The caller's program sets the turn options from now on: see `policy.TurnOptions`."""

    at: float
    by_hand: bool
    answers: bool
    interruptible: bool
    silence_s: float | None
    patience: float
    idle_s: float | None = None
    speaks_unasked: bool = True


@dataclass(frozen=True, slots=True)
class CallerClosed:
    """The caller sends no more audio; the recogniser still works on the last of it."""

    at: float


@dataclass(frozen=True, slots=True)
class CallerFinished:
    """The recogniser has returned its last transcript."""

    at: float


@dataclass(frozen=True, slots=True)
class ReplyAudioStarted:
    at: float
    reply: int


@dataclass(frozen=True, slots=True)
class ReplyHeard:
    """The caller has heard `text` of the reply; sent before any event that may cut it off."""

    at: float
    reply: int
    text: str


@dataclass(frozen=True, slots=True)
class ReplyEnded:
    """The whole reply was sent, or the reply failed after `text`."""

    at: float
    reply: int
    text: str
    calls: tuple[ToolCall, ...] = ()
    unfinished: bool = False
    """The model's answer ended before the model was done with it."""


@dataclass(frozen=True, slots=True)
class HeardAmended:
    """The caller has heard only `text` of a reply that is already over."""

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
    | RecognitionBehind
    | RecognitionCaughtUp
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
