"""A call that goes on over another connection, against a gateway that follows a script."""

import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager

import grpc
import pytest
from voice_client.call import Call, Gateway, Hello, dial
from voice_client.failures import CallBrokenError
from voice_client.messages import (
    Message,
    Reconnected,
    ReplyAudio,
    ReplyText,
    Speaking,
    Transcript,
    TurnEnded,
)
from voice_client.resumption import Resumption
from voice_client.screen import Screen
from voice_client.testing import Caller, Script, scripted_gateway
from voice_client.turns import Turns
from voice_proto import voice_workflow_pb2 as wire

RATE_HZ = 16_000
HELLO = Hello(RATE_HZ, conversation_id="4f1c", resume=True)
PIECE = b"\1\2" * 320
BREAKS = grpc.StatusCode.UNAVAILABLE


def event(
    kind: "wire.EventType",
    sequence: int = 0,
    token: str = "",
    taken: int = 0,
    window_ms: int = 5000,
) -> wire.ServerMessage:
    told = wire.ServerEvent(type=kind)
    if token:
        told.resumption.CopyFrom(
            wire.Resumption(token=token, window_ms=window_ms, taken_messages=taken)
        )
    return wire.ServerMessage(event=told, sequence=sequence)


def text(words: str, sequence: int) -> wire.ServerMessage:
    return wire.ServerMessage(llm_response_chunk=words, sequence=sequence, reply_id=1)


def transcript(words: str, sequence: int, *, final: bool = True) -> wire.ServerMessage:
    detail = wire.Transcript(is_final=final)
    return wire.ServerMessage(transcript_chunk=words, transcript=detail, sequence=sequence)


async def accepts(caller: Caller, *messages: wire.ServerMessage) -> None:
    await caller.receive()
    await caller.context.send_initial_metadata(())
    for message in messages:
        await caller.send(message)


async def breaks(caller: Caller, code: grpc.StatusCode = BREAKS, why: str = "it broke") -> None:
    await caller.context.abort(code, why)


def one_after_the_other(*scripts: Script) -> Script:
    """Each connection has the next script."""
    left = list(scripts)

    async def script(caller: Caller) -> None:
        await left.pop(0)(caller)

    return script


@asynccontextmanager
async def calling(
    script: Script, hello: Hello = HELLO
) -> AsyncGenerator[tuple[Call, list[Caller]]]:
    async with scripted_gateway(script) as gateway:
        async with dial(Gateway(gateway.address), hello, 30.0) as call:
            yield call, gateway.callers
        assert gateway.failures == []


async def heard(call: Call) -> list[Message]:
    async with asyncio.timeout(30.0):
        return [message async for message in call.messages()]


async def test_captions_and_typed_words_survive_a_connection_that_breaks():
    """The second typed line is written to a connection that takes it and breaks."""

    async def first(caller: Caller) -> None:
        await accepts(caller, event(wire.LISTENING, 1, token="one"))
        await caller.next_other()
        await caller.send(event(wire.PROCESSING, 2))
        await caller.send(text("It is ", 3))
        await caller.next_other()
        await breaks(caller)

    async def second(caller: Caller) -> None:
        await accepts(caller, event(wire.RESUMED, token="two", taken=1))
        await caller.send(text("sunny.", 4))
        await caller.send(event(wire.END_OF_TURN, 5))
        await caller.next_other()
        await caller.half_close()

    async with calling(one_after_the_other(first, second)) as (call, callers):
        await call.type("what is the weather")
        await call.type("and tomorrow")
        await call.finish()
        got = await heard(call)
        asked = callers[1].config
        assert (asked.resume_token, asked.received_sequence) == ("one", 3)
        assert asked.turn_under_way == "what is the weather"
        assert [m.text_input for m in callers[1].others] == ["and tomorrow"]
    assert "".join(m.text for m in got if isinstance(m, ReplyText)) == "It is sunny."
    assert [m.anew for m in got if isinstance(m, Reconnected)] == [False]


