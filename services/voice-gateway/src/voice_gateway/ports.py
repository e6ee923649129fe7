"""What the core asks of the world: the caller, the ear, the model, the voice.

Adapters and transports implement these; nothing here knows how. Audio is s16le mono throughout.
"""

from collections.abc import AsyncGenerator, Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from voice_gateway.conversation import Command, Event, Message, ToolCall
from voice_gateway.errors import ServiceError
from voice_gateway.latency import TurnStages
from voice_gateway.messages import (
    CallConfig,
    FromCaller,
    ModelOptions,
    ToCaller,
    Transcript,
    Usage,
    Word,
)


class Caller(Protocol):
    """The caller's end of the line. Neither method is called while it is still running."""

    async def receive(self) -> FromCaller | None:
        """The next message; None when no more come. Raises BadMessage."""
        ...

    async def send(self, message: ToCaller) -> None: ...


# To and from the services.


@dataclass(frozen=True, slots=True)
class CallerAudioPiece:
    """The caller's audio since the last time, and what is known about its end."""

    pcm: bytes
    ends_utterance: bool = False
    """The caller said so, and may send nothing more."""
    asks_final: bool = False
    """The gateway takes the utterance to be over; more audio follows."""


class CallerAudioStream(Protocol):
    """The caller's audio on its way to the recogniser."""

    async def take(self) -> CallerAudioPiece | None:
        """Everything that came since the last time, or the next that comes; None at the end."""
        ...


class Recogniser(Protocol):
    async def listen(
        self,
        speech: CallerAudioStream,
        *,
        language: str,
        rate_hz: int,
        on_transcript: Callable[[Transcript], None],
    ) -> None:
        """Recognise until `speech` ends and everything in it was heard.

        Word times count from the first sample this call takes. Raises ServiceError.
        """
        ...


@dataclass(frozen=True, slots=True)
class Edge:
    """The caller's voice began, or fell silent."""

    voiced: bool
    ago_s: float
    """How long before the end of the audio fed so far."""


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

    async def probability(self) -> float | None:
        """How probably the turn is complete as it stands; None: no opinion, or not in time."""
        ...


class ChatModel(Protocol):
    def complete(
        self, history: Sequence[Message], *, system_prompt: str, asking: ModelOptions
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
