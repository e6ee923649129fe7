"""Calls over real gRPC, in front of a scripted Riva and a scripted chat endpoint."""

import asyncio
import json
from typing import Any, cast

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc
from voice_gateway.language import language_of
from voice_gateway.testing.fake_chat import FakeChat, Silent, UsesTool
from voice_gateway.testing.fake_riva import FakeRiva, Says
from voice_proto import voice_workflow_pb2 as pb

from .conftest import Serve

QUESTION = Says("what is the weather", start_s=0.3, end_s=1.0)
ANSWER = "It is sunny today, with a light wind. Take a hat."


def upstreams(*says: Says) -> tuple[FakeRiva, FakeChat]:
    riva = FakeRiva(says=says or [QUESTION], voice_first_audio_s=0.01)
    return riva, FakeChat(replies=[ANSWER] * 4)


async def test_a_first_version_client_is_answered_in_full(serve: Serve):
    """Config, raw chunks of 4096 samples as fast as they go, half-close; four fields read."""
    async with serve(*upstreams()) as gateway, gateway.dial() as line:
        await line.say(config=pb.VoiceConfig(language_code="en-US", sample_rate=16_000))
        await line.until(pb.LISTENING)
        await line.speak(2.0)
        await line.hang_up()
        await line.rest()
        assert line.events() == ["LISTENING", "PROCESSING", "SPEAKING", "END_OF_TURN"]
        assert line.finals() == ["what is the weather"]
        assert line.text().strip() == ANSWER
        assert len(line.audio()) == sum(c.bytes_sent for c in gateway.riva.voice_calls)
        assert [c.text for c in gateway.riva.voice_calls] == [
            "It is sunny today,",
            "with a light wind.",
            "Take a hat.",
        ]


async def test_three_turns_and_a_typed_one_share_one_memory(serve: Serve):
    riva, chat = upstreams(Says("one", 0.2, 0.5), Says("two", 2.2, 2.5), Says("three", 4.2, 4.5))
    chat.replies = ["First.", "Second.", "Third.", "Typed."]
    async with serve(riva, chat) as gateway, gateway.dial() as line:
        await line.say(config=pb.VoiceConfig())
        for _ in range(3):
            await line.speak(2.0)
            await line.until(pb.END_OF_TURN)
        await line.say(text_input="four")
        await line.until(pb.END_OF_TURN)
        asked = [m["content"] for m in chat.requests[-1].messages[1:]]
        assert asked == ["one", "First.", "two", "Second.", "three", "Third.", "four"]
        assert all(r.messages[0]["role"] == "system" for r in chat.requests)


async def test_everything_streams(serve: Serve):
    """Interims while the caller speaks, text while the model writes, audio before it is done."""
    riva, chat = upstreams()
    chat.token_s = 0.05
    async with serve(riva, chat) as gateway, gateway.dial() as line:
        await line.say(config=pb.VoiceConfig())
        await line.speak(0.8)
        await line.hang_up()
        await line.rest()
        interims = [m for m in line.received if m.transcript_chunk and not m.transcript.is_final]
        first_audio = next(i for i, m in enumerate(line.received) if m.audio_chunk)
        last_text = max(i for i, m in enumerate(line.received) if m.llm_response_chunk)
        assert interims
        assert first_audio < last_text


async def test_detail_for_richer_clients(serve: Serve):
    async with serve(*upstreams()) as gateway, gateway.dial() as line:
        await line.say(config=pb.VoiceConfig())
        await line.speak(2.0)
        over = await line.until(pb.END_OF_TURN)
        assert [m.sequence for m in line.received] == list(range(1, len(line.received) + 1))
        (final,) = [m.transcript for m in line.received if m.transcript.is_final]
        assert [w.word for w in final.words] == ["what", "is", "the", "weather"]
        assert final.words[-1].end_ms == 1000
        audio = [m for m in line.received if m.audio_chunk]
        assert [m.reply_id for m in audio] == [1] * len(audio)
        position = 0
        for message in audio:
            assert message.audio_offset_ms == pytest.approx(position / 32, abs=1)
            position += len(message.audio_chunk)
        for stage in ("endpoint_ms", "model_ms", "clause_ms", "voice_ms", "total_ms"):
            assert over.latency.HasField(stage)


