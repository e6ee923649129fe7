"""What becomes of the chat streams that really occur, from the adapter to the caller's front."""

import asyncio
import json
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest
from voice_gateway.adapters.chat import ChatOptions
from voice_gateway.adapters.chat_addresses import ChatAddresses
from voice_gateway.conversation import Message, ToolCall
from voice_gateway.errors import ServiceError, TimedOut, Unavailable
from voice_gateway.messages import Incomplete, ModelOptions, Tool, Usage
from voice_gateway.ports import Finish, Retracted
from voice_gateway.testing.fake_chat import FakeChat, HttpError, Sends
from voice_gateway.testing.fake_chat_wire import DONE
from voice_gateway.testing.fake_riva import FakeRiva
from voice_gateway.testing.program import connect
from voice_proto import voice_workflow_pb2 as pb

from .chat_streams import (
    ANSWER,
    HALF,
    LLAMA,
    LONDON,
    NOON,
    STOP,
    STREAMS,
    THOUGHT,
    Stream,
    begun,
    chunk,
    text,
    written,
)
from .conftest import Serve

ASK = (Message("user", "what time is it"),)
WEATHER_TOOL = Tool("get_weather", "The weather somewhere.", {"type": "object"})
WITH_TOOLS = ModelOptions(tools=(WEATHER_TOOL,), counts_tokens=True)
NO_TOOLS = ModelOptions(counts_tokens=True)
BYTES_APART = 7
_SECRET = "10.0.0.7"  # an address in what the upstream says


@dataclass
class Came:
    """What came of one answer."""

    said: str = ""
    calls: list[ToolCall] = field(default_factory=list[ToolCall])
    usage: Usage | None = None
    incomplete: Incomplete = ""
    fault: ServiceError | None = None
    retracted: int = 0

    def take(self, piece: object) -> None:
        match piece:
            case str():
                self.said += piece
            case ToolCall():
                self.calls.append(piece)
            case Usage():
                self.usage = piece
            case Finish(incomplete):
                self.incomplete = incomplete
            case Retracted():
                self.said, self.retracted = "", self.retracted + 1
            case _:
                raise AssertionError(piece)

    def shown(self) -> tuple[str, list[tuple[str, Any]], Usage | None, Incomplete]:
        calls = [(call.name, json.loads(call.arguments)) for call in self.calls]
        return self.said.strip(), calls, self.usage, self.incomplete


async def answered(endpoint: ChatAddresses, asking: ModelOptions = NO_TOOLS) -> Came:
    came = Came()
    try:
        async with aclosing(endpoint.complete(ASK, system_prompt="", asking=asking)) as pieces:
            async for piece in pieces:
                came.take(piece)
    except ServiceError as error:
        came.fault = error
    return came


@asynccontextmanager
async def endpoint_of(
    chat: FakeChat, model: str = "m", **options: Any
) -> AsyncGenerator[ChatAddresses]:
    async with chat:
        endpoint = ChatAddresses(ChatOptions(chat.base_url, model, **options))
        try:
            yield endpoint
        finally:
            await endpoint.close()


def cut(stream: Stream) -> list[bytes]:
    body = stream.body
    return [body[at : at + BYTES_APART] for at in range(0, len(body), BYTES_APART)]


@pytest.mark.parametrize("stream", STREAMS, ids=lambda stream: stream.name)
async def test_every_stream_that_occurs_is_understood(stream: Stream):
    asking = WITH_TOOLS if stream.tools else NO_TOOLS
    for parts in (stream.parts, cut(stream)):
        chat = FakeChat(fault=Sends(parts, stream.kind, stays_open=stream.stays_open))
        async with endpoint_of(chat, stream.model) as endpoint:
            came = await answered(endpoint, asking)
        assert came.shown() == (
            stream.said.strip(),
            list(stream.calls),
            stream.usage,
            stream.incomplete,
        )
        assert_told(stream, came)


