"""Realtime calls that outlive their connections, over real WebSockets through a balancer."""

import asyncio
import random
from base64 import b64encode
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import pytest
from voice_gateway.testing.balancer import Balancer, balancing
from voice_gateway.testing.fake_chat import FakeChat
from voice_gateway.testing.fake_riva import FakeRiva, Says
from voice_gateway.testing.fake_riva_tts import voice_pcm
from voice_gateway.testing.program import RATE_HZ, Json, Program, connect, typed

from .conftest import Gateway, Serve

QUESTION = Says("what is the weather", start_s=0.3, end_s=1.0)
ANSWER = "It is sunny today, with a light wind. Take a hat."
RESUMING = "model=test&events=all&resume=true"
TOKEN = "voice-gateway-resume."


@asynccontextmanager
async def behind_balancer(
    serve: Serve, *, says: Sequence[Says] = (QUESTION,), **changes: Any
) -> AsyncGenerator[tuple[Gateway, Balancer]]:
    riva = FakeRiva(says=list(says), voice_first_audio_s=0.01)
    chat = FakeChat(replies=[ANSWER] * 8)
    async with (
        serve(riva, chat, **changes) as gateway,
        balancing([gateway.http_port]) as balancer,
    ):
        yield gateway, balancer


@asynccontextmanager
async def begun(balancer: Balancer) -> AsyncGenerator[Program]:
    async with connect(balancer.port, RESUMING) as program:
        await program.until("conversation.created")
        yield program


@asynccontextmanager
async def again(
    balancer: Balancer, token: str, received: int, **how: Any
) -> AsyncGenerator[Program]:
    """Connect again with this token and what was received."""
    query = f"{RESUMING}&received={received}"
    async with connect(balancer.port, query, protocols=["realtime", TOKEN + token], **how) as back:
        await back.next()
        yield back


def token_of(program: Program) -> str:
    """The newest token that the client was given."""
    offers = [e.get("resumption", e) for e in program.received if "resumption" in e or "token" in e]
    return offers[-1]["token"]


def last(program: Program) -> int:
    return max(e.get("sequence", 0) for e in program.received)


def numbered(*programs: Program) -> list[Json]:
    """What came with a number, over all connections."""
    return [e for program in programs for e in program.received if "sequence" in e]


def whole(events: Sequence[Json]) -> Program:
    """All that came as if it had come over one connection."""
    program = Program(socket=None)  # type: ignore[arg-type]  # nothing more is read from it
    program.received = list(events)
    return program


async def lost(program: Program) -> None:
    """Read until the cut connection is known to be lost."""
    assert await program.rest() in (None, aiohttp.WSCloseCode.ABNORMAL_CLOSURE)


def counted(gateway: Gateway, outcome: str) -> float:
    text, _ = gateway.server._metrics.exposition("")  # pyright: ignore[reportPrivateUsage]
    name = f'voice_resumptions_total{{outcome="{outcome}"}} '
    return float(text.decode().split(name)[1].split("\n")[0])


async def read_some(program: Program, events: int) -> bool:
    """Read so many events, but not beyond the answer's end; tell whether that came."""
    for _ in range(events):
        event = await program.next()
        assert event is not None
        if event["type"] == "response.done":
            return True
    return False


@pytest.mark.parametrize("seed", range(6))
async def test_cuts_at_any_events_lose_no_word_and_no_sound_and_repeat_none(
    serve: Serve, seed: int
):
    at_random = random.Random(seed)
    async with behind_balancer(serve) as (gateway, balancer):
        received: list[Json] = []
        async with begun(balancer) as program:
            await program.speak(2.0)
            over = await read_some(program, at_random.randint(1, 25))
            balancer.cut()
            received += program.received
        while not over:
            async with again(balancer, token_of(program), last(whole(received))) as back:
                assert back.received[0]["type"] == "gateway.reconnected"
                assert back.received[0]["taken_events"] == 20
                over = await read_some(back, at_random.randint(1, 25))
                balancer.cut()
                received += back.received
                program = back
        got = whole(received)
        assert [e["sequence"] for e in numbered(got)] == list(range(1, len(numbered(got)) + 1))
        assert got.spoken().split() == ANSWER.split()
        assert got.transcripts() == [QUESTION.text]
        calls = gateway.riva.voice_calls
        assert got.audio() == b"".join(
            voice_pcm(call.text, call.bytes_sent / 2 / RATE_HZ, RATE_HZ) for call in calls
        )
        assert len(gateway.chat.requests) == 1
        assert counted(gateway, "resynced") == 0


