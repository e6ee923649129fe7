"""NVIDIA's own client library, unmodified and blocking, against the server over real models."""
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportAttributeAccessIssue=false, reportUnknownArgumentType=false
# riva ships no types

import asyncio
import io
import json
import threading
import wave
from collections.abc import Generator, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from importlib.resources import files
from pathlib import Path
from typing import Any

import grpc
import numpy as np
import pytest
import riva.client
from riva.client.proto import riva_asr_pb2 as asr_pb
from riva.client.proto import riva_tts_pb2 as tts_pb
from voice_local.loading import load_recogniser, load_voice, load_voice_activity
from voice_local.riva.server import RivaServer
from voice_local.riva.wording import bare

pytestmark = [pytest.mark.models, pytest.mark.timeout(180)]

SPEECH = Path(str(files("voice_client.speech")))
QUESTION = SPEECH / "en_nlp_question.wav"
CLIPS = [
    clip
    for clip in json.loads((SPEECH / "manifest.json").read_text())
    if clip["language"] == "en-US"
]
SENTENCE = "The train to the city is very long and slow."


@pytest.fixture(scope="module")
def auth() -> Generator[Any, None, None]:
    """The client's connection to a server that runs in a thread of its own."""
    server = RivaServer(
        load_recogniser(), load_voice(), load_voice_activity(), host="127.0.0.1", port=0
    )
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    port = asyncio.run_coroutine_threadsafe(server.start(), loop).result(120)
    connection = riva.client.Auth(uri=f"127.0.0.1:{port}")
    try:
        yield connection
    finally:
        connection.channel.close()
        asyncio.run_coroutine_threadsafe(server.stop(1), loop).result(120)
        loop.call_soon_threadsafe(loop.stop)
        thread.join(120)
        loop.close()


@pytest.fixture(scope="module")
def asr(auth: Any) -> Any:
    return riva.client.ASRService(auth)


@pytest.fixture(scope="module")
def tts(auth: Any) -> Any:
    return riva.client.SpeechSynthesisService(auth)


def streaming(*, interims: bool = False, **config: Any) -> Any:
    """What NVIDIA's scripts ask for: nothing said of encoding, rate or language."""
    recognition = riva.client.RecognitionConfig(
        language_code="",
        max_alternatives=1,
        enable_automatic_punctuation=True,
        verbatim_transcripts=True,
        **config,
    )
    return riva.client.StreamingRecognitionConfig(config=recognition, interim_results=interims)


def chunks(file: Path, length_ms: int = 100) -> Iterator[bytes]:
    """The file as the library cuts it, header and all."""
    with riva.client.AudioChunkFileIterator(str(file), 16 * length_ms) as pieces:
        yield from pieces


def heard(asr: Any, file: Path, length_ms: int = 100) -> str:
    responses = asr.streaming_response_generator(chunks(file, length_ms), streaming())
    return "".join(
        result.alternatives[0].transcript
        for response in responses
        for result in response.results
        if result.is_final
    )


def errors(said: str, text: str) -> int:
    """The least number of words to change, add or drop."""
    given, meant = (bare(each.replace("-", " ")).split() for each in (said, text))
    row = list(range(len(given) + 1))
    for at, word in enumerate(meant, start=1):
        above, row[0] = row[0], at
        for column, other in enumerate(given, start=1):
            above, row[column] = (
                row[column],
                min(row[column] + 1, row[column - 1] + 1, above + (word != other)),
            )
    return row[-1]


@pytest.mark.parametrize("length_ms", [10, 100, 1_600])
def test_what_nvidias_own_test_expects(asr: Any, length_ms: int) -> None:
    assert heard(asr, QUESTION, length_ms) == "What is natural language processing? "


def test_recorded_speech_is_understood(asr: Any) -> None:
    wrong = sum(errors(heard(asr, SPEECH / clip["file"]), clip["transcript"]) for clip in CLIPS)
    words = sum(len(clip["transcript"].split()) for clip in CLIPS)
    assert wrong / words < 0.15


def test_several_clients_at_once(asr: Any) -> None:
    with ThreadPoolExecutor(6) as clients:
        found = list(clients.map(partial(heard, asr), [QUESTION] * 6))
    assert found == ["What is natural language processing? "] * 6


@pytest.mark.parametrize("mode", ["confidence", "time", "no"])
def test_the_librarys_own_printing(asr: Any, mode: str) -> None:
    """As transcribe_file.py prints; NVIDIA's shell tests look for these lines."""
    config = streaming(interims=True, enable_word_time_offsets=True)
    out = io.StringIO()
    riva.client.print_streaming(
        responses=asr.streaming_response_generator(chunks(QUESTION), config),
        output_file=out,
        additional_info=mode,
        word_time_offsets=mode == "time",
        show_intermediate=mode == "no",
    )
    expected = {
        "confidence": (">> ", "Stability:", "## What is natural", "Confidence:"),
        "time": (">>>Time", "Transcript 0: What is natural", "Timestamps:", "processing?"),
        "no": (">> ", "## What is natural language processing?"),
    }
    for line in expected[mode]:
        assert line in out.getvalue()


def test_word_times_lie_within_the_recording(asr: Any) -> None:
    config = streaming(enable_word_time_offsets=True)
    (final,) = [
        result
        for response in asr.streaming_response_generator(chunks(QUESTION), config)
        for result in response.results
        if result.is_final
    ]
    times = [(word.start_time, word.end_time) for word in final.alternatives[0].words]
    assert len(times) == 5
    assert times == sorted(times)
    assert times[0][0] > 0
    assert times[-1][1] <= 4_200