def assert_told(stream: Stream, came: Came) -> None:
    if "used up its tokens" in stream.fault:
        assert came.fault is None  # the reply says so, which knows that nothing was said
    elif stream.fault:
        assert came.fault
        assert stream.fault in came.fault.text
        assert _SECRET not in came.fault.text
    else:
        assert came.fault is None


async def test_what_the_server_said_stands_in_the_log_alone(caplog: pytest.LogCaptureFixture):
    parts = [*HALF, b'data: {"error": {"message": "engine at 10.0.0.7 died"}}\n\n']
    async with endpoint_of(FakeChat(fault=Sends(parts))) as endpoint:
        came = await answered(endpoint)
    assert came.fault
    assert came.fault.text == "the chat model reported an error in its answer"
    assert _SECRET in caplog.text


async def test_two_calls_have_two_ids_also_where_the_server_gave_none():
    parts = written(f"{LLAMA}; {LLAMA.replace('London', 'Rome')}")
    async with endpoint_of(FakeChat(fault=Sends(parts))) as endpoint:
        first, second = await answered(endpoint, WITH_TOOLS), await answered(endpoint, WITH_TOOLS)
    ids = [call.call_id for came in (first, second) for call in came.calls]
    assert len(set(ids)) == len(ids) == 4


async def test_json_in_a_text_answer_stays_unless_it_calls_what_is_declared():
    other = LLAMA.replace("get_weather", "Bob")
    chat = FakeChat(fault=lambda n: Sends(written((LLAMA, other, other)[n])))
    async with endpoint_of(chat) as endpoint:
        as_text = ModelOptions(tools=(WEATHER_TOOL,), spoken=False)
        assert [call.name for call in (await answered(endpoint, as_text)).calls] == ["get_weather"]
        assert (await answered(endpoint, as_text)).said == other
        assert (await answered(endpoint, ModelOptions(spoken=False))).said == other


# A model that is known to think, and leaves the opening tag out.


async def test_after_one_closing_tag_alone_nothing_is_shown_before_it():
    chat = FakeChat(fault=Sends(written(f"{THOUGHT}</think>{NOON}")))
    async with endpoint_of(chat) as endpoint:
        came = [await answered(endpoint) for _ in range(3)]
    assert [one.said for one in came] == [NOON] * 3
    assert [one.retracted for one in came] == [1, 0, 0]


async def test_a_model_that_stops_thinking_aloud_is_not_held_back_for_ever():
    bodies = [written(f"{THOUGHT}</think>{NOON}"), written(NOON), [*HALF]]
    chat = FakeChat(fault=lambda n: Sends(bodies[n], stays_open=n == 2))
    async with endpoint_of(chat, token_timeout_s=0.2) as endpoint:
        await answered(endpoint)
        assert (await answered(endpoint)).said == NOON
        assert (await answered(endpoint)).said == "It is"  # the first clause may wait


async def test_of_a_model_that_thinks_the_first_clause_waits_for_its_end():
    bodies = [written(f"Hm, noon</think>{NOON}"), written(NOON)]
    chat = FakeChat(fault=lambda n: Sends(bodies[min(n, 1)]))
    async with endpoint_of(chat, "deepseek-r1-distill-llama-8b") as endpoint:
        first = await answered(endpoint)
        assert (first.said, first.retracted) == (NOON, 0)


async def test_a_thought_that_used_all_tokens_is_no_answer():
    bodies = [written(f"{THOUGHT}</think>{NOON}"), written(THOUGHT, "length")]
    chat = FakeChat(fault=lambda n: Sends(bodies[n]))
    async with endpoint_of(chat) as endpoint:
        await answered(endpoint)
        came = await answered(endpoint)
    assert (came.said, came.incomplete) == ("", "max_output_tokens")


# The time without text, and the second request.


