"""Riva's recognition service on the wire, over engines that hear tones by position."""
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportAttributeAccessIssue=false, reportUnknownArgumentType=false
# riva ships no types

import asyncio
import io
import wave
from collections.abc import AsyncGenerator, Iterable
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from grpc import StatusCode, aio
from grpc_health.v1 import health_pb2, health_pb2_grpc
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from riva.client.proto import riva_asr_pb2 as pb
from riva.client.proto import riva_asr_pb2_grpc as rpc
from riva.client.proto.riva_audio_pb2 import AudioEncoding
from voice_local.engines import Samples
from voice_local.riva.asr import AsrLimits
from voice_local.riva.server import RivaServer
from voice_local.testing import (
    EnergyActivity,
    ToneRecogniser,
    ToneVoice,
    pcm,
    say,
    serving,
    silence,
)

CHUNK_BYTES = 5_120
TALK = np.concatenate(
    [silence(0.5), say("one two three"), silence(1.2), say("four five"), silence(1.02)]
)
"""Two utterances; 28 chunks of 160 ms."""


def opening(*, interims: bool = False, **config: Any) -> Any:
    config.setdefault("enable_automatic_punctuation", True)
    return pb.StreamingRecognizeRequest(
        streaming_config=pb.StreamingRecognitionConfig(
            config=pb.RecognitionConfig(**config), interim_results=interims
        )
    )


def audio(data: bytes, *, force: bool = False) -> Any:
    runtime = {"force_eou": "true"} if force else {}
    return pb.StreamingRecognizeRequest(audio_content=data, runtime_config=runtime)


def chunked(data: bytes, size: int = CHUNK_BYTES) -> list[bytes]:
    return [data[at : at + size] for at in range(0, len(data), size)]


class Client:
    """One recognition stream."""

    def __init__(self, channel: aio.Channel) -> None:
        self.call: Any = rpc.RivaSpeechRecognitionStub(channel).StreamingRecognize()
        self.responses: list[Any] = []

    async def send(self, *messages: Any) -> None:
        for message in messages:
            await self.call.write(message)

    async def receive(self) -> Any:
        """The next response; aio.EOF after the last."""
        response = await self.call.read()
        if response is not aio.EOF:
            self.responses.append(response)
        return response

    async def final(self) -> Any:
        """The next final result."""
        while (response := await self.receive()) is not aio.EOF:
            for result in response.results:
                if result.is_final:
                    return result
        raise AssertionError("no final")

    async def rest(self, *, half_close: bool = True) -> list[Any]:
        """Half-close and read to the end; every response of the stream."""
        if half_close:
            await self.call.done_writing()
        while await self.receive() is not aio.EOF:
            pass
        assert await self.call.code() is StatusCode.OK
        return self.responses


async def recognise(channel: aio.Channel, pieces: Iterable[bytes], **config: Any) -> list[Any]:
    client = Client(channel)
    await client.send(opening(**config), *map(audio, pieces))
    return await client.rest()


def finals(responses: Iterable[Any]) -> list[Any]:
    return [each for response in responses for each in response.results if each.is_final]


def interims(responses: Iterable[Any]) -> list[Any]:
    results = [each for response in responses for each in response.results]
    return [each for each in results if each.alternatives and not each.is_final]


def told(response: Any) -> float | None:
    """The position that a response tells in place of words; None: it tells none."""
    positions = [each.audio_processed for each in response.results if not each.alternatives]
    return positions[0] if positions else None


def texts(results: Iterable[Any]) -> list[str]:
    return [result.alternatives[0].transcript for result in results]


async def refused(client: Client, *, half_close: bool = True) -> aio.AioRpcError:
    with pytest.raises(aio.AioRpcError) as caught:
        await client.rest(half_close=half_close)
    return caught.value


@pytest.fixture
async def channel() -> AsyncGenerator[aio.Channel, None]:
    async with serving() as opened:
        yield opened


async def test_finals_with_words_and_times(channel: aio.Channel) -> None:
    responses = await recognise(channel, chunked(pcm(TALK)), enable_word_time_offsets=True)
    first, second = finals(responses)
    assert texts([first, second]) == ["One two three. ", "Four five. "]
    assert first.audio_processed == pytest.approx(2.272)
    assert first.alternatives[0].confidence == pytest.approx(0.9)
    assert first.channel_tag == 1
    times = [(w.word, w.start_time, w.end_time) for w in second.alternatives[0].words]
    assert [word for word, _, _ in times] == ["four", "five"]
    assert times[0][1] == pytest.approx(2_756, abs=11)
    assert times[1][2] == pytest.approx(3_364, abs=11)
    assert interims(responses) == []


