"""Riva's synthesis messages, to and from this package's own types."""
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportAttributeAccessIssue=false, reportUnknownArgumentType=false
# riva ships no types

from collections.abc import Sequence
from typing import Any

from grpc import aio
from riva.client.proto import riva_tts_pb2 as pb
from riva.client.proto import riva_tts_pb2_grpc as rpc

from voice_local.engines import Voice, Word
from voice_local.riva.speaking import CheckedText, Wish

SERVICE = "nvidia.riva.tts.RivaSpeechSynthesis"


def register(servicer: object, server: aio.Server) -> None:
    rpc.add_RivaSpeechSynthesisServicer_to_server(servicer, server)


def read_wish(request: Any) -> Wish:
    return Wish(
        text=request.text,
        language=request.language_code,
        voice_name=request.voice_name,
        encoding=request.encoding,
        rate_hz=request.sample_rate_hz,
        word_times=request.enable_word_time_offsets,
        zero_shot=request.HasField("zero_shot_data"),
    )


def request_id(request: Any) -> str:
    return request.id.value


def write_audio(
    audio: bytes, request_id: str, asked: CheckedText | None = None, words: Sequence[Word] = ()
) -> Any:
    """One response; `meta` has the text where `asked` is given."""
    response = pb.SynthesizeSpeechResponse(audio=audio)
    if request_id:
        response.id.value = request_id
    if asked is not None:
        response.meta.text = asked.text
        response.meta.processed_text = asked.spoken_text
    for word in words:
        response.meta.words.add(
            word=word.text,
            start_time=round(word.start_s * 1000),
            end_time=round(word.end_s * 1000),
        )
    return response


def asked_for_model(request: Any) -> str:
    return request.model_name


def write_models(voice: Voice) -> Any:
    """One entry per language, all of the same voice."""
    response = pb.RivaSynthesisConfigResponse()
    for language in voice.languages:
        parameters = response.model_config.add(model_name=voice.name).parameters
        parameters["language_code"] = language
        parameters["voice_name"] = voice.name
        parameters["subvoices"] = ",".join(f"{each}:{at}" for at, each in enumerate(voice.speakers))
        parameters["sample_rate"] = str(voice.rate_hz)
    return response
