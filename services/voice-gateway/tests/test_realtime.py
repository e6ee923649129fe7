"""The Realtime API on a real WebSocket, before scripted upstreams: whole conversations."""

import json
from typing import Any

import pytest
from voice_gateway.audio import g711
from voice_gateway.messages import CallConfig
from voice_gateway.testing.fake_chat import FakeChat, HttpError, Sends, UsesTool
from voice_gateway.testing.fake_chat_wire import DONE
from voice_gateway.testing.fake_riva import FakeRiva, Says
from voice_gateway.testing.program import TURN_KINDS, connect, typed
from voice_gateway.transports.realtime.session_options import SessionOptions

from .chat_streams import chunk, tool

QUESTION = Says("what is the weather", 0.3, 1.2)
ANSWER = "It is sunny today."
LONG = "Once upon a time there was a fox. " * 12
TOOL = {
    "type": "function",
    "name": "get_weather",
    "description": "The weather somewhere.",
    "parameters": {"type": "object", "properties": {"city": {"type": "string"}}},
}
ONE_CALL, SEVERAL_CALLS = {"parallel_tool_calls": False}, {"parallel_tool_calls": True}
EXCHANGE = [
    *TURN_KINDS,
    "response.created",
    "response.output_item.added",
    "conversation.item.added",
    "response.content_part.added",
    "response.output_audio_transcript.delta",
    "response.output_audio.delta",
    "response.output_audio.done",
    "response.output_audio_transcript.done",
    "response.content_part.done",
    "conversation.item.done",
    "response.output_item.done",
    "response.done",
]


def riva(*says: Says) -> FakeRiva:
    return FakeRiva(says=says, voice_first_audio_s=0.01)


async def test_a_spoken_question_is_answered_in_the_protocols_order(serve: Any):
    async with (
        serve(riva(QUESTION), FakeChat([ANSWER])) as gateway,
        connect(gateway.http_port) as program,
    ):
        await program.speak(2.5)
        done = await program.until("response.done")
    assert program.kinds()[:2] == ["session.created", "conversation.created"]
    assert program.kinds()[2:] == EXCHANGE
    assert program.transcripts() == ["what is the weather"]
    assert program.spoken() == ANSWER
    assert len(program.audio()) > 24_000
    response = done["response"]
    assert (response["status"], response["metadata"]) == ("completed", None)
    assert response["output"][0]["content"] == [{"type": "output_audio", "transcript": ANSWER}]
    assert response["usage"]["output_tokens"] == 4
    assert response["usage"]["input_tokens"] > 4
    user, assistant = (e["item"] for e in program.of("conversation.item.done"))
    assert user["content"][0]["transcript"] is None
    assert program.of("conversation.item.added")[1]["previous_item_id"] == user["id"]
    assert assistant["status"] == "completed"


async def test_an_interruption_stops_the_answer_and_truncation_corrects_the_memory(serve: Any):
    says = [QUESTION, Says("stop please", 4.0, 4.6)]
    chat = FakeChat([LONG, "Very well."])
    voiceless = {"turn_detection": "asr"}  # the scripted caller's words have no voice in them
    async with (
        serve(riva(*says), chat, **voiceless) as gateway,
        connect(gateway.http_port) as program,
    ):
        await program.speak(2.5)
        while len(program.audio()) < 1.6 * 48_000:  # sooner, it would be the rest of the question
            await program.until("response.output_audio.delta")
        response = program.of("response.created")[0]["response"]
        item = program.of("response.output_item.added")[0]["item"]["id"]
        await program.speak(3.5)
        await program.until("input_audio_buffer.speech_started")
        done = (await program.until("response.done"))["response"]
        assert done["id"] == response["id"]
        assert done["status"] == "cancelled"
        assert done["status_details"] == {"type": "cancelled", "reason": "turn_detected"}
        await program.say(
            "conversation.item.truncate", item_id=item, content_index=0, audio_end_ms=60
        )
        truncated = await program.until("conversation.item.truncated")
        assert (truncated["item_id"], truncated["audio_end_ms"]) == (item, 60)
        await program.until("response.done")
    assert program.transcripts() == ["what is the weather", "stop please"]
    answered = [m["content"] for m in chat.requests[-1].messages if m["role"] == "assistant"]
    assert all(len(text) < 20 for text in answered)


