"""Riva's synthesis service on the wire, over a voice that speaks a piece per word."""
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportAttributeAccessIssue=false, reportUnknownArgumentType=false
# riva ships no types

import asyncio
from collections.abc import AsyncGenerator, Callable, Iterator
from typing import Any

import numpy as np
import pytest
from grpc import StatusCode, aio
from riva.client.proto import riva_tts_pb2 as pb
from riva.client.proto import riva_tts_pb2_grpc as rpc
from riva.client.proto.riva_audio_pb2 import AudioEncoding
from voice_local.engines import Said
from voice_local.riva import g711
from voice_local.riva.refusal import RefusedError
from voice_local.riva.tts import TtsLimits
from voice_local.riva.voices import pick_speaker
from voice_local.testing import ToneVoice, serving

METHOD = "/nvidia.riva.tts.RivaSpeechSynthesis/SynthesizeOnline"


def text(words: str, **fields: Any) -> Any:
    fields.setdefault("encoding", AudioEncoding.LINEAR_PCM)
    return pb.SynthesizeSpeechRequest(text=words, **fields)


async def online(channel: aio.Channel, *requests: Any) -> list[Any]:
    call: Any = rpc.RivaSpeechSynthesisStub(channel).SynthesizeOnline(iter(requests))
    return [response async for response in call]


async def whole(channel: aio.Channel, request: Any) -> Any:
    stub: Any = rpc.RivaSpeechSynthesisStub(channel)
    return await stub.Synthesize(request)


async def arrived(channel: aio.Channel) -> None:
    """Wait until the server knows of what was done before: all comes over one connection."""
    stub: Any = rpc.RivaSpeechSynthesisStub(channel)
    for _ in range(3):
        await stub.GetRivaSynthesisConfig(pb.RivaSynthesisConfigRequest())


def audio(responses: list[Any]) -> np.ndarray[Any, np.dtype[np.int16]]:
    return np.frombuffer(b"".join(each.audio for each in responses), "<i2")


@pytest.fixture
async def channel() -> AsyncGenerator[aio.Channel, None]:
    async with serving() as opened:
        yield opened


async def test_a_text_is_spoken_in_small_chunks(channel: aio.Channel) -> None:
    responses = await online(channel, text("one two three"))
    assert len(audio(responses)) == 3 * 12_000
    assert max(len(each.audio) for each in responses) <= 2 * 24_000 // 5
    assert responses[0].meta.text == "one two three"
    assert responses[0].meta.processed_text == "one two three"
    assert not responses[1].meta.text
    assert np.abs(audio(responses)).max() == pytest.approx(16_384, abs=20)