@pytest.mark.parametrize("seed", range(3))
async def test_cuts_while_the_caller_speaks_lose_and_repeat_none_of_its_audio(
    serve: Serve, seed: int
):
    """Each connection is cut behind events that were answered, and some that may be lost."""
    at_random = random.Random(seed)
    append = {"type": "input_audio_buffer.append", "audio": b64encode(bytes(4800)).decode()}
    update = {"type": "session.update", "session": {"type": "realtime"}}
    says = [update if at % 4 == 0 else append for at in range(1, 27)]  # 20 times 100 ms
    async with behind_balancer(serve) as (gateway, balancer):
        async with begun(balancer) as program:
            received, taken = program.received, 0
            await say_some(program, says[:4])
            balancer.cut()
        while taken < len(says):
            async with again(balancer, token_of(program), last(whole(received))) as back:
                taken = back.received[0]["taken_events"]
                await say_some(back, says[taken : taken + at_random.randint(4, 12)])
                if taken == len(says):
                    await back.until("response.done")
                balancer.cut()
                received, program = [*received, *back.received], back
        assert whole(received).transcripts() == [QUESTION.text]
        heard_s = (await gateway.riva.asr_call(0)).audio_s
        assert heard_s == pytest.approx(2.0, abs=0.05)  # a piece has 0.1 s
        assert len(gateway.chat.requests) == 1


async def say_some(program: Program, events: Sequence[Json]) -> None:
    """Send these, and wait until the first that is answered is."""
    for event in events:
        await program.socket.send_json(event)
    if any(event["type"] == "session.update" for event in events):
        await program.until("session.updated")


async def test_a_clients_own_events_are_counted_and_taken_once(serve: Serve):
    async with behind_balancer(serve, says=()) as (gateway, balancer):
        async with begun(balancer) as program:
            await program.say("conversation.item.create", item=typed("one"))
            await program.until("conversation.item.done")
            await program.say("gateway.acknowledge", sequence=last(program))
            balancer.cut()
            await lost(program)
        async with again(balancer, token_of(program), last(program)) as back:
            assert back.received[0]["taken_events"] in (1, 2)  # the second was on its way
            await back.say("conversation.item.create", item=typed("two"))
            await back.say("response.create")
            await back.until("response.done")
        asked = [m["content"] for m in gateway.chat.requests[0].messages[1:]]
        assert asked == ["one two"]


@pytest.mark.parametrize("kind", ["old", "made up", "empty secret", "long"])
async def test_an_old_or_wrong_token_gets_a_new_call_and_nothing_of_the_old(
    serve: Serve, kind: str
):
    async with behind_balancer(serve, says=()) as (gateway, balancer), begun(balancer) as program:
        first = token_of(program)
        await program.type("my secret")
        await program.until("response.done")
        async with again(balancer, first, last(program)) as back:
            assert back.received[0]["type"] == "gateway.reconnected"
            await back.say("response.create")
            await back.until("response.done")
            await back.say("gateway.acknowledge", sequence=last(back))
            await back.type("still there?")
            await back.until("response.done")
            second = token_of(back)
            wrong = {
                "old": first,
                "made up": "x" * len(first),
                "empty secret": second[:22],
                "long": second + "x",
            }
            async with again(balancer, wrong[kind], 1) as thief:
                await thief.until("conversation.created")
                kinds = ["gateway.resync", "session.created", "conversation.created"]
                assert thief.kinds() == kinds
                assert thief.received[1]["sequence"] == 1
                assert token_of(thief) != second
            await back.type("and now?")
            await back.until("response.done")
        assert counted(gateway, "resynced") == 1


async def test_a_token_opens_no_call_of_another_principal(serve: Serve):
    keys = {"api_keys": "one,two"}
    async with (
        behind_balancer(serve, says=(), **keys) as (_, balancer),
        connect(balancer.port, RESUMING, headers={"Authorization": "Bearer one"}) as program,
    ):
        await program.until("conversation.created")
        headers = {"Authorization": "Bearer two"}
        async with again(balancer, token_of(program), 1, headers=headers) as thief:
            assert thief.received[0]["type"] == "gateway.resync"
        await program.type("still there?")
        await program.until("response.done")


async def test_the_newer_connection_wins_and_the_older_is_told(serve: Serve):
    async with behind_balancer(serve, says=()) as (_, balancer), begun(balancer) as program:
        await program.type("what is the weather")
        await program.until("response.output_audio.delta")
        async with again(balancer, token_of(program), last(program)) as back:
            assert back.received[0]["type"] == "gateway.reconnected"
            assert await program.rest() == 4001
            await back.until("response.done")


async def test_a_client_that_missed_the_new_token_resumes_with_the_one_before(serve: Serve):
    async with behind_balancer(serve, says=()) as (_, balancer):
        async with begun(balancer) as program:
            await program.type("hello")
            await program.until("response.created")
            balancer.cut()
            await lost(program)
        for _ in range(3):  # what each connection is told first is lost
            async with again(balancer, token_of(program), last(program)) as back:
                assert back.received[0]["type"] == "gateway.reconnected"
                balancer.cut()


