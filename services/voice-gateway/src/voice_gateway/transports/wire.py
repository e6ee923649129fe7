"""Translates the contract of `voice_workflow.proto` to and from the values of `messages`.

Pure. This module checks what a message may contain; an error names the field, its value and what is
allowed.
"""

import re
import uuid
from collections.abc import Mapping
from dataclasses import dataclass

from voice_proto import voice_workflow_pb2 as pb

from voice_gateway.call.languages import Languages, NotOffered
from voice_gateway.errors import BadMessage, NotPermitted
from voice_gateway.latency import TurnStages
from voice_gateway.messages import (
    Audio,
    CallConfig,
    Changed,
    CutOff,
    EndOfUtterance,
    Failed,
    FromCaller,
    Goodbye,
    Interrupt,
    LineEcho,
    Listening,
    Moving,
    Paused,
    Played,
    Processing,
    ReplyAudio,
    ReplyText,
    RequestDropped,
    Resumed,
    Speaking,
    Speaks,
    ToCaller,
    ToolCalled,
    Transcript,
    TurnOver,
    TurnTaken,
    Typed,
)
from voice_gateway.principals import ANYONE, Principal, Rights

LOWEST_HZ, HIGHEST_HZ = 8_000, 48_000
MOST_AUDIO_BYTES = 4 * 1024 * 1024  # in one chunk
MOST_TEXT_CHARS = 4_000  # in one typed turn
MOST_NAME_CHARS, MOST_PROMPT_CHARS = 128, 8_000

_LINE_ECHOES: "Mapping[pb.LineEcho, LineEcho]" = {
    pb.NO_ECHO: "none",
    pb.ECHO_CANCELLED: "cancelled",
    pb.LOUDSPEAKER: "loudspeaker",
    pb.PHONE: "phone",
}
"""What a client may say of its line; one that is unknown here counts as not said."""
_LANGUAGE = re.compile(r"[A-Za-z]{2,3}(-[A-Za-z0-9]{2,8})*")


@dataclass(frozen=True, slots=True)
class Defaults:
    """The values of the fields that a config leaves empty."""

    language: str
    rate_hz: int
    voice: str
    system_prompt: str
    line_echo: LineEcho = "auto"
    languages: Languages | None = None
    """The languages that may be asked for; None: any."""

    def chosen(self, language: str, voice: str, system_prompt: str) -> tuple[str, str, str]:
        """Fill in what a config leaves empty, in its language; raises BadMessage."""
        if self.languages is None:
            return (
                language or self.language,
                voice or self.voice,
                system_prompt or self.system_prompt,
            )
        tag = self.languages.named(language) if language else self.language
        own = self.languages.of(tag)
        if language or voice:
            try:
                self.languages.check(tag, voice)
            except NotOffered as why:
                raise BadMessage(f"{_FIELD_OF[why.what]} is {why}") from None
        return tag, voice or own.voice, system_prompt or own.system_prompt


_FIELD_OF = {"language": "config.language_code", "voice": "config.voice_name"}


def to_config(config: pb.VoiceConfig, defaults: Defaults, who: Principal = ANYONE) -> CallConfig:
    """Check a config and fill in its defaults; raises BadMessage or NotPermitted."""
    rate_hz = config.sample_rate or defaults.rate_hz
    if not LOWEST_HZ <= rate_hz <= HIGHEST_HZ:
        raise BadMessage(
            f"config.sample_rate is {rate_hz}; allowed: {LOWEST_HZ} to {HIGHEST_HZ} Hz, "
            f"or 0 for {defaults.rate_hz}"
        )
    _check_language(config.language_code, f"empty for {defaults.language!r}")
    _check_length("config.session_id", config.session_id, MOST_NAME_CHARS)
    _check_length("config.conversation_id", config.conversation_id, MOST_NAME_CHARS)
    _check_length("config.voice_name", config.voice_name, MOST_NAME_CHARS)
    _check_length("config.system_prompt", config.system_prompt, MOST_PROMPT_CHARS)
    _check_rights(config, defaults, who.rights)
    _check_length("config.resume_token", config.resume_token, MOST_NAME_CHARS)
    _check_length("config.turn_under_way", config.turn_under_way, MOST_TEXT_CHARS)
    language, voice, system_prompt = defaults.chosen(
        config.language_code, config.voice_name, config.system_prompt
    )
    return CallConfig(
        call_id=_printable(config.session_id) or uuid.uuid4().hex[:12],
        language=language,
        rate_hz=rate_hz,
        voice=voice,
        system_prompt=system_prompt,
        can_pause=config.can_pause,
        conversation_id=config.conversation_id,
        line_echo=_LINE_ECHOES.get(config.line_echo, defaults.line_echo),
        principal=who.name,
        turn_under_way=config.turn_under_way.strip(),
        language_named=bool(config.language_code),
        rights=who.rights,
    )