@pytest.mark.parametrize("rate_hz", [8_000, 16_000, 22_050, 44_100, 48_000])
async def test_at_the_rate_that_was_asked(channel: aio.Channel, rate_hz: int) -> None:
    """One tone without a seam: only its own frequency is in it."""
    samples = audio(await online(channel, text("one two", sample_rate_hz=rate_hz)))
    assert len(samples) == pytest.approx(rate_hz, abs=2)
    middle = samples[rate_hz // 10 : rate_hz // 10 * 9].astype(np.float64)
    spectrum = np.abs(np.fft.rfft(middle * np.hanning(len(middle))))
    tone_hz = np.argmax(spectrum) * rate_hz / len(middle)
    assert tone_hz == pytest.approx(440, abs=3)


@pytest.mark.parametrize(
    ("encoding", "read"),
    [(AudioEncoding.MULAW, g711.from_mulaw), (AudioEncoding.ALAW, g711.from_alaw)],
)
async def test_g711(channel: aio.Channel, encoding: int, read: Callable[..., Any]) -> None:
    responses = await online(channel, text("one", encoding=encoding, sample_rate_hz=8_000))
    data = b"".join(each.audio for each in responses)
    assert len(data) == pytest.approx(4_000, abs=2)
    assert np.abs(read(np.frombuffer(data, np.uint8))).max() == pytest.approx(0.5, abs=0.02)


async def test_an_encoding_left_open_is_linear_pcm(channel: aio.Channel) -> None:
    assert len(audio(await online(channel, text("one", encoding=0)))) == 12_000


async def test_several_texts_on_one_stream(channel: aio.Channel) -> None:
    first, second = text("one"), text("two three", sample_rate_hz=8_000)
    first.id.value, second.id.value = "a", "b"
    responses = await online(channel, first, second)
    ids = [each.id.value for each in responses]
    assert ids == sorted(ids)
    assert len(audio([each for each in responses if each.id.value == "a"])) == 12_000
    spoken = [each for each in responses if each.id.value == "b"]
    assert len(audio(spoken)) == pytest.approx(8_000, abs=2)
    assert [each.meta.text for each in responses if each.meta.text] == ["one", "two three"]


async def test_a_client_of_the_older_kind_sends_one_text(channel: aio.Channel) -> None:
    call: Any = channel.unary_stream(
        METHOD,
        request_serializer=pb.SynthesizeSpeechRequest.SerializeToString,
        response_deserializer=pb.SynthesizeSpeechResponse.FromString,
    )(text("one two"))
    assert len(audio([response async for response in call])) == 24_000


class SlowToGoOn(ToneVoice):
    """Says its first word at once; the rest waits for the gate."""

    def speak(self, text: str, speaker: str) -> Iterator[Said]:
        yield Said(np.zeros(self.rate_hz, np.float32))
        yield from super().speak(text, speaker)


async def test_the_first_audio_does_not_wait_for_the_rest() -> None:
    voice = SlowToGoOn()
    voice.gate.clear()
    async with serving(voice=voice) as channel:
        call: Any = rpc.RivaSpeechSynthesisStub(channel).SynthesizeOnline()
        await call.write(text("one two"))
        await call.initial_metadata()
        assert (await call.read()).audio
        voice.gate.set()
        await call.done_writing()
        while await call.read() is not aio.EOF:
            pass
        assert await call.code() is StatusCode.OK


@pytest.mark.parametrize("rate_hz", [0, 8_000])
async def test_word_times_come_with_the_audio_they_are_of(
    channel: aio.Channel, rate_hz: int
) -> None:
    asked = text("Well, one two", enable_word_time_offsets=True, sample_rate_hz=rate_hz)
    responses = await online(channel, asked)
    words = [word for each in responses for word in each.meta.words]
    assert [(word.word, word.start_time, word.end_time) for word in words] == [
        ("Well,", 0, 500),
        ("one", 500, 1_000),
        ("two", 1_000, 1_500),
    ]
    assert [len(each.meta.words) for each in responses][:4] == [1, 0, 0, 1]
    assert all(each.audio for each in responses)


async def test_no_word_times_unless_asked(channel: aio.Channel) -> None:
    responses = await online(channel, text("one"))
    assert all(not each.meta.words for each in responses)
    assert all(each.audio for each in responses)


async def test_no_word_times_where_the_voice_tells_none() -> None:
    async with serving(voice=ToneVoice(tells_words=False)) as channel:
        responses = await online(channel, text("one two", enable_word_time_offsets=True))
    assert all(not each.meta.words for each in responses)
    assert len(audio(responses)) == 24_000


async def test_markup_is_not_spoken() -> None:
    voice = ToneVoice()
    async with serving(voice=voice) as channel:
        ssml = '<speak>one <prosody rate="slow">two</prosody>\n</speak>'
        responses = await online(channel, text(ssml))
    assert voice.texts == [("one two", "Low")]
    assert responses[0].meta.text == ssml
    assert responses[0].meta.processed_text == "one two"


async def test_a_whole_text(channel: aio.Channel) -> None:
    request = text("one two", sample_rate_hz=16_000, enable_word_time_offsets=True)
    request.id.value = "w"
    response = await whole(channel, request)
    assert len(audio([response])) == pytest.approx(16_000, abs=2)
    assert response.meta.processed_text == "one two"
    assert len(response.meta.words) == 2
    assert response.id.value == "w"


async def test_a_whole_text_too_long_for_one_message(channel: aio.Channel) -> None:
    with pytest.raises(aio.AioRpcError) as caught:
        await whole(channel, text("one " * 499, sample_rate_hz=48_000))
    assert caught.value.code() is StatusCode.INVALID_ARGUMENT
    assert "use SynthesizeOnline" in str(caught.value.details())


@pytest.mark.parametrize(
    ("request_fields", "details"),
    [
        ({"text": ""}, "text is empty; allowed are 1 to 2000 characters"),
        ({"text": " \n"}, "text is empty"),
        ({"text": "<speak> </speak>"}, "text is empty"),
        ({"text": "a" * 2_001}, "text has 2001 characters; allowed are 1 to 2000"),
        ({"sample_rate_hz": 2}, "Invalid sample rate"),
        ({"sample_rate_hz": 96_000}, "Invalid sample rate"),
        ({"encoding": 4}, "encoding is OGGOPUS; allowed are LINEAR_PCM, MULAW, ALAW"),
        ({"encoding": 99}, "encoding is 99"),
        (
            {"voice_name": "foo", "language_code": "en-US"},
            "Model is not available on server: Voice foo for language en-US not found. "
            "Please specify the voice name in your SynthesizeSpeechRequest.",
        ),
        ({"language_code": "ru-RU"}, "Voice  for language ru-RU not found."),
        ({"zero_shot_data": {"audio_prompt": b"x"}}, "zero_shot_data is set"),
    ],
)
async def test_what_cannot_be_had_is_refused(
    channel: aio.Channel, request_fields: dict[str, Any], details: str
) -> None:
    request = pb.SynthesizeSpeechRequest(**{"text": "one", **request_fields})
    for call in (online, whole):
        with pytest.raises(aio.AioRpcError) as caught:
            await call(channel, request)
        assert caught.value.code() is StatusCode.INVALID_ARGUMENT
        assert details in str(caught.value.details())


@pytest.mark.parametrize(
    ("name", "speaker"),
    [
        ("", "Low"),
        ("Tones", "Low"),
        ("Tones.High", "High"),
        ("tones.high", "High"),
        ("High", "High"),
        ("English-US.Female-1", "Low"),
        ("English-US-Male-1", "Low"),
        ("English-US", "Low"),
        ("Magpie-Multilingual.EN-US.Aria", "Low"),
        ("Magpie-Multilingual.EN-US.Leo.Happy", "Low"),
        ("Magpie-Multilingual.EN-US", "Low"),
    ],
)
def test_voices_by_name(name: str, speaker: str) -> None:
    assert pick_speaker(ToneVoice(), name, "en-us") == speaker


@pytest.mark.parametrize(
    "name", ["Tones.Loud", "Other.Low", "Magpie-Multilingual.HI-IN.Aria", "German-DE.Male-1"]
)
def test_voices_that_are_not_there(name: str) -> None:
    with pytest.raises(RefusedError, match=f"Voice {name} for language en-US not found"):
        pick_speaker(ToneVoice(), name, "")


async def test_a_second_text_that_is_refused_ends_the_stream(channel: aio.Channel) -> None:
    call: Any = rpc.RivaSpeechSynthesisStub(channel).SynthesizeOnline(iter([text("one"), text("")]))
    responses: list[Any] = []
    with pytest.raises(aio.AioRpcError) as caught:
        await collect(call, responses)
    assert caught.value.code() is StatusCode.INVALID_ARGUMENT
    assert len(audio(responses)) == 12_000


async def collect(call: Any, responses: list[Any]) -> None:
    async for response in call:
        responses.append(response)  # noqa: PERF401 - what came before a fault is kept


async def test_a_cancelled_call_asks_for_no_further_piece() -> None:
    voice = ToneVoice()
    voice.gate.clear()
    async with serving(voice=voice) as channel:
        call: Any = rpc.RivaSpeechSynthesisStub(channel).SynthesizeOnline()
        await call.write(text("one two three four"))
        await asyncio.to_thread(voice.entered.acquire, True, 60)
        call.cancel()
        other = asyncio.create_task(online(channel, text("two")))
        await arrived(channel)
        voice.gate.set()
        assert len(audio(await other)) == 12_000
    assert voice.pieces == 2
    assert voice.closed == 2


async def test_two_texts_take_turns() -> None:
    """The long text was first, but the short one does not wait for the whole of it."""
    voice = ToneVoice()
    voice.gate.clear()
    async with serving(voice=voice) as channel:
        long = asyncio.create_task(online(channel, text("one " * 40)))
        await asyncio.to_thread(voice.entered.acquire, True, 60)
        short = asyncio.create_task(online(channel, text("two")))
        await arrived(channel)
        voice.gate.set()
        await short
        assert not long.done()
        assert len(audio(await long)) == 40 * 12_000


async def test_a_fault_of_the_voice_stays_inside(caplog: pytest.LogCaptureFixture) -> None:
    voice = ToneVoice()
    async with serving(voice=voice) as channel:
        voice.fault = ValueError("secret")
        with pytest.raises(aio.AioRpcError) as caught:
            await online(channel, text("one"))
        assert caught.value.code() is StatusCode.INTERNAL
        assert "secret" not in str(caught.value.details())
        assert str(caught.value.details()).split()[-1] in caplog.text
        voice.fault = None
        assert len(audio(await online(channel, text("one")))) == 12_000


async def test_one_call_too_many_is_refused() -> None:
    voice = ToneVoice()
    voice.gate.clear()
    async with serving(voice=voice, tts_limits=TtsLimits(calls=1)) as channel:
        first = asyncio.create_task(online(channel, text("one")))
        await asyncio.to_thread(voice.entered.acquire, True, 60)
        with pytest.raises(aio.AioRpcError) as caught:
            await online(channel, text("two"))
        assert caught.value.code() is StatusCode.RESOURCE_EXHAUSTED
        voice.gate.set()
        await first


async def test_a_stream_without_a_text_is_ended() -> None:
    async with serving(tts_limits=TtsLimits(idle_s=0.1)) as channel:
        call: Any = rpc.RivaSpeechSynthesisStub(channel).SynthesizeOnline()
        with pytest.raises(aio.AioRpcError) as caught:
            await call.read()
        assert caught.value.code() is StatusCode.DEADLINE_EXCEEDED


async def test_many_texts_at_once(channel: aio.Channel) -> None:
    spoken = await asyncio.gather(
        *(online(channel, text("one " * count, sample_rate_hz=16_000)) for count in range(1, 9))
    )
    assert [round(len(audio(each)) / 8_000) for each in spoken] == list(range(1, 9))


async def test_the_list_of_voices(channel: aio.Channel) -> None:
    stub: Any = rpc.RivaSpeechSynthesisStub(channel)
    ask = pb.RivaSynthesisConfigRequest
    (model,) = (await stub.GetRivaSynthesisConfig(ask())).model_config
    assert model.model_name == "Tones"
    assert model.parameters["language_code"] == "en-US"
    assert model.parameters["voice_name"] == "Tones"
    assert model.parameters["subvoices"] == "Low:0,High:1"
    assert model.parameters["sample_rate"] == "24000"
    assert (await stub.GetRivaSynthesisConfig(ask(model_name="Tones"))).model_config
    with pytest.raises(aio.AioRpcError) as caught:
        await stub.GetRivaSynthesisConfig(ask(model_name="nobody"))
    assert caught.value.code() is StatusCode.NOT_FOUND