async def test_one_response_per_160_ms(channel: aio.Channel) -> None:
    """In step, as NVIDIA's clients pair the n-th response with the n-th chunk of audio."""
    client = Client(channel)
    await client.send(opening(interims=True))
    for piece in chunked(pcm(TALK)):
        await client.send(audio(piece))
        await client.receive()
    responses = await client.rest()
    assert len(responses) in (28, 29)
    assert len(finals(responses)) == 2
    assert all(not response.results for response in responses[:3])


async def test_words_without_times_unless_asked(channel: aio.Channel) -> None:
    (first, _) = finals(await recognise(channel, chunked(pcm(TALK))))
    words = first.alternatives[0].words
    assert [word.word for word in words] == ["one", "two", "three"]
    assert all(word.start_time == word.end_time == 0 for word in words)


async def test_without_punctuation(channel: aio.Channel) -> None:
    found = await recognise(channel, chunked(pcm(TALK)), enable_automatic_punctuation=False)
    assert texts(finals(found)) == ["one two three ", "four five "]


async def test_the_audio_comes_in_pieces_of_any_size() -> None:
    """Also pieces that split a sample; hypothesis shares one server."""
    async with serving() as channel:

        async def check(cuts: list[int]) -> None:
            data = pcm(TALK)
            edges = [0, *sorted(cuts), len(data)]
            pieces = [data[start:end] for start, end in pairwise(edges)]
            responses = await recognise(channel, pieces, enable_word_time_offsets=True)
            found = finals(responses)
            assert texts(found) == ["One two three. ", "Four five. "]
            assert [each.audio_processed for each in found] == pytest.approx([2.272, 4.192])
            assert 28 <= len(responses) <= 30

        for cuts in ([1], [3, 5, 7], list(range(1, 20_000, 333)), [100_001], [5_120 * 14 + 1]):
            await check(cuts)


@given(cuts=st.lists(st.integers(0, len(TALK) * 2), max_size=30))
@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_how_audio_is_cut_changes_nothing(cuts: list[int]) -> None:
    async def check() -> None:
        data = pcm(TALK)
        edges = [0, *sorted(cuts), len(data)]
        async with serving() as channel:
            found = await recognise(channel, [data[a:b] for a, b in pairwise(edges)])
        assert texts(finals(found)) == ["One two three. ", "Four five. "]

    asyncio.run(check())


def wav(samples: Samples, rate_hz: int) -> bytes:
    file = io.BytesIO()
    with wave.open(file, "wb") as writer:
        writer.setnchannels(1)
        writer.setsampwidth(2)
        writer.setframerate(rate_hz)
        writer.writeframes(pcm(samples))
    return file.getvalue()


@pytest.mark.parametrize("size", [17, 640, 50_000])
async def test_a_wav_file_with_nothing_said_of_it(channel: aio.Channel, size: int) -> None:
    talk = np.concatenate([silence(0.5, 8_000), say("six seven", 8_000), silence(0.5, 8_000)])
    found = finals(await recognise(channel, chunked(wav(talk, 8_000), size)))
    assert texts(found) == ["Six seven. "]


@pytest.mark.parametrize("rate_hz", [8_000, 22_050, 48_000])
async def test_raw_audio_at_any_rate(channel: aio.Channel, rate_hz: int) -> None:
    talk = np.concatenate([silence(1, rate_hz), say("six", rate_hz), silence(1, rate_hz)])
    (found,) = finals(
        await recognise(
            channel,
            chunked(pcm(talk), 999),
            sample_rate_hertz=rate_hz,
            encoding=AudioEncoding.LINEAR_PCM,
            enable_word_time_offsets=True,
            language_code="en-US",
            model="some-model-of-another-server",
            max_alternatives=3,
        )
    )
    assert texts([found]) == ["Six. "]
    assert found.alternatives[0].words[0].start_time == pytest.approx(1_000, abs=20)


async def test_the_first_channel_is_heard(channel: aio.Channel) -> None:
    stereo = np.stack([TALK, np.roll(TALK, 40_000)], axis=1).reshape(-1)
    found = await recognise(channel, chunked(pcm(stereo)), audio_channel_count=2)
    assert texts(finals(found)) == ["One two three. ", "Four five. "]


