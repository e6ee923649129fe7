"""Draws calls: what each sends, in which order, and how it ends. Pure: a seed is a call."""

import json
from base64 import b64encode
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from random import Random
from typing import Any, Literal, cast

from voice_proto import voice_workflow_pb2 as pb

from malformed.mutations import Json, changed_bytes, changed_text, changed_value

Front = Literal["grpc", "realtime", "page", "bytes"]
_FRONTS: Sequence[Front] = ("grpc", "realtime", "page", "bytes")
_SHARES = (42, 28, 28, 2)

_MOST_CHARS = 2**20
"""Of a frame: a socket is closed over a far longer one while its client still writes, and how is
then up to chance."""
LAST_ITEM, LAST_RESPONSE = "$item", "$response"
"""Stand for the newest id that the gateway named."""


@dataclass(frozen=True, slots=True)
class Plan:
    front: Front
    messages: Sequence[bytes | str]
    politely: bool
    """Whether it ends as a client should; else its connection, or its stream, is cut."""


def drawn(seed: int, number: int) -> Plan:
    """The call of this number."""
    random = Random(f"{seed}:{number}")
    front = random.choices(_FRONTS, _SHARES)[0]
    politely = random.random() < 0.85
    if front == "bytes":
        return Plan(front, (_no_protocol(random),), politely)
    length = random.choice((1, 2, 4, 8, 16, 32))
    if front == "grpc":
        return Plan(front, _grpc_messages(random, length), politely)
    return Plan(front, _frames(random, length), politely)


# gRPC.


def _grpc_messages(random: Random, length: int) -> Sequence[bytes]:
    first = [] if random.random() < 0.1 else [_config(random).SerializeToString()]
    if random.random() < 0.15:
        first = [changed_bytes(b"".join(first), random)]
    return [*first, *(_grpc_message(random) for _ in range(length))]


def _config(random: Random) -> pb.VoiceConfig | pb.ClientMessage:
    config = pb.VoiceConfig(
        language_code=random.choice(("", "en-US", "de-DE", "xx", "en_US", "e" * 50)),
        session_id=random.choice(("", "malformed", "\x00\x1b[31m", "\u202e" * 20, "n" * 129)),
        sample_rate=random.choice((0, 8_000, 16_000, 48_000, 44_101, 7_999, -1, 2**31 - 1)),
        voice_name=random.choice(("", "", "nobody", "\n")),
        system_prompt=random.choice(("", "", "Be brief.", "p" * 8_000)),
        can_pause=random.random() < 0.5,
        audio_encoding=cast(Any, random.choice((0, 0, 1, 2, 99))),
        conversation_id=random.choice(("", "", "malformed-1", "malformed-2", "\x00")),
        line_echo=cast(Any, random.choice((0, 1, 4, 77))),
        resume=random.random() < 0.2,
        resume_token=random.choice(("", "", "", "stolen", "A" * 22 + "B" * 22)),
        received_sequence=random.choice((0, 0, 1, 2**63)),
        turn_under_way=random.choice(("", "", "", "and then?", "\x00")),
    )
    if random.random() < 0.7:  # most calls are to begin
        for field in ("language_code", "session_id", "sample_rate"):
            config.ClearField(field)
    return pb.ClientMessage(config=config)


def _valid(random: Random) -> pb.ClientMessage:
    message = random.choice(_CONTENTS)(random)
    if random.random() < 0.2:
        message.acknowledged = random.choice((0, 1, 5, 2**32, 2**64 - 1))
    return message


def _sound(random: Random) -> pb.ClientMessage:
    return pb.ClientMessage(audio_chunk=random.randbytes(random.choice((0, 1, 320, 3_201))))


def _playback(random: Random) -> pb.ClientMessage:
    reply, played_ms = random.choice((0, 1, 2, 2**32 - 1)), random.choice((0, 80, 2**32 - 1))
    return pb.ClientMessage(playback=pb.PlaybackProgress(reply_id=reply, played_ms=played_ms))


_CONTENTS: Sequence[Callable[[Random], pb.ClientMessage]] = (
    _sound,
    lambda random: pb.ClientMessage(text_input=random.choice(("", " ", "hello", "\x00", "\u202e"))),
    lambda _random: pb.ClientMessage(interrupt=pb.Interrupt()),
    _playback,
    lambda _random: pb.ClientMessage(end_of_utterance=pb.EndOfUtterance()),
    lambda _random: pb.ClientMessage(),
)


