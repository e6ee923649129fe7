from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class AudioEncoding(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    AUDIO_ENCODING_UNSPECIFIED: _ClassVar[AudioEncoding]
    PCM_S16LE: _ClassVar[AudioEncoding]
    OPUS: _ClassVar[AudioEncoding]

class LineEcho(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    LINE_ECHO_UNSPECIFIED: _ClassVar[LineEcho]
    NO_ECHO: _ClassVar[LineEcho]
    ECHO_CANCELLED: _ClassVar[LineEcho]
    LOUDSPEAKER: _ClassVar[LineEcho]
    PHONE: _ClassVar[LineEcho]

class EventType(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    EVENT_UNSPECIFIED: _ClassVar[EventType]
    LISTENING: _ClassVar[EventType]
    PROCESSING: _ClassVar[EventType]
    SPEAKING: _ClassVar[EventType]
    ERROR: _ClassVar[EventType]
    END_OF_TURN: _ClassVar[EventType]
    VOICE_PAUSED: _ClassVar[EventType]
    VOICE_RESUMED: _ClassVar[EventType]
    GOODBYE: _ClassVar[EventType]
    RESUMED: _ClassVar[EventType]
    RESYNC: _ClassVar[EventType]
    MOVE: _ClassVar[EventType]
    LANGUAGE: _ClassVar[EventType]
AUDIO_ENCODING_UNSPECIFIED: AudioEncoding
PCM_S16LE: AudioEncoding
OPUS: AudioEncoding
LINE_ECHO_UNSPECIFIED: LineEcho
NO_ECHO: LineEcho
ECHO_CANCELLED: LineEcho
LOUDSPEAKER: LineEcho
PHONE: LineEcho
EVENT_UNSPECIFIED: EventType
LISTENING: EventType
PROCESSING: EventType
SPEAKING: EventType
ERROR: EventType
END_OF_TURN: EventType
VOICE_PAUSED: EventType
VOICE_RESUMED: EventType
GOODBYE: EventType
RESUMED: EventType
RESYNC: EventType
MOVE: EventType
LANGUAGE: EventType

class ClientMessage(_message.Message):
    __slots__ = ("config", "audio_chunk", "text_input", "interrupt", "playback", "end_of_utterance", "acknowledged")
    CONFIG_FIELD_NUMBER: _ClassVar[int]
    AUDIO_CHUNK_FIELD_NUMBER: _ClassVar[int]
    TEXT_INPUT_FIELD_NUMBER: _ClassVar[int]
    INTERRUPT_FIELD_NUMBER: _ClassVar[int]
    PLAYBACK_FIELD_NUMBER: _ClassVar[int]
    END_OF_UTTERANCE_FIELD_NUMBER: _ClassVar[int]
    ACKNOWLEDGED_FIELD_NUMBER: _ClassVar[int]
    config: VoiceConfig
    audio_chunk: bytes
    text_input: str
    interrupt: Interrupt
    playback: PlaybackProgress
    end_of_utterance: EndOfUtterance
    acknowledged: int
    def __init__(self, config: _Optional[_Union[VoiceConfig, _Mapping]] = ..., audio_chunk: _Optional[bytes] = ..., text_input: _Optional[str] = ..., interrupt: _Optional[_Union[Interrupt, _Mapping]] = ..., playback: _Optional[_Union[PlaybackProgress, _Mapping]] = ..., end_of_utterance: _Optional[_Union[EndOfUtterance, _Mapping]] = ..., acknowledged: _Optional[int] = ...) -> None: ...

class VoiceConfig(_message.Message):
    __slots__ = ("language_code", "session_id", "sample_rate", "voice_name", "system_prompt", "can_pause", "audio_encoding", "conversation_id", "line_echo", "resume", "resume_token", "received_sequence", "turn_under_way")
    LANGUAGE_CODE_FIELD_NUMBER: _ClassVar[int]
    SESSION_ID_FIELD_NUMBER: _ClassVar[int]
    SAMPLE_RATE_FIELD_NUMBER: _ClassVar[int]
    VOICE_NAME_FIELD_NUMBER: _ClassVar[int]
    SYSTEM_PROMPT_FIELD_NUMBER: _ClassVar[int]
    CAN_PAUSE_FIELD_NUMBER: _ClassVar[int]
    AUDIO_ENCODING_FIELD_NUMBER: _ClassVar[int]
    CONVERSATION_ID_FIELD_NUMBER: _ClassVar[int]
    LINE_ECHO_FIELD_NUMBER: _ClassVar[int]
    RESUME_FIELD_NUMBER: _ClassVar[int]
    RESUME_TOKEN_FIELD_NUMBER: _ClassVar[int]
    RECEIVED_SEQUENCE_FIELD_NUMBER: _ClassVar[int]
    TURN_UNDER_WAY_FIELD_NUMBER: _ClassVar[int]
    language_code: str
    session_id: str
    sample_rate: int
    voice_name: str
    system_prompt: str
    can_pause: bool
    audio_encoding: AudioEncoding
    conversation_id: str
    line_echo: LineEcho
    resume: bool
    resume_token: str
    received_sequence: int
    turn_under_way: str
    def __init__(self, language_code: _Optional[str] = ..., session_id: _Optional[str] = ..., sample_rate: _Optional[int] = ..., voice_name: _Optional[str] = ..., system_prompt: _Optional[str] = ..., can_pause: _Optional[bool] = ..., audio_encoding: _Optional[_Union[AudioEncoding, str]] = ..., conversation_id: _Optional[str] = ..., line_echo: _Optional[_Union[LineEcho, str]] = ..., resume: _Optional[bool] = ..., resume_token: _Optional[str] = ..., received_sequence: _Optional[int] = ..., turn_under_way: _Optional[str] = ...) -> None: ...

class Interrupt(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class EndOfUtterance(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class PlaybackProgress(_message.Message):
    __slots__ = ("reply_id", "played_ms")
    REPLY_ID_FIELD_NUMBER: _ClassVar[int]
    PLAYED_MS_FIELD_NUMBER: _ClassVar[int]
    reply_id: int
    played_ms: int
    def __init__(self, reply_id: _Optional[int] = ..., played_ms: _Optional[int] = ...) -> None: ...

class ServerMessage(_message.Message):
    __slots__ = ("transcript_chunk", "llm_response_chunk", "audio_chunk", "event", "sequence", "reply_id", "audio_offset_ms", "transcript")
    TRANSCRIPT_CHUNK_FIELD_NUMBER: _ClassVar[int]
    LLM_RESPONSE_CHUNK_FIELD_NUMBER: _ClassVar[int]
    AUDIO_CHUNK_FIELD_NUMBER: _ClassVar[int]
    EVENT_FIELD_NUMBER: _ClassVar[int]
    SEQUENCE_FIELD_NUMBER: _ClassVar[int]
    REPLY_ID_FIELD_NUMBER: _ClassVar[int]
    AUDIO_OFFSET_MS_FIELD_NUMBER: _ClassVar[int]
    TRANSCRIPT_FIELD_NUMBER: _ClassVar[int]
    transcript_chunk: str
    llm_response_chunk: str
    audio_chunk: bytes
    event: ServerEvent
    sequence: int
    reply_id: int
    audio_offset_ms: int
    transcript: Transcript
    def __init__(self, transcript_chunk: _Optional[str] = ..., llm_response_chunk: _Optional[str] = ..., audio_chunk: _Optional[bytes] = ..., event: _Optional[_Union[ServerEvent, _Mapping]] = ..., sequence: _Optional[int] = ..., reply_id: _Optional[int] = ..., audio_offset_ms: _Optional[int] = ..., transcript: _Optional[_Union[Transcript, _Mapping]] = ...) -> None: ...

class Transcript(_message.Message):
    __slots__ = ("is_final", "stability", "words", "replaces_reply_id", "turn_text")
    IS_FINAL_FIELD_NUMBER: _ClassVar[int]
    STABILITY_FIELD_NUMBER: _ClassVar[int]
    WORDS_FIELD_NUMBER: _ClassVar[int]
    REPLACES_REPLY_ID_FIELD_NUMBER: _ClassVar[int]
    TURN_TEXT_FIELD_NUMBER: _ClassVar[int]
    is_final: bool
    stability: float
    words: _containers.RepeatedCompositeFieldContainer[Word]
    replaces_reply_id: int
    turn_text: str
    def __init__(self, is_final: _Optional[bool] = ..., stability: _Optional[float] = ..., words: _Optional[_Iterable[_Union[Word, _Mapping]]] = ..., replaces_reply_id: _Optional[int] = ..., turn_text: _Optional[str] = ...) -> None: ...

class Word(_message.Message):
    __slots__ = ("word", "start_ms", "end_ms")
    WORD_FIELD_NUMBER: _ClassVar[int]
    START_MS_FIELD_NUMBER: _ClassVar[int]
    END_MS_FIELD_NUMBER: _ClassVar[int]
    word: str
    start_ms: int
    end_ms: int
    def __init__(self, word: _Optional[str] = ..., start_ms: _Optional[int] = ..., end_ms: _Optional[int] = ...) -> None: ...

class ServerEvent(_message.Message):
    __slots__ = ("type", "message", "fault", "interruption", "latency", "audio_encoding", "incomplete", "resumption", "language_code", "voice_name")
    TYPE_FIELD_NUMBER: _ClassVar[int]
    MESSAGE_FIELD_NUMBER: _ClassVar[int]
    FAULT_FIELD_NUMBER: _ClassVar[int]
    INTERRUPTION_FIELD_NUMBER: _ClassVar[int]
    LATENCY_FIELD_NUMBER: _ClassVar[int]
    AUDIO_ENCODING_FIELD_NUMBER: _ClassVar[int]
    INCOMPLETE_FIELD_NUMBER: _ClassVar[int]
    RESUMPTION_FIELD_NUMBER: _ClassVar[int]
    LANGUAGE_CODE_FIELD_NUMBER: _ClassVar[int]
    VOICE_NAME_FIELD_NUMBER: _ClassVar[int]
    type: EventType
    message: str
    fault: Fault
    interruption: Interruption
    latency: TurnLatency
    audio_encoding: AudioEncoding
    incomplete: str
    resumption: Resumption
    language_code: str
    voice_name: str
    def __init__(self, type: _Optional[_Union[EventType, str]] = ..., message: _Optional[str] = ..., fault: _Optional[_Union[Fault, _Mapping]] = ..., interruption: _Optional[_Union[Interruption, _Mapping]] = ..., latency: _Optional[_Union[TurnLatency, _Mapping]] = ..., audio_encoding: _Optional[_Union[AudioEncoding, str]] = ..., incomplete: _Optional[str] = ..., resumption: _Optional[_Union[Resumption, _Mapping]] = ..., language_code: _Optional[str] = ..., voice_name: _Optional[str] = ...) -> None: ...

class Resumption(_message.Message):
    __slots__ = ("token", "window_ms", "taken_messages")
    TOKEN_FIELD_NUMBER: _ClassVar[int]
    WINDOW_MS_FIELD_NUMBER: _ClassVar[int]
    TAKEN_MESSAGES_FIELD_NUMBER: _ClassVar[int]
    token: str
    window_ms: int
    taken_messages: int
    def __init__(self, token: _Optional[str] = ..., window_ms: _Optional[int] = ..., taken_messages: _Optional[int] = ...) -> None: ...

class Fault(_message.Message):
    __slots__ = ("stage", "code", "retryable")
    STAGE_FIELD_NUMBER: _ClassVar[int]
    CODE_FIELD_NUMBER: _ClassVar[int]
    RETRYABLE_FIELD_NUMBER: _ClassVar[int]
    stage: str
    code: str
    retryable: bool
    def __init__(self, stage: _Optional[str] = ..., code: _Optional[str] = ..., retryable: _Optional[bool] = ...) -> None: ...

class Interruption(_message.Message):
    __slots__ = ("heard_ms", "heard_text")
    HEARD_MS_FIELD_NUMBER: _ClassVar[int]
    HEARD_TEXT_FIELD_NUMBER: _ClassVar[int]
    heard_ms: int
    heard_text: str
    def __init__(self, heard_ms: _Optional[int] = ..., heard_text: _Optional[str] = ...) -> None: ...

class TurnLatency(_message.Message):
    __slots__ = ("endpoint_ms", "model_ms", "clause_ms", "voice_ms", "total_ms")
    ENDPOINT_MS_FIELD_NUMBER: _ClassVar[int]
    MODEL_MS_FIELD_NUMBER: _ClassVar[int]
    CLAUSE_MS_FIELD_NUMBER: _ClassVar[int]
    VOICE_MS_FIELD_NUMBER: _ClassVar[int]
    TOTAL_MS_FIELD_NUMBER: _ClassVar[int]
    endpoint_ms: int
    model_ms: int
    clause_ms: int
    voice_ms: int
    total_ms: int
    def __init__(self, endpoint_ms: _Optional[int] = ..., model_ms: _Optional[int] = ..., clause_ms: _Optional[int] = ..., voice_ms: _Optional[int] = ..., total_ms: _Optional[int] = ...) -> None: ...