async def test_utterances_that_are_sent_at_once_are_all_heard_in_order(serve: Serve):
    """Who ends an utterance was not taken too early: the next one is a turn of its own."""
    says = [Says("turn left", 0.2, 0.6), Says("turn right", 2.4, 2.8), Says("stop", 4.6, 4.8)]
    riva, chat = upstreams(*says)
    async with serve(riva, chat) as gateway, gateway.dial() as line:
        await line.say(config=pb.VoiceConfig())
        for _ in says:
            await line.speak(1.0)
            await line.say(end_of_utterance=pb.EndOfUtterance())
        await line.until(pb.END_OF_TURN)
        assert line.finals() == ["turn left", "turn right", "stop"]
        assert not any(m.transcript.replaces_reply_id for m in line.received)
        told = [m["content"] for m in chat.requests[-1].messages if m["role"] == "user"]
        assert " ".join(told) == "turn left turn right stop"


@pytest.mark.parametrize("obliging", [True, False])
async def test_a_goodbye_is_told_before_the_gateway_hangs_up(serve: Serve, obliging: bool):
    """Who half-closes is sure to see the status; who talks on is hung up on all the same."""
    silence = {"idle_end_s": 0.2, "idle_goodbye": "off"}
    async with serve(*upstreams(), **silence) as gateway, gateway.dial() as line:
        await line.say(config=pb.VoiceConfig())
        await line.until(pb.GOODBYE)
        if obliging:
            await line.hang_up()
        assert await line.refusal() == (grpc.StatusCode.OK, "")
        assert line.events() == ["LISTENING", "GOODBYE"]


async def test_barge_in_cancels_upstream_and_nothing_stale_follows(serve: Serve):
    riva, chat = upstreams(Says("tell me a story", 0.2, 0.8), Says("stop", 2.0, 2.2))
    chat.replies = ["Once upon a time, there was a fox. " + "It ran on and on. " * 200, "Fine."]
    chat.token_s = 0.01
    async with serve(riva, chat) as gateway, gateway.dial() as line:
        await line.say(config=pb.VoiceConfig())
        await line.speak(1.6)
        await line.until(pb.SPEAKING)
        await line.speak(1.4)
        cut = await line.until(pb.LISTENING)
        assert cut.HasField("interruption")
        seen = len(line.received)
        await line.until(pb.END_OF_TURN)
        assert all(m.reply_id != 1 for m in line.received[seen:])
        first = chat.requests[0]
        await first.ended.wait()
        assert first.cancelled
        memory = [(m["role"], m["content"]) for m in chat.requests[1].messages[1:]]
        heard = cut.interruption.heard_text
        said = [("assistant", f"{heard.rstrip(',;:')} —")] if heard else []
        question = "tell me a story" if heard else "tell me a story stop"
        rest = [("user", "stop")] if heard else []
        assert memory == [("user", question), *said, *rest]


async def test_a_turn_that_was_taken_too_early_is_told_as_one_turn_that_changed(serve: Serve):
    riva, chat = upstreams(QUESTION, Says("in Paris", 2.6, 3.2))
    chat.replies = ["Once upon a time. " * 20, "Sunny there."]
    async with serve(riva, chat, turn_detection="asr") as gateway, gateway.dial() as line:
        await line.say(config=pb.VoiceConfig())
        await line.speak(2.0)
        await line.until(pb.SPEAKING)
        await line.speak(2.5)
        await line.until(pb.END_OF_TURN)
        early = [m for m in line.received if m.transcript_chunk == "what is the weather"]
        assert [m.transcript.replaces_reply_id for m in early] == [0] * len(early)
        later = [m for m in line.received if m.transcript.replaces_reply_id]
        assert {m.transcript.replaces_reply_id for m in later} == {1}
        assert later[-1].transcript_chunk == "in Paris"  # what an older client sees is as ever
        assert later[-1].transcript.turn_text == "what is the weather in Paris"
        (asked,) = (m["content"] for m in chat.requests[-1].messages[1:])
        assert asked == "what is the weather in Paris"