async def test_a_turn_that_was_taken_too_early_is_one_item_in_the_end(serve: Any):
    chat = FakeChat([LONG, "Sunny there."])
    says = [QUESTION, Says("in Paris", 3.0, 3.6)]
    async with (
        serve(riva(*says), chat, turn_detection="asr") as gateway,
        connect(gateway.http_port, "model=page&events=all") as program,
    ):
        await program.speak(2.5)
        await program.until("response.output_audio.delta")
        await program.speak(2.5)
        assert (await program.until("response.done"))["response"]["status"] == "cancelled"
        early, answer = (item["item"]["id"] for item in program.of("conversation.item.added"))
        # A client that stopped its loudspeaker does not know yet that this answer is gone.
        cut = {"item_id": answer, "content_index": 0, "audio_end_ms": 0}
        await program.say("conversation.item.truncate", **cut)
        assert (await program.until("conversation.item.truncated"))["item_id"] == answer
        assert (await program.until("response.done"))["response"]["status"] == "completed"
        await program.say("conversation.item.retrieve", item_id=early)
        assert (await program.error())["code"] == "item_retrieve_invalid_item_id"
        item = typed("a note behind what it still shows")
        await program.say("conversation.item.create", item=item, previous_item_id=early)
        note = (await program.until("conversation.item.done"))["item"]
        assert note["content"] == item["content"]
    deleted = [event["item_id"] for event in program.of("conversation.item.deleted")]
    assert deleted == [answer, early]
    question = program.of("input_audio_buffer.committed")[-1]
    assert (question["previous_item_id"], program.transcripts()[-1]) == (
        None,
        "what is the weather in Paris",
    )
    shown = [event["turn"] for event in program.of("gateway.transcript") if "turn" in event]
    assert shown[-1] == "what is the weather in Paris"
    assert [m["content"] for m in chat.requests[-1].messages[1:]] == [
        "what is the weather in Paris"
    ]


async def test_an_answer_of_which_nothing_was_heard_leaves_no_item(serve: Any):
    chat = FakeChat([LONG, ANSWER], token_s=0.2)
    async with (
        serve(riva(QUESTION), chat, turn_detection="asr") as gateway,
        connect(gateway.http_port) as program,
    ):
        await program.type("tell me a story")
        added = await program.until("response.output_item.added")
        await program.speak(2.5)
        deleted = await program.until("conversation.item.deleted")
        assert deleted["item_id"] == added["item"]["id"]
        await program.until("response.created")
        await program.until("response.done")
    assert program.transcripts() == ["what is the weather"]
    assert [m["role"] for m in chat.requests[-1].messages[1:]] == ["user"]


async def test_a_function_is_called_and_its_output_is_answered(serve: Any):
    chat = FakeChat([UsesTool("get_weather", '{"city": "Oslo"}'), "It rains in Oslo."])
    async with serve(riva(QUESTION), chat) as gateway, connect(gateway.http_port) as program:
        session = await program.update(tools=[TOOL], instructions="Use your tools.")
        assert session["tools"] == [TOOL]
        await program.speak(2.5)
        called = await program.until("response.function_call_arguments.done")
        assert (called["name"], json.loads(called["arguments"])) == (
            "get_weather",
            {"city": "Oslo"},
        )
        done = (await program.until("response.done"))["response"]
        assert [item["type"] for item in done["output"]] == ["function_call"]
        output = {"type": "function_call_output", "call_id": called["call_id"], "output": "rain"}
        await program.say("conversation.item.create", item=output)
        await program.say("response.create")
        done = (await program.until("response.done"))["response"]
        assert done["output"][0]["content"][0]["transcript"] == "It rains in Oslo."
    first, second = chat.requests
    assert first.body["tools"][0]["function"]["name"] == "get_weather"
    assert first.body["messages"][0] == {"role": "system", "content": "Use your tools."}
    assert [m["role"] for m in second.messages] == ["system", "user", "assistant", "tool"]
    assert second.messages[-1] == {
        "role": "tool",
        "tool_call_id": called["call_id"],
        "content": "rain",
    }