@pytest.mark.parametrize(
    "part",
    [
        chunk({"reasoning_content": "hm "}),
        chunk({"content": "<think>hm "}),
        chunk({"content": ""}),
        b": keep-alive\n\n",
    ],
    ids=["reasoning", "a thought", "empty", "comments"],
)
async def test_what_is_no_text_does_not_renew_the_wait_for_it(part: bytes):
    chat = FakeChat(fault=Sends([part] * 200, apart_s=0.1))
    async with endpoint_of(chat, first_token_timeout_s=0.4) as endpoint:
        began = asyncio.get_running_loop().time()
        came = await answered(endpoint)
        assert isinstance(came.fault, TimedOut)
        assert "sent no text for 0.4 s" in came.fault.text
        assert asyncio.get_running_loop().time() - began < 5.0


async def test_within_an_answer_too():
    chat = FakeChat(fault=Sends([*HALF, *[chunk({"content": ""})] * 200], apart_s=0.1))
    async with endpoint_of(chat, token_timeout_s=0.4) as endpoint:
        came = await answered(endpoint)
    assert (came.said, type(came.fault)) == ("It is", TimedOut)


async def test_parts_of_a_call_are_text():
    parts = [begun(index=0, id="a"), *(begun("", index=0, arguments=c) for c in LONDON), STOP]
    chat = FakeChat(fault=Sends(parts, apart_s=0.15))
    async with endpoint_of(chat, first_token_timeout_s=2.0, token_timeout_s=2.0) as endpoint:
        came = await answered(endpoint, WITH_TOOLS)
    assert [call.arguments for call in came.calls] == [LONDON]


@pytest.mark.parametrize(
    "fault",
    [
        HttpError(500),
        HttpError(503),
        Sends([]),
        Sends([b"<html>down</html>"], "text/html"),
        Sends([b'data: {"error": {"message": "overloaded"}}\n\n']),
        Sends([chunk({"role": "assistant"})]),
    ],
    ids=["500", "503", "an empty body", "a page", "an error", "an end"],
)
async def test_a_stream_that_fails_before_its_first_text_is_asked_for_again(fault: Any):
    chat = FakeChat([NOON], fault=lambda n: fault if n == 0 else None)
    async with endpoint_of(chat) as endpoint:
        came = await answered(endpoint)
    assert (came.said, came.fault, len(chat.requests)) == (NOON, None, 2)


async def test_it_is_asked_for_again_once_only():
    chat = FakeChat(fault=HttpError(503))
    async with endpoint_of(chat) as endpoint:
        assert isinstance((await answered(endpoint)).fault, Unavailable)
    assert len(chat.requests) == 2


@pytest.mark.parametrize("status", [400, 401, 403, 404, 422, 429])
async def test_a_refusal_would_only_be_repeated(status: int):
    chat = FakeChat(fault=HttpError(status))
    async with endpoint_of(chat) as endpoint:
        assert (await answered(endpoint)).fault
    assert len(chat.requests) == 1


async def test_what_was_begun_is_not_asked_for_again():
    chat = FakeChat(fault=Sends(HALF))
    async with endpoint_of(chat) as endpoint:
        came = await answered(endpoint)
    assert (came.said, len(chat.requests)) == ("It is", 1)


async def test_nor_an_answer_that_came_to_its_end():
    chat = FakeChat(fault=Sends([begun(index=0, id="a", arguments=LONDON), STOP, DONE]))
    async with endpoint_of(chat) as endpoint:
        came = await answered(endpoint)
    assert came.fault
    assert len(chat.requests) == 1


async def test_the_second_request_has_what_is_left_of_the_first_ones_time():
    chat = FakeChat(fault=lambda n: HttpError(503) if n == 0 else Sends([], stays_open=True))
    async with endpoint_of(chat, first_token_timeout_s=3.0) as endpoint:
        began = asyncio.get_running_loop().time()
        came = await answered(endpoint)
        took = asyncio.get_running_loop().time() - began
    assert isinstance(came.fault, TimedOut)
    assert 2.5 < took < 5.5


