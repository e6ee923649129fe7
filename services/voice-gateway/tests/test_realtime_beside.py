"""Out-of-band responses, answers about something else, and silence that is spoken into."""

from typing import Any

import pytest
from voice_gateway.testing.fake_chat import FakeChat, HttpError, UsesTool
from voice_gateway.testing.fake_riva import FakeRiva, Says
from voice_gateway.testing.program import Json, Program, connect, typed

LONG = "Once upon a time there was a fox. " * 12
TOOL: Json = {
    "type": "function",
    "name": "note",
    "parameters": {"type": "object", "properties": {}},
}


def riva(*says: Says) -> FakeRiva:
    return FakeRiva(says=says, voice_first_audio_s=0.01)


async def ask_beside(program: Program, **options: Any) -> str:
    """Ask for an out-of-band response; return its id."""
    usual = {"conversation": "none", "output_modalities": ["text"]}
    await program.say("response.create", response=usual | options)
    response = (await program.until("response.created"))["response"]
    assert response["conversation_id"] is None
    return response["id"]


async def done(program: Program, response_id: str) -> Json:
    """Read until this response is over; return it."""
    while True:
        for event in program.of("response.done"):
            if event["response"]["id"] == response_id:
                return event["response"]
        await program.until("response.done")


def told(chat: FakeChat, request: int) -> list[tuple[str, str]]:
    """What the model was asked, but for the system prompt."""
    return [(m["role"], m["content"]) for m in chat.requests[request].messages[1:]]


async def test_it_is_made_beside_an_answer_and_leaves_no_trace(serve: Any):
    chat = FakeChat([LONG, "Friendly.", "Bye."])
    async with serve(riva(), chat) as gateway, connect(gateway.http_port) as program:
        await program.type("tell me a story")
        await program.until("response.output_audio.delta")
        spoken = program.of("response.created")[0]["response"]["id"]
        options = {"instructions": "How does the caller feel?", "metadata": {"topic": "mood"}}
        beside = await ask_beside(program, **options)
        over = await done(program, beside)
        assert not [e for e in program.of("response.done") if e["response"]["id"] == spoken]
        await program.say("response.cancel")
        assert (await done(program, spoken))["status"] == "cancelled"
        await program.type("thanks")
        await program.until("response.done")
    assert (over["status"], over["metadata"]) == ("completed", {"topic": "mood"})
    assert over["output"][0]["content"] == [{"type": "output_text", "text": "Friendly."}]
    assert over["usage"]["output_tokens"] > 0
    assert chat.requests[1].messages[0]["content"] == "How does the caller feel?"
    assert told(chat, 1) == [("user", "tell me a story")]
    assert "Friendly." not in str(chat.requests[2].messages)
    item = over["output"][0]["id"]
    named = [e for e in program.received if e["type"].startswith("conversation.item")]
    assert item not in str(named)


async def test_it_knows_the_conversation_so_far(serve: Any):
    chat = FakeChat(["Hello Ada.", "English."])
    async with serve(riva(), chat) as gateway, connect(gateway.http_port) as program:
        await program.type("I am Ada")
        await program.until("response.done")
        await done(program, await ask_beside(program))
    assert told(chat, 1) == [("user", "I am Ada"), ("assistant", "Hello Ada.")]


async def test_it_is_about_its_input_alone(serve: Any):
    chat = FakeChat(["Hello.", "OK.", "Empty."])
    async with serve(riva(), chat) as gateway, connect(gateway.http_port) as program:
        item = {"id": "greeting", **typed("hello")}
        await program.say("conversation.item.create", item=item)
        await program.say("response.create")
        await program.until("response.done")
        about = [
            typed("Is this polite?", "system"),
            {"type": "item_reference", "id": "greeting"},
            {"type": "function_call", "call_id": "c", "name": "note", "arguments": "{}"},
            {"type": "function_call_output", "call_id": "c", "output": "noted"},
        ]
        await done(program, await ask_beside(program, input=about))
        await done(program, await ask_beside(program, input=[]))
    assert told(chat, 1)[:2] == [("system", "Is this polite?"), ("user", "hello")]
    assert chat.requests[1].messages[-1] == {
        "role": "tool", "tool_call_id": "c", "content": "noted"
    }  # fmt: skip
    assert told(chat, 2) == []


async def test_it_may_be_heard_in_a_sound_of_its_own(serve: Any):
    telephone = {"output": {"format": {"type": "audio/pcmu"}}}
    async with (
        serve(riva(), FakeChat(["Hello there."])) as gateway,
        connect(gateway.http_port) as program,
    ):
        options = {"output_modalities": ["audio"], "audio": telephone, "input": [typed("hi")]}
        over = await done(program, await ask_beside(program, **options))
    assert over["audio"]["output"]["format"] == {"type": "audio/pcmu"}
    assert over["output"][0]["content"][0]["transcript"] == "Hello there."
    assert program.spoken() == "Hello there."
    seconds = len(program.audio()) / 8000
    assert 0.2 < seconds < 3


async def test_its_functions_are_called(serve: Any):
    chat = FakeChat([UsesTool("note", '{"mood": "good"}')])
    async with serve(riva(), chat) as gateway, connect(gateway.http_port) as program:
        over = await done(program, await ask_beside(program, tools=[TOOL], tool_choice="required"))
        called = program.of("response.function_call_arguments.done")[0]
    assert (called["response_id"], called["arguments"]) == (over["id"], '{"mood": "good"}')
    assert chat.requests[0].body["tool_choice"] == "required"