@pytest.mark.parametrize(
    ("of_session", "of_response", "called"),
    [({}, {}, 2), (ONE_CALL, {}, 1), ({}, ONE_CALL, 1), (ONE_CALL, SEVERAL_CALLS, 2)],
)
async def test_who_wants_one_call_at_a_time_gets_one(
    serve: Any, of_session: dict[str, Any], of_response: dict[str, Any], called: int
):
    calls = [
        tool(index=n, id=f"call_{n}", function={"name": "get_weather", "arguments": json.dumps(at)})
        for n, at in enumerate(({"city": "Oslo"}, {"city": "Rome"}))
    ]
    chat = FakeChat(fault=Sends([*calls, chunk({}, "tool_calls"), DONE]))
    async with serve(riva(), chat) as gateway, connect(gateway.http_port) as program:
        await program.update(tools=[TOOL], **of_session)
        await program.say("conversation.item.create", item=typed("Oslo and Rome?"))
        await program.say("response.create", response=of_response)
        done = (await program.until("response.done"))["response"]
    assert [item["call_id"] for item in done["output"]] == ["call_0", "call_1"][:called]


async def test_text_in_is_answered_with_the_responses_own_options(serve: Any):
    chat = FakeChat([ANSWER])
    async with serve(riva(), chat) as gateway, connect(gateway.http_port) as program:
        await program.say("conversation.item.create", item=typed("hello"))
        options = {
            "instructions": "Answer in rhyme.",
            "output_modalities": ["text"],
            "metadata": {"client_event_id": "7"},
            "max_output_tokens": 9,
            "temperature": 0.1,
        }
        await program.say("response.create", response=options)
        done = (await program.until("response.done"))["response"]
    assert done["metadata"] == {"client_event_id": "7"}
    assert done["output"][0]["content"] == [{"type": "output_text", "text": ANSWER}]
    assert "".join(e["delta"] for e in program.of("response.output_text.delta")) == ANSWER
    assert program.audio() == b""
    asked = chat.requests[0]
    assert asked.messages[0]["content"] == "Answer in rhyme."
    assert asked.body["temperature"] == 0.1
    assert asked.body["max_tokens"] == 9


async def test_a_text_answer_is_remembered(serve: Any):
    chat = FakeChat([ANSWER, "Yes."])
    async with serve(riva(), chat) as gateway, connect(gateway.http_port) as program:
        await program.update(output_modalities=["text"])
        for question in ("hello", "are you sure"):
            await program.type(question)
            await program.until("response.done")
    assert [m["content"] for m in chat.requests[1].messages[1:]] == [
        "hello",
        ANSWER,
        "are you sure",
    ]


async def test_turns_by_hand_wait_for_commit_and_create(serve: Any):
    chat = FakeChat([ANSWER])
    async with serve(riva(QUESTION), chat) as gateway, connect(gateway.http_port) as program:
        session = await program.update(audio={"input": {"turn_detection": None}})
        assert session["audio"]["input"]["turn_detection"] is None
        await program.speak(3.0)
        await program.say("input_audio_buffer.commit")
        committed = await program.until("input_audio_buffer.committed")
        assert not chat.requests
        await program.say("response.create")
        await program.until("response.done")
    assert program.transcripts() == ["what is the weather"]
    assert program.of("conversation.item.added")[0]["item"]["id"] == committed["item_id"]
    assert "input_audio_buffer.speech_started" not in program.kinds()
    assert [m["content"] for m in chat.requests[0].messages[1:]] == ["what is the weather"]


