"""The scripted Riva speaks the real protocol: driven through Riva's own stubs."""

from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from typing import Any, cast

import grpc
import grpc.aio
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from riva.client.proto import (
    riva_asr_pb2,
    riva_asr_pb2_grpc,
    riva_audio_pb2,
    riva_tts_pb2,
    riva_tts_pb2_grpc,
)
from voice_gateway.testing.fake_riva import (
    DieAfter,
    FakeRiva,
    Hang,
    Recognition,
    Refuse,
    Says,
    voice_pcm,
)

asr_pb = cast(Any, riva_asr_pb2)
tts_pb = cast(Any, riva_tts_pb2)
health_pb = cast(Any, health_pb2)
LINEAR_PCM = cast(Any, riva_audio_pb2).AudioEncoding.LINEAR_PCM
WEATHER = Says("what is the weather", start_s=0.5, end_s=1.6)
RATE_HZ = 16_000


@asynccontextmanager
async def stubs_of(riva: FakeRiva) -> AsyncGenerator[tuple[Any, Any], None]:
    async with grpc.aio.insecure_channel(riva.uri) as channel:
        asr: Any = cast(Any, riva_asr_pb2_grpc).RivaSpeechRecognitionStub(channel)
        tts: Any = cast(Any, riva_tts_pb2_grpc).RivaSpeechSynthesisStub(channel)
        yield asr, tts


def config(language: str = "en-US", *, word_times: bool = True) -> Any:
    recognition = asr_pb.RecognitionConfig(
        encoding=LINEAR_PCM,
        sample_rate_hertz=RATE_HZ,
        language_code=language,
        enable_word_time_offsets=word_times,
    )
    return asr_pb.StreamingRecognizeRequest(
        streaming_config=asr_pb.StreamingRecognitionConfig(config=recognition, interim_results=True)
    )


def audio(seconds: float, *, force: bool = False) -> Any:
    request = asr_pb.StreamingRecognizeRequest(audio_content=bytes(round(seconds * RATE_HZ) * 2))
    if force:
        request.runtime_config["force_eou"] = "true"
    return request


def speech(text: str, voice: str = "", rate_hz: int = RATE_HZ) -> Any:
    return tts_pb.SynthesizeSpeechRequest(
        text=text,
        language_code="en-US",
        encoding=LINEAR_PCM,
        sample_rate_hz=rate_hz,
        voice_name=voice,
    )


async def finals_of(call: Any, messages: Sequence[Any]) -> list[Any]:
    """Sends everything, half-closes, and returns the final results."""
    for message in messages:
        await call.write(message)
    await call.done_writing()
    return [result async for answer in call for result in answer.results if result.is_final]


async def error_of(call: Any) -> grpc.aio.AioRpcError:
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        async for _ in call:
            pass
    return caught.value


class TestRecognition:
    def test_interims_grow_word_by_word_and_the_final_comes_after_the_silence(self) -> None:
        results = list(Recognition([WEATHER], endpoint_s=0.5).listen(3.0))
        texts = [" ".join(word.text for word in one.words) for one in results]
        assert texts[:4] == ["", "", "", ""]
        assert "what is" in texts
        final = next(one for one in results if one.is_final)
        assert final.at_s == pytest.approx(2.1)
        assert not any(one.words for one in results if one.at_s > final.at_s)

    def test_answers_once_per_160_ms_besides_finals(self) -> None:
        results = list(Recognition([WEATHER], endpoint_s=0.5).listen(3.2))
        assert len([one for one in results if not one.is_final]) == 20

    def test_a_short_pause_joins_two_utterances_and_a_long_one_parts_them(self) -> None:
        says = [Says("one", 0.0, 0.4), Says("two", 0.7, 1.0), Says("three", 2.0, 2.4)]
        finals = [one for one in Recognition(says, endpoint_s=0.5).listen(5.0) if one.is_final]
        assert [[word.text for word in one.words] for one in finals] == [["one", "two"], ["three"]]

    def test_a_forced_final_takes_the_words_so_far_and_leaves_the_rest(self) -> None:
        recognition = Recognition([WEATHER], endpoint_s=0.5)
        list(recognition.listen(1.1))
        forced = recognition.force()
        assert forced is not None
        assert [word.text for word in forced.words] == ["what", "is"]
        assert recognition.force() is None
        rest = next(one for one in recognition.listen(4.0) if one.is_final)
        assert [word.text for word in rest.words] == ["the", "weather"]

    def test_the_stable_interim_comes_once_between_speech_and_final(self) -> None:
        says = [WEATHER, Says("thanks", 3.0, 3.4)]
        results = list(Recognition(says, endpoint_s=0.5, stable_s=0.24).listen(5.0))
        stable = [one.at_s for one in results if one.stability == 1.0]
        assert stable == pytest.approx([1.84, 3.64])

    def test_refuses_overlapping_utterances(self) -> None:
        with pytest.raises(ValueError, match="overlap"):
            Recognition([Says("a", 0.0, 1.0), Says("b", 0.5, 2.0)], endpoint_s=0.5)


