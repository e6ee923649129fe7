"""What one call may send: paced where that helps, refused in words where it does not."""

import asyncio
import json
import re
from base64 import b64encode
from collections.abc import Sequence
from typing import Any

import aiohttp
import grpc
import pytest
from voice_gateway.call.admission import AdmissionLimits
from voice_gateway.call.allowance import Allowance, MessageLimits, Principals
from voice_gateway.call.calls import CallLimits, Calls
from voice_gateway.call.session import CallOptions
from voice_gateway.conversation import Message, ToolCall
from voice_gateway.conversation.history import newest
from voice_gateway.errors import BadMessage, OverLimit
from voice_gateway.messages import Audio, CallConfig
from voice_gateway.observe.metrics import Metrics
from voice_gateway.ports import Services
from voice_gateway.principals import ANYONE, Limits, Principal
from voice_gateway.testing import virtual_time
from voice_gateway.testing.fake_chat import FakeChat
from voice_gateway.testing.fake_riva import FakeRiva
from voice_gateway.testing.program import connect, typed
from voice_gateway.testing.scripted import (
    ScriptedCaller,
    ScriptedModel,
    ScriptedRecogniser,
    ScriptedVoice,
    Sends,
)
from voice_gateway.transports.grpc import message_of
from voice_gateway.transports.realtime import frames
from voice_gateway.transports.realtime.fields import BadEvent
from voice_gateway.transports.realtime.items import Items
from voice_proto import voice_workflow_pb2 as pb

RATE_HZ = 16_000


def now() -> float:
    return asyncio.get_running_loop().time()


# One call's allowance.


def test_a_minutes_requests_may_come_at_once_and_then_at_their_pace():
    async def run() -> None:
        allowance = Allowance(MessageLimits(requests_per_min=60), now)
        for _ in range(60):
            allowance.request()
        with pytest.raises(OverLimit) as refused:
            allowance.request()
        assert refused.value.sentence == (
            "this call sends too many requests for an answer; allowed: 60 a minute. "
            "This was not followed; try again in 1 s."
        )
        await asyncio.sleep(1)
        allowance.request()

    virtual_time.run(run())


def test_a_text_that_is_refused_costs_nothing():
    async def run() -> None:
        allowance = Allowance(MessageLimits(typed_chars_per_min=6000), now)
        allowance.turn(4000)
        with pytest.raises(OverLimit, match="too many characters of text; allowed: 6000 a min"):
            allowance.turn(4000)
        allowance.turn(2000)

    virtual_time.run(run())


def test_the_calls_of_one_principal_share_its_limits_and_nobody_elses():
    async def run() -> None:
        shared, limits = Principals(), MessageLimits(requests_per_min=0, typed_chars_per_min=0)
        ada = Principal("ada", limits=Limits(requests_per_min=2))
        calls = [Allowance(limits, now, shared=shared(ada, now())) for _ in range(3)]
        calls[0].request()
        calls[1].request()
        with pytest.raises(OverLimit, match="principal 'ada' sends too many requests"):
            calls[2].request()
        other = Allowance(limits, now, shared=shared(ANYONE, now()))
        for _ in range(100):
            other.request()

    virtual_time.run(run())


def test_messages_that_come_too_quickly_are_read_later():
    async def run() -> float:
        allowance = Allowance(MessageLimits(), now)
        for _ in range(300):
            await allowance.message()
        return now()

    assert virtual_time.run(run()) == pytest.approx(2.0)  # 200 at once, then 50 a second


def test_audio_may_be_ahead_of_real_time_so_far_and_is_then_taken_as_it_is_spoken():
    async def run() -> tuple[float, float]:
        allowance = Allowance(MessageLimits(audio_lead_s=60), now)
        for _ in range(600):
            await allowance.audio(0.1)
        at_once_s = now()
        for _ in range(105):
            await allowance.audio(0.1)
        return at_once_s, now() - at_once_s

    at_once_s, then_s = virtual_time.run(run())
    assert at_once_s < 1
    assert then_s == pytest.approx(10, abs=0.6)


def test_recordings_take_turns_so_that_live_calls_wait_for_one_piece_at_most():
    async def run() -> float:
        async def sends(allowance: Allowance) -> None:
            for _ in range(50):
                await allowance.audio(0.4)

        loop_calls = Calls(
            Services(ScriptedRecogniser(()), ScriptedModel(()), ScriptedVoice()),
            CallOptions(),
            most=5,
            metrics=Metrics(),
        )
        async with asyncio.TaskGroup() as tasks:
            for _ in range(5):
                with loop_calls.admitted("grpc") as call:
                    tasks.create_task(sends(call.allowance))
        return now()

    # Each may have ten seconds at once; then all together have a piece in 3 ms.
    assert virtual_time.run(run()) == pytest.approx(5 * 25 * 0.003, rel=0.1)