ONE_AFTER_THE_OTHER = [
    Says("go", 0.2, 0.5),
    Says("left", 2.0, 2.3),  # after a pause that ends an utterance of its own
    Says("turn right", 4.3, 4.8),  # the gateway puts 1.12 s of silence behind each commit
    Says("stop", 6.3, 6.6),
]


async def send_at_once(program: Any) -> list[str]:
    """Commit three utterances faster than they are recognised; return their items."""
    for seconds in (2.7, 1.2, 0.8):
        await program.speak(seconds)
        await program.say("input_audio_buffer.commit")
    return [(await program.until("input_audio_buffer.committed"))["item_id"] for _ in range(3)]


async def test_utterances_that_are_sent_at_once_belong_to_their_commits(serve: Any):
    chat, kind = FakeChat([ANSWER]), "conversation.item.input_audio_transcription.completed"
    async with (
        serve(riva(*ONE_AFTER_THE_OTHER), chat) as gateway,
        connect(gateway.http_port) as program,
    ):
        await program.update(audio={"input": {"turn_detection": None}})
        committed = await send_at_once(program)
        await program.say("response.create")
        await program.until("response.done")
    assert [(event["item_id"], event["transcript"]) for event in program.of(kind)] == list(
        zip(committed, ["go left", "turn right", "stop"], strict=True)
    )
    assert [m["content"] for m in chat.requests[0].messages[1:]] == ["go left turn right stop"]


async def test_an_utterance_is_transcribed_although_its_last_final_has_no_words(serve: Any):
    """The recogniser has ended it by itself, in the pause before the commit."""
    ears = riva(Says("go", 0.2, 0.5))
    ears.asr.blank_finals = True
    async with serve(ears, FakeChat([])) as gateway, connect(gateway.http_port) as program:
        await program.update(audio={"input": {"turn_detection": None}})
        for _ in range(2):
            await program.speak(2.5)
            await program.say("input_audio_buffer.commit")
        while len(program.transcripts()) < 2:
            await program.until("conversation.item.input_audio_transcription.completed")
    assert program.transcripts() == ["go", ""]


async def test_utterances_that_are_sent_into_an_answer_belong_to_their_commits(serve: Any):
    async with (
        serve(riva(*ONE_AFTER_THE_OTHER), FakeChat([LONG]), turn_detection="asr") as gateway,
        connect(gateway.http_port) as program,
    ):
        await program.update(audio={"input": {"turn_detection": None}})
        await program.type("tell me a story")
        await program.until("response.output_audio.delta")
        await send_at_once(program)
        while len(program.transcripts()) < 3:
            await program.until("conversation.item.input_audio_transcription.completed")
        assert not program.of("response.done")
    assert program.transcripts() == ["go left", "turn right", "stop"]


async def test_words_into_an_answer_that_takes_none_have_an_item_of_their_own(serve: Any):
    chat = FakeChat([LONG, ANSWER])
    says = [QUESTION, Says("are", 3.0, 3.3), Says("you sure", 5.0, 5.5)]
    async with (
        serve(riva(*says), chat, turn_detection="asr") as gateway,
        connect(gateway.http_port) as program,
    ):
        vad = {"type": "server_vad", "interrupt_response": False}
        await program.update(audio={"input": {"turn_detection": vad}})
        await program.speak(2.5)
        await program.until("response.output_audio.delta")
        await program.speak(4.5)
        program.patience_s = 60.0
        await program.until("response.done")
        await program.until("response.done")
    assert program.transcripts() == ["what is the weather", "are you sure"]
    assert chat.requests[1].messages[-1]["content"] == "are you sure"


async def test_a_turn_that_is_not_to_be_answered_is_kept(serve: Any):
    chat = FakeChat([ANSWER])
    detection = {"type": "server_vad", "create_response": False, "silence_duration_ms": 400}
    async with serve(riva(QUESTION), chat) as gateway, connect(gateway.http_port) as program:
        session = await program.update(audio={"input": {"turn_detection": detection}})
        assert session["audio"]["input"]["turn_detection"]["silence_duration_ms"] == 400
        await program.speak(3.0)
        await program.until("conversation.item.input_audio_transcription.completed")
        assert not chat.requests
        await program.say("response.create")
        await program.until("response.done")
    assert [m["content"] for m in chat.requests[0].messages[1:]] == ["what is the weather"]


