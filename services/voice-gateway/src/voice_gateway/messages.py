"""The messages between a caller and its session, whatever transport carries them.

All audio is s16le mono.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from voice_gateway.conversation import Message, ToolCall
from voice_gateway.conversation.policy import TurnOptions
from voice_gateway.errors import ServiceError
from voice_gateway.latency import TurnStages
from voice_gateway.principals import Rights

# These come from any caller.


@dataclass(frozen=True, slots=True)
class Tool:
    """A tool of the caller's program that the model may call."""

    name: str
    description: str
    parameters: Mapping[str, Any]
    """The JSON schema of the arguments."""


@dataclass(frozen=True, slots=True)
class ModelOptions:
    """The options of a model request; None stands for the gateway's settings."""

    temperature: float | None = None
    max_tokens: int | None = None
    tools: tuple[Tool, ...] = ()
    tool_choice: str = "auto"
    """"auto", "none", "required", or "=" and the name of the tool to use."""
    parallel_calls: bool = True
    """An answer may call several tools; else it calls one, and what follows is left out."""
    counts_tokens: bool = False
    """The caller's program wants the numbers of tokens used."""
    about: tuple[Message, ...] | None = None
    """The messages to answer instead of the conversation; None: the conversation."""
    spoken: bool = True
    """The answer is to be spoken; else JSON in it may be what was asked for."""


LineEcho = Literal["auto", "none", "cancelled", "loudspeaker", "phone"]
"""What of its loudspeaker the caller's microphone picks up: as a headset, an echo canceller, a
loudspeaker or a telephone does it; "auto": the sound tells."""


@dataclass(frozen=True, slots=True)
class CallConfig:
    """The config of one call, with all defaults filled in."""

    call_id: str
    language: str
    rate_hz: int
    voice: str
    system_prompt: str
    can_pause: bool = False
    """The client can pause its loudspeaker, and wants `Paused` and `Resumed`."""
    conversation_id: str = field(default="", repr=False)
    """A later call with this id continues the conversation; empty: none can."""
    spoken: bool = True
    """Replies are spoken; else they are text only."""
    asking: ModelOptions = field(default_factory=ModelOptions)
    turns: TurnOptions = field(default_factory=TurnOptions)
    line_echo: LineEcho = "auto"
    principal: str = field(default="anyone", repr=False)
    """The name of the principal who calls; its conversations are nobody else's."""
    can_resume: bool = False
    """The client goes on with the call over another connection, and knows `Moving`."""
    turn_under_way: str = field(default="", repr=False)
    """What the caller said last and is owed an answer to, in the call that this one stands for."""
    language_named: bool = True
    """The client named the language; else a conversation goes on in the one that it was in."""
    rights: Rights = field(default_factory=Rights, repr=False)
    """What the caller may change within the call."""


@dataclass(frozen=True, slots=True)
class Audio:
    pcm: bytes
    """Caller audio at the call's sample rate, cut anywhere."""


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


@dataclass(frozen=True, slots=True)
class Changed:
    """Change the language, the voice or the prompt; what is empty follows from the language."""

    language: str = ""
    voice: str = ""
    system_prompt: str = ""
    rate_hz: int = 0
    """The rate, which cannot be changed; 0: nothing is said of it."""


# These come from the caller's connection.


@dataclass(frozen=True, slots=True)
class Away:
    """The connection broke: nothing is heard until `Back`."""


@dataclass(frozen=True, slots=True)
class Back:
    """The caller has a connection again, over which it gets what it missed."""


# These come from a caller's program only.


@dataclass(frozen=True, slots=True)
class Adjust:
    """Change the config; call id and rate stay the same."""

    config: CallConfig


@dataclass(frozen=True, slots=True)
class Noted:
    """Add a message to the history without a reply to it."""

    message: Message
    after: str | None = None
    """The name of the message that it stands behind; empty: the start, None: the end."""


@dataclass(frozen=True, slots=True)
class Withdrawn:
    """Remove the message of this name from the history."""

    name: str


@dataclass(frozen=True, slots=True)
class Answer:
    """Start one reply now, with this config; None: the call's."""

    config: CallConfig | None = None


@dataclass(frozen=True, slots=True)
class Truncated:
    """The client's program stopped playback of a reply after `seconds`."""

    reply: int
    seconds: float


