"""Items that have audio at the Realtime API: its words are found out, and stand in their place."""

import asyncio
import logging
from base64 import b64encode
from typing import Any

import pytest
from voice_gateway.audio import g711
from voice_gateway.call.allowance import Allowance, MessageLimits
from voice_gateway.errors import OverLimit, TimedOut, Unavailable
from voice_gateway.hearing.clip import transcribed
from voice_gateway.messages import Transcript
from voice_gateway.testing import virtual_time
from voice_gateway.testing.fake_chat import FakeChat
from voice_gateway.testing.fake_riva import FakeRiva, Says
from voice_gateway.testing.program import Json, Program, connect, typed
from voice_gateway.testing.scripted import Says as Recognised
from voice_gateway.testing.scripted import ScriptedRecogniser

WORDS = "conversation.item.input_audio_transcription"
QUESTION = Says("what is the weather", 0.3, 1.2)


def audio_item(seconds: float = 2.0, *, said: str = "", **more: Any) -> Json:
    audio = b64encode(bytes(2 * int(24_000 * seconds))).decode()
    text = [{"type": "input_text", "text": said}] if said else []
    content = [*text, {"type": "input_audio", "audio": audio}]
    return {"type": "message", "role": "user", "content": content, **more}


async def add(program: Program, item: Json, **more: Any) -> None:
    await program.say("conversation.item.create", item=item, **more)


def told(chat: FakeChat, request: int = 0) -> list[str]:
    """What the model was told by the conversation."""
    return [m["content"] for m in chat.requests[request].messages[1:]]


async def test_an_answer_that_is_asked_for_at_once_knows_its_words(serve: Any):
    riva, chat = FakeRiva(says=[QUESTION]), FakeChat(["It is sunny."])
    async with serve(riva, chat) as gateway, connect(gateway.http_port) as program:
        await add(program, audio_item(id="item_spoken"))
        await program.say("response.create")
        done = (await program.until("response.done"))["response"]
        await program.say("conversation.item.retrieve", item_id="item_spoken")
        shown = (await program.until("conversation.item.retrieved"))["item"]
    assert done["status"] == "completed"
    assert told(chat) == ["what is the weather"]
    first = program.of("conversation.item.done")[0]["item"]
    assert first["content"] == [{"type": "input_audio", "transcript": None}]
    completed = program.of(f"{WORDS}.completed")[0]
    assert (completed["item_id"], completed["content_index"]) == ("item_spoken", 0)
    assert completed["usage"] == {"type": "duration", "seconds": 2.0}
    assert shown["content"] == [{"type": "input_audio", "transcript": "what is the weather"}]
    assert riva.asr_calls[-1].audio_s > 2.0


async def test_a_long_one_is_taken_in_any_of_the_sessions_formats(serve: Any):
    """A minute as audio/pcm has more characters than any other event may have."""
    riva, chat = FakeRiva(says=[QUESTION]), FakeChat(["Sunny.", "Still sunny."])
    async with serve(riva, chat) as gateway, connect(gateway.http_port) as program:
        await add(program, audio_item(30.0, said="Listen:"))
        await program.say("response.create")
        await program.until("response.done")
        await program.update(audio={"input": {"format": {"type": "audio/pcma"}}})
        item = audio_item(0.1)
        item["content"][0]["audio"] = b64encode(g711.encode(bytes(2 * 8_000 * 3), "a")).decode()
        await add(program, item)
        await program.until(f"{WORDS}.completed")
    assert told(chat) == ["Listen: what is the weather"]
    seconds = [event["usage"]["seconds"] for event in program.of(f"{WORDS}.completed")]
    assert seconds == [30.0, 3.0]


async def test_its_words_stand_where_the_item_does(serve: Any):
    riva, chat = FakeRiva(says=[QUESTION]), FakeChat(["Sunny."])
    async with serve(riva, chat) as gateway, connect(gateway.http_port) as program:
        await add(program, {**typed("first"), "id": "item_first"})
        await add(program, audio_item(id="item_spoken"))
        await add(program, {**typed("last"), "id": "item_last"})
        await add(
            program, {**typed("system", role="system"), "id": "root"}, previous_item_id="root"
        )
        await program.say("response.create")
        await program.until("response.done")
    messages = chat.requests[0].messages[1:]
    said = " ".join(m["content"] for m in messages)
    assert said.split() == ["system", "first", *"what is the weather".split(), "last"]


async def test_what_was_deleted_before_its_words_came_is_not_told(serve: Any):
    riva, chat = FakeRiva(says=[QUESTION]), FakeChat(["Hello."])
    async with serve(riva, chat) as gateway, connect(gateway.http_port) as program:
        await add(program, audio_item(id="item_spoken"))
        await program.say("conversation.item.delete", item_id="item_spoken")
        await program.type("hello")
        await program.until("response.done")
    assert told(chat) == ["hello"]
    assert program.of(f"{WORDS}.completed") == []


async def test_who_speaks_is_heard_meanwhile(serve: Any):
    riva, chat = FakeRiva(says=[QUESTION]), FakeChat(["Sunny.", "Sunny."])
    async with serve(riva, chat) as gateway, connect(gateway.http_port) as program:
        await program.speak(0.2)
        await add(program, audio_item())
        await program.speak(2.3)
        await program.until("response.done")
        if len(program.transcripts()) < 2:
            await program.until(f"{WORDS}.completed")
    assert program.transcripts() == ["what is the weather"] * 2