class TestRecogniser:
    async def test_a_call_is_heard_and_recorded(self) -> None:
        async with FakeRiva([WEATHER]) as riva, stubs_of(riva) as (asr, _):
            call = asr.StreamingRecognize(metadata=(("function-id", "f"),))
            finals = await finals_of(call, [config(), *[audio(0.1)] * 30])
            assert [one.alternatives[0].transcript for one in finals] == ["what is the weather "]
            words = finals[0].alternatives[0].words
            assert (words[0].start_time, words[-1].end_time) == (500, 1600)
            seen = await riva.asr_call(0)
            await seen.ended.wait()
            assert seen.audio_s == pytest.approx(3.0)
            assert seen.metadata["function-id"] == "f"
            assert (seen.half_closed, seen.cancelled) == (True, False)
            assert seen.finals == ["what is the weather"]
            assert seen.interims[0] == "what"

    async def test_half_close_flushes_what_was_heard(self) -> None:
        async with FakeRiva([WEATHER]) as riva, stubs_of(riva) as (asr, _):
            finals = await finals_of(asr.StreamingRecognize(), [config(), audio(1.7)])
            assert len(finals) == 1

    async def test_force_eou_finalises_without_the_silence(self) -> None:
        async with FakeRiva([WEATHER]) as riva, stubs_of(riva) as (asr, _):
            call = asr.StreamingRecognize()
            for message in (config(word_times=False), audio(1.7), audio(0.02, force=True)):
                await call.write(message)
            seen = await riva.asr_call(0)
            await seen.until(lambda call: bool(call.finals))
            assert len(seen.forced_at) == 1
            answers = [await call.read() for _ in seen.responses]
            assert answers[-1].results[0].is_final
            assert not answers[-1].results[0].alternatives[0].words
            call.cancel()
            await seen.ended.wait()
            assert seen.ended_at is not None

    async def test_each_call_hears_its_own_words(self) -> None:
        def says(config: Any, ordinal: int) -> list[Says]:
            return [Says(f"{config.config.language_code} {ordinal}", 0.0, 0.4)]

        async with FakeRiva(says) as riva, stubs_of(riva) as (asr, _):
            for ordinal in range(2):
                finals = await finals_of(asr.StreamingRecognize(), [config(), audio(0.5)])
                assert finals[0].alternatives[0].transcript == f"en-US {ordinal} "

    async def test_delays_do_not_hold_up_reading(self) -> None:
        async with FakeRiva([WEATHER], asr_delay_s=0.5) as riva, stubs_of(riva) as (asr, _):
            await finals_of(asr.StreamingRecognize(), [config(), *[audio(0.1)] * 30])
            seen = await riva.asr_call(0)
            assert seen.last_audio_at is not None
            assert seen.responses[0].sent_at - seen.responses[0].caused_at >= 0.499
            assert seen.responses[-1].sent_at - seen.last_audio_at < 5.0  # not 20 times 0.5

    @pytest.mark.parametrize("fault", [Refuse(grpc.StatusCode.UNAVAILABLE, "full"), DieAfter(0)])
    async def test_faults_end_a_call_with_their_status(self, fault: Refuse | DieAfter) -> None:
        async with FakeRiva([WEATHER], asr_fault=fault) as riva, stubs_of(riva) as (asr, _):
            call = asr.StreamingRecognize()
            await call.write(config())
            if isinstance(fault, DieAfter):
                await call.write(audio(0.2))
            error = await error_of(call)
            assert (error.code(), error.details()) == (fault.code, fault.text)

    async def test_dies_in_place_of_a_later_response(self) -> None:
        async with FakeRiva([WEATHER], asr_fault=DieAfter(3)) as riva, stubs_of(riva) as (asr, _):
            call = asr.StreamingRecognize()
            await call.write(config())
            await call.write(audio(1.0))
            await error_of(call)
            seen = await riva.asr_call(0)
            assert len(seen.responses) == 3

    async def test_a_fault_can_hold_for_the_first_call_only(self) -> None:
        def first(ordinal: int) -> Refuse | None:
            return Refuse() if ordinal == 0 else None

        async with FakeRiva([WEATHER], asr_fault=first) as riva, stubs_of(riva) as (asr, _):
            call = asr.StreamingRecognize()
            await call.write(config())
            await error_of(call)
            assert await finals_of(asr.StreamingRecognize(), [config(), audio(1.7)])

    async def test_a_hanging_call_reads_and_never_answers(self) -> None:
        async with FakeRiva([WEATHER], asr_fault=Hang()) as riva, stubs_of(riva) as (asr, _):
            call = asr.StreamingRecognize()
            await call.write(config())
            await call.write(audio(2.5))
            seen = await riva.asr_call(0)
            await seen.until(lambda call: call.audio_s >= 2.5)
            assert not seen.responses
            call.cancel()
            await seen.ended.wait()
            assert seen.cancelled

    async def test_refuses_an_unknown_language_in_rivas_words(self) -> None:
        async with FakeRiva(languages={"en-US"}) as riva, stubs_of(riva) as (asr, _):
            call = asr.StreamingRecognize()
            await call.write(config("en"))
            error = await error_of(call)
            assert error.code() is grpc.StatusCode.INVALID_ARGUMENT
            assert "Unavailable model requested" in (error.details() or "")
            assert "language_code=en;" in (error.details() or "")

    async def test_frees_an_idle_stream(self) -> None:
        async with FakeRiva([WEATHER], idle_s=0.0) as riva, stubs_of(riva) as (asr, _):
            call = asr.StreamingRecognize()
            await call.write(config())
            await call.write(audio(0.1))
            error = await error_of(call)
            assert error.code() is grpc.StatusCode.INVALID_ARGUMENT
            assert "START flag" in (error.details() or "")

    async def test_a_stream_begins_with_its_config(self) -> None:
        async with FakeRiva() as riva, stubs_of(riva) as (asr, _):
            call = asr.StreamingRecognize()
            await call.write(audio(0.1))
            assert (await error_of(call)).code() is grpc.StatusCode.INVALID_ARGUMENT