async def test_what_was_committed_may_be_deleted_before_its_words_came(serve: Any):
    chat = FakeChat([ANSWER])
    async with (
        serve(riva(*ONE_AFTER_THE_OTHER), chat) as gateway,
        connect(gateway.http_port) as program,
    ):
        await program.update(audio={"input": {"turn_detection": None}})
        first, second, third = await send_at_once(program)
        await program.say("conversation.item.delete", item_id=second)
        while len(program.of("conversation.item.input_audio_transcription.completed")) < 2:
            assert await program.next()
        await program.say("conversation.item.delete", item_id=third)
        await program.say("response.create")
        assert (await program.until("response.done"))["response"]["status"] == "completed"
        await program.say("conversation.item.delete", item_id=first)
        await program.until("conversation.item.deleted")
        await program.type("hello")
        await program.until("response.done")
    assert program.of("error") == []
    asked = [[m["content"] for m in request.messages[1:]] for request in chat.requests]
    assert asked == [["go left"], [ANSWER, "hello"]]


async def test_a_response_does_not_answer_what_was_deleted_before_its_words_came(serve: Any):
    chat = FakeChat([ANSWER])
    async with serve(riva(QUESTION), chat) as gateway, connect(gateway.http_port) as program:
        await program.update(audio={"input": {"turn_detection": None}})
        await program.speak(2.0)
        await program.say("input_audio_buffer.commit")
        committed = (await program.until("input_audio_buffer.committed"))["item_id"]
        await program.say("conversation.item.delete", item_id=committed)
        await program.type("hello")
        assert (await program.until("response.done"))["response"]["status"] == "completed"
    assert program.of("error") == []
    assert program.transcripts() == []
    assert [m["content"] for m in chat.requests[0].messages[1:]] == ["hello"]


async def test_cleared_audio_does_not_count(serve: Any):
    chat = FakeChat([ANSWER])
    async with serve(riva(QUESTION), chat) as gateway, connect(gateway.http_port) as program:
        await program.update(audio={"input": {"turn_detection": None}})
        await program.speak(1.0)
        await program.say("input_audio_buffer.clear")
        await program.until("input_audio_buffer.cleared")
        await program.say("input_audio_buffer.commit")
        assert (await program.error())["code"] == "input_audio_buffer_commit_empty"
        await program.type("hello")
        await program.until("response.done")
    assert [m["content"] for m in chat.requests[0].messages[1:]] == ["hello"]


async def test_cancelling_ends_the_response_and_not_the_session(serve: Any):
    chat = FakeChat([LONG, ANSWER])
    async with serve(riva(), chat) as gateway, connect(gateway.http_port) as program:
        await program.say("response.cancel")
        assert (await program.error())["code"] == "response_cancel_not_active"
        await program.type("tell me a story")
        await program.until("response.output_audio.delta")
        await program.say("response.create")
        assert (await program.error())["code"] == "conversation_already_has_active_response"
        await program.say("response.cancel")
        done = (await program.until("response.done"))["response"]
        assert done["status_details"] == {"type": "cancelled", "reason": "client_cancelled"}
        await program.type("hello")
        assert (await program.until("response.done"))["response"]["status"] == "completed"


async def test_a_response_may_be_cancelled_before_it_begins_and_another_follows(serve: Any):
    chat = FakeChat([LONG, ANSWER])
    async with serve(riva(), chat) as gateway, connect(gateway.http_port) as program:
        await program.say("conversation.item.create", item=typed("tell me a story"))
        for kind in ("response.create", "response.cancel", "response.create"):
            await program.say(kind)
        first = (await program.until("response.done"))["response"]
        second = (await program.until("response.done"))["response"]
    assert first["status_details"] == {"type": "cancelled", "reason": "client_cancelled"}
    assert second["status"] == "completed"
    assert program.of("error") == []
    assert len(program.of("response.created")) == 2