async def test_a_client_gone_in_mid_reply_leaves_nothing_running(serve: Serve):
    riva, chat = upstreams()
    chat.replies = ["It went on and on. " * 500]
    chat.token_s = 0.01
    async with serve(riva, chat) as gateway:
        async with gateway.dial() as line:
            await line.say(config=pb.VoiceConfig())
            await line.speak(2.0)
            await line.until(pb.SPEAKING)
        asr, asked = await riva.asr_call(0), await chat.request(0)
        await asr.ended.wait()
        await asked.ended.wait()
        for call in riva.voice_calls:
            await call.ended.wait()
        assert asked.cancelled
        while running := _call_tasks():
            await asyncio.wait(running)


async def test_callers_who_vanish_at_any_moment_are_no_failure(
    serve: Serve, caplog: pytest.LogCaptureFixture
):
    riva, chat = upstreams()
    chat.replies = ["It went on and on. " * 50] * 40
    async with serve(riva, chat) as gateway:

        async def vanish(after: int) -> None:
            async with gateway.dial() as line:
                await line.say(config=pb.VoiceConfig())
                await line.speak(2.0)
                for _ in range(after):
                    await line.call.read()

        async with asyncio.TaskGroup() as callers:
            for after in range(40):
                callers.create_task(vanish(after))
        for call in (*riva.asr_calls, *riva.voice_calls, *chat.requests):
            await call.ended.wait()
    assert "broke" not in caplog.text


def _call_tasks() -> list[asyncio.Task[Any]]:
    parts = ("_receive", "_listen", "_write", "reply-", "asr-send", "write-")
    return [task for task in asyncio.all_tasks() if task.get_name().startswith(parts)]


async def test_another_rate_is_heard_and_answered_at_that_rate(serve: Serve):
    async with serve(*upstreams()) as gateway, gateway.dial() as line:
        await line.say(config=pb.VoiceConfig(sample_rate=44_100))
        await line.speak(2.0, rate_hz=44_100)
        await line.hang_up()
        await line.rest()
        asr = await gateway.riva.asr_call(0)
        assert asr.rate_hz == 16_000
        assert asr.audio_s == pytest.approx(2.0, abs=0.01)
        assert gateway.riva.voice_calls[0].rate_hz == 44_100
        assert line.finals() == ["what is the weather"]


async def test_odd_bytes_and_empty_chunks_lose_nothing(serve: Serve):
    async with serve(*upstreams()) as gateway, gateway.dial() as line:
        await line.say(config=pb.VoiceConfig())
        await line.speak(2.0, chunk=1001)
        await line.say(audio_chunk=b"")
        await line.hang_up()
        await line.rest()
        assert (await gateway.riva.asr_call(0)).bytes_received == 64_000
        assert line.finals() == ["what is the weather"]


async def test_audio_before_config_runs_on_the_defaults(serve: Serve):
    async with serve(*upstreams(), tts_voice="Some.Voice") as gateway, gateway.dial() as line:
        await line.speak(2.0)
        await line.hang_up()
        await line.rest()
        assert line.finals() == ["what is the weather"]
        assert gateway.riva.voice_calls[0].voice == "Some.Voice"


async def test_config_reaches_the_upstreams(serve: Serve):
    config = pb.VoiceConfig(
        language_code="hi-IN",
        session_id="mine",
        voice_name="Scripted.V",
        system_prompt="Be short.",
    )
    riva, chat = upstreams()
    riva.asr.languages = riva.voice.languages = ["en-US", "hi-IN"]
    riva.voice.voices = ["V"]
    async with serve(riva, chat) as gateway, gateway.dial() as line:
        await line.say(config=config)
        await line.speak(2.0)
        await line.until(pb.END_OF_TURN)
        asr = await gateway.riva.asr_call(0)
        assert asr.config.config.language_code == "hi-IN"
        assert asr.config.interim_results
        assert asr.config.config.enable_automatic_punctuation
        assert asr.config.config.endpointing_config.stop_history == 480
        voice = gateway.riva.voice_calls[0]
        assert (voice.language, voice.voice) == ("hi-IN", "Scripted.V")
        assert gateway.chat.requests[0].messages[0]["content"] == "Be short."


async def test_push_to_talk_does_not_wait_for_silence(serve: Serve):
    async with serve(*upstreams()) as gateway, gateway.dial() as line:
        await line.say(config=pb.VoiceConfig())
        await line.speak(1.05)
        await line.say(end_of_utterance=pb.EndOfUtterance())
        await line.until(pb.END_OF_TURN)
        assert line.finals() == ["what is the weather"]
        assert len((await gateway.riva.asr_call(0)).forced_at) == 1


