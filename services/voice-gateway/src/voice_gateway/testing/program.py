"""Owns a program's Realtime WebSocket for tests: sends, reads, and keeps what came.

Every event it reads is validated strictly against the types of the `openai` SDK.
"""

import asyncio
import json
from base64 import b64decode, b64encode
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import aiohttp
from openai.types.realtime import RealtimeServerEvent
from pydantic import TypeAdapter

Json = dict[str, Any]

ANSWER_S = 10.0
RATE_HZ = 24_000
_EVENTS: TypeAdapter[Any] = TypeAdapter(RealtimeServerEvent)
TURN_KINDS = (
    "input_audio_buffer.speech_started",
    "input_audio_buffer.speech_stopped",
    "input_audio_buffer.committed",
    "conversation.item.added",
    "conversation.item.done",
    "conversation.item.input_audio_transcription.delta",
    "conversation.item.input_audio_transcription.completed",
)
"""The events of a spoken turn, in their order."""


@dataclass
class Program:
    """One session as a client sees it."""

    socket: aiohttp.ClientWebSocketResponse
    received: list[Json] = field(default_factory=list[Json])
    patience_s: float = ANSWER_S

    async def say(self, kind: str, /, **content: Any) -> None:
        await self.socket.send_json({"type": kind, **content})

    async def update(self, **session: Any) -> Json:
        """Change the session; return the new one."""
        await self.say("session.update", session={"type": "realtime", **session})
        return (await self.until("session.updated"))["session"]

    async def speak(self, seconds: float, *, pcm: bytes | None = None) -> None:
        """Send this much audio without pacing, in pieces of 100 ms."""
        sound = bytes(2 * int(seconds * RATE_HZ)) if pcm is None else pcm
        for start in range(0, len(sound), 4800):
            audio = b64encode(sound[start : start + 4800]).decode()
            await self.say("input_audio_buffer.append", audio=audio)

    async def type(self, text: str) -> None:
        """Add a typed message, and ask for an answer."""
        await self.say("conversation.item.create", item=typed(text))
        await self.say("response.create")

    async def next(self) -> Json | None:
        """Read the next event; None when the socket is closed."""
        async with asyncio.timeout(self.patience_s):
            message = await self.socket.receive()
        if message.type is not aiohttp.WSMsgType.TEXT:
            return None
        event: Json = json.loads(message.data)
        if not event["type"].startswith("gateway."):
            _EVENTS.validate_python(event, strict=True)
        self.received.append(event)
        return event

    async def until(self, kind: str) -> Json:
        """Read up to the next event of this type."""
        while event := await self.next():
            if event["type"] == kind:
                return event
        raise AssertionError(f"closed ({self.socket.close_code}) before {kind}: {self.kinds()}")

    async def rest(self) -> int | None:
        """Read until the socket is closed; return the close code."""
        while await self.next():
            pass
        return self.socket.close_code

    async def error(self) -> Json:
        return (await self.until("error"))["error"]

    def kinds(self) -> list[str]:
        """The types of all events; a run of one type counts once."""
        kinds = [event["type"] for event in self.received]
        return [kind for at, kind in enumerate(kinds) if at == 0 or kinds[at - 1] != kind]

    def of(self, kind: str) -> Sequence[Json]:
        return [event for event in self.received if event["type"] == kind]

    def audio(self) -> bytes:
        return b"".join(b64decode(e["delta"]) for e in self.of("response.output_audio.delta"))

    def spoken(self) -> str:
        """The transcripts of all responses."""
        return "".join(e["delta"] for e in self.of("response.output_audio_transcript.delta"))

    def transcripts(self) -> list[str]:
        kind = "conversation.item.input_audio_transcription.completed"
        return [event["transcript"] for event in self.of(kind)]


def typed(text: str, role: str = "user") -> Json:
    kind = "output_text" if role == "assistant" else "input_text"
    return {"type": "message", "role": role, "content": [{"type": kind, "text": text}]}


@asynccontextmanager
async def connect(
    port: int,
    query: str = "model=test",
    headers: Mapping[str, str] | None = None,
    protocols: Sequence[str] = (),
) -> AsyncGenerator[Program]:
    """Open one session at the gateway on this machine's port."""
    url = f"http://127.0.0.1:{port}/v1/realtime?{query}"
    async with (
        aiohttp.ClientSession() as http,
        http.ws_connect(url, headers=headers, protocols=protocols) as socket,
    ):
        program = Program(socket)
        yield program