async def test_it_is_cancelled_by_its_name_alone(serve: Any):
    chat = FakeChat([LONG], token_s=0.2)
    async with serve(riva(), chat) as gateway, connect(gateway.http_port) as program:
        beside = await ask_beside(program)
        await program.until("response.output_text.delta")
        await program.say("response.cancel")
        assert (await program.error())["code"] == "response_cancel_not_active"
        await program.say("response.cancel", response_id=beside)
        over = await done(program, beside)
        asked = await chat.request(0)
        await asked.ended.wait()
    assert over["status_details"] == {"type": "cancelled", "reason": "client_cancelled"}
    assert 0 < len(over["output"][0]["content"][0]["text"]) < len(LONG)
    assert asked.cancelled


async def test_who_speaks_does_not_cut_it_off(serve: Any):
    chat = FakeChat([LONG, "Sunny."], token_s=0.02)
    question = Says("what is the weather", 0.3, 1.2)
    async with serve(riva(question), chat) as gateway, connect(gateway.http_port) as program:
        beside = await ask_beside(program)
        await program.speak(2.5)
        await program.until("input_audio_buffer.speech_started")
        assert (await done(program, beside))["status"] == "completed"
        answered = program.of("response.created")[1]["response"]["id"]
        assert (await done(program, answered))["status"] == "completed"


async def test_it_fails_alone(serve: Any):
    chat = FakeChat(["Hi."], fault=lambda n: HttpError(500) if n < 2 else None)
    async with serve(riva(), chat) as gateway, connect(gateway.http_port) as program:
        over = await done(program, await ask_beside(program))
        assert over["status_details"]["error"]["code"] == "llm_unavailable"
        await program.type("hello")
        assert (await program.until("response.done"))["response"]["status"] == "completed"


async def test_a_few_at_once_are_enough(serve: Any):
    chat = FakeChat([LONG], token_s=0.2)
    async with serve(riva(), chat) as gateway, connect(gateway.http_port) as program:
        begun = [await ask_beside(program) for _ in range(4)]
        await program.say("response.create", response={"conversation": "none"})
        assert (await program.error())["code"] == "too_many_responses"
        await program.say("response.cancel", response_id=begun[1])
        await done(program, begun[1])
        await ask_beside(program)


async def test_it_ends_with_its_call(serve: Any):
    chat = FakeChat([LONG], token_s=0.2)
    async with serve(riva(), chat) as gateway:
        async with connect(gateway.http_port) as program:
            await ask_beside(program)
            await program.until("response.output_text.delta")
        asked = await chat.request(0)
        await asked.ended.wait()
    assert asked.cancelled


async def test_an_answer_about_its_input_is_remembered_as_one_to_the_conversation(serve: Any):
    chat = FakeChat(["Welcome back.", "Yes."])
    async with serve(riva(), chat) as gateway, connect(gateway.http_port) as program:
        about = [typed("Greet somebody who calls again.", "system")]
        await program.say("response.create", response={"input": about})
        first = (await program.until("response.done"))["response"]
        await program.type("you know me?")
        await program.until("response.done")
    assert first["conversation_id"]
    assert told(chat, 0) == [("system", "Greet somebody who calls again.")]
    assert told(chat, 1) == [("assistant", "Welcome back."), ("user", "you know me?")]


async def test_a_response_is_spoken_in_the_sound_that_is_asked_for_it(serve: Any):
    async with (
        serve(riva(), FakeChat(["Hello."])) as gateway,
        connect(gateway.http_port) as program,
    ):
        form = {"type": "audio/pcma"}
        options = {"audio": {"output": {"format": form}}, "max_output_tokens": 20}
        await program.say("conversation.item.create", item=typed("hello"))
        await program.say("response.create", response=options)
        response = (await program.until("response.done"))["response"]
        alaw = program.audio()
        await program.type("hello")
        await program.until("response.done")
    assert (response["audio"]["output"]["format"], response["max_output_tokens"]) == (form, 20)
    plain = len(program.audio()) - len(alaw)
    assert plain / len(alaw) == pytest.approx(6.0, rel=0.2)  # 24 kHz of 2 bytes for 8 kHz of one


async def test_silence_is_spoken_into_and_said_to_be_so(
    serve: Any, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(
        "voice_gateway.transports.realtime.turn_detection._IDLE_BOUNDS_MS", (100, 30_000)
    )
    chat = FakeChat(["Yes."])
    async with serve(riva(), chat) as gateway, connect(gateway.http_port) as program:
        await program.speak(0.5)
        detection = {"type": "server_vad", "idle_timeout_ms": 300}
        session = await program.update(audio={"input": {"turn_detection": detection}})
        assert session["audio"]["input"]["turn_detection"]["idle_timeout_ms"] == 300
        triggered = await program.until("input_audio_buffer.timeout_triggered")
        response = (await program.until("response.done"))["response"]
        await program.type("I am here")
        await program.until("response.done")
    assert triggered["audio_end_ms"] == 500
    assert triggered["audio_start_ms"] == 200
    assert program.of("input_audio_buffer.committed")[0]["item_id"] == triggered["item_id"]
    assert response["output"][0]["content"][0]["transcript"] == "Are you still there?"
    assert told(chat, 0) == [("assistant", "Are you still there?"), ("user", "I am here")]
