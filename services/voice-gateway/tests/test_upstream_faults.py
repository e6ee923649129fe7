"""What a caller sees when Riva or the chat endpoint fails, over the real protocols."""

from collections.abc import Callable
from functools import partial

import grpc
import pytest
from voice_gateway.testing.fake_chat import (
    DropAfter,
    Empty,
    FakeChat,
    HttpError,
    Malformed,
    Silent,
    StallAfter,
)
from voice_gateway.testing.fake_faults import DieAfter, Hang, Refuse
from voice_gateway.testing.fake_riva import FakeRiva, Says
from voice_gateway.testing.line import Line
from voice_proto import voice_workflow_pb2 as pb

from .conftest import Gateway, Serve

# Short for who waits for it, and long for an upstream that works on a busy machine.
LIMIT_S = 2.0
QUICK = {
    "asr_timeout_s": LIMIT_S,
    "tts_timeout_s": LIMIT_S,
    "llm_first_token_timeout_s": LIMIT_S,
    "llm_token_timeout_s": LIMIT_S,
}

SENTENCES = {
    "misconfigured": "The language model refuses the gateway, whose log says why.",
    "unavailable": "The language model is not available just now.",
    "timed_out": "The language model did not answer in time.",
    "empty": "The language model answered with nothing.",
}


def upstreams() -> tuple[FakeRiva, FakeChat]:
    riva = FakeRiva(says=[Says("what is the weather", 0.3, 1.0)], voice_first_audio_s=0.01)
    return riva, FakeChat(replies=["It is sunny."] * 4)


async def typed(line: Line) -> pb.ServerEvent:
    """Type a turn that fails; return its error."""
    await line.say(config=pb.VoiceConfig())
    await line.say(text_input="hello")
    error = await line.until(pb.ERROR)
    await line.until(pb.END_OF_TURN)
    return error


async def answers(gateway: Gateway, line: Line) -> None:
    """The same call is answered once everything works again."""
    gateway.chat.fault = gateway.riva.voice.fault = gateway.riva.asr.fault = None
    await line.say(text_input="and now")
    await line.until(pb.END_OF_TURN)
    assert line.events()[-3:] == ["PROCESSING", "SPEAKING", "END_OF_TURN"]


@pytest.mark.parametrize(
    ("fault", "code", "logged"),
    [
        (HttpError(401), "misconfigured", "check LLM_API_KEY"),
        (HttpError(404), "misconfigured", "check LLM_MODEL"),
        (HttpError(429), "unavailable", "answered 429"),
        (HttpError(500), "unavailable", "answered 500"),
        (Silent(), "timed_out", "sent no text for 2 s"),
        (StallAfter(2), "timed_out", "sent no text for 2 s"),
        (DropAfter(2), "unavailable", "cannot be reached"),
        (Empty(), "empty", "without any text"),
        (Malformed(), "unavailable", ""),
    ],
)
async def test_a_failing_chat_endpoint_fails_the_turn_and_not_the_call(
    serve: Serve, caplog: pytest.LogCaptureFixture, fault: object, code: str, logged: str
):
    riva, chat = upstreams()
    chat.fault = fault  # pyright: ignore[reportAttributeAccessIssue]
    async with serve(riva, chat, **QUICK) as gateway, gateway.dial() as line:
        error = await typed(line)
        assert (error.fault.stage, error.fault.code) == ("llm", code)
        no_json = "The chat model sent a chunk that is no JSON."
        assert error.message == (no_json if isinstance(fault, Malformed) else SENTENCES[code])
        assert logged in caplog.text
        await answers(gateway, line)


@pytest.mark.parametrize(
    ("fault", "code"),
    [
        (Refuse(grpc.StatusCode.UNAVAILABLE, "down"), "unavailable"),
        (Refuse(grpc.StatusCode.UNAUTHENTICATED, "no key"), "misconfigured"),
        (Hang(), "timed_out"),
        (DieAfter(1), "unavailable"),
    ],
)
async def test_a_failing_voice_fails_the_turn_and_not_the_call(
    serve: Serve, fault: object, code: str
):
    riva, chat = upstreams()
    riva.voice.fault = fault  # pyright: ignore[reportAttributeAccessIssue]
    async with serve(riva, chat, **QUICK) as gateway, gateway.dial() as line:
        error = await typed(line)
        assert (error.fault.stage, error.fault.code) == ("tts", code)
        await answers(gateway, line)