@pytest.mark.parametrize(
    ("message", "text"),
    [
        ({"config": {"sample_rate": -1}}, "config.sample_rate is -1; allowed: 8000 to 48000 Hz"),
        ({"config": {"sample_rate": 1_000_000}}, "config.sample_rate is 1000000; allowed"),
        ({"config": {"language_code": "english please"}}, "config.language_code is 'english pl"),
        ({"config": {"session_id": "x" * 129}}, "config.session_id has 129 characters; allowed"),
        ({"config": {"system_prompt": "x" * 8001}}, "config.system_prompt has 8001 characters"),
        ({"text_input": "x" * 4001}, "text_input has 4001 characters; allowed: at most 4000"),
        ({"audio_chunk": bytes(10 * 1024 * 1024)}, "audio_chunk has 10485760 bytes; allowed"),
    ],
)
async def test_bad_messages_are_refused_with_field_value_and_allowed(
    serve: Serve, message: dict[str, object], text: str
):
    async with serve(*upstreams()) as gateway, gateway.dial() as good, gateway.dial() as bad:
        await good.say(config=pb.VoiceConfig())
        await good.until(pb.LISTENING)
        await bad.say(**message)
        code, details = await bad.refusal()
        assert code is grpc.StatusCode.INVALID_ARGUMENT
        assert text in details
        await good.say(text_input="hello")
        await good.until(pb.END_OF_TURN)


async def test_a_second_config_changes_the_language_and_a_bad_one_nothing(serve: Serve):
    riva, chat = upstreams()
    riva.asr.languages = riva.voice.languages = ["en-US", "hi-IN"]
    async with serve(riva, chat) as gateway, gateway.dial() as line:
        await gateway.knows_its_services()
        await line.say(config=pb.VoiceConfig())
        await line.until(pb.LISTENING)
        await line.speak(0.2)
        await (await riva.asr_call(0)).until(lambda call: call.audio_s >= 0.2)
        await line.say(config=pb.VoiceConfig(language_code="fi-FI"))
        error = await line.until(pb.ERROR)
        assert (error.fault.stage, error.fault.code) == ("gateway", "rejected")
        assert error.message.startswith("config.language_code is 'fi-FI', which is not offered")
        assert "allowed: en-US, hi-IN" in error.message
        await line.say(config=pb.VoiceConfig(language_code="hi"))
        told = await line.until(pb.LANGUAGE)
        assert (told.language_code, told.voice_name) == ("hi-IN", "")
        await line.speak(0.2)
        assert (await riva.asr_call(1)).config.config.language_code == "hi-IN"
        await line.say(text_input="hello")
        await line.until(pb.END_OF_TURN)
        assert riva.voice_calls[-1].language == "hi-IN"


async def test_a_row_of_languages_reaches_the_services(serve: Serve):
    row = {
        "asr_language": "multi",
        "asr_model": "parakeet",
        "asr_rate_hz": 8000,
        "tts_language": "hi",
        "tts_voice": "Scripted.Asha",
    }
    given = {"languages": json.dumps({"hi-IN": row}), "asr_model": "english", "tts_voice": "Ann"}
    async with serve(*upstreams(), **given) as gateway, gateway.dial() as line:
        await line.say(config=pb.VoiceConfig(language_code="hi"))
        await line.speak(2.0)
        await line.until(pb.END_OF_TURN)
        asked = (await gateway.riva.asr_call(0)).config.config
        assert (asked.language_code, asked.model) == ("multi", "parakeet")
        assert asked.sample_rate_hertz == 8000
        assert (await gateway.riva.asr_call(0)).audio_s == pytest.approx(2.0, abs=0.5)
        voice = gateway.riva.voice_calls[0]
        assert (voice.language, voice.voice) == ("hi", "Scripted.Asha")
        system = gateway.chat.requests[0].messages[0]["content"]
        assert system == language_of("hi").system_prompt