async def test_interims_grow_and_settle(channel: aio.Channel) -> None:
    """In step with the responses, as in real time: a chunk goes out when the last was answered."""
    client = Client(channel)
    await client.send(opening(interims=True, endpointing_config={"stop_history_eou": 320}))
    for piece in chunked(pcm(TALK[: 16 * 2_400])):
        await client.send(audio(piece))
        await client.receive()
    responses = await client.rest()
    guesses = interims(responses)
    steady = [each.stability for each in guesses]
    assert 0.1 in [round(each, 3) for each in steady]
    assert steady[-1] == 1.0
    assert steady.count(1.0) == 1
    assert texts(guesses)[0].startswith("One")
    assert texts(guesses)[-1] == "One two three. "
    assert all(not each.alternatives[0].words for each in guesses)
    assert texts(finals(responses)) == ["One two three. "]


async def test_no_first_pass_unless_asked(channel: aio.Channel) -> None:
    responses = await recognise(channel, chunked(pcm(TALK)), interims=True)
    assert all(each.stability < 1 for each in interims(responses))


async def test_endpointing_that_is_set_is_respected(channel: aio.Channel) -> None:
    found = finals(
        await recognise(channel, chunked(pcm(TALK)), endpointing_config={"stop_history": 320})
    )
    assert found[0].audio_processed == pytest.approx(1.792)


async def test_a_first_pass_costs_no_second_recognition() -> None:
    recogniser = ToneRecogniser()
    async with serving(recogniser) as channel:
        await recognise(channel, chunked(pcm(TALK)), endpointing_config={"stop_history_eou": 240})
    assert len(recogniser.heard_s) == 2


async def test_responses_do_not_wait_for_the_recogniser() -> None:
    recogniser = ToneRecogniser()
    recogniser.gate.clear()
    async with serving(recogniser) as channel:
        client = Client(channel)
        await client.send(opening(interims=True), *map(audio, chunked(pcm(TALK))))
        for _ in range(28):
            await client.receive()
        assert finals(client.responses) == []
        recogniser.gate.set()
        assert texts(finals(await client.rest())) == ["One two three. ", "Four five. "]


async def test_a_recogniser_that_is_late_says_how_far_it_has_come() -> None:
    """Words that it still has to recognise are no silence."""
    recogniser = ToneRecogniser()
    late = TALK[16 * 2_400 :]
    async with serving(recogniser) as channel:
        client = Client(channel)
        early = chunked(pcm(TALK[: 16 * 2_400]))
        await client.send(opening(interims=True), *map(audio, early))
        assert (await client.final()).audio_processed == pytest.approx(2.272)
        recogniser.gate.clear()
        await client.send(*map(audio, chunked(pcm(late))))
        seen = len(client.responses)
        while len(client.responses) < 28:
            await client.receive()
        while_late = [told(response) for response in client.responses[seen:]]
        recogniser.gate.set()
        assert texts(finals(await client.rest())) == ["One two three. ", "Four five. "]
    began = while_late.index(next(position for position in while_late if position))
    assert began <= 5
    assert all(position and 2.2 < position < 2.9 for position in while_late[began:])


async def test_the_position_at_the_start_of_a_stream_is_never_zero() -> None:
    """Zero would say that a server does not tell it."""
    recogniser = ToneRecogniser()
    recogniser.gate.clear()
    async with serving(recogniser) as channel:
        client = Client(channel)
        await client.send(opening(interims=True), *map(audio, chunked(pcm(say("one two three")))))
        for _ in range(6):
            await client.receive()
        recogniser.gate.set()
        positions = [told(response) for response in await client.rest()]
    assert {round(position, 3) for position in positions if position is not None} == {0.032}


async def test_a_forced_end_and_on(channel: aio.Channel) -> None:
    client = Client(channel)
    talk = chunked(pcm(np.concatenate([silence(0.3), say("one two")])))
    await client.send(opening(), *map(audio, talk))
    await client.send(pb.StreamingRecognizeRequest(runtime_config={"force_eou": "true"}))
    assert texts([await client.final()]) == ["One two. "]
    await client.send(audio(pcm(say("three"))), audio(pcm(silence(0.2)), force=True))
    assert texts([await client.final()]) == ["Three. "]
    assert len(finals(await client.rest())) == 2


async def test_a_forced_end_of_nothing_is_answered(channel: aio.Channel) -> None:
    client = Client(channel)
    await client.send(opening(), audio(pcm(silence(0.5)), force=True))
    assert texts([await client.final()]) == [""]


