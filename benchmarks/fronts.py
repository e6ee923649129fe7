"""What a call costs on each front: the gateway's CPU per second of call, as a ratio to gRPC's.

The same callers, in turn on every front: each sends its microphone in real time and types a
question every few seconds, whose spoken answer it reads to the end.
"""

import argparse
import asyncio
import json
import sys
from base64 import b64encode
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from statistics import mean, median
from typing import Any, Protocol

import aiohttp
import grpc.aio
from command import check_limits, status_of
from processes import Child, child
from rounds import gateway_settings
from voice_gateway.audio import g711
from voice_gateway.testing.fake_chat import FakeChat
from voice_gateway.testing.fake_riva import FakeRiva
from voice_gateway.testing.line import dial
from voice_gateway.testing.program import typed
from voice_proto import voice_workflow_pb2 as pb

_ANSWER = "It is sunny, so take a hat with you."  # 2.2 s of the scripted voice
_PIECE_S = 0.04
_SETTLE_S = 1.0


@dataclass(frozen=True)
class Load:
    calls: int
    seconds: float
    """Of each call."""
    turn_s: float = 4.0


class Line(Protocol):
    """One caller's end of a call."""

    async def send(self) -> None:
        """One piece of its microphone."""
        ...

    async def ask(self) -> None: ...

    async def read(self) -> str:
        """The next message: "audio", "" for any other."""
        ...


@dataclass
class GrpcLine:
    call: Any
    piece: bytes
    writing: asyncio.Lock = field(default_factory=asyncio.Lock)

    async def send(self) -> None:
        await self._write(pb.ClientMessage(audio_chunk=self.piece))

    async def ask(self) -> None:
        await self._write(pb.ClientMessage(text_input="what is the weather"))

    async def _write(self, message: pb.ClientMessage) -> None:
        async with self.writing:
            await self.call.write(message)

    async def read(self) -> str:
        message = await self.call.read()
        assert message is not grpc.aio.EOF
        return "audio" if message.audio_chunk else ""


@dataclass
class SocketLine:
    socket: aiohttp.ClientWebSocketResponse
    event: str

    async def send(self) -> None:
        await self.socket.send_str(self.event)

    async def ask(self) -> None:
        item = {"type": "conversation.item.create", "item": typed("what is the weather")}
        await self.socket.send_json(item)
        await self.socket.send_json({"type": "response.create"})

    async def read(self) -> str:
        frame = (await self.socket.receive()).data
        assert isinstance(frame, str), frame
        return "audio" if frame.startswith('{"type":"response.output_audio.delta"') else ""


Opens = Callable[[dict[str, str]], Any]


def grpc_at(rate_hz: int) -> Opens:
    @asynccontextmanager
    async def opened(at: dict[str, str]) -> AsyncGenerator[Line]:
        async with dial(at["grpc"]) as line:
            await line.say(config=pb.VoiceConfig(sample_rate=rate_hz))
            yield GrpcLine(line.call, bytes(2 * round(rate_hz * _PIECE_S)))

    return opened


def socket_with(sound: str) -> Opens:
    @asynccontextmanager
    async def opened(at: dict[str, str]) -> AsyncGenerator[Line]:
        url = f"{at['http']}v1/realtime?model=m"
        async with aiohttp.ClientSession() as http, http.ws_connect(url) as socket:
            form = {"format": {"type": sound}}
            session = {"type": "realtime", "audio": {"input": form, "output": form}}
            await socket.send_json({"type": "session.update", "session": session})
            yield SocketLine(socket, _append(sound))

    return opened


def _append(sound: str) -> str:
    """The event that carries one piece of silence."""
    if sound == "audio/pcm":
        data = bytes(2 * round(24_000 * _PIECE_S))
    else:
        data = g711.encode(bytes(2 * round(8_000 * _PIECE_S)), "mu")
    return json.dumps({"type": "input_audio_buffer.append", "audio": b64encode(data).decode()})


FRONTS: dict[str, Opens] = {
    "gRPC, 24 kHz": grpc_at(24_000),
    "WebSocket, PCM at 24 kHz": socket_with("audio/pcm"),
    "gRPC, 16 kHz": grpc_at(16_000),
    "WebSocket, G.711 at 8 kHz": socket_with("audio/pcmu"),
}
BASE = next(iter(FRONTS))


@dataclass
class Front:
    """What was measured on one front."""

    cpu_ms_per_call_s: list[float] = field(default_factory=list[float])
    """One figure a round."""
    first_audio_ms: list[float] = field(default_factory=list[float])
    """From the typed question on, every turn."""
    asked: int = 0


