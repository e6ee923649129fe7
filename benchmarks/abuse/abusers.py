"""Callers who mean ill, each kind in a process of its own.

    python -m abuse.abusers KIND GRPC_HOST:PORT HTTP_HOST:PORT SECONDS

Prints its ready line, does its harm again and again for so many seconds, and says how often.
"""

import asyncio
import json
import sys
from base64 import b64encode
from collections.abc import Awaitable, Callable, Mapping
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass
from typing import Any, cast

import aiohttp
import grpc.aio
from voice_gateway.testing.line import dial
from voice_gateway.testing.program import Program, connect, typed
from voice_proto import voice_workflow_pb2 as pb

_MOST_AUDIO = bytes(4 * 2**20)
_LONG_TEXT = "word " * 799
_SILENT_CONNECTIONS = 1_100


@dataclass(frozen=True, slots=True)
class Target:
    grpc: str
    http_port: int


async def quiet_streams(at: Target) -> None:
    """A hundred streams on one connection, with a config and no word."""
    async with grpc.aio.insecure_channel(at.grpc) as channel:
        calls = [_stream(channel) for _ in range(100)]
        for call in calls:
            await call.write(pb.ClientMessage(config=pb.VoiceConfig()).SerializeToString())
        await asyncio.sleep(2)
        for call in calls:
            call.cancel()


def _stream(channel: grpc.aio.Channel) -> Any:
    """A call whose messages are written as they are on the wire."""
    return cast(Any, channel).stream_stream("/voice_workflow.VoiceGateway/StreamAudio")()


async def quick_calls(at: Target) -> None:
    """New calls one after the other, each hung up at once."""
    async with dial(at.grpc) as line:
        await line.say(config=pb.VoiceConfig())
        await line.hang_up()
        await line.rest()


async def typed_flood(at: Target) -> None:
    """Typed turns of 4,000 characters as fast as they go."""
    async with dial(at.grpc) as line:
        await line.say(config=pb.VoiceConfig())
        async with asyncio.TaskGroup() as tasks:
            reading = tasks.create_task(line.refusal())
            for _ in range(300):
                await line.say(text_input=_LONG_TEXT)
            reading.cancel()


async def control_flood(at: Target) -> None:
    """Interrupts, reports of playback and ends of utterances as fast as they go."""
    async with dial(at.grpc) as line:
        await line.say(config=pb.VoiceConfig())
        async with asyncio.TaskGroup() as tasks:
            reading = tasks.create_task(line.refusal())
            for place in range(20_000):
                await line.say(interrupt=pb.Interrupt())
                await line.say(playback=pb.PlaybackProgress(reply_id=1, played_ms=place))
                await line.say(end_of_utterance=pb.EndOfUtterance())
            reading.cancel()


async def audio_flood(at: Target) -> None:
    """Audio in the largest chunks, at a rate that has to be converted, as fast as it goes."""
    async with dial(at.grpc) as line:
        await line.say(config=pb.VoiceConfig(sample_rate=48_000))
        async with asyncio.TaskGroup() as tasks:
            reading = tasks.create_task(line.refusal())
            for _ in range(50):
                await line.say(audio_chunk=_MOST_AUDIO)
            reading.cancel()


async def many_parts(at: Target) -> None:
    """A message that is small on the wire and long to read: two million empty parts."""
    async with grpc.aio.insecure_channel(at.grpc) as channel:
        call = _stream(channel)
        one = pb.ClientMessage(interrupt=pb.Interrupt()).SerializeToString()
        await call.write(pb.ClientMessage(config=pb.VoiceConfig()).SerializeToString())
        await call.write(one * 2_000_000)
        while await call.read() is not grpc.aio.EOF:
            pass


async def nested_update(at: Target) -> None:
    """A `session.update` of 4.7 MB in many small parts, and responses, which show it again."""
    prompt = {"variables": [[{"a": [n]}] for n in range(250_000)]}
    async with connect(at.http_port) as program:
        await program.say("session.update", session={"type": "realtime", "prompt": prompt})
        for _ in range(3):
            await program.type("hello")
        await _read_on(program, 5)


async def many_items(at: Target) -> None:
    """Two thousand items of 16,000 characters, which the next response is about."""
    async with connect(at.http_port) as program, asyncio.TaskGroup() as tasks:
        reading = tasks.create_task(_read_on(program, 30))
        for _ in range(2_000):
            await program.say("conversation.item.create", item=typed("word " * 3_199))
        for _ in range(5):
            await program.say("response.create")
            await program.say("response.create", response={"conversation": "none"})
        await asyncio.sleep(2)
        reading.cancel()


async def event_flood(at: Target) -> None:
    """Small events as fast as they go, each of which is answered."""
    async with connect(at.http_port) as program, asyncio.TaskGroup() as tasks:
        reading = tasks.create_task(_read_on(program, 60))
        for _ in range(20_000):
            await program.say("session.update", session={"type": "realtime"})
        reading.cancel()


async def large_frames(at: Target) -> None:
    """The most audio that the protocol allows in one event, again and again."""
    event = {"type": "input_audio_buffer.append", "audio": b64encode(bytes(15 * 2**20)).decode()}
    frame = json.dumps(event)
    async with connect(at.http_port) as program, asyncio.TaskGroup() as tasks:
        reading = tasks.create_task(_read_on(program, 60))
        for _ in range(20):
            await program.socket.send_str(frame)
        reading.cancel()


async def silent_connections(at: Target) -> None:
    """Connections to the HTTP port that say nothing."""
    await _say_nothing(at.http_port)


async def silent_grpc_connections(at: Target) -> None:
    """Connections to the gRPC port that say nothing."""
    await _say_nothing(int(at.grpc.rpartition(":")[2]))


async def _say_nothing(port: int) -> None:
    async with AsyncExitStack() as stack:
        for _ in range(_SILENT_CONNECTIONS):
            _, writer = await asyncio.open_connection("127.0.0.1", port)
            stack.callback(writer.close)
        await asyncio.sleep(600)


async def _read_on(program: Program, seconds: float) -> None:
    with suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            while True:
                message = await program.socket.receive()
                if message.type is not aiohttp.WSMsgType.TEXT:
                    return


KINDS: Mapping[str, Callable[[Target], Awaitable[None]]] = {
    one.__name__.replace("_", "-"): one
    for one in (
        quiet_streams,
        quick_calls,
        typed_flood,
        control_flood,
        audio_flood,
        many_parts,
        nested_update,
        many_items,
        event_flood,
        large_frames,
        silent_connections,
        silent_grpc_connections,
    )
}


async def _abuse(kind: str, at: Target, seconds: float) -> int:
    times = 0
    with suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            while True:
                times += 1
                with suppress(Exception):  # whatever the gateway does about it
                    await KINDS[kind](at)
                await asyncio.sleep(0.01)
    return times


async def _main(kind: str, grpc_at: str, http_at: str, seconds: str) -> None:
    print(f"ready: kind={kind}", flush=True)
    at = Target(grpc_at, int(http_at.rpartition(":")[2]))
    print(await _abuse(kind, at, float(seconds)), flush=True)


if __name__ == "__main__":
    asyncio.run(_main(*sys.argv[1:]))