async def test_the_last_words_are_flushed(channel: aio.Channel) -> None:
    (found,) = finals(await recognise(channel, chunked(pcm(say("one two")))))
    assert texts([found]) == ["One two. "]


async def test_silence_has_no_results(channel: aio.Channel) -> None:
    responses = await recognise(channel, chunked(pcm(silence(3))), interims=True)
    assert [len(response.results) for response in responses] == [0] * 18


def noise() -> Samples:
    loud = np.full(16_000, 0.3, np.float32)
    return np.concatenate([silence(0.5), loud, silence(1.5)])


async def test_noise_that_says_nothing_has_no_final(channel: aio.Channel) -> None:
    assert finals(await recognise(channel, chunked(pcm(noise())))) == []


async def test_the_position_after_noise_is_the_end_of_the_audio(channel: aio.Channel) -> None:
    client = Client(channel)
    await client.send(opening(interims=True), *map(audio, chunked(pcm(noise()))))
    while (reached_s := told(await client.receive()) or 0.0) < 0.5 + 1.0 + 0.4:
        pass
    assert reached_s <= 0.5 + 1.0 + 1.5
    await client.send(*map(audio, chunked(pcm(silence(0.8)))))
    assert not (await client.rest())[-1].results


async def test_noise_at_the_end_tells_its_position_however_late() -> None:
    recogniser = ToneRecogniser()
    recogniser.gate.clear()
    async with serving(recogniser) as channel:
        client = Client(channel)
        await client.send(opening(interims=True), *map(audio, chunked(pcm(noise()))))
        for _response_per_chunk in range(18):
            await client.receive()
        recogniser.gate.set()
        positions = [told(response) for response in await client.rest()]
    assert max(filter(None, positions)) >= 0.5 + 1.0 + 0.4


async def test_long_speech_is_cut_and_joined() -> None:
    recogniser = ToneRecogniser()
    words = " ".join(["one", "two", "three", "four", "five"] * 16)
    async with serving(recogniser) as channel:
        data = pcm(np.concatenate([say(words), silence(1)]))
        (found,) = finals(
            await recognise(channel, chunked(data), interims=True, enable_word_time_offsets=True)
        )
    heard = [word.word for word in found.alternatives[0].words]
    assert heard == words.split()
    starts = [word.start_time for word in found.alternatives[0].words]
    assert starts == sorted(starts)
    assert starts[-1] == pytest.approx(79 * 352, abs=20)
    assert max(recogniser.heard_s) < 12.1


async def test_reading_stops_while_the_recogniser_is_far_behind() -> None:
    recogniser = ToneRecogniser()
    recogniser.gate.clear()
    utterance = np.concatenate([say("one two three four five six seven eight"), silence(1)])
    async with serving(recogniser) as channel:
        client = Client(channel)
        sending = asyncio.create_task(
            client.send(opening(), *map(audio, chunked(pcm(np.tile(utterance, 40)))))
        )
        await asyncio.to_thread(recogniser.entered.acquire, True, 60)
        done, _ = await asyncio.wait([sending], timeout=0.5)
        assert not done
        recogniser.gate.set()
        await sending
        found = texts(finals(await client.rest()))
    assert found == ["One two three four five six seven eight. "] * 40


async def test_the_request_id_comes_back(channel: aio.Channel) -> None:
    client = Client(channel)
    first = opening()
    first.id.value = "request-7"
    await client.send(first, audio(pcm(silence(0.5))))
    assert {response.id.value for response in await client.rest()} == {"request-7"}


@pytest.mark.parametrize(
    ("config", "text"),
    [
        ({"language_code": "ru-RU"}, "Unavailable model requested"),
        ({"encoding": 2}, "FLAC"),
        ({"encoding": 4}, "OGGOPUS"),
        ({"sample_rate_hertz": 4_000}, "sample_rate_hertz is 4000; allowed are 8000 to 48000"),
        ({"audio_channel_count": 90}, "audio_channel_count is 90"),
    ],
)
async def test_what_cannot_be_had_is_refused(
    channel: aio.Channel, config: dict[str, Any], text: str
) -> None:
    client = Client(channel)
    await client.send(opening(**config))
    error = await refused(client)
    assert error.code() is StatusCode.INVALID_ARGUMENT
    assert text in str(error.details())