class TestVoice:
    async def test_a_text_is_spoken_in_pieces_that_name_it(self) -> None:
        async with FakeRiva() as riva, stubs_of(riva) as (_, tts):
            call = tts.SynthesizeOnline()
            await call.write(speech("It is sunny.", voice="Aria"))
            await call.done_writing()
            pieces = [answer.audio async for answer in call]
            assert len(pieces) == 4  # 0.72 s in pieces of 0.2 s
            assert b"".join(pieces) == voice_pcm("It is sunny.", 12 * 0.06, RATE_HZ)
            seen = await riva.voice_call(0)
            await seen.ended.wait()
            assert (seen.text, seen.voice, seen.rate_hz) == ("It is sunny.", "Aria", RATE_HZ)
            assert seen.bytes_sent == sum(map(len, pieces))
            assert not seen.cancelled

    async def test_several_texts_may_share_a_call(self) -> None:
        async with FakeRiva() as riva, stubs_of(riva) as (_, tts):
            call = tts.SynthesizeOnline()
            for text in ("One.", "Two."):
                await call.write(speech(text))
            await call.done_writing()
            whole = b"".join([answer.audio async for answer in call])
            assert whole == riva.voice.pcm("One.", RATE_HZ) + riva.voice.pcm("Two.", RATE_HZ)
            assert [one.text for one in riva.voice_calls] == ["One.", "Two."]

    async def test_cancelling_stops_the_voice(self) -> None:
        async with FakeRiva(voice_real_time_factor=1.0) as riva, stubs_of(riva) as (_, tts):
            call = tts.SynthesizeOnline()
            await call.write(speech("A very long answer that nobody waits for."))
            await call.read()
            call.cancel()
            seen = await riva.voice_call(0)
            await seen.ended.wait()
            assert seen.cancelled
            assert seen.chunks_sent < 5

    async def test_unary_synthesis_gives_the_whole(self) -> None:
        async with FakeRiva() as riva, stubs_of(riva) as (_, tts):
            answer = await tts.Synthesize(speech("Hello.", rate_hz=8_000))
            assert answer.audio == riva.voice.pcm("Hello.", 8_000)

    async def test_the_first_audio_and_the_pace_are_scripted(self) -> None:
        fake = FakeRiva(voice_first_audio_s=0.1, voice_real_time_factor=0.5)
        async with fake as riva, stubs_of(riva) as (_, tts):
            await tts.Synthesize(speech("x" * 10))  # 0.6 s: three pieces, 0.1 s apart
            seen = await riva.voice_call(0)
            assert seen.first_audio_at is not None
            assert seen.ended_at is not None
            assert seen.first_audio_at - seen.started_at >= 0.099
            assert seen.ended_at - seen.started_at >= 0.299

    async def test_refuses_an_unknown_voice_in_rivas_words(self) -> None:
        async with FakeRiva(voices={"Aria"}) as riva, stubs_of(riva) as (_, tts):
            call = tts.SynthesizeOnline()
            await call.write(speech("Hello.", voice="foo"))
            error = await error_of(call)
            assert error.code() is grpc.StatusCode.INVALID_ARGUMENT
            assert "Voice foo for language en-US not found" in (error.details() or "")

    async def test_refuses_a_rate_it_cannot_make(self) -> None:
        async with FakeRiva() as riva, stubs_of(riva) as (_, tts):
            call = tts.SynthesizeOnline()
            await call.write(speech("Hello.", rate_hz=2))
            assert "Invalid sample rate" in ((await error_of(call)).details() or "")

    async def test_dies_in_the_middle_of_a_text(self) -> None:
        async with FakeRiva(voice_fault=DieAfter(2)) as riva, stubs_of(riva) as (_, tts):
            call = tts.SynthesizeOnline()
            await call.write(speech("Long enough for several pieces."))
            await error_of(call)
            assert riva.voice_calls[0].chunks_sent == 2

    async def test_heals_while_it_runs(self) -> None:
        async with FakeRiva(voice_fault=Refuse()) as riva, stubs_of(riva) as (_, tts):
            with pytest.raises(grpc.aio.AioRpcError):
                await tts.Synthesize(speech("Hello."))
            riva.voice.fault = None
            assert (await tts.Synthesize(speech("Hello."))).audio


