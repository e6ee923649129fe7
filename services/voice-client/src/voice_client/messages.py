"""The gateway's messages as values; this is the only reader of `ServerMessage`."""

from dataclasses import dataclass

from voice_proto import voice_workflow_pb2 as wire


@dataclass(frozen=True, slots=True)
class Transcript:
    """The caller's words. An interim is replaced by the next transcript; a final stands."""

    text: str
    is_final: bool
    replaces: int = 0
    """The reply that is taken back, as the turn that it answered goes on; 0: none."""
    turn: str = ""
    """Where it `replaces` a reply: the whole turn so far."""


@dataclass(frozen=True, slots=True)
class ReplyText:
    """The next piece of a reply's text; pieces join without spaces."""

    reply_id: int
    text: str


@dataclass(frozen=True, slots=True)
class ReplyAudio:
    """The next piece of a reply's audio: s16le mono at the call's rate."""

    reply_id: int
    offset_ms: int
    pcm: bytes


@dataclass(frozen=True, slots=True)
class Interruption:
    """How much of the reply the caller had heard, and the words the gateway remembers."""

    heard_ms: int
    heard_text: str


@dataclass(frozen=True, slots=True)
class Listening:
    """The floor is the caller's; after an interruption, queued audio is stale."""

    interruption: Interruption | None
    reply_id: int = 0
    """The reply that was interrupted."""


@dataclass(frozen=True, slots=True)
class Processing:
    """The caller's turn is over; a reply is being made."""


@dataclass(frozen=True, slots=True)
class Speaking:
    """The reply's audio starts."""

    reply_id: int


@dataclass(frozen=True, slots=True)
class VoicePaused:
    """The caller makes a sound: the client keeps what is queued, and plays nothing for now."""


@dataclass(frozen=True, slots=True)
class VoiceResumed:
    """The sound was no interruption: the client plays on."""


@dataclass(frozen=True, slots=True)
class Fault:
    """Something failed behind the gateway; the call goes on."""

    note: str
    stage: str
    code: str
    retryable: bool


@dataclass(frozen=True, slots=True)
class StageLatency:
    """Milliseconds per stage of one turn; None where a stage did not take place."""

    endpoint_ms: int | None
    model_ms: int | None
    clause_ms: int | None
    voice_ms: int | None
    total_ms: int | None


@dataclass(frozen=True, slots=True)
class TurnEnded:
    """The reply is complete and all its audio has been sent."""

    latency: StageLatency | None
    incomplete: str = ""
    """What ended the reply before the model was done with it; empty: nothing did."""


@dataclass(frozen=True, slots=True)
class Goodbye:
    """The gateway hangs up of its own accord: nobody had said anything for long."""


@dataclass(frozen=True, slots=True)
class Reconnected:
    """The connection broke, and there is another; this is the client's own word."""

    anew: bool
    """The gateway starts afresh: the open words and the answer under way come again."""
    after_s: float = 0.0
    """How long there was no connection."""


Message = (
    Transcript
    | ReplyText
    | ReplyAudio
    | Listening
    | Processing
    | Speaking
    | VoicePaused
    | VoiceResumed
    | Fault
    | TurnEnded
    | Goodbye
    | Reconnected
)


def from_wire(message: wire.ServerMessage) -> Message | None:
    """Return the message as a value; None for what this client does not know."""
    match message.WhichOneof("content"):
        case "transcript_chunk":
            detail = message.transcript
            taken_back = (detail.replaces_reply_id, detail.turn_text)
            return Transcript(message.transcript_chunk, detail.is_final, *taken_back)
        case "llm_response_chunk":
            return ReplyText(message.reply_id, message.llm_response_chunk)
        case "audio_chunk":
            return ReplyAudio(message.reply_id, message.audio_offset_ms, message.audio_chunk)
        case "event":
            return _from_event(message.event, message.reply_id)
        case _:
            return None


def _from_event(event: wire.ServerEvent, reply_id: int) -> Message | None:
    match event.type:
        case wire.LISTENING:
            return Listening(_interruption(event), reply_id)
        case wire.PROCESSING:
            return Processing()
        case wire.SPEAKING:
            return Speaking(reply_id)
        case wire.VOICE_PAUSED:
            return VoicePaused()
        case wire.VOICE_RESUMED:
            return VoiceResumed()
        case wire.ERROR:
            fault = event.fault
            return Fault(event.message, fault.stage, fault.code, fault.retryable)
        case wire.END_OF_TURN:
            return TurnEnded(_latency(event), event.incomplete)
        case wire.GOODBYE:
            return Goodbye()
        case _:
            return None


def _interruption(event: wire.ServerEvent) -> Interruption | None:
    if not event.HasField("interruption"):
        return None
    return Interruption(event.interruption.heard_ms, event.interruption.heard_text)


def _latency(event: wire.ServerEvent) -> StageLatency | None:
    if not event.HasField("latency"):
        return None
    it = event.latency
    return StageLatency(
        endpoint_ms=it.endpoint_ms if it.HasField("endpoint_ms") else None,
        model_ms=it.model_ms if it.HasField("model_ms") else None,
        clause_ms=it.clause_ms if it.HasField("clause_ms") else None,
        voice_ms=it.voice_ms if it.HasField("voice_ms") else None,
        total_ms=it.total_ms if it.HasField("total_ms") else None,
    )