def _check_language(tag: str, otherwise: str) -> None:
    if tag and not _LANGUAGE.fullmatch(tag):
        raise BadMessage(
            f"config.language_code is {tag[:40]!r}; "
            f"allowed: a BCP-47 tag such as 'en-US', or {otherwise}"
        )


def _check_rights(config: pb.VoiceConfig, defaults: Defaults, rights: Rights) -> None:
    """Refuse to replace what is the operator's alone; to name what holds anyway is no matter."""
    for field, asked, usual, may in (
        ("language_code", config.language_code, defaults.language, rights.language),
        ("voice_name", config.voice_name, defaults.voice, rights.voice),
        ("system_prompt", config.system_prompt, defaults.system_prompt, rights.system_prompt),
    ):
        if asked and asked != usual and not may:
            raise NotPermitted(f"config.{field} may not be chosen by this caller; leave it empty")


def say_encoding(message: pb.ServerMessage, encoding: pb.AudioEncoding) -> None:
    """State the encoding in a call's first LISTENING, if its config asked for one."""
    message.event.audio_encoding = encoding


def say_resumption(message: pb.ServerMessage, token: str, window_s: float) -> None:
    """State in a call's first LISTENING how it can be resumed."""
    message.event.resumption.token = token
    message.event.resumption.window_ms = _ms(window_s)


def resumed(token: str, window_s: float, taken: int) -> pb.ServerMessage:
    """What a stream begins with that goes on with a call."""
    message = pb.ServerMessage(event=pb.ServerEvent(type=pb.RESUMED, message="going on"))
    say_resumption(message, token, window_s)
    message.event.resumption.taken_messages = taken
    return message


def resync() -> pb.ServerMessage:
    """What a stream begins with that was to go on with a call, and cannot."""
    return pb.ServerMessage(event=pb.ServerEvent(type=pb.RESYNC, message="starting afresh"))


def from_client(message: pb.ClientMessage) -> FromCaller | None:
    """Translate a message after the first; None for one without content. Raises BadMessage."""
    match message.WhichOneof("content"):
        case "audio_chunk":
            return _audio(message.audio_chunk)
        case "text_input":
            _check_length("text_input", message.text_input, MOST_TEXT_CHARS)
            return Typed(message.text_input.strip()) if message.text_input.strip() else None
        case "interrupt":
            return Interrupt()
        case "playback":
            return Played(message.playback.reply_id, message.playback.played_ms / 1000)
        case "end_of_utterance":
            return EndOfUtterance()
        case "config":
            return _changed(message.config)
        case _:
            return None  # the message is empty, or its content belongs to a newer contract


def _changed(config: pb.VoiceConfig) -> Changed:
    """A config that comes again: it changes the language, the voice and the prompt alone."""
    _check_language(config.language_code, "empty to stay with the call's")
    _check_length("config.voice_name", config.voice_name, MOST_NAME_CHARS)
    _check_length("config.system_prompt", config.system_prompt, MOST_PROMPT_CHARS)
    return Changed(
        config.language_code, config.voice_name, config.system_prompt, config.sample_rate
    )


def _audio(chunk: bytes) -> Audio | None:
    if len(chunk) > MOST_AUDIO_BYTES:
        raise BadMessage(f"audio_chunk has {len(chunk)} bytes; allowed: at most {MOST_AUDIO_BYTES}")
    return Audio(chunk) if chunk else None


def is_for_programs(message: ToCaller) -> bool:
    """Whether the contract has nothing for the message: it is for the Realtime API alone."""
    blank = isinstance(message, Transcript) and not message.text.strip()
    return blank or isinstance(message, ToolCalled | TurnTaken | RequestDropped)