def _grpc_message(random: Random) -> bytes:
    """Mostly what parses, as what does not ends a call."""
    data = _valid(random).SerializeToString()
    how = random.random()
    if how < 0.55:
        return data
    if how < 0.75:  # fields of no contract that is known here, which are passed over
        return data + _unknown_field(random)
    if how < 0.85:  # several contents in one message, of which the last one counts
        return data + _valid(random).SerializeToString()
    if how < 0.97:
        return changed_bytes(data, random)
    return random.choice(_FATAL)(random)


_FATAL: Sequence[Callable[[Random], bytes]] = (
    lambda random: random.randbytes(random.choice((1, 7, 300))),
    lambda _random: pb.ClientMessage(config=pb.VoiceConfig()).SerializeToString(),
    lambda _random: pb.ClientMessage(text_input="t" * 4_001).SerializeToString(),
    lambda _random: pb.ClientMessage(interrupt=pb.Interrupt()).SerializeToString() * 40_000,
    lambda _random: b"\x1a\x02\xff\xfe",  # a text that is no UTF-8
    lambda _random: b"\x12\xff\xff\xff\xff\x0f",  # audio that is said to be 4 GiB long
    lambda _random: b"\x0b" * 200 + b"\x0c" * 200,  # groups in groups
)


def _unknown_field(random: Random) -> bytes:
    number = random.choice((8, 15, 99, 2_047))
    kind = random.choice((0, 1, 2, 5))
    content = {0: b"\x01", 1: bytes(8), 2: b"\x03abc", 5: bytes(4)}[kind]
    return _varint(number << 3 | kind) + content


def _varint(number: int) -> bytes:
    written = bytearray()
    while number > 0x7F:
        written.append(number & 0x7F | 0x80)
        number >>= 7
    written.append(number)
    return bytes(written)


# The WebSockets.


def _frames(random: Random, length: int) -> Sequence[str | bytes]:
    return [_frame(random) for _ in range(length)]


def _frame(random: Random) -> str | bytes:
    event = random.choice(EVENTS)(random)
    how = random.random()
    if how < 0.3:
        return _text(event)
    if how < 0.8:
        changed = _text(changed_value(event, random))
        return changed if len(changed) < _MOST_CHARS else _text(event)
    if how < 0.95:
        return changed_text(_text(event), random).encode(errors="replace").decode()
    return random.choice(_ODD_FRAMES)(random)


def _text(event: Json) -> str:
    return json.dumps(event)


_ODD_FRAMES: Sequence[Callable[[Random], str | bytes]] = (
    lambda random: random.randbytes(40),
    lambda _random: "",
    lambda random: random.choice(("[]", "1", '"a"', "null", "{}", "true")),
    lambda random: "[" * random.choice((10, 1_000, 5_000)),
    lambda random: '{"type":' * random.choice((70, 900, 3_000)),
    lambda _random: '{"a":' + "1" * 5_000 + "}",
    lambda _random: json.dumps({"type": "session.update", "session": {"x" * 70_000: 1}}),
    lambda _random: '{"type":"response.create","type":"response.cancel","type":null}',
    lambda _random: "x" * 300_000,
)


def _session(random: Random) -> Json:
    tool: Json = {"type": "function", "name": "look", "parameters": {"type": "object"}}
    input_: Json = {
        "format": {
            "type": random.choice(("audio/pcm", "audio/pcmu", "audio/pcma")),
            "rate": 24_000,
        },
        "noise_reduction": {"type": "near_field"},
        "transcription": {"model": "any", "language": "en"},
        "turn_detection": random.choice(
            (
                None,
                {"type": "semantic_vad", "eagerness": "high"},
                {"type": "server_vad", "threshold": 0.5, "idle_timeout_ms": 6_000},
            )
        ),
    }
    return {
        "type": "realtime",
        "instructions": "Be brief.",
        "output_modalities": [random.choice(("audio", "text"))],
        "audio": {"input": input_, "output": {"voice": "marin", "speed": 1.0}},
        "tools": [tool],
        "tool_choice": random.choice(("auto", "none", {"type": "function", "name": "look"})),
        "max_output_tokens": random.choice(("inf", 100)),
        "temperature": 0.8,
        "truncation": "auto",
        "prompt": {"id": "p", "variables": {"a": 1}},
    }