def test_endpointing_as_the_scripts_set_it(asr: Any) -> None:
    config = streaming(interims=True)
    riva.client.add_endpoint_parameters_to_config(config, -1, -1, 500, 240, -1, -1)
    responses = asr.streaming_response_generator(chunks(SPEECH / "en_jfk.wav"), config)
    results = [result for response in responses for result in response.results]
    finals = [result for result in results if result.is_final]
    first_passes = [result for result in results if result.stability == 1]
    assert len(finals) >= 2
    assert first_passes
    assert errors("".join(each.alternatives[0].transcript for each in finals), JFK) <= 2


JFK = (
    "and so my fellow americans ask not what your country can do for you "
    "ask what you can do for your country"
)


def test_a_whole_recording(asr: Any) -> None:
    config = riva.client.RecognitionConfig(enable_automatic_punctuation=True)
    riva.client.add_audio_file_specs_to_config(config, str(QUESTION))
    response = asr.offline_recognize(QUESTION.read_bytes(), config)
    assert response.results[0].alternatives[0].transcript == "What is natural language processing? "


def test_a_language_that_is_not_there(asr: Any) -> None:
    config = streaming()
    config.config.language_code = "ru-RU"
    with pytest.raises(grpc.RpcError) as caught:
        list(asr.streaming_response_generator(chunks(QUESTION), config))
    error: Any = caught.value
    assert error.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert "Unavailable model requested" in error.details()


def test_the_models_as_the_scripts_list_them(asr: Any, tts: Any) -> None:
    recognisers = asr.stub.GetRivaSpeechRecognitionConfig(
        asr_pb.RivaSpeechRecognitionConfigRequest()
    )
    assert ("en-US", "online") in [
        (each.parameters["language_code"], each.parameters["type"])
        for each in recognisers.model_config
    ]
    voices = tts.stub.GetRivaSynthesisConfig(tts_pb.RivaSynthesisConfigRequest()).model_config
    names = [
        f"{voice.parameters['voice_name']}.{subvoice.split(':')[0]}"
        for voice in voices
        for subvoice in voice.parameters["subvoices"].split(",")
    ]
    for name in names:
        assert tts.synthesize("Hello.", voice_name=name).audio


def understood(asr: Any, audio: bytes, rate_hz: int) -> str:
    config = riva.client.RecognitionConfig(
        encoding=riva.client.AudioEncoding.LINEAR_PCM, sample_rate_hertz=rate_hz
    )
    results = asr.offline_recognize(audio, config).results
    return "".join(result.alternatives[0].transcript for result in results)


@pytest.mark.parametrize("rate_hz", [8_000, 16_000, 22_050, 44_100])
def test_what_is_spoken_is_understood(asr: Any, tts: Any, rate_hz: int) -> None:
    response = tts.synthesize(SENTENCE, sample_rate_hz=rate_hz)
    assert errors(understood(asr, response.audio, rate_hz), SENTENCE) <= 1
    assert response.meta.processed_text == SENTENCE


def test_speech_as_it_comes(asr: Any, tts: Any) -> None:
    responses = list(
        tts.synthesize_online(SENTENCE, voice_name="English-US.Female-1", sample_rate_hz=22_050)
    )
    assert len(responses) > 5
    audio = b"".join(response.audio for response in responses)
    assert errors(understood(asr, audio, 22_050), SENTENCE) <= 1


def test_several_texts_on_one_stream(asr: Any, tts: Any) -> None:
    texts = ["What time is it?", "It is half past nine."]
    responses = tts.synthesize_online(texts, sample_rate_hz=16_000, enable_word_time_offsets=True)
    received = list(responses)
    audio = b"".join(response.audio for response in received)
    assert errors(understood(asr, audio, 16_000), " ".join(texts)) <= 2
    assert [word.word for each in received for word in each.meta.words] == " ".join(texts).split()


def test_two_voices_at_once_do_not_mix(tts: Any) -> None:
    """One engine, two texts of several pieces: each comes out as if it were alone."""
    texts = ["One. Two. Three. Four.", "Seven! Eight! Nine! Ten! Eleven! Twelve!"]

    def spoken(text: str) -> bytes:
        return b"".join(each.audio for each in tts.synthesize_online(text, sample_rate_hz=16_000))

    alone = [spoken(text) for text in texts]
    with ThreadPoolExecutor(2) as clients:
        together = list(clients.map(spoken, texts))
    assert together == alone


def test_a_text_in_a_script_that_the_voice_cannot_read(tts: Any) -> None:
    with pytest.raises(grpc.RpcError) as caught:
        tts.synthesize("नमस्ते, आप कैसे हैं?")
    error: Any = caught.value
    assert error.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert "text must be in Latin script" in error.details()


def test_music_and_silence_are_not_speech(asr: Any, tmp_path: Path) -> None:
    time_s = np.arange(16_000 * 6) / 16_000
    chord = sum(np.sin(2 * np.pi * tone * time_s) for tone in (220, 277, 330)) / 10
    sound = np.concatenate([np.zeros(16_000), chord, np.zeros(32_000)])
    file = tmp_path / "chord.wav"
    with wave.open(str(file), "wb") as writer:
        writer.setnchannels(1)
        writer.setsampwidth(2)
        writer.setframerate(16_000)
        writer.writeframes((sound * 32_767).astype("<i2").tobytes())
    assert heard(asr, file) == ""