# Whole calls, on a virtual clock.


def test_a_long_chunk_is_cut_before_anything_is_done_with_it():
    async def run() -> int:
        recogniser = ScriptedRecogniser(())
        services = Services(recogniser, ScriptedModel(()), ScriptedVoice())
        limits = CallLimits(AdmissionLimits(), MessageLimits(audio_lead_s=300))
        calls = Calls(services, CallOptions(), most=1, metrics=Metrics(), limits=limits)
        caller = ScriptedCaller([Sends(0.0, Audio(bytes(2 * 20 * RATE_HZ + 1)))], hangs_up=1.0)
        config = CallConfig("test", "en-US", RATE_HZ, "", "Be brief.")
        with calls.admitted("grpc") as call:
            await call.run(caller, config)
        return recogniser.bytes_taken

    assert virtual_time.run(run()) == 2 * 20 * RATE_HZ


# gRPC.


async def test_a_typed_turn_too_many_is_refused_in_words_and_the_call_goes_on(serve: Any):
    chat = FakeChat(["One.", "Two.", "Three."])
    limits = {"requests_per_min": 2}
    async with serve(FakeRiva(), chat, **limits) as gateway, gateway.dial() as line:
        await line.say(config=pb.VoiceConfig())
        for _ in range(2):
            await line.say(text_input="hello")
            await line.until(pb.END_OF_TURN)
        await line.say(text_input="hello")
        told = await line.until(pb.ERROR)
        assert told.message.startswith(
            "this call sends too many requests for an answer; allowed: 2 a minute."
        )
        assert (told.fault.stage, told.fault.code, told.fault.retryable) == (
            "gateway",
            "rate_limited",
            True,
        )
        await line.hang_up()
        await line.rest()
    assert len(chat.requests) == 2


async def test_one_call_too_many_is_told_when_to_come_back(serve: Any):
    limits = {"new_calls_per_s": 0.5}
    async with serve(FakeRiva(), FakeChat(), **limits) as gateway, gateway.dial() as first:
        await first.say(config=pb.VoiceConfig())
        await first.until(pb.LISTENING)
        async with gateway.dial() as second:
            code, said = await second.refusal()
            assert code is grpc.StatusCode.RESOURCE_EXHAUSTED
            assert said == ("new calls of address 127.0.0.1 come faster than allowed: 0.5 a second")
            assert ("retry-after-s", "2") in tuple(await second.call.trailing_metadata())


async def test_callers_behind_a_trusted_proxy_are_told_apart(serve: Any):
    limits = {"max_calls_per_address": 1, "trusted_proxies": "127.0.0.1"}
    async with serve(FakeRiva(), FakeChat(), **limits) as gateway:
        port = gateway.http_port
        async with (
            connect(port, headers={"X-Forwarded-For": "192.0.2.1"}) as one,
            connect(port, headers={"X-Forwarded-For": "192.0.2.2"}) as two,
            connect(port, headers={"X-Forwarded-For": "192.0.2.1"}) as three,
        ):
            await one.update()
            await two.update()
            refused = await three.error()
            assert refused["code"] == "rate_limit_exceeded"
            assert refused["message"] == (
                "1 calls of address 192.0.2.1 are running; allowed: 1 at once"
            )
            assert refused["retry_after_s"] == 5
            assert await three.rest() == 1013


def test_a_message_of_many_parts_is_not_parsed():
    one = pb.ClientMessage(interrupt=pb.Interrupt()).SerializeToString()
    with pytest.raises(BadMessage, match="a message has 200000 bytes and is not one audio_chunk"):
        message_of(one * 100_000)
    chunk = pb.ClientMessage(audio_chunk=bytes(100_000)).SerializeToString()
    assert message_of(chunk).audio_chunk == bytes(100_000)
    latest = pb.ClientMessage(acknowledged=2**64 - 1).SerializeToString()
    assert message_of(chunk + latest).acknowledged == 2**64 - 1
    with pytest.raises(BadMessage):
        message_of(chunk + one * 10)
    with pytest.raises(BadMessage):
        message_of(chunk[:1] + b"\xff" * 100_000)


async def test_a_message_of_many_parts_ends_its_call_alone(serve: Any):
    one = pb.ClientMessage(interrupt=pb.Interrupt()).SerializeToString()
    async with serve(FakeRiva(), FakeChat()) as gateway, gateway.channel() as channel:
        raw = channel.stream_stream("/voice_workflow.VoiceGateway/StreamAudio")()
        await raw.write(one * 100_000)
        assert await raw.code() is grpc.StatusCode.INVALID_ARGUMENT
        assert "allowed: at most 65536 bytes for any other message" in (await raw.details() or "")


# The Realtime API.


def append(audio: str, **more: Any) -> str:
    return json.dumps({"type": "input_audio_buffer.append", "audio": audio, **more})


