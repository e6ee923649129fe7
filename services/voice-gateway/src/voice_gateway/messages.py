"""What passes between a caller and its session, whatever wire it came over.

Audio is s16le mono throughout.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from voice_gateway.conversation import Message, ToolCall
from voice_gateway.conversation.policy import TurnOptions
from voice_gateway.errors import ServiceError
from voice_gateway.latency import TurnStages

# From the caller.


@dataclass(frozen=True, slots=True)
class Tool:
    """What the caller's program can do for the model."""

    name: str
    description: str
    parameters: Mapping[str, Any]
    """JSON schema."""


@dataclass(frozen=True, slots=True)
class ModelOptions:
    """How the model is asked; None stands for the gateway's own settings."""

    temperature: float | None = None
    max_tokens: int | None = None
    tools: tuple[Tool, ...] = ()
    tool_choice: str = "auto"
    """"auto", "none", "required", or "=" and the name of the tool to use."""
    counts_tokens: bool = False
    """The caller's program wants to know what was used."""
    about: tuple[Message, ...] | None = None
    """What it is asked about instead of the conversation; None: that."""


@dataclass(frozen=True, slots=True)
class CallConfig:
    """What a call is run with, its defaults filled in."""

    call_id: str
    language: str
    rate_hz: int
    voice: str
    system_prompt: str
    can_pause: bool = False
    """The caller's loudspeaker can stop and go on; it wants to be told when."""
    conversation_id: str = field(default="", repr=False)
    """Whoever knows it may go on with the conversation; empty: it ends with the call."""
    spoken: bool = True
    """Replies are spoken; else the caller's program reads them."""
    asking: ModelOptions = field(default_factory=ModelOptions)
    turns: TurnOptions = field(default_factory=TurnOptions)


@dataclass(frozen=True, slots=True)
class Audio:
    pcm: bytes
    """At the call's rate, cut anywhere."""


@dataclass(frozen=True, slots=True)
class Typed:
    text: str


@dataclass(frozen=True, slots=True)
class Interrupt:
    pass


@dataclass(frozen=True, slots=True)
class EndOfUtterance:
    pass


@dataclass(frozen=True, slots=True)
class Played:
    reply: int
    seconds: float


# From a caller's program.


@dataclass(frozen=True, slots=True)
class Adjust:
    """Go on with this config; its call, rate and, once audio came, language stay as they are."""

    config: CallConfig


@dataclass(frozen=True, slots=True)
class Noted:
    """Something to remember, which is not answered for itself."""

    message: Message


@dataclass(frozen=True, slots=True)
class Withdrawn:
    """The message by this name is to be forgotten."""

    name: str


@dataclass(frozen=True, slots=True)
class Answer:
    """Answer now, once, with this config; None: the call's."""

    config: CallConfig | None = None


@dataclass(frozen=True, slots=True)
class Truncated:
    """Of this reply, the caller has heard only so much, and will hear no more."""

    reply: int
    seconds: float


@dataclass(frozen=True, slots=True)
class Forget:
    """What the caller said and was not answered yet is not to count."""


FromCaller = (
    Audio
    | Typed
    | Interrupt
    | EndOfUtterance
    | Played
    | Adjust
    | Noted
    | Withdrawn
    | Answer
    | Truncated
    | Forget
)

# To the caller.


@dataclass(frozen=True, slots=True)
class Word:
    text: str
    start_s: float
    """From the first sample: of the call's audio, or of what the voice makes of one text."""
    end_s: float


@dataclass(frozen=True, slots=True)
class Transcript:
    """What the recogniser makes of the utterance so far; replaces what it said before."""

    text: str
    final: bool
    stability: float = 0.0
    words: tuple[Word, ...] = ()


@dataclass(frozen=True, slots=True)
class ReplyText:
    reply: int
    text: str


@dataclass(frozen=True, slots=True)
class ReplyAudio:
    reply: int
    offset_s: float
    pcm: bytes


@dataclass(frozen=True, slots=True)
class Listening:
    pass


@dataclass(frozen=True, slots=True)
class Processing:
    reply: int
    silence_s: float = 0.0
    """The caller said nothing for so long, and is asked whether it is there; 0: it is not that."""


@dataclass(frozen=True, slots=True)
class Speaking:
    reply: int


@dataclass(frozen=True, slots=True)
class Paused:
    """The loudspeaker is to stop, and to keep what it has not played."""

    reply: int


@dataclass(frozen=True, slots=True)
class Resumed:
    reply: int


@dataclass(frozen=True, slots=True)
class CutOff:
    """The reply was interrupted; whatever of it is not played yet is to be thrown away."""

    reply: int
    heard_s: float
    heard_text: str


@dataclass(frozen=True, slots=True)
class Failed:
    error: ServiceError
    reply: int = 0
    """The reply that failed; 0 where it was none."""


@dataclass(frozen=True, slots=True)
class ToolCalled:
    """The model asks the caller's program for something; the answer to it is `Noted`."""

    reply: int
    call: ToolCall


@dataclass(frozen=True, slots=True)
class TurnTaken:
    """The caller's turn is over, and waits for an answer to be asked for."""

    reply: int
    """Which reply that would be."""


@dataclass(frozen=True, slots=True)
class Goodbye:
    """The gateway hangs up of its own will; nothing follows."""


@dataclass(frozen=True, slots=True)
class Usage:
    """Tokens, as the model server counts them."""

    input_tokens: int
    output_tokens: int


@dataclass(frozen=True, slots=True)
class TurnOver:
    reply: int
    stages: TurnStages
    usage: Usage | None = None


Notice = (
    Transcript
    | ReplyText
    | Listening
    | Processing
    | Speaking
    | Paused
    | Resumed
    | CutOff
    | Failed
    | ToolCalled
    | TurnTaken
    | TurnOver
    | Goodbye
)
ToCaller = Notice | ReplyAudio