async def test_a_request_that_waits_for_words_can_be_taken_back(serve: Any):
    async with (
        serve(riva(QUESTION), FakeChat([ANSWER])) as gateway,
        connect(gateway.http_port) as program,
    ):
        await program.update(audio={"input": {"turn_detection": None}})
        await program.speak(2.0)
        for kind in ("input_audio_buffer.commit", "response.create", "response.cancel"):
            await program.say(kind)
        taken_back = (await program.until("response.done"))["response"]
        assert taken_back["status_details"]["reason"] == "client_cancelled"
        await program.say("response.create")
        assert (await program.until("response.done"))["response"]["status"] == "completed"
    assert program.transcripts() == ["what is the weather"]
    assert program.of("error") == []


async def test_clearing_what_is_said_ends_it(serve: Any):
    async with serve(riva(), FakeChat([LONG])) as gateway, connect(gateway.http_port) as program:
        await program.type("tell me a story")
        await program.until("response.output_audio.delta")
        await program.say("output_audio_buffer.clear")
        cleared = await program.until("output_audio_buffer.cleared")
        done = (await program.until("response.done"))["response"]
    assert (done["id"], done["status"]) == (cleared["response_id"], "cancelled")


async def test_of_a_truncated_answer_only_what_was_heard_is_shown(serve: Any):
    story = "One two three four five six seven eight."
    async with serve(riva(), FakeChat([story])) as gateway, connect(gateway.http_port) as program:
        await program.type("count")
        await program.until("response.done")
        item = program.of("response.output_item.done")[0]["item"]["id"]
        sent_ms = len(program.audio()) / 48
        cut = {"item_id": item, "content_index": 0, "audio_end_ms": round(sent_ms / 2)}
        await program.say("conversation.item.truncate", **cut)
        await program.until("conversation.item.truncated")
        await program.say("conversation.item.retrieve", item_id=item)
        retrieved = await program.until("conversation.item.retrieved")
    transcript = retrieved["item"]["content"][0]["transcript"]
    assert transcript in ("One two three", "One two three four")


@pytest.mark.parametrize(
    ("detection", "patience", "silence_s", "idle_s"),
    [
        ({"type": "semantic_vad", "eagerness": "low"}, 2.0, None, None),
        ({"type": "semantic_vad", "eagerness": "auto"}, 1.0, None, None),
        ({"type": "semantic_vad", "eagerness": "medium"}, 1.0, None, None),
        ({"type": "semantic_vad", "eagerness": "high"}, 0.6, None, None),
        ({"type": "server_vad"}, 1.0, None, None),
        ({"type": "server_vad", "silence_duration_ms": 900}, 1.0, 0.9, None),
        ({"type": "server_vad", "idle_timeout_ms": 6000}, 1.0, None, 6.0),
    ],
)
def test_turn_detection_is_how_turns_are_taken(
    detection: dict[str, Any], patience: float, silence_s: float | None, idle_s: float | None
):
    options = SessionOptions("call", "m", CallConfig("call", "en-US", 24_000, "", ""))
    options.update({"audio": {"input": {"turn_detection": detection}}}, has_audio=False)
    turns = options.config.turns
    assert (turns.patience, turns.silence_s, turns.idle_s) == (patience, silence_s, idle_s)
    assert (turns.answers, turns.interruptible, turns.by_hand) == (True, True, False)


@pytest.mark.parametrize(
    ("given", "line_echo"),
    [
        ({}, "auto"),
        ({"noise_reduction": {"type": "near_field"}}, "cancelled"),
        ({"noise_reduction": {"type": "far_field"}}, "auto"),
        ({"format": {"type": "audio/pcmu"}}, "phone"),
        (
            {"format": {"type": "audio/pcma"}, "noise_reduction": {"type": "near_field"}},
            "cancelled",
        ),
    ],
)
def test_what_a_program_says_of_its_microphone_tells_what_comes_back(
    given: dict[str, Any], line_echo: str
):
    options = SessionOptions("call", "m", CallConfig("call", "en-US", 24_000, "", ""))
    options.update({"audio": {"input": given}}, has_audio=True)
    assert options.config.line_echo == line_echo