@pytest.mark.parametrize(
    ("messages", "text"),
    [
        ([], "first message must have a streaming_config"),
        ([audio(b"1234")], "first message must have a streaming_config"),
        ([opening(), opening()], "streaming_config is allowed in the first message only"),
        ([opening(), audio(b"fLaC" + bytes(100))], "the audio is FLAC"),
    ],
)
async def test_messages_out_of_order(channel: aio.Channel, messages: list[Any], text: str) -> None:
    client = Client(channel)
    await client.send(*messages)
    error = await refused(client)
    assert error.code() is StatusCode.INVALID_ARGUMENT
    assert text in str(error.details())


async def test_metadata_tells_that_the_config_was_taken(channel: aio.Channel) -> None:
    client = Client(channel)
    await client.send(opening())
    await client.call.initial_metadata()
    await client.rest()


async def test_a_stream_without_audio_is_ended_in_rivas_words() -> None:
    async with serving(asr_limits=AsrLimits(idle_s=0.1)) as channel:
        client = Client(channel)
        await client.send(opening(), audio(b""))
        error = await refused(client, half_close=False)
    assert error.code() is StatusCode.INVALID_ARGUMENT
    assert "must specify the START flag on the first request" in str(error.details())


async def test_a_stream_without_a_config_is_ended() -> None:
    async with serving(asr_limits=AsrLimits(config_wait_s=0.1)) as channel:
        client = Client(channel)
        error = await refused(client, half_close=False)
    assert error.code() is StatusCode.DEADLINE_EXCEEDED


async def test_one_stream_too_many_is_refused() -> None:
    async with serving(asr_limits=AsrLimits(calls=1)) as channel:
        first, second = Client(channel), Client(channel)
        await first.send(opening())
        await first.call.initial_metadata()
        await second.send(opening())
        error = await refused(second)
        assert error.code() is StatusCode.RESOURCE_EXHAUSTED
        await first.rest()
        await recognise(channel, [])


async def test_a_fault_of_the_engine_stays_inside(caplog: pytest.LogCaptureFixture) -> None:
    recogniser = ToneRecogniser()
    async with serving(recogniser) as channel:
        recogniser.fault = ValueError("secret path /models")
        client = Client(channel)
        await client.send(opening(), audio(pcm(TALK)))
        error = await refused(client)
        assert error.code() is StatusCode.INTERNAL
        assert "secret" not in str(error.details())
        assert str(error.details()).split()[-1] in caplog.text
        assert len(finals(await recognise(channel, chunked(pcm(TALK))))) == 2


async def test_streams_that_misbehave_harm_no_other(
    channel: aio.Channel, caplog: pytest.LogCaptureFixture
) -> None:
    """Garbage messages, a huge one, garbage audio, and cancels in the middle of everything."""
    good = Client(channel)
    await good.send(opening())
    pieces = chunked(pcm(TALK))
    for at, piece in enumerate(pieces):
        await good.send(audio(piece))
        await MISCHIEF[at % len(MISCHIEF)](channel)
    assert texts(finals(await good.rest())) == ["One two three. ", "Four five. "]
    assert [each for each in caplog.records if each.name.startswith("voice_local")] == []


async def cancel_amid(channel: aio.Channel) -> None:
    client = Client(channel)
    await client.send(opening(interims=True), audio(pcm(TALK)))
    await client.receive()
    client.call.cancel()


async def cancel_at_once(channel: aio.Channel) -> None:
    client = Client(channel)
    await client.send(opening())
    client.call.cancel()


async def send_garbage(channel: aio.Channel) -> None:
    call: Any = channel.stream_stream("/nvidia.riva.asr.RivaSpeechRecognition/StreamingRecognize")()
    await call.write(b"\xff\xff\xff garbage")
    with pytest.raises(aio.AioRpcError) as caught:
        await call.read()
    assert caught.value.code() is StatusCode.INVALID_ARGUMENT


async def send_noise(channel: aio.Channel) -> None:
    noise = np.random.default_rng(3).bytes(50_001)
    await recognise(channel, [noise])


async def send_too_much(channel: aio.Channel) -> None:
    client = Client(channel)
    await client.send(opening(), audio(bytes(17 * 1024 * 1024)))
    with pytest.raises(aio.AioRpcError) as caught:
        await client.rest()
    assert caught.value.code() is StatusCode.RESOURCE_EXHAUSTED


MISCHIEF = [cancel_amid, cancel_at_once, send_garbage, send_noise, send_too_much]


