"""Clients that others wrote for OpenAI's Realtime API, unmodified: a voice conversation with each.

Ears and voice are real, the model is scripted behind a real endpoint. Each asks a question, cuts
its answer off with a command, has the command carried out by a function of its own, and hears that
it was.
"""

import asyncio
import hashlib
import json
import shutil
import sys
from base64 import b64decode, b64encode
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soxr
from agents import function_tool
from agents.realtime import RealtimeAgent, RealtimeRunner, RealtimeSession
from openai import AsyncOpenAI
from openai.resources.realtime.realtime import AsyncRealtimeConnection
from owned_processes import output
from voice_gateway.testing.fake_chat import FakeChat, Reply, UsesTool

from .conftest import ROOT, Stack, clips, normalised, process, word_errors

pytestmark = [pytest.mark.models, pytest.mark.alone, pytest.mark.timeout(600)]

RATE_HZ = 24_000
PIECE = 4800  # bytes: 100 ms
SOME = 3 * RATE_HZ
"""Bytes of an answer of which words were surely heard: 1.5 s, sent 0.3 s before they are played."""
PATIENCE_S = 200.0
LONG = "That is how machines make sense of what people write and say. " * 10
GATEWAY = (sys.executable, "-m", "voice_gateway")
DONE = "I have moved ten meters forward."
JAVASCRIPT = Path(__file__).parent / "foreign_js"


@dataclass
class Robot:
    """A gateway before real ears and a real voice, and what its scripted model was asked."""

    port: int
    chat: FakeChat

    def last_asked(self) -> list[dict[str, Any]]:
        return list(self.chat.requests[-1].messages)


def reply(messages: Sequence[dict[str, Any]], number: int) -> Reply:
    """Talk at length; do as told; say that it was done."""
    if messages[-1]["role"] == "tool":
        return DONE
    asked = str(messages[-1]["content"]).lower()
    return UsesTool("go_forward", '{"meters": 10}') if "forward" in asked else LONG


@pytest.fixture
async def robot(stack: Stack) -> AsyncGenerator[Robot]:
    async with FakeChat(reply) as chat:
        env = {
            "GRPC_HOST": "127.0.0.1",
            "GRPC_PORT": "0",
            "HTTP_HOST": "127.0.0.1",
            "HTTP_PORT": "0",
            "RIVA_URI": stack.riva,
            "LLM_BASE_URL": chat.base_url,
            "LLM_WARM_UP": "false",
        }
        with process(GATEWAY, env) as ready:
            page = dict(part.split("=", 1) for part in ready.split()[1:])["http"]
            yield Robot(int(page.rstrip("/").rpartition(":")[2]), chat)


def speech(name: str) -> bytes:
    """A recording at the protocol's rate."""
    clip = next(clip for clip in clips() if clip.name == f"{name}.wav")
    samples = np.frombuffer(clip.pcm, "<i2")
    return soxr.resample(samples, clip.rate_hz, RATE_HZ).astype("<i2").tobytes()


@dataclass
class Microphone:
    """Sends silence in real time for ever, and what is to be said in its place."""

    saying: list[bytes] = field(default_factory=list[bytes])

    def say(self, name: str) -> None:
        pcm = speech(name)
        self.saying += [pcm[at : at + PIECE] for at in range(0, len(pcm), PIECE)]

    async def pieces(self) -> AsyncGenerator[bytes]:
        now = asyncio.get_running_loop().time
        due = now()
        while True:
            yield self.saying.pop(0) if self.saying else bytes(PIECE)
            due += 0.1
            await asyncio.sleep(due - now())


def check_memory(robot: Robot) -> None:
    """What the model was told in the end: words as heard, the answer as far as it was heard."""
    told = [message for message in robot.last_asked() if message["role"] != "system"]
    assert [message["role"] for message in told] == [
        "user",
        "assistant",
        "user",
        "assistant",
        "tool",
    ]
    question, cut, command, called, output = told
    assert word_errors(words("en_nlp_question"), normalised(question["content"])) <= 1
    assert word_errors(words("en_goforward"), normalised(command["content"])) <= 1
    assert 0 < len(cut["content"]) < len(LONG) / 2
    assert called["tool_calls"][0]["function"]["name"] == "go_forward"
    assert output["content"] == "moved 10 meters"


def words(name: str) -> list[str]:
    return next(clip for clip in clips() if clip.name == f"{name}.wav").words


@asynccontextmanager
async def microphone(send: Any) -> AsyncGenerator[Microphone]:
    """A microphone whose pieces go to `send` for as long as the block lasts."""
    open_microphone = Microphone()

    async def run() -> None:
        async for piece in open_microphone.pieces():
            await send(piece)

    async with asyncio.timeout(PATIENCE_S), asyncio.TaskGroup() as tasks:
        running = tasks.create_task(run(), name="microphone")
        yield open_microphone
        running.cancel()