async def test_a_language_that_the_recogniser_reports_is_the_calls_from_then_on(serve: Serve):
    riva, chat = upstreams(Says("मौसम कैसा है", start_s=0.3, end_s=1.0))
    riva.asr.detects = "hi-IN"
    both = json.dumps({"en-US": {"asr_language": "multi"}, "hi-IN": {"asr_language": "multi"}})
    async with serve(riva, chat, languages=both) as gateway, gateway.dial() as line:
        await line.say(config=pb.VoiceConfig())
        await line.speak(2.0)
        assert (await line.until(pb.LANGUAGE)).language_code == "hi-IN"
        await line.until(pb.END_OF_TURN)
        assert riva.voice_calls[-1].language == "hi-IN"
        assert len(riva.asr_calls) == 1


async def test_the_models_tool_changes_the_language_and_the_client_sees_no_call(serve: Serve):
    riva, chat = upstreams()
    riva.asr.languages = riva.voice.languages = ["en-US", "hi-IN"]
    chat.replies = [UsesTool("speak_language", '{"language": "hi-IN"}'), "नमस्ते।", "जी।"]
    async with serve(riva, chat, languages="hi-IN") as gateway, gateway.dial() as line:
        await line.say(config=pb.VoiceConfig())
        await line.say(text_input="let us speak Hindi")
        assert (await line.until(pb.LANGUAGE)).language_code == "hi-IN"
        await line.until(pb.END_OF_TURN)
        await line.say(text_input="अच्छा")
        await line.until(pb.END_OF_TURN)
        assert line.text() == "नमस्ते।जी।"
        assert [call.language for call in riva.voice_calls] == ["hi-IN", "hi-IN"]
        roles = [message["role"] for message in chat.requests[1].messages]
        assert roles == ["system", "user", "assistant", "tool"]
        remembered = [message["content"] for message in chat.requests[2].messages[1:]]
        assert remembered == ["let us speak Hindi", "नमस्ते।", "अच्छा"]


async def test_a_language_or_voice_that_is_not_there_is_refused_at_the_first_message(serve: Serve):
    riva, chat = upstreams()
    riva.asr.languages = riva.voice.languages = ["en-US", "de-DE"]
    riva.voice.voices = ["Ann"]
    async with serve(riva, chat) as gateway:
        await gateway.knows_its_services()
        for config, said in (
            (pb.VoiceConfig(language_code="xx"), "config.language_code is 'xx', which is not"),
            (pb.VoiceConfig(voice_name="nobody"), "config.voice_name is 'nobody', which is not"),
        ):
            async with gateway.dial() as line:
                await line.say(config=config)
                code, details = await line.refusal()
            assert code is grpc.StatusCode.INVALID_ARGUMENT
            assert details.startswith(said)
            assert ("en-US, de-DE" in details) or ("for en-US Scripted.Ann" in details)
        async with gateway.dial() as line:
            await line.say(config=pb.VoiceConfig(language_code="DE", voice_name="Scripted.Ann"))
            await line.say(text_input="hello")
            await line.until(pb.END_OF_TURN)
        assert riva.voice_calls[-1].language == "de-DE"


async def test_reports_and_interrupts_that_name_nothing_live_change_nothing(serve: Serve):
    async with serve(*upstreams()) as gateway, gateway.dial() as line:
        await line.say(config=pb.VoiceConfig())
        await line.until(pb.LISTENING)
        await line.say(interrupt=pb.Interrupt())
        for reply in (0, 1, 999, 2**32 - 1):
            await line.say(playback=pb.PlaybackProgress(reply_id=reply, played_ms=2**32 - 1))
        await line.say(text_input="hello")
        await line.until(pb.SPEAKING)
        await line.say(playback=pb.PlaybackProgress(reply_id=7, played_ms=1))
        await line.until(pb.END_OF_TURN)
        await line.say(interrupt=pb.Interrupt())
        await line.hang_up()
        await line.rest()
        assert line.text().strip() == ANSWER
        assert line.events() == ["LISTENING", "PROCESSING", "SPEAKING", "END_OF_TURN"]


async def test_a_stream_without_a_message_is_let_go(serve: Serve):
    patience = {"first_message_timeout_s": 0.2}
    async with serve(*upstreams(), **patience) as gateway, gateway.dial() as line:
        code, details = await line.refusal()
        assert code is grpc.StatusCode.DEADLINE_EXCEEDED
        assert "no message came within 0.2 s; send config" in details