async def test_items_are_retrieved_deleted_and_forgotten(serve: Any):
    chat = FakeChat([ANSWER])
    async with serve(riva(), chat) as gateway, connect(gateway.http_port) as program:
        for name, text in (("secret", "my number is 7"), ("kept", "say hello")):
            item = {"id": name, **typed(text, "system")}
            await program.say("conversation.item.create", item=item)
            await program.until("conversation.item.done")
        await program.say("conversation.item.retrieve", item_id="secret")
        retrieved = await program.until("conversation.item.retrieved")
        assert retrieved["item"]["content"][0]["text"] == "my number is 7"
        await program.say("conversation.item.delete", item_id="secret")
        assert (await program.until("conversation.item.deleted"))["item_id"] == "secret"
        await program.say("conversation.item.retrieve", item_id="secret")
        assert (await program.error())["code"] == "item_retrieve_invalid_item_id"
        await program.type("hi")
        await program.until("response.done")
    assert [m["content"] for m in chat.requests[0].messages[1:]] == ["say hello", "hi"]


async def test_a_history_can_be_brought_along(serve: Any):
    chat = FakeChat([ANSWER])
    async with serve(riva(), chat) as gateway, connect(gateway.http_port) as program:
        before = None
        for role, text in (("user", "I am Ada."), ("assistant", "Hello Ada.")):
            event = {"item": typed(text, role), "previous_item_id": before}
            await program.say("conversation.item.create", **event)
            before = (await program.until("conversation.item.done"))["item"]["id"]
        await program.type("who am I")
        await program.until("response.done")
    assert [(m["role"], m["content"]) for m in chat.requests[0].messages[1:]] == [
        ("user", "I am Ada."),
        ("assistant", "Hello Ada."),
        ("user", "who am I"),
    ]


async def test_a_turn_is_shown_first_and_its_words_are_told(serve: Any):
    """A client that adds the two up would have the words twice."""
    async with (
        serve(riva(QUESTION), FakeChat([ANSWER])) as gateway,
        connect(gateway.http_port) as program,
    ):
        await program.speak(2.5)
        await program.until("response.done")
        question = program.of("conversation.item.added")[0]["item"]
        await program.say("conversation.item.retrieve", item_id=question["id"])
        known = (await program.until("conversation.item.retrieved"))["item"]
    assert program.of("conversation.item.done")[0]["item"] == question
    assert question["content"] == [{"type": "input_audio", "transcript": None}]
    assert known["content"] == [{"type": "input_audio", "transcript": "what is the weather"}]
    assert program.transcripts() == ["what is the weather"]


async def test_items_stand_where_their_program_puts_them(serve: Any):
    """A client that keeps a copy of the conversation makes an item anew in its middle."""
    chat = FakeChat([ANSWER, "Yes."])
    async with serve(riva(), chat) as gateway, connect(gateway.http_port) as program:
        await program.type("is it sunny")
        await program.until("response.done")
        answer = program.of("response.output_item.done")[0]["item"]["id"]
        await program.say("conversation.item.delete", item_id=answer)
        question = program.of("conversation.item.added")[0]["item"]["id"]
        await program.type("thanks")
        await program.until("response.done")
        added = len(program.of("conversation.item.added"))
        for text, role, after in (
            ("It is.", "assistant", question), ("Be kind.", "system", "root")
        ):  # fmt: skip
            item = typed(text, role)
            await program.say("conversation.item.create", item=item, previous_item_id=after)
        await program.type("bye")
        await program.until("response.done")
    shown = program.of("conversation.item.added")[added:][:2]
    assert [event["previous_item_id"] for event in shown] == [question, None]
    assert program.of("error") == []
    assert [m["content"] for m in chat.requests[2].messages[1:]] == [
        "Be kind.", "is it sunny", "It is.", "thanks", "Yes.", "bye"
    ]  # fmt: skip