async def test_the_openai_sdk(robot: Robot):
    client = AsyncOpenAI(api_key="x", base_url=f"http://127.0.0.1:{robot.port}/v1")
    async with client.realtime.connect(model="m") as connection:

        async def send(piece: bytes) -> None:
            await connection.input_audio_buffer.append(audio=b64encode(piece).decode())

        await connection.session.update(
            session={
                "type": "realtime",
                "instructions": "You steer a robot.",
                "tools": [
                    {
                        "type": "function",
                        "name": "go_forward",
                        "description": "Move the robot.",
                        "parameters": {
                            "type": "object",
                            "properties": {"meters": {"type": "number"}},
                        },
                    }
                ],
            }
        )
        async with microphone(send) as mic:
            mic.say("en_nlp_question")
            came = 0
            while came < SOME:
                came += len(
                    b64decode((await _until(connection, "response.output_audio.delta")).delta)
                )
            mic.say("en_goforward")
            cancelled = await _until(connection, "response.done")
            assert cancelled.response.status_details.reason == "turn_detected"
            called = await _until(connection, "response.function_call_arguments.done")
            assert (called.name, json.loads(called.arguments)) == ("go_forward", {"meters": 10})
            await _until(connection, "response.done")
            await connection.conversation.item.create(
                item={
                    "type": "function_call_output",
                    "call_id": called.call_id,
                    "output": "moved 10 meters",
                }
            )
            await connection.response.create()
            sound = await _until(connection, "response.output_audio.delta")
            assert sound.delta
            done = await _until(connection, "response.done")
    await client.close()
    assert done.response.output[0].content[0].transcript == DONE
    assert done.response.usage.total_tokens > 10
    check_memory(robot)


async def _until(connection: AsyncRealtimeConnection, kind: str) -> Any:
    async for event in connection:
        assert event.type != "error", event
        if event.type == kind:
            return event
    raise AssertionError(f"closed before {kind}")


async def test_the_agents_sdk(robot: Robot):
    asked: list[float] = []

    @function_tool
    def go_forward(meters: float) -> str:
        """Move the robot."""
        asked.append(meters)
        return f"moved {meters:g} meters"

    agent = RealtimeAgent[Any](name="robot", instructions="You steer a robot.", tools=[go_forward])
    url = f"ws://127.0.0.1:{robot.port}/v1/realtime?model=m"
    session = await RealtimeRunner(agent).run(model_config={"api_key": "x", "url": url})
    async with session, microphone(session.send_audio) as mic:
        mic.say("en_nlp_question")
        came = 0
        while came < SOME:
            came += len((await _until_event(session, "audio")).audio.data)
        mic.say("en_goforward")
        await _until_event(session, "audio_interrupted")
        await _until_event(session, "tool_end")
        await _until_event(session, "audio")
        await _until_event(session, "audio_end")
    assert asked == [10]
    check_memory(robot)


async def _until_event(session: RealtimeSession, kind: str) -> Any:
    async for event in session:
        assert event.type != "error", event
        if event.type == kind:
            return event
    raise AssertionError(f"closed before {kind}")


async def test_the_javascript_agents_sdk(robot: Robot, tmp_path: Path):
    files = [tmp_path / "question.pcm", tmp_path / "command.pcm"]
    for file, name in zip(files, ("en_nlp_question", "en_goforward"), strict=True):
        file.write_bytes(speech(name))
    url = f"ws://127.0.0.1:{robot.port}/v1/realtime?model=m"
    program = await _installed() / "talk.mjs"
    said = await _run("node", str(program), url, *map(str, files))
    seen = json.loads(said)
    assert seen["errors"] == []
    assert seen["asked"] == [10]
    assert seen["interrupted"] >= 1
    assert seen["heardBytes"] > RATE_HZ
    assert seen["history"][-1]["content"][0]["transcript"] == DONE
    check_memory(robot)


async def _installed() -> Path:
    """The program with its packages, as its lock file has them; kept for the next time."""
    wanted = b"".join(file.read_bytes() for file in sorted(JAVASCRIPT.glob("*")) if file.is_file())
    folder = ROOT / ".cache" / "foreign_js" / hashlib.sha256(wanted).hexdigest()[:16]
    if not (folder / "installed").exists():
        shutil.copytree(JAVASCRIPT, folder, dirs_exist_ok=True)
        quiet = ("--no-audit", "--no-fund", "--loglevel=error", "--prefix", str(folder))
        await _run("npm", "ci", *quiet)
        (folder / "installed").touch()
    return folder


async def _run(*command: str) -> str:
    status, out, complaints = await output(*command)
    assert status == 0, complaints + out
    return out
