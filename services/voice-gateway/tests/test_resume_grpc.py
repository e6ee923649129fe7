"""Calls that outlive their connections, over real gRPC through a balancer that cuts them."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

import grpc
import grpc.aio
import pytest
from voice_gateway.testing.balancer import Balancer, balancing
from voice_gateway.testing.fake_chat import FakeChat
from voice_gateway.testing.fake_riva import FakeRiva, Says
from voice_gateway.testing.line import Line, dial
from voice_proto import voice_workflow_pb2 as pb

from .conftest import Gateway, Serve

QUESTION = Says("what is the weather", start_s=0.3, end_s=1.0)
ANSWER = "It is sunny today, with a light wind. Take a hat."
CONVERSATION = "4f1c7d0e9a"


def upstreams() -> tuple[FakeRiva, FakeChat]:
    return FakeRiva(says=[QUESTION], voice_first_audio_s=0.01), FakeChat(replies=[ANSWER] * 8)


@asynccontextmanager
async def behind_balancer(serve: Serve, **changes: Any) -> AsyncGenerator[tuple[Gateway, Balancer]]:
    async with serve(*upstreams(), **changes) as gateway, balancing([gateway.port]) as balancer:
        yield gateway, balancer


def address(balancer: Balancer) -> str:
    return f"127.0.0.1:{balancer.port}"


async def begin(line: Line, **config: Any) -> pb.Resumption:
    """Begin a call that can be resumed; return how."""
    await line.say(config=pb.VoiceConfig(resume=True, conversation_id=CONVERSATION, **config))
    return (await line.until(pb.LISTENING)).resumption


async def resume(line: Line, token: str, received: int, **config: Any) -> pb.ServerMessage:
    """Ask to go on with a call; return the first message of the answer."""
    asked = pb.VoiceConfig(
        resume=True,
        resume_token=token,
        received_sequence=received,
        conversation_id=CONVERSATION,
        **config,
    )
    await line.say(config=asked)
    return await first_message(line)


async def first_message(line: Line) -> pb.ServerMessage:
    async with asyncio.timeout(line.patience_s):
        message = await line.call.read()
    assert message is not grpc.aio.EOF
    return message


async def read_one(line: Line) -> pb.ServerMessage:
    message = await first_message(line)
    line.received.append(message)
    return message


async def speaks(line: Line) -> None:
    """Say something, and wait until it has arrived."""
    await line.say(text_input="hello")
    await line.until(pb.PROCESSING)


async def lost(line: Line) -> None:
    """Read until the cut connection is known to be lost."""
    with pytest.raises(grpc.aio.AioRpcError):
        await line.rest()


def counted(gateway: Gateway, outcome: str) -> float:
    text, _ = gateway.server._metrics.exposition("")  # pyright: ignore[reportPrivateUsage]
    name = f'voice_resumptions_total{{outcome="{outcome}"}} '
    return float(text.decode().split(name)[1].split("\n")[0])


async def test_a_spoken_answer_goes_on_where_the_connection_was_cut(serve: Serve):
    async with behind_balancer(serve) as (gateway, balancer):
        async with dial(address(balancer)) as line:
            offered = await begin(line)
            await line.speak(2.0)
            await line.until(pb.SPEAKING)
            await read_one(line)
            balancer.cut()
            await lost(line)
        async with dial(address(balancer)) as newer:
            told = await resume(newer, offered.token, line.received[-1].sequence)
            assert told.event.type == pb.RESUMED
            assert told.event.resumption.token not in ("", offered.token)
            assert told.event.resumption.taken_messages == 8
            await newer.until(pb.END_OF_TURN)
        got = [*line.received, *newer.received]
        assert [m.sequence for m in got] == list(range(1, len(got) + 1))
        assert "".join(m.llm_response_chunk for m in got).split() == ANSWER.split()
        audio = b"".join(m.audio_chunk for m in got)
        assert len(audio) == sum(call.bytes_sent for call in gateway.riva.voice_calls)
        assert len(gateway.chat.requests) == 1
        assert counted(gateway, "resumed") == 1


async def test_opus_goes_on_with_the_packet_after_the_last(serve: Serve):
    async with behind_balancer(serve) as (_, balancer):
        async with dial(address(balancer)) as line:
            offered = await begin(line, audio_encoding=pb.OPUS)
            assert line.received[0].event.audio_encoding == pb.OPUS
            await line.say(text_input="what is the weather")
            await line.until(pb.SPEAKING)
            for _ in range(5):
                await read_one(line)
            balancer.cut()
            await lost(line)
        async with dial(address(balancer)) as newer:
            await resume(newer, offered.token, line.received[-1].sequence)
            await newer.until(pb.END_OF_TURN)
        got = [*line.received, *newer.received]
        assert [m.sequence for m in got] == list(range(1, len(got) + 1))
        places = [m.audio_offset_ms for m in got if m.audio_chunk]
        assert places == list(range(0, 20 * len(places), 20))


async def test_a_call_whose_last_words_were_lost_gives_them_after_its_end(serve: Serve):
    """The client half-closed, the call is over, and the tail of it never arrived."""
    async with behind_balancer(serve) as (_, balancer):
        async with dial(address(balancer)) as line:
            offered = await begin(line)
            await line.say(text_input="what is the weather")
            await line.until(pb.PROCESSING)
            await line.hang_up()
            balancer.cut()
            await lost(line)
        async with dial(address(balancer)) as newer:
            told = await resume(newer, offered.token, line.received[-1].sequence)
            assert told.event.type == pb.RESUMED
            await newer.hang_up()
            assert await newer.refusal() == (grpc.StatusCode.OK, "")
        got = [*line.received, *newer.received]
        assert "".join(m.llm_response_chunk for m in got).split() == ANSWER.split()
        assert got[-1].event.type == pb.END_OF_TURN


@pytest.mark.parametrize("kind", ["old", "made up", "empty secret", "long"])
async def test_an_old_or_wrong_token_gets_a_new_call_and_nothing_of_the_old(
    serve: Serve, kind: str
):
    async with behind_balancer(serve) as (gateway, balancer), dial(address(balancer)) as line:
        first = await begin(line)
        await line.say(text_input="my secret")
        await line.until(pb.SPEAKING)
        async with dial(address(balancer)) as newer:
            told = await resume(newer, first.token, line.received[-1].sequence)
            second = told.event.resumption
            message = await read_one(newer)
            acknowledged = pb.ClientMessage(acknowledged=message.sequence)
            await newer.call.write(acknowledged)
            await newer.until(pb.END_OF_TURN)
            wrong = {
                "old": first.token,
                "made up": "x" * len(first.token),
                "empty secret": second.token[:22],
                "long": second.token + "x",
            }
            asked = pb.VoiceConfig(resume=True, resume_token=wrong[kind], received_sequence=1)
            async with dial(address(balancer)) as thief:
                await thief.say(config=asked)
                told = await first_message(thief)
                assert told.event.type == pb.RESYNC
                assert not told.event.HasField("resumption")
                await thief.until(pb.LISTENING)
                await thief.hang_up()
                await thief.rest()
                assert thief.events() == ["LISTENING"]
            await newer.say(text_input="still there?")
            await newer.until(pb.END_OF_TURN)
        assert counted(gateway, "resynced") == 1


async def test_the_newer_connection_wins_and_the_older_is_told(serve: Serve):
    async with behind_balancer(serve) as (_, balancer), dial(address(balancer)) as line:
        offered = await begin(line)
        await line.say(text_input="what is the weather")
        await line.until(pb.SPEAKING)
        async with dial(address(balancer)) as newer:
            told = await resume(newer, offered.token, line.received[-1].sequence)
            assert told.event.type == pb.RESUMED
            code, why = await line.refusal()
            assert (code, why) == (
                grpc.StatusCode.ABORTED,
                "the call goes on over a newer connection",
            )
            await newer.until(pb.END_OF_TURN)
            assert newer.received[-1].event.type == pb.END_OF_TURN


async def test_a_client_that_missed_the_new_token_resumes_with_the_one_before(serve: Serve):
    async with behind_balancer(serve) as (_, balancer):
        async with dial(address(balancer)) as line:
            offered = await begin(line)
            await speaks(line)
            balancer.cut()
            await lost(line)
        for _ in range(3):  # each RESUMED is lost
            async with dial(address(balancer)) as newer:
                told = await resume(newer, offered.token, line.received[-1].sequence)
                assert told.event.type == pb.RESUMED


async def test_a_call_that_nobody_resumes_ends_with_its_window(serve: Serve):
    async with behind_balancer(serve, resume_window_s=0.3) as (gateway, balancer):
        async with dial(address(balancer)) as line:
            offered = await begin(line)
            assert offered.window_ms == 300
            await line.speak(0.5)
            await speaks(line)
            balancer.cut()
            await lost(line)
        recogniser = await gateway.riva.asr_call(0)
        await recogniser.ended.wait()
        while not counted(gateway, "expired"):  # noqa: ASYNC110
            await asyncio.sleep(0.01)
        async with dial(address(balancer)) as newer:
            told = await resume(newer, offered.token, 1)
            assert told.event.type == pb.RESYNC


async def test_a_client_that_is_further_than_the_gateway_begins_anew(serve: Serve):
    """Where the journal does not reach, the client starts afresh, with what was said before."""
    async with behind_balancer(serve) as (gateway, balancer):
        async with dial(address(balancer)) as line:
            offered = await begin(line)
            await line.say(text_input="my name is Ada")
            await line.until(pb.END_OF_TURN)
            async with dial(address(balancer)) as newer:
                told = await resume(newer, offered.token, 10_000, turn_under_way="who am I")
                assert told.event.type == pb.RESYNC
                await newer.until(pb.END_OF_TURN)
                assert newer.events() == ["LISTENING", "PROCESSING", "SPEAKING", "END_OF_TURN"]
        asked = [m["content"] for m in gateway.chat.requests[-1].messages[1:]]
        assert asked[0] == "my name is Ada"
        assert asked[-1] == "who am I"


async def test_a_resumed_call_needs_no_room_at_a_full_gateway(serve: Serve):
    async with behind_balancer(serve, max_calls=1) as (_, balancer):
        async with dial(address(balancer)) as line:
            offered = await begin(line)
            await speaks(line)
            balancer.cut()
            await lost(line)
        async with dial(address(balancer)) as stranger:
            await stranger.say(config=pb.VoiceConfig())
            code, _ = await stranger.refusal()
            assert code is grpc.StatusCode.RESOURCE_EXHAUSTED
        async with dial(address(balancer)) as newer:
            told = await resume(newer, offered.token, line.received[-1].sequence)
            assert told.event.type == pb.RESUMED


async def test_nobody_waits_for_a_client_that_has_said_nothing(serve: Serve):
    """The window is longer than a test may take."""
    forever = {"resume_window_s": 3600}
    async with (
        behind_balancer(serve, **forever) as (gateway, balancer),
        dial(address(balancer)) as line,
    ):
        await begin(line)
        balancer.cut()
        await lost(line)
        await gateway.server._calls.over()  # pyright: ignore[reportPrivateUsage]


async def test_who_did_not_ask_for_it_notices_nothing(serve: Serve):
    async with behind_balancer(serve) as (gateway, balancer):
        async with dial(address(balancer)) as line:
            await line.say(config=pb.VoiceConfig())
            await line.until(pb.LISTENING)
            assert not line.received[0].event.HasField("resumption")
            await line.speak(2.0)
            await line.until(pb.SPEAKING)
            balancer.cut()
            await lost(line)
        await (await gateway.riva.asr_call(0)).ended.wait()


async def test_a_gateway_that_keeps_no_calls_offers_nothing(serve: Serve):
    async with serve(*upstreams(), resume_window_s=0) as gateway, gateway.dial() as line:
        assert await begin(line) == pb.Resumption()
