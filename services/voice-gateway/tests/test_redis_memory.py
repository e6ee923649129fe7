"""Conversations in Redis: a real one, one that is gone, one that never answers."""

import asyncio
import json
import os
import re
import shutil
import sys
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import pytest
from grpc.aio import AioRpcError
from held_ports import held_port
from owned_processes import program
from redis.asyncio import Redis
from voice_gateway.adapters.redis_memory import RedisMemories, decoded, encoded
from voice_gateway.conversation import Message, ToolCall
from voice_gateway.errors import Misconfigured, ServiceError, Unavailable
from voice_gateway.testing.fake_chat import FakeChat
from voice_gateway.testing.fake_riva import FakeRiva
from voice_gateway.testing.line import Line, dial
from voice_proto import voice_workflow_pb2 as pb

from .conftest import Gateway, Serve

ID = "b1946ac92492d2347c6235b4d2611184"
PASSWORD = "a-password-of-the-test"
SAID = (
    Message("user", "what is the weather in München"),
    Message("assistant", "", calls=(ToolCall("call-1", "weather", '{"city": "München"}'),)),
    Message("tool", "sunny", call_id="call-1"),
    Message("assistant", "It is sunny", interrupted=True),
)

needs_redis = pytest.mark.skipif(
    shutil.which("redis-server") is None, reason="no redis-server here (apt install redis-server)"
)


@dataclass
class Server:
    """A redis-server of this test's own."""

    port: int
    process: asyncio.subprocess.Process

    @property
    def url(self) -> str:
        return f"redis://:{PASSWORD}@127.0.0.1:{self.port}/0"

    async def stop(self) -> None:
        if self.process.returncode is None:
            self.process.terminate()
            await self.process.communicate()


@asynccontextmanager
async def redis_server(folder: Path, port: int) -> AsyncGenerator[Server]:
    config = f"port {port}\nbind 127.0.0.1\ndir {folder}\nsave ''\nrequirepass {PASSWORD}\n"
    pipes = {"stdin": asyncio.subprocess.PIPE, "stdout": asyncio.subprocess.PIPE}
    async with program("redis-server", "-", **pipes) as process:
        assert process.stdin
        assert process.stdout
        process.stdin.write(config.encode())
        process.stdin.close()
        while b"Ready to accept connections" not in (line := await process.stdout.readline()):
            assert line, "redis-server ended"
        yield Server(port, process)


@pytest.fixture
async def server(tmp_path: Path) -> AsyncGenerator[Server]:
    with held_port() as port:
        async with redis_server(tmp_path, port) as running:
            yield running


@asynccontextmanager
async def memories(url: str, keep_s: float = 600) -> AsyncGenerator[RedisMemories]:
    opened = RedisMemories(url, keep_s)
    try:
        yield opened
    finally:
        await opened.close()


@asynccontextmanager
async def looking(server: Server) -> AsyncGenerator[Any]:
    redis = cast(Any, Redis).from_url(server.url, decode_responses=True)
    try:
        yield redis
    finally:
        await redis.aclose()


def test_messages_survive_their_way_through_json():
    assert decoded(encoded(SAID)) == SAID


def test_each_message_keeps_its_language():
    said = [
        Message("user", "hello", language="en-US"),
        Message("assistant", "जी", language="hi-IN"),
    ]
    assert [message.language for message in decoded(encoded(said))] == ["en-US", "hi-IN"]


def test_a_gateway_of_before_reads_messages_with_languages_and_is_read():
    """It takes no field of a message that it does not know."""
    kept = json.loads(encoded([Message("user", "hello", language="en-US")]))
    assert kept["messages"] == [{"role": "user", "text": "hello"}]
    del kept["languages"]
    (message,) = decoded(json.dumps(kept))
    assert message.language == ""


@pytest.mark.parametrize(
    ("kept", "said"),
    [
        ('{"format": 2, "messages": []}', "kept in format 2, not 1"),
        ('{"format": 1}', "cannot be read"),
        ('{"format": 1, "messages": [{"role": "user", "mood": "good"}]}', "cannot be read"),
        ("[]", "cannot be read"),
        ("hello", "cannot be read"),
    ],
)
def test_what_cannot_be_read_is_said(kept: str, said: str):
    with pytest.raises(Unavailable, match=said):
        decoded(kept)