def to_server(message: ToCaller, sequence: int) -> pb.ServerMessage:
    """Translate a message to the caller, which is none `is_for_programs`."""
    match message:
        case ReplyAudio(reply, offset_s, pcm):
            return pb.ServerMessage(
                audio_chunk=pcm,
                reply_id=reply,
                audio_offset_ms=_ms(offset_s),
                sequence=sequence,
            )
        case ReplyText(reply, text):
            return pb.ServerMessage(llm_response_chunk=text, reply_id=reply, sequence=sequence)
        case Transcript():
            return pb.ServerMessage(
                transcript_chunk=message.text, transcript=_transcript(message), sequence=sequence
            )
        case ToolCalled() | TurnTaken() | RequestDropped():
            raise AssertionError(f"{message} is for programs at the Realtime API alone")
        case _:
            event, reply = _event(message)
            return pb.ServerMessage(event=event, reply_id=reply, sequence=sequence)


def _event(
    notice: Listening
    | Processing
    | Speaking
    | Paused
    | Resumed
    | CutOff
    | Failed
    | TurnOver
    | Goodbye
    | Moving
    | Speaks,
) -> tuple[pb.ServerEvent, int]:
    match notice:
        case Listening():
            return pb.ServerEvent(type=pb.LISTENING, message="listening"), 0
        case Processing(reply):
            return pb.ServerEvent(type=pb.PROCESSING, message="thinking"), reply
        case Speaking(reply):
            return pb.ServerEvent(type=pb.SPEAKING, message="speaking"), reply
        case Paused(reply):
            return pb.ServerEvent(type=pb.VOICE_PAUSED, message="one moment"), reply
        case Resumed(reply):
            return pb.ServerEvent(type=pb.VOICE_RESUMED, message="going on"), reply
        case CutOff(reply, heard_s, heard_text):
            cut = pb.Interruption(heard_ms=_ms(heard_s), heard_text=heard_text)
            return (
                pb.ServerEvent(type=pb.LISTENING, message="interrupted", interruption=cut),
                reply,
            )
        case Failed(error, reply):
            fault = pb.Fault(stage=error.stage, code=error.code, retryable=error.retryable)
            return pb.ServerEvent(type=pb.ERROR, message=error.sentence, fault=fault), reply
        case TurnOver(reply, stages, incomplete=incomplete):
            latency, message = _latency(stages), "your turn"
            over = pb.ServerEvent(
                type=pb.END_OF_TURN, message=message, latency=latency, incomplete=incomplete
            )
            return over, reply
        case Goodbye() | Moving() | Speaks():
            return _of_call(notice), 0


def _of_call(notice: Goodbye | Moving | Speaks) -> pb.ServerEvent:
    """What is told of the call as a whole, and of no reply."""
    match notice:
        case Goodbye():
            return pb.ServerEvent(type=pb.GOODBYE, message="goodbye")
        case Moving():
            return pb.ServerEvent(type=pb.MOVE, message="call again when nobody speaks")
        case Speaks(language, voice):
            return pb.ServerEvent(
                type=pb.LANGUAGE, message=language, language_code=language, voice_name=voice
            )


def _latency(stages: TurnStages) -> pb.TurnLatency:
    return pb.TurnLatency(
        endpoint_ms=_ms_or_none(stages.endpoint_s),
        model_ms=_ms_or_none(stages.model_s),
        clause_ms=_ms_or_none(stages.clause_s),
        voice_ms=_ms_or_none(stages.voice_s),
        total_ms=_ms_or_none(stages.total_s),
    )


def _transcript(transcript: Transcript) -> pb.Transcript:
    words = [
        pb.Word(word=word.text, start_ms=_ms(word.start_s), end_ms=_ms(word.end_s))
        for word in transcript.words
    ]
    return pb.Transcript(
        is_final=transcript.final,
        stability=transcript.stability,
        words=words,
        replaces_reply_id=transcript.replaces,
        turn_text=transcript.turn,
    )


def _check_length(field: str, value: str, most: int) -> None:
    if len(value) > most:
        raise BadMessage(f"{field} has {len(value)} characters; allowed: at most {most}")


def _printable(name: str) -> str:
    """A caller's name for its call, without characters that would break a log line."""
    return "".join(character for character in name if character.isprintable())


def _ms(seconds: float) -> int:
    return max(0, round(seconds * 1000))


def _ms_or_none(seconds: float | None) -> int | None:
    return None if seconds is None else _ms(seconds)
