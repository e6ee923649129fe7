"""The same conversations over every front: what is heard, said, cut off and remembered agrees.

The page in the browser is a client of the Realtime endpoint that asks for the gateway's own events
as well; it is the third front here.
"""

import asyncio
from base64 import b64decode
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, Protocol

import grpc.aio
import pytest
from voice_gateway.testing.fake_chat import FakeChat, HttpError
from voice_gateway.testing.fake_riva import FakeRiva, Refuse, Says
from voice_gateway.testing.line import Line
from voice_gateway.testing.program import Program, connect, typed
from voice_proto import voice_workflow_pb2 as pb

ANSWER = "It is sunny today."
LONG = "Once upon a time there was a fox. " * 12
CUT_OFF = " —"
PATIENCE_S = 60.0


@dataclass
class Turn:
    """One turn, in words that every front has."""

    heard: str
    said: str = ""
    ended: str = ""
    audio_s: float = 0.0

    def told(self) -> tuple[str, str, str]:
        """How much of a reply that was cut off had come is chance; that it was is not."""
        said = self.said.strip() if self.ended == "complete" else ""
        return self.heard, said, self.ended


class Talk(Protocol):
    """One call on some front."""

    async def speak(self, seconds: float) -> None: ...

    async def type(self, text: str) -> None: ...

    async def interrupt(self) -> None: ...

    async def listen(self, seconds: float) -> None:
        """Until so much of the reply under way has come."""
        ...

    async def until_over(self) -> None:
        """Until the reply under way is complete, cut off or failed."""
        ...

    def turns(self) -> list[Turn]: ...


@dataclass
class GrpcTalk:
    line: Line

    async def speak(self, seconds: float) -> None:
        await self.line.speak(seconds)

    async def type(self, text: str) -> None:
        await self.line.say(text_input=text)

    async def interrupt(self) -> None:
        await self.line.say(interrupt=pb.Interrupt())

    async def listen(self, seconds: float) -> None:
        await self._read(lambda: self.turns()[-1:] and self.turns()[-1].audio_s >= seconds)

    async def until_over(self) -> None:
        await self._read(lambda: _is_over(self.line.received[-1].event))

    async def _read(self, enough: Callable[[], Any]) -> None:
        async with asyncio.timeout(PATIENCE_S):
            while (message := await self.line.call.read()) is not grpc.aio.EOF:
                self.line.received.append(message)
                if enough():
                    return
        raise AssertionError(f"the stream ended: {self.line.events()}")

    def turns(self) -> list[Turn]:
        turns: dict[int, Turn] = {}
        heard: list[str] = []
        for message in self.line.received:
            turn = turns.setdefault(message.reply_id, Turn(""))
            turn.said += message.llm_response_chunk
            turn.audio_s += len(message.audio_chunk) / 32_000
            if message.transcript.is_final:
                heard.append(message.transcript_chunk)
            if message.WhichOneof("content") == "event":
                heard = _note(turn, message.event, heard)
        return [turn for reply, turn in turns.items() if reply]


def _is_over(event: pb.ServerEvent) -> bool:
    return event.type == pb.END_OF_TURN or event.HasField("interruption")


def _note(turn: Turn, event: pb.ServerEvent, heard: list[str]) -> list[str]:
    match event.type:
        case pb.PROCESSING:
            turn.heard = " ".join(heard)
            return []
        case pb.ERROR:
            turn.ended = f"failed: {event.fault.stage} {event.fault.code}"
        case pb.END_OF_TURN:
            turn.ended = turn.ended or "complete"
        case pb.LISTENING if event.HasField("interruption"):
            turn.ended = "cut off"
        case _:
            pass
    return heard


@dataclass
class ProgramTalk:
    program: Program

    async def speak(self, seconds: float) -> None:
        await self.program.speak(seconds)

    async def type(self, text: str) -> None:
        await self.program.say("conversation.item.create", item=typed(text))
        await self.program.say("response.create")

    async def interrupt(self) -> None:
        await self.program.say("response.cancel")

    async def listen(self, seconds: float) -> None:
        await self.program.until("response.created")
        while self.turns()[-1].audio_s < seconds:
            await self.program.until("response.output_audio.delta")

    async def until_over(self) -> None:
        await self.program.until("response.done")

    def turns(self) -> list[Turn]:
        turns: dict[str, Turn] = {}
        heard: list[str] = []
        for event in self.program.received:
            kind = event["type"]
            if kind.endswith("input_audio_transcription.completed"):
                heard.append(event["transcript"])
            elif kind == "response.created":
                turns[event["response"]["id"]] = Turn(" ".join(heard))
                heard = []
            elif kind == "response.output_audio_transcript.delta":
                turns[event["response_id"]].said += event["delta"]
            elif kind == "response.output_audio.delta":
                turns[event["response_id"]].audio_s += len(b64decode(event["delta"])) / 48_000
            elif kind == "response.done":
                turns[event["response"]["id"]].ended = _ended(event["response"])
        return list(turns.values())


def _ended(response: dict[str, Any]) -> str:
    if response["status"] == "failed":
        stage, _, code = response["status_details"]["error"]["code"].partition("_")
        return f"failed: {stage} {code}"
    return {"completed": "complete", "cancelled": "cut off"}[response["status"]]


@asynccontextmanager
async def grpc_front(gateway: Any) -> AsyncGenerator[Talk]:
    async with gateway.dial() as line:
        await line.say(config=pb.VoiceConfig(language_code="en-US", sample_rate=16_000))
        yield GrpcTalk(line)


