"""What happens in a call: the facts that may change who has the floor.

Every event carries the time it happened at, in seconds.
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class CallerJoined:
    """The call begins."""

    at: float


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
class CallerTyped:
    at: float
    text: str


@dataclass(frozen=True, slots=True)
class CallerInterrupted:
    """The caller asked for silence without a word."""

    at: float


@dataclass(frozen=True, slots=True)
class CallerClosed:
    """The last audio is in; the recogniser still works on it."""

    at: float


@dataclass(frozen=True, slots=True)
class CallerFinished:
    """There is nothing more to recognise."""

    at: float


@dataclass(frozen=True, slots=True)
class VoiceStarted:
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


@dataclass(frozen=True, slots=True)
class TimerFired:
    at: float


Event = (
    CallerJoined
    | CallerSpoke
    | CallerVoiced
    | CallerQuiet
    | CallerTyped
    | CallerInterrupted
    | CallerClosed
    | CallerFinished
    | VoiceStarted
    | ReplyHeard
    | ReplyEnded
    | TimerFired
)
