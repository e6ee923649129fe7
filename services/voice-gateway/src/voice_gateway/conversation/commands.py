"""What the conversation decides: to be carried out in order, without waiting."""

from dataclasses import dataclass

from voice_gateway.conversation.history import Message


@dataclass(frozen=True, slots=True)
class AskFinal:
    """The turn seems over: the recogniser is to give its final words now."""


@dataclass(frozen=True, slots=True)
class StartReply:
    reply: int
    history: tuple[Message, ...]
    request: int = 0
    """The request of the caller's program that it answers; 0: it answers the caller."""


@dataclass(frozen=True, slots=True)
class Say:
    """A reply that needs no model: these words."""

    reply: int
    text: str
    silence_s: float = 0.0
    """The silence of the caller's that they break; 0: it is not for silence that they are said."""


@dataclass(frozen=True, slots=True)
class PrepareReply:
    """Make a reply, and keep all of it from the caller."""

    reply: int
    history: tuple[Message, ...]


@dataclass(frozen=True, slots=True)
class ReleaseReply:
    """The turn is over, and the prepared reply answers it: let the caller have it."""

    reply: int


@dataclass(frozen=True, slots=True)
class PauseReply:
    """The caller makes a sound: nothing more of the reply is to be heard until it is known what."""

    reply: int


@dataclass(frozen=True, slots=True)
class ResumeReply:
    """It was nothing: the reply goes on from where it stopped."""

    reply: int


@dataclass(frozen=True, slots=True)
class CancelReply:
    reply: int


@dataclass(frozen=True, slots=True)
class AnnounceReply:
    """The reply's audio is about to be sent."""

    reply: int


@dataclass(frozen=True, slots=True)
class Interrupted:
    """The reply was cut off; this much of it stays in memory."""

    reply: int
    heard: str


@dataclass(frozen=True, slots=True)
class EndTurn:
    reply: int


@dataclass(frozen=True, slots=True)
class KeepTurn:
    """The caller's turn is over, and is not answered before that is asked for."""

    reply: int
    """Which reply would be its answer."""


@dataclass(frozen=True, slots=True)
class EndCall:
    pass


Command = (
    AskFinal
    | StartReply
    | Say
    | PrepareReply
    | ReleaseReply
    | PauseReply
    | ResumeReply
    | CancelReply
    | AnnounceReply
    | Interrupted
    | EndTurn
    | KeepTurn
    | EndCall
)