async def test_one_connection_serves_one_answer_after_the_other():
    chat = FakeChat([NOON])
    async with endpoint_of(chat) as endpoint:
        for _ in range(3):
            assert (await answered(endpoint)).said == NOON
    assert len({asked.peer for asked in chat.requests}) == 1


# What has no end.


async def test_an_answer_without_end_is_cut():
    endless = Sends([chunk({"content": "word " * 200})] * 300, stays_open=True)
    async with endpoint_of(FakeChat(fault=endless)) as endpoint:
        came = await answered(endpoint)
    assert len(came.said) < 210_000
    assert (came.incomplete, came.fault) == ("max_output_tokens", None)


@pytest.mark.parametrize(
    "parts",
    [
        [b"data: " + b"x" * 600_000],
        [b'{"choices": [' + b" " * 600_000],
        [begun(index=0, id="a"), *[begun("", index=0, arguments="x" * 1_000)] * 200],
        [begun(index=n, id=f"{n}", arguments="{}") for n in range(200)],
        text(f"<tool_call>{'x' * 200_000}"),
        text(f'{{"name": "{"x" * 200_000}'),
    ],
    ids=["a line", "a document", "arguments", "calls", "a call as text", "JSON as text"],
)
async def test_what_is_too_large_is_a_fault(parts: Sequence[bytes]):
    async with endpoint_of(FakeChat(fault=Sends([*parts, DONE]))) as endpoint:
        came = await answered(endpoint, WITH_TOOLS)
    assert isinstance(came.fault, Unavailable)
    assert not came.said


# Whole calls.


def upstreams(*streams: Sequence[bytes] | None) -> tuple[FakeRiva, FakeChat]:
    """Answers with these streams in turn; None and what follows: with what time it is."""

    def fault(n: int) -> Sends | None:
        parts = streams[n] if n < len(streams) else None
        return None if parts is None else Sends(parts)

    return FakeRiva(voice_first_audio_s=0.01), FakeChat([NOON], fault=fault)


@pytest.mark.parametrize(
    ("parts", "said", "incomplete", "fault"),
    [
        ([*HALF, chunk({}, "length"), DONE], "It is", "max_output_tokens", ""),
        ([*HALF, chunk({}, "content_filter"), DONE], "It is", "content_filter", ""),
        (HALF, "It is", "", "The chat model's answer broke off."),
        (written(f"<think>{THOUGHT}</think>{NOON}<|eot_id|>"), NOON, "", ""),
        (written(f"Let me see. {LLAMA}"), "Let me see.", "", ""),
        ([begun(index=0, id="a", arguments=LONDON), *ANSWER], NOON, "", ""),
    ],
    ids=["length", "content_filter", "bare end", "thought", "call as text", "undeclared call"],
)
async def test_over_grpc(
    serve: Serve, parts: Sequence[bytes], said: str, incomplete: str, fault: str
):
    async with serve(*upstreams(parts)) as gateway, gateway.dial() as line:
        await line.say(config=pb.VoiceConfig())
        await line.say(text_input="what time is it")
        over = await line.until(pb.END_OF_TURN)
        assert (line.text().strip(), over.incomplete) == (said, incomplete)
        assert " ".join(call.text for call in gateway.riva.voice_calls) == said
        errors = [m.event.message for m in line.received if m.event.type == pb.ERROR]
        assert errors == ([fault] if fault else [])
        await line.say(text_input="and now")
        await line.until(pb.END_OF_TURN)
        is_cut = bool(incomplete or fault)
        remembered = gateway.chat.requests[-1].messages[-2]
        assert remembered == {"role": "assistant", "content": said + (" —" if is_cut else "")}