def _item(random: Random) -> Json:
    name = random.choice(("item_a", "item_b", "item_c", LAST_ITEM))
    return random.choice(
        (
            {
                "type": "message",
                "role": "user",
                "content": [{"type": "input_text", "text": "hello"}],
            },
            {
                "type": "message",
                "id": name,
                "role": "user",
                "content": [{"type": "input_audio", "audio": _audio(random)}],
            },
            {
                "type": "message",
                "id": name,
                "role": "assistant",
                "content": [{"type": "output_audio", "transcript": "Good morning."}],
            },
            {
                "type": "function_call",
                "id": name,
                "call_id": "call_a",
                "name": "look",
                "arguments": "{}",
            },
            {"type": "function_call_output", "call_id": "call_a", "output": "nothing"},
        )
    )


def _named_item(random: Random) -> str:
    return random.choice((LAST_ITEM, LAST_ITEM, "item_a", "item_b", "nothing"))


def _response(random: Random) -> Json:
    reference: Json = {"type": "item_reference", "id": _named_item(random)}
    return {
        "instructions": "Be brief.",
        "output_modalities": [random.choice(("audio", "text"))],
        "conversation": random.choice(("auto", "auto", "none")),
        "metadata": {"a": "b"},
        "input": random.choice((None, [], [_item(random)], [reference])),
        "tools": [],
        "audio": {"output": {"format": {"type": "audio/pcmu"}}},
    }


def _event(kind: str, **values: Callable[[Random], Any]) -> Callable[[Random], Json]:
    def made(random: Random) -> Json:
        return {"type": kind, "event_id": "e", **{n: value(random) for n, value in values.items()}}

    return made


def _audio(random: Random) -> str:
    return b64encode(random.randbytes(random.choice((0, 1, 480, 4_800, 60_000)))).decode()


EVENTS: Sequence[Callable[[Random], Json]] = (
    _event("session.update", session=_session),
    _event("input_audio_buffer.append", audio=_audio),
    _event("input_audio_buffer.append", audio=_audio),
    _event("input_audio_buffer.commit"),
    _event("input_audio_buffer.clear"),
    _event("output_audio_buffer.clear"),
    _event(
        "conversation.item.create",
        item=_item,
        previous_item_id=lambda random: random.choice((None, "root", _named_item(random))),
    ),
    _event("conversation.item.create", item=_item),
    _event("conversation.item.delete", item_id=_named_item),
    _event("conversation.item.retrieve", item_id=_named_item),
    _event(
        "conversation.item.truncate",
        item_id=_named_item,
        content_index=lambda _: 0,
        audio_end_ms=lambda random: random.choice((0, 100, 10**9)),
    ),
    _event("response.create"),
    _event("response.create", response=_response),
    _event("response.cancel"),
    _event("response.cancel", response_id=lambda random: random.choice((LAST_RESPONSE, "r"))),
    _event("gateway.playback", item_id=_named_item, played_ms=lambda _: 200),
)


# Neither.

_UPGRADE = (
    b"GET /v1/realtime HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\n"
    b"Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
    b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
)
_PROTOCOLS: Sequence[bytes] = (
    _UPGRADE,
    b"POST /v1/realtime/client_secrets HTTP/1.1\r\nHost: localhost\r\nContent-Length: 2\r\n\r\n{}",
    b"GET /%2e%2e/%00 HTTP/1.1\r\nHost: localhost\r\n\r\n",
    b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes((0, 0, 0, 4, 0, 0, 0, 0, 0)),
    b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
)
_BAD_FRAMES: Sequence[bytes] = (
    b"\x81\x05hello",  # without a mask
    b"\xf1\x80\x00\x00\x00\x00",  # reserved bits
    b"\x83\x80\x00\x00\x00\x00",  # a reserved opcode
    b"\x81\xff\x7f\xff\xff\xff\xff\xff\xff\xff\x00\x00\x00\x00",  # nearly without end
    b"\x80\x80\x00\x00\x00\x00",  # a continuation of nothing
    b"\x89\xfe\x00\xff\x00\x00\x00\x00" + bytes(255),  # a ping that is too long
    b"\x88\x82\x00\x00\x00\x00\x03\xe4",  # closed with a code that may not be sent
    b"\x88\x81\x00\x00\x00\x00\x03",  # closed with half a code
    b"\x81\x82\x00\x00\x00\x00\xff\xfe",  # a text that is no UTF-8
)


def _no_protocol(random: Random) -> bytes:
    """What is not even a connection's beginning, or goes wrong right after it."""
    how = random.random()
    if how < 0.4:
        return _UPGRADE + b"".join(random.choices(_BAD_FRAMES, k=random.randint(1, 3)))
    if how < 0.9:
        return changed_bytes(random.choice(_PROTOCOLS), random)
    return random.randbytes(random.randint(1, 200))