async def test_a_cancelled_stream_costs_no_more_recognition() -> None:
    recogniser = ToneRecogniser()
    recogniser.gate.clear()
    async with serving(recogniser) as channel:
        client = Client(channel)
        await client.send(opening(), audio(pcm(np.tile(TALK, 3))))
        await asyncio.to_thread(recogniser.entered.acquire, True, 60)
        client.call.cancel()
        recogniser.gate.set()
        await recognise(channel, [pcm(say("one"))])
    assert len(recogniser.heard_s) == 2


async def test_many_streams_at_once(channel: aio.Channel) -> None:
    words = ["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"]

    async def one(word: str) -> list[str]:
        data = pcm(np.concatenate([silence(0.3), say(f"{word} ten"), silence(1)]))
        return texts(finals(await recognise(channel, chunked(data, 1_000), interims=True)))

    found = await asyncio.gather(*map(one, words))
    assert found == [[f"{word.capitalize()} ten. "] for word in words]


async def test_a_whole_recording(channel: aio.Channel) -> None:
    stub: Any = rpc.RivaSpeechRecognitionStub(channel)
    request = pb.RecognizeRequest(
        config=pb.RecognitionConfig(enable_word_time_offsets=True), audio=wav(TALK, 16_000)
    )
    request.id.value = "whole"
    response = await stub.Recognize(request)
    assert texts(response.results) == ["one two three ", "four five "]
    assert response.id.value == "whole"
    assert response.results[1].alternatives[0].words[0].start_time > 2_000


async def test_a_whole_recording_in_another_language(channel: aio.Channel) -> None:
    stub: Any = rpc.RivaSpeechRecognitionStub(channel)
    with pytest.raises(aio.AioRpcError) as caught:
        await stub.Recognize(pb.RecognizeRequest(config={"language_code": "ru-RU"}))
    assert caught.value.code() is StatusCode.INVALID_ARGUMENT
    assert "Unavailable model requested" in str(caught.value.details())
    assert "type=offline" in str(caught.value.details())


async def test_the_list_of_models() -> None:
    async with serving(ToneRecogniser("en-US", "hi-IN")) as channel:
        stub: Any = rpc.RivaSpeechRecognitionStub(channel)
        ask = pb.RivaSpeechRecognitionConfigRequest
        models = (await stub.GetRivaSpeechRecognitionConfig(ask())).model_config
        assert [(each.parameters["language_code"], each.parameters["type"]) for each in models] == [
            ("en-US", "online"),
            ("en-US", "offline"),
            ("hi-IN", "online"),
            ("hi-IN", "offline"),
        ]
        assert models[0].parameters["streaming"] == "True"
        assert models[0].parameters["sample_rate"] == "16000"
        name = models[2].model_name
        (only,) = (await stub.GetRivaSpeechRecognitionConfig(ask(model_name=name))).model_config
        assert only.model_name == name
        with pytest.raises(aio.AioRpcError) as caught:
            await stub.GetRivaSpeechRecognitionConfig(ask(model_name="nobody"))
        assert caught.value.code() is StatusCode.NOT_FOUND
        assert "nobody" in str(caught.value.details())


async def test_health(channel: aio.Channel) -> None:
    stub: Any = health_pb2_grpc.HealthStub(channel)
    for service in (
        "",
        "nvidia.riva.asr.RivaSpeechRecognition",
        "nvidia.riva.tts.RivaSpeechSynthesis",
    ):
        answer = await stub.Check(health_pb2.HealthCheckRequest(service=service))
        assert answer.status == health_pb2.HealthCheckResponse.SERVING


def new_server(port: int) -> RivaServer:
    return RivaServer(ToneRecogniser(), ToneVoice(), EnergyActivity, host="127.0.0.1", port=port)


async def test_a_port_that_is_taken() -> None:
    first = new_server(0)
    port = await first.start()
    second = new_server(port)
    with pytest.raises(OSError, match=f"cannot listen on 127.0.0.1:{port}"):
        await second.start()
    await second.stop(0)
    await first.stop(0)


async def test_stopping_lets_a_call_end_and_then_ends_what_is_left() -> None:
    server = new_server(0)
    port = await server.start()
    async with aio.insecure_channel(f"127.0.0.1:{port}") as channel:
        quick, slow = Client(channel), Client(channel)
        for client in (quick, slow):
            await client.send(opening(), audio(pcm(say("one"))))
            await client.call.initial_metadata()
        async with asyncio.TaskGroup() as group:
            group.create_task(server.stop(1))
            assert texts(finals(await quick.rest())) == ["One. "]
            error = await refused(slow, half_close=False)
        assert error.code() is StatusCode.UNAVAILABLE