@needs_redis
class TestRealRedis:
    async def test_keeps_what_was_said(self, server: Server):
        async with memories(server.url) as here, memories(server.url) as there:
            assert await here.open(ID).recall() == ()
            first = here.open(ID)
            assert await first.recall() == ()
            await first.keep(SAID)
            assert await there.open(ID).recall() == SAID

    async def test_forgets_it_after_a_while_and_shows_no_id(self, server: Server):
        async with memories(server.url, keep_s=60) as here, looking(server) as redis:
            memory = here.open(ID)
            await memory.recall()
            await memory.keep(SAID)
            (key,) = await redis.keys("*")
            assert key.startswith("voice:conversation:")
            assert ID not in key
            assert 0 < await redis.pttl(key) <= 60_000
            await redis.pexpire(key, 0)
            assert await here.open(ID).recall() == ()

    async def test_the_later_call_has_the_memory(self, server: Server):
        async with memories(server.url) as here, memories(server.url) as there:
            older, newer = here.open(ID), there.open(ID)
            await older.recall()
            await older.keep(SAID[:1])
            assert await newer.recall() == SAID[:1]
            await newer.keep(SAID)
            await older.keep(())
            assert await here.open(ID).recall() == SAID

    async def test_a_call_that_could_not_recall_takes_over_when_it_can(self, server: Server):
        async with memories(server.url) as here:
            older = here.open(ID)
            await older.recall()
            await older.keep(SAID[:1])
            await here.open(ID).keep(SAID)  # its recall had failed
            assert await here.open(ID).recall() == SAID

    async def test_a_restart_of_redis_is_survived(self, server: Server, tmp_path: Path):
        async with memories(server.url) as here:
            memory = here.open(ID)
            await memory.recall()
            await server.stop()
            with pytest.raises(ServiceError):
                await memory.keep(SAID)
            async with redis_server(tmp_path, server.port):
                await memory.keep(SAID)
                assert await here.open(ID).recall() == SAID

    async def test_a_wrong_password_is_told_apart_and_not_shown(self, server: Server):
        async with memories(server.url.replace(PASSWORD, "wrong-password")) as here:
            with pytest.raises(Misconfigured) as refused:
                await here.open(ID).recall()
        assert "wrong-password" not in str(refused.value)
        assert "CALL_STATE_URL" in str(refused.value)

    async def test_calls_share_a_few_connections(self, server: Server):
        async with memories(server.url) as here, looking(server) as redis:
            async with asyncio.TaskGroup() as tasks:
                for number in range(200):
                    tasks.create_task(here.open(f"{ID}-{number}").recall())
            assert len(await redis.keys("*")) == 200
            assert len(await redis.client_list()) <= 17


@needs_redis
async def test_the_next_gateway_goes_on_where_one_was_killed(server: Server):
    chat = FakeChat(replies=["Hello Ada.", "Ada."])
    async with FakeRiva() as riva, chat:
        async with gateway_process(riva, chat, server.url) as (process, line):
            await one_turn(line, "my name is Ada")
            await _kept(server, "Hello Ada.")
            process.kill()
            with pytest.raises(AioRpcError):
                await line.rest()
        async with gateway_process(riva, chat, server.url) as (_, line):
            await one_turn(line, "what is my name")
    asked = [message["content"] for message in chat.requests[-1].messages[1:]]
    assert asked == ["my name is Ada", "Hello Ada.", "what is my name"]


async def test_a_gateway_whose_redis_is_gone_answers_all_the_same(serve: Serve):
    with held_port() as nobody:
        url = f"redis://:{PASSWORD}@127.0.0.1:{nobody}/0"
        async with serve(FakeRiva(), FakeChat(replies=["Hi."]), call_state_url=url) as gateway:
            assert await turn(gateway, "hello", error="memory unavailable") == ["hello"]


async def test_so_does_one_whose_redis_never_answers(serve: Serve):
    async def never(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()  # until the other side gives up
        writer.close()

    async with await asyncio.start_server(never, "127.0.0.1", 0) as silent:
        url = f"redis://127.0.0.1:{silent.sockets[0].getsockname()[1]}"
        async with serve(FakeRiva(), FakeChat(replies=["Hi."]), call_state_url=url) as gateway:
            assert await turn(gateway, "hello", error="memory timed_out") == ["hello"]


@asynccontextmanager
async def gateway_process(
    riva: FakeRiva, chat: FakeChat, url: str
) -> AsyncGenerator[tuple[asyncio.subprocess.Process, Line]]:
    """The gateway as it runs in a pod, and a call to it; killed on the way out."""
    settings = {
        "GRPC_HOST": "127.0.0.1",
        "GRPC_PORT": "0",
        "HTTP_PORT": "0",
        "RIVA_URI": riva.uri,
        "LLM_BASE_URL": chat.base_url,
        "LLM_WARM_UP": "false",
        "TURN_DETECTION": "asr",
        "CALL_STATE_URL": url,
    }
    command = (sys.executable, "-m", "voice_gateway")
    environment = {**os.environ, **settings}
    async with program(*command, env=environment, stdout=asyncio.subprocess.PIPE) as process:
        assert process.stdout
        ready = (await process.stdout.readline()).decode()
        (port,) = re.findall(r"grpc=\S+:(\d+)", ready)
        async with dial(f"127.0.0.1:{port}") as line:
            yield process, line


async def turn(gateway: Gateway, text: str, error: str = "") -> list[str]:
    """Hold one turn in a call of its own; returns what the model was asked with."""
    async with gateway.dial() as line:
        await one_turn(line, text)
        await line.hang_up()
        await line.rest()
    faults = [m.event.fault for m in line.received if m.event.type == pb.ERROR]
    assert [f"{fault.stage} {fault.code}" for fault in faults] == ([error] if error else [])
    assert not any(PASSWORD in m.event.message for m in line.received)
    return [message["content"] for message in gateway.chat.requests[-1].messages[1:]]


async def one_turn(line: Line, text: str) -> None:
    await line.say(config=pb.VoiceConfig(conversation_id=ID))
    await line.say(text_input=text)
    await line.until(pb.END_OF_TURN)


async def _kept(server: Server, text: str) -> None:
    """Wait until this is kept."""
    async with looking(server) as redis:
        (key,) = await redis.keys("*")
        while text not in str(await redis.hget(key, "said")):
            pass  # asked again