@asynccontextmanager
async def realtime_front(gateway: Any) -> AsyncGenerator[Talk]:
    async with connect(gateway.http_port) as program:
        yield ProgramTalk(program)


@asynccontextmanager
async def page_front(gateway: Any) -> AsyncGenerator[Talk]:
    own = {"Origin": f"http://127.0.0.1:{gateway.http_port}"}
    async with connect(gateway.http_port, "model=page&events=all", headers=own) as program:
        yield ProgramTalk(program)


FRONTS = {"grpc": grpc_front, "realtime": realtime_front, "page": page_front}


@dataclass(frozen=True)
class Conversation:
    """What happens on each front, and what is to come of it."""

    name: str
    goes: Callable[[Talk], Awaitable[None]]
    turns: Sequence[tuple[str, str, str]]
    """Heard, said (of complete replies), how it ended."""
    memory: Sequence[tuple[str, str]]
    """What the model was asked last; of answers that were cut off only that they were."""
    says: Sequence[Says] = ()
    replies: Sequence[str] = (ANSWER,)
    chat_fault: Any = None
    voice_fault: Any = None


@dataclass
class Happened:
    turns: list[tuple[str, str, str]]
    audio_s: list[float]
    memory: list[tuple[str, str]] = field(default_factory=list[tuple[str, str]])


async def asks_once(talk: Talk) -> None:
    await talk.speak(2.5)
    await talk.until_over()


async def asks_twice(talk: Talk) -> None:
    await asks_once(talk)
    await asks_once(talk)


async def speaks_up(talk: Talk) -> None:
    await talk.speak(2.5)
    await talk.listen(1.6)  # sooner, it would be the rest of the question
    await talk.speak(2.5)
    await talk.until_over()
    await talk.until_over()


async def presses_stop(talk: Talk) -> None:
    await talk.type("tell me a story")
    await talk.listen(1.6)  # sooner, it may be that none of it was heard
    await talk.interrupt()
    await talk.until_over()
    await talk.type("what is the weather")
    await talk.until_over()


async def types_twice(talk: Talk) -> None:
    for text in ("hello", "what is the weather"):
        await talk.type(text)
        await talk.until_over()


def fails_twice(request: int) -> HttpError | None:
    return HttpError(500) if request < 2 else None


QUESTION = Says("what is the weather", 0.3, 1.2)
CONVERSATIONS = [
    Conversation(
        "a question",
        asks_once,
        [("what is the weather", ANSWER, "complete")],
        [("user", "what is the weather")],
        [QUESTION],
    ),
    Conversation(
        "two questions",
        asks_twice,
        [("what is the weather", ANSWER, "complete"), ("thank you", "Gladly.", "complete")],
        [("user", "what is the weather"), ("assistant", ANSWER), ("user", "thank you")],
        [QUESTION, Says("thank you", 3.0, 3.6)],
        [ANSWER, "Gladly."],
    ),
    Conversation(
        "an interruption",
        speaks_up,
        [("what is the weather", "", "cut off"), ("stop please", "Very well.", "complete")],
        [("user", "what is the weather"), ("assistant", CUT_OFF), ("user", "stop please")],
        [QUESTION, Says("stop please", 3.8, 4.4)],
        [LONG, "Very well."],
    ),
    Conversation(
        "a button",
        presses_stop,
        [("", "", "cut off"), ("", ANSWER, "complete")],
        [
            ("user", "tell me a story"),
            ("assistant", CUT_OFF),
            ("user", "what is the weather"),
        ],
        replies=[LONG, ANSWER],
    ),
    Conversation(
        "a model that fails twice",
        types_twice,
        [("", "", "failed: llm unavailable"), ("", ANSWER, "complete")],
        [("user", "hello what is the weather")],
        chat_fault=fails_twice,
    ),
    Conversation(
        "a voice that fails",
        types_twice,
        [("", "", "failed: tts unavailable"), ("", "", "failed: tts unavailable")],
        [("user", "hello what is the weather")],
        voice_fault=Refuse(),
    ),
]


async def happened(serve: Any, front: str, conversation: Conversation) -> Happened:
    riva = FakeRiva(says=conversation.says, voice_first_audio_s=0.01)
    riva.voice.fault = conversation.voice_fault
    chat = FakeChat(list(conversation.replies), fault=conversation.chat_fault)
    # The scripted caller's words have no voice in them: turns go by the recogniser alone.
    async with (
        serve(riva, chat, turn_detection="asr") as gateway,
        FRONTS[front](gateway) as talk,
    ):
        await conversation.goes(talk)
        turns = talk.turns()
    asked = [message for message in chat.requests[-1].messages if message["role"] != "system"]
    return Happened(
        [turn.told() for turn in turns],
        [turn.audio_s for turn in turns if turn.ended == "complete"],
        [(m["role"], _remembered(m["content"])) for m in asked],
    )


def _remembered(content: str) -> str:
    return CUT_OFF if content.endswith(CUT_OFF) else content


@pytest.mark.parametrize("conversation", CONVERSATIONS, ids=lambda c: c.name)
async def test_every_front_holds_the_same_conversation(serve: Any, conversation: Conversation):
    on = {front: await happened(serve, front, conversation) for front in FRONTS}
    for front, what in on.items():
        assert what.turns == list(conversation.turns), front
        assert what.memory == list(conversation.memory), front
        assert what.audio_s == pytest.approx(on["grpc"].audio_s, abs=0.15), front