@dataclass(frozen=True, slots=True)
class Forget:
    """Discard the transcript of the open turn, or some finals of it."""

    words: tuple[str, ...] = ()
    """The finals to discard, as they came; none: the whole transcript."""


FromCaller = (
    Audio
    | Typed
    | Interrupt
    | EndOfUtterance
    | Played
    | Changed
    | Away
    | Back
    | Adjust
    | Noted
    | Withdrawn
    | Answer
    | Truncated
    | Forget
)

# These go to the caller.


@dataclass(frozen=True, slots=True)
class Word:
    text: str
    start_s: float
    """Seconds from the first sample of the caller audio, or of one text's TTS audio."""
    end_s: float


@dataclass(frozen=True, slots=True)
class Transcript:
    """The transcript of the utterance so far; it replaces the one before.

    A final without words tells a program that the utterance which it ended is over.
    """

    text: str
    final: bool
    stability: float = 0.0
    words: tuple[Word, ...] = ()
    until_s: float | None = None
    """How far it reaches in the caller audio; None: the recogniser does not say."""
    replaces: int = 0
    """The reply that answered the beginning of this turn too early, and is taken back; 0: none."""
    turn: str = ""
    """Where it `replaces` a reply: all words of the turn so far, these among them."""
    language: str = ""
    """The code of the language that the recogniser reports; empty: it reports none."""


@dataclass(frozen=True, slots=True)
class ReplyText:
    reply: int
    text: str
    replaces: bool = False
    """The reply's text begins anew: what was sent of it before is no part of it."""
    apology: bool = False
    """The reply failed and this is said of it; the answer itself has no such words."""


@dataclass(frozen=True, slots=True)
class ReplyAudio:
    reply: int
    offset_s: float
    pcm: bytes


@dataclass(frozen=True, slots=True)
class Listening:
    pass


@dataclass(frozen=True, slots=True)
class Speaks:
    """The call goes on in this language, without the caller's program having asked for it."""

    language: str
    voice: str
    system_prompt: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True)
class Processing:
    reply: int
    silence_s: float = 0.0
    """How long the caller had been silent, for an idle prompt; 0: it is none."""


@dataclass(frozen=True, slots=True)
class Speaking:
    reply: int


@dataclass(frozen=True, slots=True)
class Paused:
    """The client stops its loudspeaker, and keeps the audio that is not played yet."""

    reply: int


@dataclass(frozen=True, slots=True)
class Resumed:
    reply: int


@dataclass(frozen=True, slots=True)
class CutOff:
    """The reply was interrupted; the client drops its audio that is not played yet."""

    reply: int
    heard_s: float
    heard_text: str
    reopened: bool = False
    """The turn that it answered was not over, and is open again; nothing of the reply is kept."""


@dataclass(frozen=True, slots=True)
class Failed:
    error: ServiceError
    reply: int = 0
    """The reply that failed; 0: the fault was in no reply."""


@dataclass(frozen=True, slots=True)
class ToolCalled:
    """The model calls a tool; the program sends the result as `Noted`."""

    reply: int
    call: ToolCall


@dataclass(frozen=True, slots=True)
class TurnTaken:
    """The caller's turn is over, and waits until the program asks for a reply."""

    reply: int
    """The number of the reply that will answer it."""


@dataclass(frozen=True, slots=True)
class RequestDropped:
    """A program's request gets no reply: it was taken back before, or a live reply answers it."""

    request: int
    """Its number: the program's first `Answer` is 1."""


@dataclass(frozen=True, slots=True)
class Goodbye:
    """The gateway hangs up; no message follows."""


@dataclass(frozen=True, slots=True)
class Moving:
    """The gateway stops: the call ends as soon as nobody speaks, and goes on elsewhere."""


@dataclass(frozen=True, slots=True)
class Usage:
    """The tokens of a model request, as the model server counts them."""

    input_tokens: int
    output_tokens: int


Incomplete = Literal["", "max_output_tokens", "content_filter"]
"""What ended a model's answer before the model was done with it; empty: nothing did."""


@dataclass(frozen=True, slots=True)
class TurnOver:
    reply: int
    stages: TurnStages
    usage: Usage | None = None
    incomplete: Incomplete = ""


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
    | RequestDropped
    | TurnOver
    | Goodbye
    | Moving
    | Speaks
)
ToCaller = Notice | ReplyAudio
