"""Gateways that go: one after the other with SIGTERM, and one by kill -9, under live calls."""

import asyncio
import os
import re
import signal
import sys
from collections.abc import AsyncGenerator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import grpc
import pytest
from held_ports import held_port
from owned_processes import program
from voice_client.call import Call, Hello, dial
from voice_client.call import Gateway as Address
from voice_client.messages import Reconnected, ReplyText, TurnEnded
from voice_gateway.server import GatewayServer
from voice_gateway.testing.balancer import balancing
from voice_gateway.testing.fake_chat import FakeChat
from voice_gateway.testing.fake_riva import FakeRiva
from voice_proto import voice_workflow_pb2 as pb

from .conftest import Serve, settings
from .test_redis_memory import Server, needs_redis, redis_server

CALLS = 8


def answer_to(messages: Sequence[dict[str, Any]], _: int) -> str:
    """An answer whose words are nowhere else, to the last question."""
    tag = str(messages[-1]["content"]).rsplit(" ", 1)[-1]
    return " ".join(f"{tag}{letter}" for letter in "abcdefghijkl") + "."


def upstreams() -> tuple[FakeRiva, FakeChat]:
    return FakeRiva(voice_first_audio_s=0.01), FakeChat(replies=answer_to, token_s=0.02)


@pytest.fixture
async def redis(tmp_path: Path) -> AsyncGenerator[Server]:
    with held_port() as port:
        async with redis_server(tmp_path, port) as running:
            yield running


@dataclass
class GatewayUp:
    port: int
    stop: asyncio.Event
    running: asyncio.Task[None]


@asynccontextmanager
async def serving(riva: FakeRiva, chat: FakeChat, redis: Server) -> AsyncGenerator[GatewayUp]:
    """A gateway of this process, before upstreams that run already."""
    server = GatewayServer(settings(riva, chat, call_state_url=redis.url, drain_s=20.0))
    ports = await server.start()
    stop = asyncio.Event()
    async with asyncio.TaskGroup() as tasks:
        running = tasks.create_task(server.run(stop), name="gateway")
        try:
            yield GatewayUp(ports.grpc, stop, running)
        finally:
            stop.set()


@dataclass
class Talker:
    """A caller who types one question after the other, and holds every answer to its words."""

    name: str
    answers: list[str] = field(default_factory=list[str])
    back: list[Reconnected] = field(default_factory=list[Reconnected])
    text: str = ""
    answered: asyncio.Event = field(default_factory=asyncio.Event)
    speaking: asyncio.Event = field(default_factory=asyncio.Event)

    async def talk(self, port: int, over: asyncio.Event) -> None:
        hello = Hello(16_000, conversation_id=f"conversation-of-{self.name}", resume=True)
        async with (
            dial(Address(f"127.0.0.1:{port}"), hello, 60.0) as call,
            asyncio.TaskGroup() as tasks,
        ):
            listening = tasks.create_task(self._listen(call))
            while not (over.is_set() and len(self.back)):
                await self._ask(call)
            await call.finish()
            await asyncio.wait([listening])

    async def _ask(self, call: Call) -> None:
        tag = f"{self.name}{chr(ord('a') + len(self.answers))}"
        self.text = ""
        self.answered.clear()
        await call.type(f"question {tag}")
        async with asyncio.timeout(60.0):
            await self.answered.wait()
        self.answers.append(self.text.strip())
        assert self.answers[-1] == answer_to([{"content": f"question {tag}"}], 0)

    async def _listen(self, call: Call) -> None:
        async for message in call.messages():
            match message:
                case ReplyText(text=text):
                    self.text += text
                    self.speaking.set()
                case TurnEnded():
                    self.answered.set()
                case Reconnected(anew=anew):
                    self.back.append(message)
                    self.text = "" if anew else self.text
                case _:
                    pass


@needs_redis
async def test_calls_move_from_a_gateway_that_stops_to_the_next(redis: Server):
    """Both are replaced in turn, under calls that talk all the time."""
    riva, chat = upstreams()
    talkers = [Talker(chr(ord("a") + n)) for n in range(CALLS)]
    async with riva, chat, AsyncExitStack() as stack:
        first = await stack.enter_async_context(serving(riva, chat, redis))
        second = await stack.enter_async_context(serving(riva, chat, redis))
        balancer = await stack.enter_async_context(balancing([first.port, second.port]))
        over = asyncio.Event()
        async with asyncio.TaskGroup() as callers:
            for talker in talkers:
                callers.create_task(talker.talk(balancer.port, over))
            for talker in talkers:
                await talker.speaking.wait()
            for leaving in (first, second):
                coming = await stack.enter_async_context(serving(riva, chat, redis))
                balancer.targets = [*balancer.targets[1:], coming.port]
                leaving.stop.set()
                await asyncio.wait([leaving.running])
            over.set()
    for talker in talkers:
        assert len(talker.back) in (1, 2)
        assert all(message.anew for message in talker.back)


@needs_redis
async def test_a_turn_under_way_at_a_kill_is_asked_again(redis: Server, tmp_path: Path):
    """kill -9 in mid-answer: what was said is there, and the whole answer comes from the next."""
    riva, chat = upstreams()
    async with riva, chat, serving(riva, chat, redis) as next_one:
        environment = {
            "PATH": os.environ["PATH"],
            "GRPC_HOST": "127.0.0.1",
            "GRPC_PORT": "0",
            "HTTP_HOST": "127.0.0.1",
            "HTTP_PORT": "0",
            "RIVA_URI": riva.uri,
            "LLM_BASE_URL": chat.base_url,
            "CALL_STATE_URL": redis.url,
            "LLM_WARM_UP": "false",
            "APOLOGY": "off",
        }
        pipes = {"stdout": asyncio.subprocess.PIPE, "cwd": tmp_path, "env": environment}
        async with program(sys.executable, "-m", "voice_gateway", **pipes) as gateway:
            assert gateway.stdout
            ready = (await gateway.stdout.readline()).decode()
            found = re.search(r"grpc=\S*:(\d+)", ready)
            assert found, ready
            async with balancing([int(found[1])]) as balancer:
                talker, over = Talker("k"), asyncio.Event()
                async with asyncio.TaskGroup() as tasks:
                    tasks.create_task(talker.talk(balancer.port, over))
                    await talker.answered.wait()
                    talker.speaking.clear()
                    await talker.speaking.wait()
                    balancer.targets = [next_one.port]
                    gateway.send_signal(signal.SIGKILL)
                    await gateway.wait()
                    over.set()
        (back,) = talker.back
        assert back.anew
        told = [m["content"] for m in chat.requests[-1].messages if m["role"] == "user"]
        assert told[0] == "question ka"
        assert len(told) == len(set(told))


async def test_a_call_that_has_not_begun_is_refused_at_once_when_the_gateway_stops(serve: Serve):
    async with (
        serve(*upstreams(), drain_s=20.0) as gateway,
        gateway.dial() as silent,
        gateway.dial() as only_config,
    ):
        await only_config.say(config=pb.VoiceConfig())
        await only_config.until(pb.LISTENING)
        await silent.call.wait_for_connection()
        while len(gateway.server._calls) < 2:  # noqa: ASYNC110  # pyright: ignore[reportPrivateUsage]
            await asyncio.sleep(0.01)
        gateway.stop.set()
        why = "the gateway is stopping; call again"
        assert await silent.refusal() == (grpc.StatusCode.UNAVAILABLE, why)
        assert await only_config.refusal() == (grpc.StatusCode.UNAVAILABLE, why)