def test_long_audio_is_cut_out_unparsed_and_comes_in_pieces():
    sound = b64encode(bytes(range(256)) * 4096).decode()
    for frame in (append(sound, event_id="e1"), json.dumps(json.loads(append(sound)), indent=2)):
        events = list(frames.opened(frame))
        assert "".join(event["audio"] for event in events) == sound
        assert {event["type"] for event in events} == {"input_audio_buffer.append"}
        assert max(len(event["audio"]) for event in events) == 64 * 1024


@pytest.mark.parametrize(
    ("frame", "said"),
    [
        ("[" + "0," * 20_000 + "0]", "has 20001 parts; allowed: at most 10000"),
        (json.dumps({"type": "session.update", "session": "x" * 300_000}), "300041 characters"),
        ('{"audio": "' + "A" * 300_000 + '", "type": "session.update"}', "allowed: at most 262144"),
        ('{"session": {"audio": "' + "A" * 300_000 + '"}}', "allowed: at most 262144"),
        (append("A" * 300_000, more=["x" * 300_000]), "allowed: at most 262144"),
        (append("A" * (21 * 2**20)), "'audio' has 22020096 characters; allowed: at most 20971520"),
        ('{"a":' * 100 + "{}" + "}" * 100, "nested too deeply; allowed: 64 levels"),
    ],
)
def test_what_would_take_long_is_refused_before_it_is_parsed(frame: str, said: str):
    with pytest.raises(BadEvent, match=said):
        frames.opened(frame)


async def test_a_frame_as_long_as_the_protocol_allows_is_heard(serve: Any):
    async with (
        serve(FakeRiva(), FakeChat(), audio_lead_s=1000) as gateway,
        connect(gateway.http_port) as program,
    ):
        await program.socket.send_str(append(b64encode(bytes(2**20)).decode()))
        await program.say("input_audio_buffer.append", audio="%")
        assert (await program.error())["message"] == "'audio' is not base64."
        async with (
            aiohttp.ClientSession() as http,
            http.get(f"http://127.0.0.1:{gateway.http_port}/metrics") as answer,
        ):
            page = await answer.text()
        heard = re.search(r'voice_audio_seconds_total\{direction="in"\} (\S+)', page)
        assert heard
        assert float(heard[1]) == pytest.approx(2**20 / 48_000)


async def test_a_response_too_many_is_refused_and_the_session_goes_on(serve: Any):
    chat = FakeChat(["One.", "Two."])
    async with (
        serve(FakeRiva(), chat, requests_per_min=1) as gateway,
        connect(gateway.http_port) as program,
    ):
        await program.type("hello")
        await program.until("response.done")
        await program.say("response.create")
        refused = await program.error()
        assert refused["code"] == "rate_limit_exceeded"
        assert "allowed: 1 a minute" in refused["message"]
        await program.update(instructions="Be brief.")
    assert len(chat.requests) == 1


@pytest.mark.parametrize("field", ["prompt", "tracing", "include", "reasoning", "truncation"])
async def test_what_is_only_kept_is_not_kept_at_any_length(serve: Any, field: str):
    async with (
        serve(FakeRiva(), FakeChat()) as gateway,
        connect(gateway.http_port) as program,
    ):
        await program.say("session.update", session={field: {"a": "x" * 20_000}})
        refused = await program.error()
        assert (refused["code"], refused["param"]) == (
            "string_above_max_length",
            f"session.{field}",
        )


def test_the_oldest_items_go_where_they_are_together_too_long():
    names = iter(range(10_000))
    items = Items(lambda kind: f"{kind}_{next(names)}")
    for _ in range(100):
        items.add(typed("x" * 16_000))
    assert len(items.history()) == 25
    items.remove("item_99")
    assert len(items.history()) == 24


def texts(history: Sequence[Message]) -> list[str]:
    return [message.text for message in history]


def test_a_history_keeps_its_newest_turns_within_its_length():
    history = (
        Message("user", "a" * 40),
        Message("assistant", "b" * 40),
        Message("user", "c" * 40),
        Message("assistant", "d" * 40),
        Message("user", "e" * 40),
    )
    assert newest(history, 200) == history
    assert texts(newest(history, 199)) == ["c" * 40, "d" * 40, "e" * 40]
    assert texts(newest(history, 30)) == ["e" * 40]


def test_a_turn_of_notes_alone_keeps_the_newest_and_no_tool_call_without_its_output():
    notes = tuple(Message("user", f"{n}" * 40) for n in range(5))
    assert texts(newest(notes, 100)) == ["3" * 40, "4" * 40]
    call = Message("assistant", "", calls=(ToolCall("c1", "look", "{}"),))
    output = Message("tool", "x" * 40, call_id="c1")
    assert newest((*notes[:2], call, output), 50) == (call, output)