async def test_an_unknown_voice_is_named_with_what_there_is(serve: Serve):
    """The operator's own, of which a caller is told where it is to speak."""
    riva, chat = upstreams()
    riva.voice.voices = ["English.Ann"]
    async with serve(riva, chat, tts_voice="Nobody") as gateway, gateway.dial() as line:
        await line.say(config=pb.VoiceConfig())
        await line.say(text_input="hello")
        error = await line.until(pb.ERROR)
        assert error.fault.code == "rejected"
        assert "config.voice_name 'Nobody'" in error.message
        assert "available: " in error.message


@pytest.mark.parametrize("code", [grpc.StatusCode.NOT_FOUND, grpc.StatusCode.PERMISSION_DENIED])
@pytest.mark.parametrize("fault", [Refuse, partial(DieAfter, 1)])
async def test_a_voice_that_spoke_before_is_no_fault_of_the_config(
    serve: Serve, fault: Callable[..., Refuse | DieAfter], code: grpc.StatusCode
):
    riva, chat = upstreams()
    async with serve(riva, chat) as gateway, gateway.dial() as line:
        await line.say(text_input="hello")
        await line.until(pb.END_OF_TURN)
        riva.voice.fault = fault(code, "no healthy upstream")
        await line.say(text_input="and then")
        error = await line.until(pb.ERROR)
        await line.until(pb.END_OF_TURN)
        assert (error.fault.stage, error.fault.code) == ("tts", "unavailable")
        await answers(gateway, line)


async def test_a_voice_that_is_on_the_servers_list_is_no_fault_of_the_config(serve: Serve):
    """It never spoke; another has, at this rate."""
    riva, chat = upstreams()
    riva.voice.voices = ["Low", "High"]
    async with serve(riva, chat) as gateway:
        async with gateway.dial() as line:
            await line.say(config=pb.VoiceConfig(voice_name="Scripted.Low"))
            await answers(gateway, line)
        riva.voice.fault = Refuse(grpc.StatusCode.INVALID_ARGUMENT, "no model")
        async with gateway.dial() as line:
            await line.say(config=pb.VoiceConfig(voice_name="Scripted.High"))
            await line.say(text_input="hello")
            error = await line.until(pb.ERROR)
    assert (error.fault.code, error.fault.retryable) == ("unavailable", True)


async def test_a_refusal_that_comes_after_metadata_still_names_the_config(serve: Serve):
    """Some servers send their metadata before they read the config."""
    riva, chat = upstreams()
    riva.asr.fault = Refuse(
        grpc.StatusCode.INVALID_ARGUMENT, "unknown language", after_metadata=True
    )
    async with serve(riva, chat) as gateway, gateway.dial() as line:
        await line.say(config=pb.VoiceConfig(language_code="xx-XX"))
        await line.say(audio_chunk=bytes(6400))
        code, details = await line.refusal()
        assert code is grpc.StatusCode.INVALID_ARGUMENT
        assert "config.language_code: 'xx-XX' at 16000 Hz is refused" in details


async def test_an_unknown_language_ends_the_call_with_what_there_is(serve: Serve):
    riva, chat = upstreams()
    riva.asr.languages = ["en-US"]
    async with serve(riva, chat) as gateway, gateway.dial() as line:
        await line.say(config=pb.VoiceConfig(language_code="xx-XX"))
        await line.until(pb.LISTENING)
        await line.say(audio_chunk=bytes(6400))
        code, details = await line.refusal()
        assert code is grpc.StatusCode.INVALID_ARGUMENT
        assert "config.language_code: 'xx-XX' at 16000 Hz is refused" in details
        assert "available: en-US" in details


async def test_a_recogniser_that_dies_in_mid_call_is_called_again(serve: Serve):
    riva, chat = upstreams()
    riva.asr.fault = lambda ordinal: DieAfter(3) if ordinal == 0 else None
    async with serve(riva, chat) as gateway, gateway.dial() as line:
        await line.say(config=pb.VoiceConfig())
        await line.speak(1.0)
        error = await line.until(pb.ERROR)
        assert (error.fault.stage, error.fault.code) == ("asr", "unavailable")
        await line.speak(2.0)
        await line.until(pb.END_OF_TURN)
        await line.hang_up()
        await line.rest()
        assert line.finals()[-1] == "what is the weather"


