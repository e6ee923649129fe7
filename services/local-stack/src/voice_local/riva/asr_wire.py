"""Riva's recognition messages, to and from this package's own types."""
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportAttributeAccessIssue=false, reportUnknownArgumentType=false
# riva ships no types

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from grpc import aio
from riva.client.proto import riva_asr_pb2 as pb
from riva.client.proto import riva_asr_pb2_grpc as rpc

from voice_local.engines import ASR_RATE_HZ, Word
from voice_local.riva.asking import Asked, Wanted
from voice_local.riva.wording import Reached, Result

SERVICE = "nvidia.riva.asr.RivaSpeechRecognition"

_ENDPOINTING = (
    "start_history",
    "start_threshold",
    "stop_history",
    "stop_threshold",
    "stop_history_eou",
    "stop_threshold_eou",
)


@dataclass(frozen=True, slots=True)
class Message:
    """One message of a client's stream: a config, or audio, or neither; perhaps an end forced."""

    wanted: Wanted | None
    audio: bytes
    force_end: bool
    request_id: str


@dataclass(frozen=True, slots=True)
class Model:
    """One entry of the list of models."""

    name: str
    language: str
    online: bool


def register(servicer: object, server: aio.Server) -> None:
    rpc.add_RivaSpeechRecognitionServicer_to_server(servicer, server)


def read_message(message: Any) -> Message:
    wanted = None
    if message.HasField("streaming_config"):
        config = message.streaming_config
        wanted = _wanted(config.config, interims=config.interim_results)
    force_end = message.runtime_config.get("force_eou", "").strip().lower() in ("true", "1")
    return Message(wanted, message.audio_content, force_end, message.id.value)


def read_whole(message: Any) -> Message:
    return Message(_wanted(message.config, interims=False), message.audio, False, message.id.value)


def write_response(told: Result | Reached | None, asked: Asked, request_id: str) -> Any:
    response = pb.StreamingRecognizeResponse()
    if request_id:
        response.id.value = request_id
    if isinstance(told, Reached):
        response.results.add(channel_tag=1, audio_processed=told.audio_s)
    elif told is not None:
        streaming = response.results.add(
            is_final=told.final,
            stability=told.stability,
            channel_tag=1,
            audio_processed=told.audio_s,
        )
        _fill(streaming.alternatives.add(), told, asked)
    return response


def write_whole(results: Sequence[Result], asked: Asked, request_id: str) -> Any:
    response = pb.RecognizeResponse()
    if request_id:
        response.id.value = request_id
    for result in results:
        whole = response.results.add(channel_tag=1, audio_processed=result.audio_s)
        _fill(whole.alternatives.add(), result, asked)
    return response


def asked_for_model(request: Any) -> str:
    return request.model_name


def write_models(models: Sequence[Model]) -> Any:
    response = pb.RivaSpeechRecognitionConfigResponse()
    for model in models:
        parameters = response.model_config.add(model_name=model.name).parameters
        parameters["language_code"] = model.language
        parameters["type"] = "online" if model.online else "offline"
        parameters["streaming"] = str(model.online)
        parameters["offline"] = str(not model.online)
        parameters["sample_rate"] = str(ASR_RATE_HZ)
    return response


def _wanted(config: Any, *, interims: bool) -> Wanted:
    endpointing = config.endpointing_config
    return Wanted(
        language=config.language_code,
        encoding=config.encoding,
        rate_hz=config.sample_rate_hertz,
        channels=config.audio_channel_count,
        interims=interims,
        punctuated=config.enable_automatic_punctuation,
        word_times=config.enable_word_time_offsets,
        diarization=config.diarization_config.enable_speaker_diarization,
        separate_channels=config.enable_separate_recognition_per_channel,
        endpointing={
            name: getattr(endpointing, name) for name in _ENDPOINTING if endpointing.HasField(name)
        },
    )


def _fill(alternative: Any, result: Result, asked: Asked) -> None:
    """Riva ends transcripts with a space, so that finals can be joined as they come."""
    alternative.transcript = f"{result.text} " if result.text else ""
    alternative.confidence = result.confidence
    alternative.language_code.append(asked.language)
    for word in result.words:
        _fill_word(alternative.words.add(), word, asked)


def _fill_word(info: Any, word: Word, asked: Asked) -> None:
    info.word = word.text
    info.confidence = word.confidence
    info.language_code = asked.language
    if asked.word_times:
        info.start_time = round(word.start_s * 1000)
        info.end_time = round(word.end_s * 1000)
