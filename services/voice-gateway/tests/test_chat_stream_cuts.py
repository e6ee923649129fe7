"""Real chat streams, cut and mutated at random: no crash, and every turn is answered or failed.

The seeds are fixed, so that a failure comes again.
"""

import json
from collections.abc import Callable, Iterator, Sequence
from random import Random
from typing import Any

import pytest
from voice_gateway.adapters.chat_answer import Answer, Habits
from voice_gateway.conversation import ToolCall
from voice_gateway.messages import ModelOptions, Usage
from voice_gateway.ports import Finish, ModelPiece, Retracted
from voice_gateway.testing.fake_chat import FakeChat, Sends
from voice_gateway.testing.fake_riva import FakeRiva
from voice_gateway.testing.program import connect

from .chat_streams import STREAMS, Stream
from .test_chat_streams import DECLARED, NO_TOOLS, WITH_TOOLS

CUTS_EACH, MUTATIONS_EACH, SEEDS = 400, 600, 10
MUTATIONS_OVER_HTTP = 200
MARKS = (
    *(b"<think>", b"</think>", b"<|", b"|>", b"<|channel|>", b"{", b'"', b"[DONE]", b"\n\n"),
    *(b"data: ", b"\r", b"\xff", b"null", b"<tool_call>", b"[", b"```", b"\\u0000", b"event: "),
)
BODIES = [stream.body for stream in STREAMS]

Mutation = Callable[[bytes, Random], bytes]


def truncated(body: bytes, random: Random) -> bytes:
    return body[: random.randrange(len(body) + 1)]


def without_some(body: bytes, random: Random) -> bytes:
    at = random.randrange(len(body) + 1)
    return body[:at] + body[at + random.randrange(1, 40) :]


def with_a_mark(body: bytes, random: Random) -> bytes:
    at = random.randrange(len(body) + 1)
    return body[:at] + random.choice(MARKS) + body[at:]


def with_another_byte(body: bytes, random: Random) -> bytes:
    at = random.randrange(len(body) + 1)
    return body[:at] + bytes([random.randrange(256)]) + body[at + 1 :]


def with_lines_moved(body: bytes, random: Random) -> bytes:
    lines = body.split(b"\n\n")
    line = lines.pop(random.randrange(len(lines)))
    lines.insert(random.randrange(len(lines) + 1), line)
    return b"\n\n".join(lines)


def with_a_line_twice(body: bytes, random: Random) -> bytes:
    lines = body.split(b"\n\n")
    at = random.randrange(len(lines))
    return b"\n\n".join([*lines[:at], lines[at], *lines[at:]])


def with_another_value(body: bytes, random: Random) -> bytes:
    """Put another type of value in place of one: what a server of another make might send."""
    lines = body.split(b"\n\n")
    at = random.randrange(len(lines))
    for old in random.sample((b'"content": "', b'"delta": {', b'"choices": [', b'"index": 0'), 4):
        key = old.split(b": ")[0]
        value = random.choice((b"null", b"5", b"[]", b"{}", b'"x"', b"true", b'["x", 5]'))
        if old in lines[at]:
            lines[at] = lines[at].replace(old, key + b": " + value + b', "old": ' + old[-1:], 1)
            break
    return b"\n\n".join(lines)


def spliced(body: bytes, random: Random) -> bytes:
    other = random.choice(BODIES)
    return body[: random.randrange(len(body) + 1)] + other[random.randrange(len(other) + 1) :]


MUTATIONS: Sequence[Mutation] = (
    truncated,
    without_some,
    with_a_mark,
    with_another_byte,
    with_lines_moved,
    with_a_line_twice,
    with_another_value,
    spliced,
)


def mutated(body: bytes, random: Random) -> bytes:
    for _ in range(random.choice((1, 1, 2, 4))):
        body = random.choice(MUTATIONS)(body, random)
    return body


def cut(body: bytes, random: Random) -> Iterator[bytes]:
    longest = random.choice((1, 3, 20, 200, 5_000))
    while body:
        size = random.randint(1, longest)
        yield body[:size]
        body = body[size:]


def read(parts: Iterator[bytes], asking: ModelOptions, model: str = "") -> tuple[Any, ...]:
    """Everything that comes of a body: text, calls, usage, why it ended, and what is wrong."""
    answer = Answer(asking, Habits(thinks=model == "deepseek-r1"))
    pieces: list[ModelPiece] = []
    for part in parts:
        pieces += answer.feed(part)
        if answer.done:
            break
    pieces += answer.end()
    return result(pieces, answer.fault)


def result(pieces: Sequence[ModelPiece], fault: str) -> tuple[Any, ...]:
    said, calls, usage, incomplete, ended = "", list[Any](), None, "", False
    for piece in pieces:
        match piece:
            case str():
                assert piece
                said += piece
            case ToolCall():
                json.loads(piece.arguments)
                assert piece.name
                assert piece.call_id
                calls.append((piece.name, piece.arguments))
            case Usage():
                usage = piece
            case Finish():
                incomplete, ended = piece.incomplete, True
            case Retracted():
                said = ""
    assert fault or ended, "neither an end nor a fault"
    return said.strip(), calls, usage, incomplete, fault


def drawn(random: Random) -> tuple[Stream, ModelOptions]:
    stream = random.choice(STREAMS)
    return stream, WITH_TOOLS if stream.tools else NO_TOOLS


@pytest.mark.parametrize("seed", range(SEEDS))
def test_however_a_stream_is_cut_the_same_comes_of_it(seed: int):
    random = Random(seed)
    for _ in range(CUTS_EACH):
        stream, asking = drawn(random)
        whole = read(iter([stream.body]), asking, stream.model)
        assert read(cut(stream.body, random), asking, stream.model) == whole, stream.name


@pytest.mark.parametrize("seed", range(SEEDS))
def test_whatever_a_server_makes_of_a_stream_it_ends_or_fails(seed: int):
    random = Random(seed + 1_000)
    for _ in range(MUTATIONS_EACH):
        stream, asking = drawn(random)
        body = mutated(stream.body, random)
        first = read(cut(body, random), asking)
        assert first == read(iter([body]), asking), body


async def test_every_turn_of_a_call_is_answered_or_fails(serve: Any):
    random = Random(5)
    no_limit = {"requests_per_min": 0, "typed_chars_per_min": 0}
    async with (
        serve(FakeRiva(), FakeChat(), **no_limit) as gateway,
        connect(gateway.http_port) as program,
    ):
        await program.update(output_modalities=["text"], tools=[DECLARED])
        for _ in range(MUTATIONS_OVER_HTTP):
            body = mutated(random.choice(BODIES), random)
            gateway.chat.fault = Sends(list(cut(body, random))[:400])
            await program.type("what time is it")
            done = (await program.until("response.done"))["response"]
            assert done["output"] or done["status"] in ("failed", "incomplete"), body
        gateway.chat.fault = None
        await program.type("and now")
        assert (await program.until("response.done"))["response"]["status"] == "completed"