async def test_one_call_too_many_is_refused_and_the_others_stay(serve: Serve):
    async with serve(*upstreams(), max_calls=1) as gateway, gateway.dial() as first:
        await first.say(config=pb.VoiceConfig())
        await first.until(pb.LISTENING)
        async with gateway.dial() as second:
            code, _ = await second.refusal()
            assert code is grpc.StatusCode.RESOURCE_EXHAUSTED
        await first.say(text_input="hello")
        await first.until(pb.END_OF_TURN)


async def test_stopping_ends_idle_calls_and_lets_replies_finish(serve: Serve):
    served = serve(*upstreams(), drain_s=60.0)
    async with served as gateway, gateway.dial() as idle, gateway.dial() as busy:
        await idle.say(config=pb.VoiceConfig())
        await idle.until(pb.LISTENING)
        await busy.say(text_input="hello")
        await busy.until(pb.SPEAKING)
        gateway.stop.set()
        assert (await idle.refusal())[0] is grpc.StatusCode.UNAVAILABLE
        assert (await busy.refusal())[0] is grpc.StatusCode.UNAVAILABLE
        assert busy.events()[-1] == "END_OF_TURN"
        assert busy.text().strip() == ANSWER


async def test_health_tells_life_from_readiness(serve: Serve):
    serving: Any = health_pb2.HealthCheckResponse.SERVING
    async with serve(*upstreams()) as gateway, gateway.channel() as channel:
        stub: Any = cast(Any, health_pb2_grpc).HealthStub(channel)
        assert (await stub.Check(health_pb2.HealthCheckRequest())).status == serving
        watch = stub.Watch(health_pb2.HealthCheckRequest(service="voice_workflow.VoiceGateway"))
        while (await watch.read()).status != serving:
            pass  # the upstreams are still being looked at
        watch.cancel()


async def test_health_names_the_service_that_is_down(serve: Serve):
    status = health_pb2.HealthCheckResponse
    nowhere = {"llm_base_url": "http://127.0.0.1:1/v1"}
    async with serve(*upstreams(), **nowhere) as gateway, gateway.channel() as channel:
        stub: Any = cast(Any, health_pb2_grpc).HealthStub(channel)
        for name in ("asr", "llm", "tts"):
            watch = stub.Watch(health_pb2.HealthCheckRequest(service=name))
            while (told := (await watch.read()).status) == status.UNKNOWN:
                pass  # it is still being looked at
            assert told == (status.NOT_SERVING if name == "llm" else status.SERVING)
            watch.cancel()
        whole = health_pb2.HealthCheckRequest(service="voice_workflow.VoiceGateway")
        assert (await stub.Check(whole)).status == status.NOT_SERVING


async def test_of_a_model_that_is_still_being_looked_at_nothing_is_said(serve: Serve):
    riva, chat = upstreams()
    chat.fault = Silent()
    async with serve(riva, chat, llm_warm_up=True) as gateway, gateway.channel() as channel:
        await gateway.chat.request(0)  # it reads the prompt that calls start with
        stub: Any = cast(Any, health_pb2_grpc).HealthStub(channel)
        answer = await stub.Check(health_pb2.HealthCheckRequest(service="llm"))
        assert answer.status == health_pb2.HealthCheckResponse.UNKNOWN


async def test_reflection_shows_the_contract(serve: Serve):
    async with serve(*upstreams()) as gateway, gateway.channel() as channel:
        stub: Any = cast(Any, reflection_pb2_grpc).ServerReflectionStub(channel)
        call = stub.ServerReflectionInfo()
        await call.write(reflection_pb2.ServerReflectionRequest(list_services=""))
        listed = await call.read()
        names = {service.name for service in listed.list_services_response.service}
        assert {"voice_workflow.VoiceGateway", "grpc.health.v1.Health"} <= names
        call.cancel()


async def test_the_model_has_read_the_prompt_before_the_first_caller(serve: Serve):
    async with serve(*upstreams(), llm_warm_up=True, system_prompt="Be kind.") as gateway:
        warmed = await gateway.chat.request(0)
        await warmed.ended.wait()
        assert warmed.messages[0]["content"] == "Be kind."