async def test_what_arrived_is_acknowledged_with_what_is_sent():
    async def script(caller: Caller) -> None:
        await accepts(caller, event(wire.LISTENING, 1, token="one"), event(wire.SPEAKING, 2))
        await caller.next_other()
        await caller.half_close()

    async with calling(script) as (call, callers):
        messages = call.messages()
        while not isinstance(await anext(messages), Speaking):
            pass
        await call.type("hello")
        await call.finish()
        assert [m async for m in messages] == []
        assert callers[0].others[0].acknowledged == 2


async def test_a_call_that_begins_anew_says_again_what_no_turn_has():
    async def first(caller: Caller) -> None:
        await accepts(caller, event(wire.LISTENING, 1, token="one"))
        await caller.samples(320)
        await caller.send(transcript("what is", 2, final=False))
        await breaks(caller)

    async def second(caller: Caller) -> None:
        await accepts(caller, event(wire.RESYNC), event(wire.LISTENING, 1, token="other"))
        await caller.samples(320)
        await caller.send(transcript("what is the weather", 2))
        await caller.send(event(wire.PROCESSING, 3))
        await caller.send(event(wire.END_OF_TURN, 4))
        await caller.half_close()

    turns = Turns(RATE_HZ)
    turns.say("a question")
    async with calling(one_after_the_other(first, second)) as (call, callers):
        await call.speak(PIECE)
        async for message in call.messages():
            turns.see(message, 0.0)
            if isinstance(message, Reconnected):
                assert message.anew
                await call.finish()
        assert bytes(callers[1].pcm) == PIECE
        assert callers[1].config.turn_under_way == ""
    assert [turn.heard for turn in turns.all] == ["what is the weather"]


@pytest.mark.parametrize("begun", [None, False, True])
async def test_a_turn_that_is_asked_again_is_owed_until_its_answer_is_over(begun: bool | None):
    """The second connection breaks as well: before it has a token, before the answer or in it."""

    async def first(caller: Caller) -> None:
        await accepts(caller, event(wire.LISTENING, 1, token="one"))
        await caller.next_other()
        await caller.send(event(wire.PROCESSING, 2))
        await breaks(caller)

    async def second(caller: Caller) -> None:
        await accepts(caller, event(wire.RESYNC))
        if begun is not None:
            await caller.send(event(wire.LISTENING, 1, token="two"))
        if begun:
            await caller.send(event(wire.PROCESSING, 2))
        await breaks(caller)

    async def third(caller: Caller) -> None:
        await accepts(caller, event(wire.RESYNC), event(wire.LISTENING, 1, token="three"))
        await caller.half_close()

    async with calling(one_after_the_other(first, second, third)) as (call, callers):
        await call.type("what is the weather")
        await call.finish()
        await heard(call)
        owed = [caller.config.turn_under_way for caller in callers]
        assert owed == ["", "what is the weather", "what is the weather"]


@pytest.mark.parametrize(
    ("code", "token"),
    [
        (grpc.StatusCode.ABORTED, "one"),  # a newer connection has the call
        (grpc.StatusCode.INVALID_ARGUMENT, "one"),
        (BREAKS, ""),  # the gateway keeps no calls
    ],
)
async def test_what_dialling_again_would_not_mend_ends_the_call(code: grpc.StatusCode, token: str):
    async def script(caller: Caller) -> None:
        await accepts(caller, event(wire.LISTENING, 1, token=token))
        await breaks(caller, code)

    async with calling(script) as (call, callers):
        with pytest.raises(CallBrokenError, match="it broke") as broken:
            await heard(call)
        assert broken.value.code == code.name
        assert len(callers) == 1


async def test_a_call_whose_connections_keep_breaking_fails_with_the_reason():
    kinds = iter([wire.LISTENING, *[wire.RESUMED] * 9])

    async def script(caller: Caller) -> None:
        kind = next(kinds)
        await accepts(caller, event(kind, 1, token="one"))
        await breaks(caller)

    async with calling(script) as (call, callers):
        with pytest.raises(CallBrokenError, match="it broke"):
            await heard(call)
        assert len(callers) == 6