async def test_a_client_that_goes_meanwhile_leaves_nothing_behind(
    serve: Any, caplog: pytest.LogCaptureFixture
):
    async with serve(FakeRiva(says=[QUESTION]), FakeChat()) as gateway:
        async with connect(gateway.http_port) as program:
            await program.until("session.created")
            for _ in range(3):
                await add(program, audio_item(20.0))
            await program.say("response.create")
            await program.until("conversation.item.done")
        async with asyncio.timeout(60):
            await gateway.server._calls.over()
    assert [record for record in caplog.records if record.levelno >= logging.ERROR] == []


async def test_a_recogniser_that_breaks_costs_the_words_and_not_the_call(
    serve: Any, monkeypatch: pytest.MonkeyPatch
):
    async def breaks(*_: Any, **__: Any) -> str:
        raise KeyError("a bug")

    monkeypatch.setattr("voice_gateway.call.calls.transcribed", breaks)
    chat = FakeChat(["Hello."])
    async with serve(FakeRiva(), chat) as gateway, connect(gateway.http_port) as program:
        await add(program, audio_item(1.0))
        failed = await program.until(f"{WORDS}.failed")
        assert failed["error"]["code"] == "asr_unavailable"
        await program.type("hello")
        await program.until("response.done")
    assert told(chat) == ["hello"]


@pytest.mark.parametrize(
    ("part", "code", "param"),
    [
        ({"audio": 7}, "invalid_type", "item.content[0].audio"),
        ({"audio": ""}, "missing_required_parameter", "item.content[0].audio"),
        ({}, "missing_required_parameter", "item.content[0].audio"),
        ({"audio": "no base64!"}, "invalid_value", "audio"),
        (
            {"audio": "A" * (4 * 1024 * 1024 + 4)},
            "string_above_max_length",
            "item.content[0].audio",
        ),
    ],
)
async def test_what_is_no_audio_is_refused_by_its_name(
    serve: Any, part: Json, code: str, param: str
):
    content = [{"type": "input_audio", **part}]
    async with (
        serve(FakeRiva(), FakeChat(["Hello."])) as gateway,
        connect(gateway.http_port) as program,
    ):
        await add(program, {"type": "message", "role": "user", "content": content})
        error = await program.error()
        assert (error["code"], error["param"]) == (code, param)
        await program.type("hello")
        await program.until("response.done")


async def test_audio_that_breaks_off_has_no_words_and_the_call_goes_on(serve: Any):
    item = audio_item(2.0)
    item["content"][0]["audio"] = "A" * 40_000 + "!" + "A" * 40_000
    chat = FakeChat(["Hello."])
    async with serve(FakeRiva(), chat) as gateway, connect(gateway.http_port) as program:
        await add(program, item)
        failed = await program.until(f"{WORDS}.failed")
        assert failed["error"]["code"] == "invalid_value"
        await program.type("hello")
        await program.until("response.done")
    assert told(chat) == ["hello"]


async def test_a_call_sends_no_more_of_it_than_its_lead(serve: Any):
    async with (
        serve(FakeRiva(), FakeChat(), audio_lead_s=5.0) as gateway,
        connect(gateway.http_port) as program,
    ):
        await add(program, audio_item(4.0))
        await add(program, audio_item(4.0))
        error = await program.error()
    assert error["code"] == "rate_limit_exceeded"
    assert "allowed: 5 s" in error["message"]


def test_the_lead_is_shared_and_what_is_said_never_waits_for_it():
    async def run() -> None:
        clock = asyncio.get_running_loop().time
        allowance = Allowance(MessageLimits(audio_lead_s=10.0), clock)
        allowance.clip(30.0)  # longer than the lead itself: it takes all of it
        with pytest.raises(OverLimit, match="try again in 1 s"):
            allowance.clip(1.0)
        began = clock()
        await allowance.audio(0.02)
        assert clock() - began < 0.03

    virtual_time.run(run())


# --- the recognition of a clip, on the virtual clock ---


async def words(recogniser: ScriptedRecogniser, within_s: float = 5.0) -> str:
    async def turn() -> None:
        await asyncio.sleep(0)

    return await transcribed(
        recogniser,
        lambda: iter([bytes(640)] * 3),
        language="en-US",
        rate_hz=16_000,
        within_s=within_s,
        turn=turn,
    )


class FailsOnce(ScriptedRecogniser):
    """Its first stream breaks in the middle of the words."""

    async def listen(self, *audio: Any, on_transcript: Any, **more: Any) -> None:
        if not self.languages:
            on_transcript(Transcript("hello", final=True))
            self.languages.append("failed")
            raise Unavailable("asr", "it fell over")
        await super().listen(*audio, on_transcript=on_transcript, **more)


def test_a_recogniser_that_fails_is_asked_again_and_not_for_ever():
    async def run() -> None:
        says = [Recognised(0.5, "hello", final=True), Recognised(0.6, "there", final=False)]
        assert await words(FailsOnce(says)) == "hello there"
        down = ScriptedRecogniser((), Unavailable("asr", "it fell over"), 0.1, fails=3)
        with pytest.raises(Unavailable):
            await words(down)
        assert len(down.languages) == 2

    virtual_time.run(run())


def test_one_that_hangs_is_not_waited_for():
    async def run() -> None:
        slow = ScriptedRecogniser([Recognised(60.0, "too late", final=True)])
        with pytest.raises(TimedOut, match="within 5 s"):
            await words(slow)

    virtual_time.run(run())
