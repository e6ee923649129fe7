"""What the core asks of the world: the caller, the ear, the model, the voice; and what they pass.

Adapters and transports implement these; nothing here knows how. Audio is s16le mono throughout.
"""

from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from voice_gateway.audio.vad import Edge
from voice_gateway.conversation import Command, Event, Message, ToolCall
from voice_gateway.errors import ServiceError
from voice_gateway.latency import TurnStages
from voice_gateway.policy import TurnManner

# From the caller.


@dataclass(frozen=True, slots=True)
class Tool:
    """What the caller's program can do for the model."""

    name: str
    description: str
    parameters: Mapping[str, Any]
    """JSON schema."""


@dataclass(frozen=True, slots=True)
class Asking:
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
    asking: Asking = field(default_factory=Asking)
    turns: TurnManner = field(default_factory=TurnManner)


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
class Heard:
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
    Heard
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


class Caller(Protocol):
    """The caller's end of the line. Neither method is called while it is still running."""

    async def receive(self) -> FromCaller | None:
        """The next message; None when no more come. Raises BadMessage."""
        ...

    async def send(self, message: ToCaller) -> None: ...


# To and from the services.


@dataclass(frozen=True, slots=True)
class Spoken:
    """The caller's audio since the last time, and what is known about its end."""

    pcm: bytes
    ends_utterance: bool = False
    """The caller said so, and may send nothing more."""
    asks_final: bool = False
    """The gateway takes the utterance to be over; more audio follows."""


class Speech(Protocol):
    """The caller's audio on its way to the recogniser."""

    async def take(self) -> Spoken | None:
        """Everything that came since the last time, or the next that comes; None at the end."""
        ...


class Recogniser(Protocol):
    async def listen(
        self, speech: Speech, *, language: str, rate_hz: int, on_heard: Callable[[Heard], None]
    ) -> None:
        """Recognise until `speech` ends and everything in it was heard.

        Word times count from the first sample this call takes. Raises ServiceError.
        """
        ...


class Activity(Protocol):
    """One caller's voice activity."""

    def feed(self, pcm: bytes, at: float) -> Sequence[Edge]:
        """Take the next whole samples, complete at `at`; cheap enough for the event loop."""
        ...

    def plays(self, pcm: bytes, rate_hz: int, at: float) -> None:
        """This leaves the caller's loudspeaker from `at` on, and may come back."""
        ...

    def echoes(self) -> bool | None:
        """Whether what is played comes back; None: not known."""
        ...

    @property
    def echoed_at(self) -> float:
        """When a sound was taken for an echo the last time."""
        ...


ModelPiece = str | ToolCall | Usage
"""What a model answers with: text as it is written, whole tool calls, at last what it used."""


class TurnSound(Protocol):
    """One caller's turn as it sounds."""

    def begin(self) -> None:
        """A new turn begins with the voice that begins now."""
        ...

    def feed(self, pcm: bytes) -> None:
        """Take the next whole samples; cheap enough for the event loop."""
        ...

    async def chance(self) -> float | None:
        """The chance that the turn is complete as it stands; None: no opinion, or not in time."""
        ...


class ChatModel(Protocol):
    def complete(
        self, history: Sequence[Message], *, system_prompt: str, asking: Asking
    ) -> AsyncGenerator[ModelPiece, None]:
        """Yield the answer to the last message piece by piece. Raises ServiceError.

        Closing the generator ends the request upstream.
        """
        ...


@dataclass(frozen=True, slots=True)
class VoiceAudio:
    """Some of the voice's speech, and what it tells of its words; either may be empty."""

    pcm: bytes
    words: tuple[Word, ...] = ()
    """The next words of the text, with or after their audio; a voice that can't tell gives none."""


class Voice(Protocol):
    def speak(
        self, text: str, *, language: str, voice: str, rate_hz: int
    ) -> AsyncGenerator[VoiceAudio, None]:
        """Yield the speech as it is made, cut anywhere. Raises ServiceError.

        Closing the generator ends the request upstream.
        """
        ...


class CallRecord(Protocol):
    """Keeps what happens in one call. Neither method waits, or fails."""

    def note(self, event: Event, commands: Sequence[Command]) -> None:
        """The conversation took `event` in, and decided this."""
        ...

    def close(self) -> None:
        """The call is over; may be said again."""
        ...


class Memory(Protocol):
    """What is remembered of one conversation, as one call sees it.

    The call that recalled it last has it: what an older one still keeps, whose line may have
    dropped without a word, is not taken.
    """

    async def recall(self) -> tuple[Message, ...]:
        """Take it over; nothing where nothing was kept, or not any more. Raises ServiceError."""
        ...

    async def keep(self, messages: Sequence[Message]) -> None:
        """Keep this instead of what was kept before, for a while. Raises ServiceError."""
        ...


@dataclass(frozen=True, slots=True)
class Services:
    recogniser: Recogniser
    model: ChatModel
    voice: Voice
    activity: Callable[[int], Activity] | None = None
    """Makes a listener for audio at a rate; None: turns go by the recogniser alone."""
    record: Callable[[CallConfig], CallRecord] | None = None
    """Begins the record of a call; None: nothing is kept."""
    turn_sound: Callable[[int], TurnSound] | None = None
    """Hears how complete turns are, in audio at a rate; None: they go by their words."""
    memory: Callable[[str], Memory] | None = None
    """Opens a call's memory of the conversation with this id; None: nothing outlives its call."""


# What is counted. Nothing here waits or fails.


class CallMetrics(Protocol):
    """What one call tells about itself, as it happens."""

    def took_in(self, seconds: float) -> None:
        """So much of the caller's audio."""

    def gave_out(self, seconds: float) -> None:
        """So much audio for the caller."""

    def answered(self, stages: TurnStages) -> None:
        """A turn went to its end."""

    def interrupted(self) -> None:
        """The caller cut a reply off."""

    def prepared(self, *, used: bool, pieces: int = 0) -> None:
        """A reply made ahead was used, or dropped with so many pieces of text written."""

    def failed(self, error: ServiceError) -> None:
        """The call met a failing upstream."""


class GatewayMetrics(Protocol):
    """What the gateway tells about its calls; a front is "grpc" or "realtime"."""

    def began(self, front: str) -> CallMetrics: ...

    def ended(self, front: str, outcome: str, lasted_s: float) -> None:
        """A call is over that began; `outcome` says how."""

    def refused(self, front: str, outcome: str) -> None:
        """A call that never began."""


class Uncounted(CallMetrics):
    """Counts nothing."""
