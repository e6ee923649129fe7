"""The commands that a step of the conversation returns; they are carried out in order, at once."""

from dataclasses import dataclass
from typing import Literal

from voice_gateway.conversation.history import Message


@dataclass(frozen=True, slots=True)
class AskFinal:
    """The turn seems over: the recogniser is asked for its final transcript now."""


@dataclass(frozen=True, slots=True)
class StartReply:
    reply: int
    history: tuple[Message, ...]
    request: int = 0
    """The request of the caller's program that the reply answers; 0: it answers the caller."""


@dataclass(frozen=True, slots=True)
class Say:
    """Start a reply with this text; no model is asked."""

    reply: int
    text: str
    silence_s: float = 0.0
    """How long the caller had been silent, for an idle prompt; 0: the text is no idle prompt."""
    request: int = 0
    """The request of the caller's program that this answers; 0: none."""
    asks_again: bool = False
    """The caller is to say again what was not recognised."""


@dataclass(frozen=True, slots=True)
class PrepareReply:
    """Make a reply as a draft: nothing of it is sent to the caller yet."""

    reply: int
    history: tuple[Message, ...]


@dataclass(frozen=True, slots=True)
class ReleaseReply:
    """The turn is over and the draft answers it: send the draft to the caller."""

    reply: int


@dataclass(frozen=True, slots=True)
class PauseReply:
    """The caller's voice began: hold the reply back until it is known what the voice is."""

    reply: int


@dataclass(frozen=True, slots=True)
class ResumeReply:
    """The voice was no interruption: the reply goes on from where it stopped."""

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
    """The reply was cut off; the history keeps `heard` of it."""

    reply: int
    heard: str
    reopened: bool = False
    """The turn that it answered was not over: its words are the open turn again."""


@dataclass(frozen=True, slots=True)
class EndTurn:
    reply: int


@dataclass(frozen=True, slots=True)
class KeepTurn:
    """The caller's turn is over, and no reply starts before the program asks for one."""

    reply: int
    """The number of the reply that will answer it."""


@dataclass(frozen=True, slots=True)
class DropRequest:
    """The program's request gets no reply: it was taken back before, or a live reply answers it."""

    request: int


DropReason = Literal[
    "backchannel", "too_few_words", "retracted", "unconfirmed", "say_again", "forgotten",
    "withdrawn", "call_over", "echo",
]  # fmt: skip
"""Why words of the caller are answered by nothing, ever.

    backchannel    they only showed that the caller listens to a reply
    too_few_words  they are fewer than interrupt a reply, and answer no question of it
    retracted      the recogniser took its interim words back with an empty final
    unconfirmed    an interim that went on with a question under answer, and no final came
    say_again      the rest of them did not come, and the caller was asked to say them again
    forgotten      the caller's program discards them
    withdrawn      they are the final of a question that the program has withdrawn
    call_over      they came when the call only waited for its last reply to end
    echo           they are the reply's own, and came back through the microphone
"""


@dataclass(frozen=True, slots=True)
class DropWords:
    """The words of the caller are dropped for good; this records why, and changes nothing."""

    text: str
    reason: DropReason


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
    | DropRequest
    | DropWords
    | EndCall
)