async def measure(load: Load, rounds: int) -> dict[str, Front]:
    fronts = {name: Front() for name in FRONTS}
    async with FakeRiva(voice_first_audio_s=0.02) as riva, FakeChat([_ANSWER]) as chat:
        at = {"riva": riva.uri, "llm": chat.base_url}
        settings = gateway_settings(at, load.calls)
        async with child("gateway", ["-m", "voice_gateway"], settings) as gateway:
            ready = await gateway.ready()
            for opens in FRONTS.values():
                await _calls(opens, ready, Load(2, load.turn_s), Front())
            for _ in range(rounds):
                for name, opens in FRONTS.items():
                    await _round(gateway, ready, opens, load, fronts[name])
    return fronts


async def _round(
    gateway: Child, ready: dict[str, str], opens: Opens, load: Load, front: Front
) -> None:
    await asyncio.sleep(_SETTLE_S)
    before_s = gateway.cpu_s()
    await _calls(opens, ready, load, front)
    used_s = gateway.cpu_s() - before_s
    front.cpu_ms_per_call_s.append(used_s / (load.calls * load.seconds) * 1000)


async def _calls(opens: Opens, ready: dict[str, str], load: Load, front: Front) -> None:
    async with asyncio.TaskGroup() as tasks:
        for ordinal in range(load.calls):
            late_s = load.turn_s * ordinal / load.calls
            tasks.create_task(_call(opens, ready, load, late_s, front))


async def _call(
    opens: Opens, ready: dict[str, str], load: Load, late_s: float, front: Front
) -> None:
    """One call; its turns begin `late_s` after the first caller's."""
    async with opens(ready) as line, asyncio.TaskGroup() as tasks:
        asked: list[float] = []
        reading = tasks.create_task(_read(line, asked, front.first_audio_ms))
        talking = tasks.create_task(_every(_PIECE_S, line.send))
        await asyncio.sleep(late_s / 2)
        ends_at = _now() + load.seconds - late_s / 2
        while ends_at - _now() > load.turn_s - 0.1:
            asked.append(_now())
            front.asked += 1
            await line.ask()
            await asyncio.sleep(load.turn_s)
        await asyncio.sleep(max(0.0, ends_at - _now()))
        talking.cancel()
        reading.cancel()


async def _every(seconds: float, act: Callable[[], Awaitable[None]]) -> None:
    due = _now()
    while True:
        await act()
        due += seconds
        await asyncio.sleep(due - _now())


async def _read(line: Line, asked: list[float], waits_ms: list[float]) -> None:
    while True:
        if await line.read() == "audio" and asked:
            waits_ms.append((_now() - asked.pop()) * 1000)


def _now() -> float:
    return asyncio.get_running_loop().time()


def table(fronts: dict[str, Front]) -> str:
    rows = ["| front | CPU ms per s of call | range | ratio to gRPC | first audio, ms p50 |"]
    rows.append("|---|---|---|---|---|")
    base = mean(fronts[BASE].cpu_ms_per_call_s)
    for name, front in fronts.items():
        cpu = front.cpu_ms_per_call_s
        rows.append(
            f"| {name} | {mean(cpu):.2f} | {min(cpu):.2f} to {max(cpu):.2f} "
            f"| {mean(cpu) / base:.2f} | {median(front.first_audio_ms):.0f} |"
        )
    return "\n".join(rows)


async def _run(options: argparse.Namespace) -> int:
    load = Load(options.calls, options.seconds)
    fronts = await measure(load, options.rounds)
    print(table(fronts))
    figures = {name: asdict(front) for name, front in fronts.items()}
    if options.json:
        options.json.write_text(json.dumps({"load": asdict(load), "fronts": figures}, indent=1))
    answered = all(len(front.first_audio_ms) == front.asked for front in fronts.values())
    if not answered:
        print("some questions were not answered", file=sys.stderr)
    return 0 if answered else 1


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--calls", type=int, default=10, help="at once (%(default)s)")
    parser.add_argument("--seconds", type=int, default=12, help="of each call (%(default)s)")
    parser.add_argument("--rounds", type=int, default=3, help="on every front (%(default)s)")
    parser.add_argument("--json", type=Path, help="write all figures here")
    options = parser.parse_args()
    check_limits(parser, options, ("calls", 1, 200), ("seconds", 8, 600), ("rounds", 1, 20))
    return status_of(_run(options))


if __name__ == "__main__":
    sys.exit(main())