async def test_a_thought_that_was_spoken_is_not_remembered(serve: Serve):
    thought = f"{THOUGHT} " * 4
    async with serve(*upstreams(written(f"{thought}</think>{NOON}"))) as gateway:
        async with gateway.dial() as line:
            await line.say(config=pb.VoiceConfig())
            await line.say(text_input="what time is it")
            await line.until(pb.END_OF_TURN)
            assert gateway.riva.voice_calls[-1].text == NOON
            await line.say(text_input="and now")
            await line.until(pb.END_OF_TURN)
        remembered = gateway.chat.requests[-1].messages
        assert remembered[-2] == {"role": "assistant", "content": NOON}


async def test_a_call_that_nobody_declared_does_not_end_the_call(serve: Serve):
    undeclared = [begun(index=0, id="a", arguments=LONDON), STOP]
    async with serve(*upstreams(undeclared)) as gateway, gateway.dial() as line:
        await line.say(config=pb.VoiceConfig())
        await line.say(text_input="what time is it")
        error = await line.until(pb.ERROR)
        assert error.message == "The chat model called a tool, and none was declared."
        await line.until(pb.END_OF_TURN)
        await line.say(text_input="and now")
        await line.until(pb.END_OF_TURN)
        assert line.text().strip() == NOON


DECLARED: dict[str, Any] = {
    "type": "function",
    "name": "get_weather",
    "description": "",
    "parameters": {},
}


@pytest.mark.parametrize("spoken", [True, False], ids=["spoken", "text"])
@pytest.mark.parametrize("finish", ["length", "content_filter"])
async def test_over_realtime_an_answer_that_was_cut_is_incomplete(
    serve: Any, finish: str, spoken: bool
):
    parts = [*HALF, chunk({}, finish), DONE]
    async with serve(*upstreams(parts)) as gateway, connect(gateway.http_port) as program:
        await program.update(output_modalities=["audio" if spoken else "text"])
        await program.type("what time is it")
        done = (await program.until("response.done"))["response"]
        reason = "max_output_tokens" if finish == "length" else finish
        assert done["status"] == done["output"][0]["status"] == "incomplete"
        assert done["status_details"] == {"type": "incomplete", "reason": reason}
        await program.type("and now")
        await program.until("response.done")
        remembered = gateway.chat.requests[-1].messages[-2]
        assert remembered == {"role": "assistant", "content": "It is —"}


BARE = {"Llama 3.1", "Llama 3.1, with a type", "a function object", "a list", "in a code block"}
IN_TEXT = [
    stream
    for stream in STREAMS
    # In a text answer, JSON that no declared tool is called by is what was asked for.
    if stream.name not in {f"A07 {name}, none declared" for name in BARE}
    and stream.model.startswith("meta/")
]


@pytest.mark.parametrize("part", range(4))
async def test_over_realtime_every_stream_is_what_it_is(serve: Any, part: int):
    async with serve(FakeRiva(), FakeChat()) as gateway, connect(gateway.http_port) as program:
        for stream in IN_TEXT[part::4]:
            gateway.chat.fault = Sends(stream.parts, stream.kind, stays_open=stream.stays_open)
            tools = [DECLARED] if stream.tools else []
            await program.update(output_modalities=["text"], tools=tools)
            await program.type("what time is it")
            done = (await program.until("response.done"))["response"]
            assert (stream.name, *shown(done)) == (
                stream.name,
                stream.said.strip(),
                list(stream.calls),
                expected_status(stream),
            )
            if done["status"] == "failed":
                said = done["status_details"]["error"]["message"]
                assert stream.fault.lower() in said.lower()
            assert _SECRET not in json.dumps(done)


def expected_status(stream: Stream) -> str:
    if stream.incomplete:
        return "incomplete"
    return "failed" if stream.fault else "completed"


def shown(response: Any) -> tuple[str, list[tuple[str, Any]], str]:
    """The text, the calls and the status of a response."""
    said = "".join(
        part["text"]
        for item in response["output"]
        if item["type"] == "message"
        for part in item["content"]
    )
    calls = [
        (item["name"], json.loads(item["arguments"]))
        for item in response["output"]
        if item["type"] == "function_call"
    ]
    return said.strip(), calls, response["status"]