@pytest.mark.parametrize(
    "code",
    [
        grpc.StatusCode.UNAVAILABLE,
        grpc.StatusCode.NOT_FOUND,
        grpc.StatusCode.INVALID_ARGUMENT,
        grpc.StatusCode.UNIMPLEMENTED,
        grpc.StatusCode.PERMISSION_DENIED,
    ],
)
@pytest.mark.parametrize("responses", [1, 3, 5])
async def test_a_stream_that_was_served_is_opened_again_with_its_audio(
    serve: Serve, code: grpc.StatusCode, responses: int
):
    riva, chat = upstreams()
    dies = DieAfter(responses, code, "unknown model")
    riva.asr.fault = lambda ordinal: dies if ordinal == 0 else None
    rules = {**QUICK, "turn_detection": "asr"}
    async with serve(riva, chat, **rules) as gateway, gateway.dial() as line:
        await line.say(config=pb.VoiceConfig())
        await line.speak(2.5)
        error = await line.until(pb.ERROR)
        assert (error.fault.stage, error.fault.code) == ("asr", "unavailable")
        await line.until(pb.END_OF_TURN)
        await line.hang_up()
        await line.rest()
        assert line.finals() == ["what is the weather"]


async def test_a_recogniser_that_hangs_is_given_up(serve: Serve):
    riva, chat = upstreams()
    riva.asr.fault = lambda ordinal: Hang() if ordinal == 0 else None
    # Silence alone proves nothing, so all audio may be voice here.
    rules = {**QUICK, "turn_detection": "asr"}
    async with serve(riva, chat, **rules) as gateway, gateway.dial() as line:
        await line.say(config=pb.VoiceConfig())
        await line.speak(2.5)
        error = await line.until(pb.ERROR)
        assert (error.fault.stage, error.fault.code) == ("asr", "timed_out")
        await line.speak(2.0)
        await line.until(pb.END_OF_TURN)


async def test_speech_to_a_dead_recogniser_does_not_end_as_success(serve: Serve):
    riva, chat = upstreams()
    riva.asr.fault = Refuse(grpc.StatusCode.UNAVAILABLE, "down")
    async with serve(riva, chat) as gateway, gateway.dial() as line:
        await line.say(config=pb.VoiceConfig())
        await line.speak(1.0)
        await line.hang_up()
        code, details = await line.refusal()
        assert code is grpc.StatusCode.UNAVAILABLE
        assert "speech was lost" in details
        assert "ERROR" in line.events()


async def test_a_gateway_without_upstreams_starts_and_says_so(serve: Serve):
    riva, chat = upstreams()
    nowhere = {"riva_uri": "127.0.0.1:1", "llm_base_url": "http://127.0.0.1:1/v1"}
    async with serve(riva, chat, **nowhere) as gateway, gateway.dial() as line:
        error = await typed(line)
        assert (error.fault.stage, error.fault.code) == ("llm", "unavailable")
        assert error.message == SENTENCES["unavailable"]


async def test_keys_and_function_ids_reach_hosted_riva(serve: Serve):
    hosted = {
        "riva_api_key": "nvapi-test",
        "riva_asr_function_id": "f-asr",
        "riva_tts_function_id": "f-tts",
        "llm_api_key": "sk-test",
    }
    async with serve(*upstreams(), **hosted) as gateway, gateway.dial() as line:
        await line.say(config=pb.VoiceConfig())
        await line.speak(2.0)
        await line.until(pb.END_OF_TURN)
        asr, tts = await gateway.riva.asr_call(0), gateway.riva.voice_calls[0]
        assert asr.metadata["authorization"] == "Bearer nvapi-test"
        assert (asr.metadata["function-id"], tts.metadata["function-id"]) == ("f-asr", "f-tts")
        headers = {k.lower(): v for k, v in gateway.chat.requests[0].headers.items()}
        assert headers["authorization"] == "Bearer sk-test"


async def test_an_idle_recogniser_is_kept_alive_with_silence(serve: Serve):
    riva, chat = upstreams()
    async with serve(riva, chat, asr_keepalive_s=0.1) as gateway, gateway.dial() as line:
        await line.say(config=pb.VoiceConfig())
        await line.say(audio_chunk=bytes(3200))
        asr = await riva.asr_call(0)
        await asr.until(lambda call: call.audio_s >= 0.5)
        assert gateway.riva.asr_calls == [asr]