class TestServer:
    async def test_goes_down_and_comes_back_at_the_same_address(self) -> None:
        async with FakeRiva() as riva:
            uri = riva.uri
            await riva.down()
            await riva.up()
            assert riva.uri == uri
            async with stubs_of(riva) as (_, tts):
                assert (await tts.Synthesize(speech("Hello."), wait_for_ready=True)).audio

    async def test_takes_the_place_of_another_at_its_port(self) -> None:
        async with FakeRiva() as riva:
            port = int(riva.uri.rpartition(":")[2])
        async with FakeRiva(port=port) as another:
            assert another.uri == riva.uri

    async def test_going_down_breaks_running_calls(self) -> None:
        async with FakeRiva([WEATHER]) as riva, stubs_of(riva) as (asr, _):
            call = asr.StreamingRecognize()
            await call.write(config())
            seen = await riva.asr_call(0)
            await riva.down()
            assert (await error_of(call)).code() is grpc.StatusCode.UNAVAILABLE
            await seen.ended.wait()

    async def test_answers_health_and_config(self) -> None:
        async with FakeRiva(voices=["Aria"]) as riva, stubs_of(riva) as (asr, tts):
            async with grpc.aio.insecure_channel(riva.uri) as channel:
                health: Any = cast(Any, health_pb2_grpc).HealthStub(channel)
                assert (await health.Check(health_pb.HealthCheckRequest())).status == 1
                await riva.serving(healthy=False)
                assert (await health.Check(health_pb.HealthCheckRequest())).status == 2
            hears = await asr.GetRivaSpeechRecognitionConfig(
                asr_pb.RivaSpeechRecognitionConfigRequest()
            )
            assert hears.model_config[0].parameters["type"] == "online"
            speaks = await tts.GetRivaSynthesisConfig(tts_pb.RivaSynthesisConfigRequest())
            assert speaks.model_config[0].parameters["subvoices"] == "Aria:0"
