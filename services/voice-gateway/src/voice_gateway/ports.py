"""The interfaces of the core to the caller, the recogniser, the chat model and the TTS voice.

Adapters, transports and other rooms implement them. All audio is s16le mono.
"""

from collections.abc import AsyncGenerator, Callable, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

from voice_gateway.conversation import Command, Event, Message, ToolCall
from voice_gateway.errors import ServiceError
from voice_gateway.latency import TurnStages
from voice_gateway.messages import (
    CallConfig,
    FromCaller,
    Incomplete,
    LineEcho,
    ModelOptions,
    ToCaller,
    Transcript,
    Usage,
    Word,
)


class Caller(Protocol):
    """The client's end of a call. Neither method is called while it is still running."""

    async def receive(self) -> FromCaller | None:
        """The next message; None when no more come. Raises BadMessage."""
        ...

    async def send(self, message: ToCaller) -> None: ...


# These pass to and from the services.


@dataclass(frozen=True, slots=True)
class CallerAudioPiece:
    """The caller audio since the last piece, and what is known about its end."""

    pcm: bytes
    ends_utterance: bool = False
    """The client ended the utterance, and may send no more audio."""
    asks_final: bool = False
    """The gateway expects the utterance to be over; more audio follows."""
    voiced: bool = True
    """Whether voice was detected in it, or may be in it."""


class CallerAudioStream(Protocol):
    """The caller audio on its way to the recogniser."""

    async def take(self) -> CallerAudioPiece | None:
        """All audio since the last piece; waits while there is none. None at the end."""
        ...

    def recognised(self, until_s: float | None) -> None:
        """A response came; it covers the audio since the first that was taken up to `until_s`.

        It is called before the transcripts of the response. None: the recogniser does not say.
        """
        ...


class Recogniser(Protocol):
    async def listen(
        self,
        caller_audio: CallerAudioStream,
        /,
        *,
        language: str,
        rate_hz: int,
        on_transcript: Callable[[Transcript], None],
    ) -> None:
        """Recognise until `caller_audio` ends and all of it is transcribed.

        Word times count from the first sample that is taken. Raises ServiceError.
        """
        ...


@dataclass(frozen=True, slots=True)
class Edge:
    """The caller's voice activity began or ended."""

    voiced: bool
    ago_s: float
    """Seconds from the edge to the end of the audio fed so far."""


class Activity(Protocol):
    """One caller's voice activity."""

    def feed(self, pcm: bytes, at: float) -> Sequence[Edge]:
        """Take the next samples, the last arrived at `at`; cheap enough for the event loop."""
        ...

    def plays(self, pcm: bytes, rate_hz: int, at: float) -> None:
        """The caller's loudspeaker plays this audio from `at` on, and it may come back."""
        ...

    def expects(self, line: LineEcho) -> None:
        """Take the caller's word for what comes back, until the sound says otherwise."""
        ...

    def echoes(self) -> bool | None:
        """Whether the caller's microphone picks up the loudspeaker; None: not known."""
        ...

    @property
    def echoed_at(self) -> float:
        """When a frame was last taken for an echo."""
        ...

    @property
    def unechoed_s(self) -> float:
        """How long, up to the newest audio, nothing can have come back of what was played."""
        ...


@dataclass(frozen=True, slots=True)
class Finish:
    """The model's answer is over; a model that says nothing about it gives none."""

    incomplete: Incomplete = ""


@dataclass(frozen=True, slots=True)
class Retracted:
    """The text so far is no part of the answer: it turned out that the model was thinking."""


ModelPiece = str | ToolCall | Usage | Finish | Retracted
"""A piece of a model's answer: some text, a whole tool call, or at last how it ended."""


class TurnSound(Protocol):
    """The end-of-turn prediction of one caller."""

    def begin(self) -> None:
        """A new turn begins with the voice that begins now."""
        ...

    def feed(self, pcm: bytes) -> None:
        """Take the next whole samples; cheap enough for the event loop."""
        ...

    async def probability(self) -> float | None:
        """The end-of-turn probability of the audio so far; None: there was no time for it."""
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
    """Some audio of the voice, and the times of its words; either may be empty."""

    pcm: bytes
    words: tuple[Word, ...] = ()
    """The next words of the text, with or after their audio; a voice without times gives none."""


