"""Transcription sessions over a real WebSocket: words, and nothing is ever said."""

from typing import Any

import pytest
from voice_gateway.testing.fake_chat import FakeChat
from voice_gateway.testing.fake_riva import FakeRiva, Says
from voice_gateway.testing.program import TURN_KINDS, Json, Program, connect

COMPLETED = TURN_KINDS[-1]
SPEAKS = {"greeting": "Hello!", "idle_prompt_s": 1.0, "idle_prompt": "Still there?"}
"""Of the gateway; a transcription session hears none of it."""


def speaker() -> FakeRiva:
    says = [Says("what is the weather", 0.3, 1.2), Says("tell me", 3.3, 3.8)]
    return FakeRiva(says=says, voice_first_audio_s=0.01)


async def transcribe(program: Program, **session: Any) -> Json:
    """Make the session one of transcription; return it."""
    await program.say("session.update", session={"type": "transcription", **session})
    return (await program.until("session.updated"))["session"]


async def test_a_session_that_is_opened_for_words_gets_words_alone(serve: Any):
    riva, chat = speaker(), FakeChat(["It is sunny."])
    async with (
        serve(riva, chat, **SPEAKS) as gateway,
        connect(gateway.http_port, "intent=transcription") as program,
    ):
        await program.speak(6.0)
        await program.until(COMPLETED)
        await program.until(COMPLETED)
    opened = program.received[0]["session"]
    assert (opened["type"], opened["object"]) == ("transcription", "realtime.transcription_session")
    assert opened.keys() == {"type", "object", "id", "audio"}
    assert opened["audio"].keys() == {"input"}
    assert program.kinds()[2:] == [*TURN_KINDS, *TURN_KINDS]
    assert program.transcripts() == ["what is the weather", "tell me"]
    assert (chat.requests, riva.voice_calls) == ([], [])


async def test_an_update_makes_a_fresh_session_one_of_words(serve: Any):
    chat = FakeChat(["It is sunny."])
    detection = {"type": "server_vad", "silence_duration_ms": 400}
    async with serve(speaker(), chat) as gateway, connect(gateway.http_port) as program:
        session = await transcribe(
            program,
            audio={"input": {"turn_detection": detection}},
            include=["item.input_audio_transcription.logprobs"],
        )
        await program.speak(2.5)
        await program.until(COMPLETED)
        await program.say("session.update", session={"type": "realtime"})
        error = await program.error()
    assert session["audio"]["input"]["turn_detection"] == {
        "type": "server_vad",
        "threshold": 0.5,
        "prefix_padding_ms": 300,
        "silence_duration_ms": 400,
    }
    assert session["include"] == ["item.input_audio_transcription.logprobs"]
    assert error["param"] == "session.type"
    assert "it is 'transcription' once audio has come" in error["message"]
    assert chat.requests == []


async def test_a_client_may_end_its_utterances_itself(serve: Any):
    async with serve(speaker(), FakeChat(["."])) as gateway, connect(gateway.http_port) as program:
        await transcribe(program, audio={"input": {"turn_detection": None}})
        await program.speak(1.6)
        await program.say("input_audio_buffer.commit")
        assert (await program.until(COMPLETED))["transcript"] == "what is the weather"
    assert not program.of("response.created")


@pytest.mark.parametrize("conversation", ["auto", "none"])
async def test_an_answer_cannot_be_asked_for(serve: Any, conversation: str):
    chat = FakeChat(["."])
    async with serve(speaker(), chat) as gateway, connect(gateway.http_port) as program:
        await transcribe(program)
        await program.say("response.create", response={"conversation": conversation})
        error = await program.error()
    assert error["code"] == "unsupported_value"
    assert "a transcription session has no responses" in error["message"]
    assert chat.requests == []


@pytest.mark.parametrize(
    ("session", "param"),
    [
        ({"instructions": "Be brief."}, "session.instructions"),
        ({"audio": {"output": {"voice": "alloy"}}}, "session.audio.output"),
        ({"type": "translation"}, "session.type"),
    ],
)
async def test_what_is_said_of_answers_is_refused(serve: Any, session: Json, param: str):
    async with serve(speaker(), FakeChat(["."])) as gateway, connect(gateway.http_port) as program:
        await program.say("session.update", session={"type": "transcription", **session})
        error = await program.error()
        assert error["param"] == param
        assert (await transcribe(program))["type"] == "transcription"