async def test_a_window_that_passes_ends_the_call_with_what_broke_it():
    async def script(caller: Caller) -> None:
        await accepts(caller, event(wire.LISTENING, 1, token="one", window_ms=200))
        await caller.half_close()

    async with AsyncExitStack() as gateway:
        serving = await gateway.enter_async_context(scripted_gateway(script))
        async with dial(Gateway(serving.address), HELLO, 30.0) as call:
            messages = call.messages()
            await anext(messages)
            await gateway.aclose()
            with pytest.raises(CallBrokenError) as broken:
                await anext(messages)
    assert broken.value.code in ("UNAVAILABLE", "CANCELLED")


async def test_a_gateway_that_goes_is_left_without_a_pause():
    async def first(caller: Caller) -> None:
        await accepts(caller, event(wire.LISTENING, 1, token="one"), event(wire.MOVE, 2))
        await breaks(caller, why="the gateway is stopping; call again")

    async def second(caller: Caller) -> None:
        await accepts(caller, event(wire.RESYNC), event(wire.LISTENING, 1, token="two"))
        await caller.half_close()

    async with calling(one_after_the_other(first, second)) as (call, _):
        await call.finish()
        got = await heard(call)
    assert [m.anew for m in got if isinstance(m, Reconnected)] == [True]


class TestResumption:
    def test_a_turn_under_way_is_the_words_until_its_answer_is_over(self):
        state = Resumption()
        state.see(transcript("what is the", 1))
        state.see(transcript("weather", 2, final=False))
        assert state.under_way == ""
        state.see(event(wire.PROCESSING, 3))
        assert state.under_way == "what is the weather"
        state.see(event(wire.END_OF_TURN, 4))
        assert state.under_way == ""
        assert state.received == 4

    def test_typed_words_are_taken_one_turn_after_the_other(self):
        state = Resumption()
        for line in ("one", "two"):
            state.send(wire.ClientMessage(text_input=line))
        state.see(event(wire.PROCESSING, 1))
        assert state.under_way == "one"
        assert [m.text_input for m in state.open_turn()] == ["two"]

    def test_it_keeps_the_newest_audio_within_its_bound(self):
        state = Resumption(most_bytes=3 * len(PIECE))
        for _ in range(5):
            state.send(wire.ClientMessage(audio_chunk=PIECE))
        assert len(state.unsent(0)) == 3
        assert len(state.unsent(4)) == 1
        assert state.is_full


def shown(messages: Sequence[Message]) -> str:
    lines: list[str] = []
    screen = Screen(lines.append)
    for message in messages:
        screen.see(message)
    screen.close()
    return "".join(lines)


def test_the_screen_says_it_in_one_line():
    before = [Transcript("hello", True), ReplyText(1, "Good ")]
    assert shown([*before, Reconnected(False), ReplyText(1, "day.")]) == (
        "you: hello\nreply: Good \n[back on another line]\nreply: day.\n"
    )
    again = "[back on another line; what was not answered is asked again]"
    assert shown([*before, Reconnected(True), ReplyText(1, "Good day.")]) == (
        f"you: hello\nreply: Good \n{again}\nreply: Good day.\n"
    )


def test_an_answer_that_comes_again_counts_once():
    turns = Turns(RATE_HZ)
    turns.say("hello", typed=True)
    for message in (
        ReplyText(1, "Good "),
        ReplyAudio(1, 0, PIECE),
        Reconnected(True),
        ReplyText(1, "Good day."),
        ReplyAudio(1, 0, PIECE),
        TurnEnded(None),
    ):
        turns.see(message, 0.0)
    (turn,) = turns.all
    assert turn.reply == "Good day."
    assert bytes(turn.audio) == PIECE


async def test_a_gateway_that_knows_nothing_of_it_is_asked_again_by_the_client():
    async def first(caller: Caller) -> None:
        await accepts(caller, event(wire.LISTENING, 1, token="one"))
        await caller.next_other()
        await caller.send(event(wire.PROCESSING, 2))
        await breaks(caller)

    async def older(caller: Caller) -> None:
        await accepts(caller, event(wire.LISTENING, 1))
        await caller.next_other()
        await caller.answer("It is sunny.", PIECE)
        await caller.half_close()

    async with calling(one_after_the_other(first, older)) as (call, callers):
        await call.type("what is the weather")
        async for message in call.messages():
            if isinstance(message, TurnEnded):
                await call.finish()
        assert [m.text_input for m in callers[1].others] == ["what is the weather"]