class Voice(Protocol):
    def speak(
        self, text: str, *, language: str, voice: str, rate_hz: int
    ) -> AsyncGenerator[VoiceAudio, None]:
        """Yield the audio as it is made, cut anywhere. Raises ServiceError.

        Closing the generator ends the request upstream.
        """
        ...


class Apologies(Protocol):
    """The apologies that are said where replies fail, and their audio."""

    def text(self, language: str) -> str:
        """What is said in this language; empty: nothing."""
        ...

    def prepare(self, config: CallConfig) -> None:
        """Have the audio for this config made while the voice works; returns at once."""
        ...

    async def audio(self, config: CallConfig) -> bytes:
        """The whole audio, made before or now. Raises ServiceError."""
        ...


class CallRecord(Protocol):
    """Records the events and commands of one call. All methods return at once and never fail."""

    def note(self, event: Event, commands: Sequence[Command]) -> None:
        """Note that `event` made the conversation return `commands`."""
        ...

    def dropped(self, at: float, text: str, reason: str) -> None:
        """Note recognised words that never reached the conversation."""

    def close(self) -> None:
        """End the record; calling it again does nothing."""
        ...


class Memory(Protocol):
    """The stored history of one conversation, as one call uses it.

    The call that recalled it last owns it: `keep` of an older call, whose connection may have
    dropped unnoticed, is ignored.
    """

    async def recall(self) -> tuple[Message, ...]:
        """Take the history over; empty where none is kept (any more). Raises ServiceError."""
        ...

    async def keep(self, messages: Sequence[Message]) -> None:
        """Replace the kept history, until it expires. Raises ServiceError."""
        ...


@dataclass(frozen=True, slots=True)
class Services:
    recogniser: Recogniser
    model: ChatModel
    voice: Voice
    activity: Callable[[int], Activity] | None = None
    """Makes a call's voice activity at a sample rate; None: the recogniser alone ends turns."""
    record: Callable[[CallConfig], CallRecord] | None = None
    """Begins the record of a call; None: no call is recorded."""
    turn_sound: Callable[[int], TurnSound] | None = None
    """Makes a call's end-of-turn prediction at a sample rate; None: words alone decide."""
    memory: Callable[[str, str], Memory] | None = None
    """Opens a call's memory of a conversation, by its id and whose it is; None: none is kept."""
    apologies: Apologies | None = None
    """None: a reply that fails ends without an apology."""


# These count. Their methods return at once and never fail.


class CallMetrics(Protocol):
    """The metrics of one call."""

    def took_in(self, seconds: float) -> None:
        """Count caller audio."""

    def gave_out(self, seconds: float) -> None:
        """Count audio sent to the caller."""

    def answered(self, stages: TurnStages) -> None:
        """Count a turn that went to its end."""

    def interrupted(self) -> None:
        """Count a reply that the caller interrupted."""

    def prepared(self, *, used: bool, pieces: int = 0) -> None:
        """Count a draft that was used, or dropped after so many pieces of text."""

    def failed(self, error: ServiceError) -> None:
        """Count a fault of an upstream."""

    def words_dropped(self, reason: str) -> None:
        """Count words of the caller, or taken for them, that were dropped for good."""

    def recogniser_lag(self, seconds: float) -> None:
        """Note how far the recogniser is behind the audio that it was sent."""


Resumption = Literal["resumed", "resynced", "expired"]
"""It went on; its client began anew; nobody came for it within the window."""


class GatewayMetrics(Protocol):
    """The metrics of all calls; a front is "grpc" or "realtime"."""

    def began(self, front: str) -> CallMetrics: ...

    def ended(self, front: str, outcome: str, lasted_s: float) -> None:
        """Count a call that began and is over; `outcome` says how it ended."""

    def refused(self, front: str, outcome: str) -> None:
        """Count a call that was not admitted."""

    def resumption(self, outcome: Resumption) -> None:
        """Count what became of a call whose connection broke."""


class Uncounted(CallMetrics):
    """Counts nothing."""