async def test_a_model_that_fails_fails_the_response_alone(serve: Any):
    chat = FakeChat([ANSWER], fault=lambda n: HttpError(500) if n < 2 else None)
    async with serve(riva(), chat) as gateway, connect(gateway.http_port) as program:
        await program.type("hello")
        failed = (await program.until("response.done"))["response"]
        assert failed["status"] == "failed"
        assert failed["status_details"]["error"]["code"] == "llm_unavailable"
        await program.type("hello again")
        assert (await program.until("response.done"))["response"]["status"] == "completed"


@pytest.mark.parametrize(("kind", "law"), [("audio/pcmu", "mu"), ("audio/pcma", "a")])
async def test_telephone_audio_goes_both_ways(serve: Any, kind: str, law: g711.Law):
    scripted = riva(QUESTION)
    async with (
        serve(scripted, FakeChat([ANSWER])) as gateway,
        connect(gateway.http_port) as program,
    ):
        form = {"format": {"type": kind}}
        session = await program.update(audio={"input": form, "output": form})
        assert session["audio"]["input"]["format"] == {"type": kind}
        silence = g711.encode(bytes(2 * 8000 * 3), law)
        await program.speak(0, pcm=silence)
        await program.until("response.done")
        heard = (await scripted.asr_call(0)).audio_s
    assert heard == pytest.approx(3.0, abs=0.2)
    spoken_s = len(program.audio()) / 8000
    assert program.transcripts() == ["what is the weather"]
    assert 0.5 < spoken_s < 10


async def test_our_own_events_come_to_those_who_ask_for_them(serve: Any):
    async with (
        serve(riva(QUESTION), FakeChat([ANSWER])) as gateway,
        connect(gateway.http_port, "model=m&events=all") as program,
    ):
        await program.speak(2.5)
        latency = await program.until("gateway.latency")
    heard = [(e["text"], e["final"]) for e in program.of("gateway.transcript")]
    assert heard[-1] == ("what is the weather", True)
    assert not heard[0][1]
    assert latency["ms"]["total"] >= 0
    assert latency["response_id"] == program.of("response.done")[0]["response"]["id"]


async def test_reported_playback_is_what_was_heard(serve: Any):
    chat = FakeChat([LONG, ANSWER])
    async with (
        serve(riva(), chat) as gateway,
        connect(gateway.http_port, "model=m&events=all") as program,
    ):
        await program.type("tell me a story")
        await program.until("response.output_audio.delta")
        item = program.of("response.output_item.added")[0]["item"]["id"]
        await program.say("gateway.playback", item_id=item, played_ms=0)
        await program.say("response.cancel")
        interrupted = await program.until("gateway.interrupted")
    assert interrupted["heard_ms"] < 60


async def test_a_session_ends_with_its_turn_when_the_gateway_stops(serve: Any):
    async with (
        serve(riva(), FakeChat([ANSWER]), drain_s=60.0) as gateway,
        connect(gateway.http_port) as program,
    ):
        await program.type("hello")
        await program.until("response.created")
        gateway.stop.set()
        assert await program.rest() == 1012
    assert program.of("response.done")[0]["response"]["status"] == "completed"
    assert "stopping" in program.of("error")[0]["error"]["message"]


async def test_a_full_gateway_says_so(serve: Any):
    async with (
        serve(riva(), FakeChat(), max_calls=1) as gateway,
        connect(gateway.http_port) as first,
        connect(gateway.http_port) as second,
    ):
        assert (await second.error())["code"] == "gateway_full"
        assert await second.rest() == 1013
        await first.type("hello")
        await first.until("response.done")


async def test_a_client_that_goes_leaves_nothing_behind(serve: Any):
    chat = FakeChat([LONG], token_s=0.2)
    async with serve(riva(), chat) as gateway:
        async with connect(gateway.http_port) as program:
            await program.type("tell me a story")
            await program.until("response.output_audio.delta")
        asked = await chat.request(0)
        await asked.ended.wait()
        assert asked.cancelled
