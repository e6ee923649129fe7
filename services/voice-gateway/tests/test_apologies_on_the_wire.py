"""An apology as clients get it: said, shown, and no part of the answer, over the real protocols."""

import asyncio
from collections.abc import Callable
from random import Random
from typing import Any

import grpc
from voice_gateway.testing.fake_chat import DropAfter, FakeChat, HttpError
from voice_gateway.testing.fake_faults import DieAfter, Hang, Refuse, RivaFault
from voice_gateway.testing.fake_riva import FakeRiva
from voice_gateway.testing.program import connect
from voice_proto import voice_workflow_pb2 as pb

from .conftest import Gateway, Serve

SORRY = "Sorry, something went wrong. Please ask me again."
STORY = "Once upon a time there was a fox. It lived in a wood."
DOWN = Refuse(grpc.StatusCode.UNAVAILABLE, "down")


def upstreams(llm: Any = None, reply: str = "It is sunny.") -> tuple[FakeRiva, FakeChat]:
    chat = FakeChat(replies=[reply])
    chat.fault = llm
    return FakeRiva(voice_first_audio_s=0.01), chat


async def apologies_are_made(gateway: Gateway) -> None:
    """The voice has said the apology at both of the rates that calls usually have."""
    for ordinal in (0, 1):
        call = await gateway.riva.voice.calls.nth(ordinal)
        assert call.text == SORRY
        await call.ended.wait()


async def test_over_grpc_it_follows_its_error_as_text_and_audio(serve: Serve):
    async with (
        serve(*upstreams(HttpError(500)), apology="") as gateway,
        gateway.dial() as line,
    ):
        await line.say(config=pb.VoiceConfig())
        await line.say(text_input="hello")
        await line.until(pb.END_OF_TURN)
    assert line.events()[1:] == ["PROCESSING", "ERROR", "SPEAKING", "END_OF_TURN"]
    assert line.text() == SORRY
    assert len(line.audio()) > 16_000
    assert {m.reply_id for m in line.received if m.audio_chunk} == {1}


async def test_a_voice_that_dies_in_mid_call_has_left_its_apology(serve: Serve):
    riva, chat = upstreams()
    async with serve(riva, chat, apology="") as gateway, gateway.dial() as line:
        await apologies_are_made(gateway)
        riva.voice.fault = DOWN
        for ordinal in (1, 2):
            await line.say(text_input="hello")
            error = await line.until(pb.ERROR)
            assert (error.fault.stage, error.fault.code) == ("tts", "unavailable")
            await line.until(pb.SPEAKING)
            await line.until(pb.END_OF_TURN)
            sent = b"".join(m.audio_chunk for m in line.received if m.reply_id == ordinal)
            assert riva.voice.pcm(SORRY, 16_000).startswith(sent[2 * 3200 :][:3200])
        riva.voice.fault = None
        await line.say(text_input="hello")
        await line.until(pb.END_OF_TURN)
    assert line.events()[-3:] == ["PROCESSING", "SPEAKING", "END_OF_TURN"]
    told = [message["content"] for message in chat.requests[-1].messages]
    assert not any(SORRY in text for text in told)


async def test_a_clause_that_fails_once_costs_the_caller_nothing(serve: Serve):
    riva, chat = upstreams(reply=STORY)
    riva.voice.fault = lambda ordinal: DOWN if ordinal == 1 else None
    async with serve(riva, chat) as gateway, gateway.dial() as line:
        await line.say(text_input="hello")
        await line.until(pb.END_OF_TURN)
    assert "ERROR" not in line.events()
    asked = [call.text for call in riva.voice_calls]
    assert asked == ["Once upon a time there was a fox.", *["It lived in a wood."] * 2]


async def test_a_program_gets_it_in_the_transcript_and_not_in_the_item(serve: Serve):
    riva, chat = upstreams(DropAfter(4), STORY)
    async with serve(riva, chat, apology="") as gateway, connect(gateway.http_port) as program:
        await program.type("tell me a story")
        response = (await program.until("response.done"))["response"]
        chat.fault = None
        await program.type("go on")
        await program.until("response.done")
        beside = {"conversation": "none", "output_modalities": ["text"]}
        await program.say("response.create", response=beside)
        await program.until("response.done")
    first = program.of("response.output_audio_transcript.done")[0]["transcript"]
    part = response["output"][0]["content"][0]["transcript"]
    assert response["status"] == "failed"
    assert response["status_details"]["error"]["message"] == (
        "The language model is not available just now."
    )
    assert first == f"{part} {SORRY}"
    assert part
    assert SORRY not in part
    assert program.spoken().startswith(first)
    for request in chat.requests[1:]:
        assert not any(SORRY in str(message) for message in request.messages)


async def test_what_a_program_heard_of_an_apology_is_not_remembered(serve: Serve):
    riva, chat = upstreams(HttpError(500))
    async with serve(riva, chat, apology="") as gateway, connect(gateway.http_port) as program:
        await program.type("hello")
        item = (await program.until("response.output_audio.delta"))["item_id"]
        where = {"item_id": item, "content_index": 0, "audio_end_ms": 100}
        await program.say("conversation.item.truncate", **where)
        response = (await program.until("response.done"))["response"]
        chat.fault = None
        await program.type("and now")
        await program.until("response.done")
    assert response["status"] == "cancelled"
    assert [m["role"] for m in chat.requests[-1].messages] == ["system", "user"]


async def test_text_only_responses_fail_without_one(serve: Serve):
    riva, chat = upstreams(HttpError(500))
    async with serve(riva, chat, apology="") as gateway, connect(gateway.http_port) as program:
        await program.update(output_modalities=["text"])
        await program.type("hello")
        response = (await program.until("response.done"))["response"]
    assert (response["status"], response["output"]) == ("failed", [])


async def asks(gateway: Gateway, number: int, turns: int) -> list[tuple[bool, bytes]]:
    """Ask so many questions in one call; for each, whether it failed, and what was heard."""
    heard: list[tuple[bool, bytes]] = []
    async with gateway.dial() as line:
        for turn in range(turns):
            begins = len(line.received)
            await line.say(text_input=f"question {turn} of caller {number}")
            await line.until(pb.END_OF_TURN)
            came = line.received[begins:]
            failed = any(m.event.type == pb.ERROR for m in came)
            heard.append((failed, b"".join(m.audio_chunk for m in came)))
        await line.hang_up()
        await line.rest()
    return heard


def troubles(seed: int) -> Callable[[int], RivaFault | None]:
    """Every second text or so fails, in one of all ways; the rest is spoken."""
    dice = Random(seed)
    ways = (None, None, DOWN, DieAfter(0), DieAfter(1), Hang())
    drawn = [dice.choice(ways) for _ in range(1000)]

    def trouble(ordinal: int) -> RivaFault | None:
        return drawn[ordinal % len(drawn)]

    return trouble


async def test_ten_callers_of_a_voice_that_fails_all_the_time_hear_something_each_turn(
    serve: Serve,
):
    riva, chat = upstreams(reply=STORY)
    async with serve(riva, chat, apology="", tts_timeout_s=0.5) as gateway:
        await apologies_are_made(gateway)
        riva.voice.fault = troubles(seed=1)
        async with asyncio.TaskGroup() as tasks:
            calls = [tasks.create_task(asks(gateway, number, 10)) for number in range(10)]
    turns = [turn for call in calls for turn in call.result()]
    assert len(turns) == 100
    assert all(audio for _, audio in turns)
    assert 10 < sum(failed for failed, _ in turns) < 90