async def test_where_the_journal_does_not_reach_the_client_begins_anew(serve: Serve):
    async with behind_balancer(serve, says=()) as (gateway, balancer):
        async with begun(balancer) as program:
            await program.type("hello")
            await program.until("response.done")
            await program.say("gateway.acknowledge", sequence=last(program))
            await program.say("session.update", session={"type": "realtime"})
            await program.until("session.updated")
            balancer.cut()
            await lost(program)
        async with again(balancer, token_of(program), 2) as back:  # which it had acknowledged
            assert back.received[0]["type"] == "gateway.resync"
            await back.until("conversation.created")
            await back.type("hello again")
            await back.until("response.done")
        assert counted(gateway, "resynced") == 1


async def test_a_call_that_nobody_resumes_ends_with_its_window(serve: Serve):
    async with behind_balancer(serve, resume_window_s=0.3) as (gateway, balancer):
        async with begun(balancer) as program:
            assert program.received[0]["resumption"]["window_ms"] == 300
            await program.speak(0.5)
            await gateway.riva.asr_call(0)
            balancer.cut()
            await lost(program)
        recogniser = await gateway.riva.asr_call(0)
        await recogniser.ended.wait()
        while not counted(gateway, "expired"):  # noqa: ASYNC110
            await asyncio.sleep(0.01)


@pytest.mark.parametrize("code", [1000, 1001])
async def test_a_client_that_closes_its_socket_has_hung_up(serve: Serve, code: int):
    """The window is longer than a test may take."""
    async with (
        behind_balancer(serve, says=(), resume_window_s=3600) as (gateway, balancer),
        begun(balancer) as program,
    ):
        await program.update(instructions="Be brief.")
        await program.socket.close(code=code)
        await gateway.server._calls.over()  # pyright: ignore[reportPrivateUsage]


async def test_a_client_that_closes_its_socket_to_come_back_is_waited_for(serve: Serve):
    async with behind_balancer(serve, says=()) as (_, balancer):
        async with begun(balancer) as program:
            await program.update(instructions="Be brief.")
            await program.socket.close(code=4000)
        async with again(balancer, token_of(program), last(program)) as back:
            assert back.received[0]["type"] == "gateway.reconnected"


async def test_a_resumed_call_needs_no_room_at_a_full_gateway(serve: Serve):
    async with behind_balancer(serve, says=(), max_calls=1) as (_, balancer):
        async with begun(balancer) as program:
            await program.type("hello")
            await program.until("response.created")
            balancer.cut()
            await lost(program)
        async with connect(balancer.port, RESUMING) as stranger:
            assert (await stranger.error())["code"] == "gateway_full"
            assert await stranger.rest() == aiohttp.WSCloseCode.TRY_AGAIN_LATER
        async with again(balancer, token_of(program), last(program)) as back:
            assert back.received[0]["type"] == "gateway.reconnected"
            await back.until("response.done")


async def test_a_gateway_that_stops_tells_its_client_to_move_and_why_it_closes(serve: Serve):
    patient = behind_balancer(serve, says=(), drain_s=60)
    async with patient as (gateway, balancer), begun(balancer) as program:
        await program.type("what is the weather")
        await program.until("response.output_audio.delta")
        gateway.stop.set()
        await program.until("gateway.move")
        await program.until("response.done")
        assert (await program.error())["code"] == "call_ended"
        assert await program.rest() == aiohttp.WSCloseCode.SERVICE_RESTART
    assert program.spoken().split() == ANSWER.split()


async def test_who_did_not_ask_for_it_notices_nothing(serve: Serve):
    async with behind_balancer(serve) as (gateway, balancer):
        async with connect(balancer.port) as program:
            created = await program.until("session.created")
            assert "resumption" not in created
            assert "sequence" not in created
            await program.speak(2.0)
            await program.until("response.output_audio.delta")
            balancer.cut()
            await lost(program)
        await (await gateway.riva.asr_call(0)).ended.wait()
        await gateway.server._calls.over()  # pyright: ignore[reportPrivateUsage]


async def test_a_gateway_that_keeps_no_calls_offers_nothing(serve: Serve):
    async with (
        behind_balancer(serve, says=(), resume_window_s=0) as (_, balancer),
        begun(balancer) as program,
    ):
        assert "resumption" not in program.received[0]


@pytest.mark.parametrize(
    ("query", "param"),
    [("resume=yes", "resume"), ("resume=true&received=-1", "received"),
     ("resume=true&received=" + "9" * 5000, "received"),
     ("conversation_id=" + "x" * 129, "conversation_id")],
)  # fmt: skip
async def test_a_wish_that_is_none_is_refused_by_its_name(serve: Serve, query: str, param: str):
    async with behind_balancer(serve) as (_, balancer):
        with pytest.raises(aiohttp.WSServerHandshakeError) as refusal:
            async with connect(balancer.port, query):
                pass
        assert refusal.value.status == 400
        url = f"http://127.0.0.1:{balancer.port}/v1/realtime?{query}"
        headers = {"Upgrade": "websocket", "Connection": "Upgrade"}
        async with aiohttp.ClientSession() as http, http.get(url, headers=headers) as answer:
            assert (await answer.json())["error"]["param"] == param
