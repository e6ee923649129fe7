"""Short-lived tokens for browsers: got with OpenAI's own client, used as a browser does."""

import asyncio
import random
import time
from base64 import b64encode
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from openai import APIStatusError, AsyncOpenAI, AuthenticationError, PermissionDeniedError
from voice_gateway.audio import g711
from voice_gateway.testing.fake_chat import FakeChat
from voice_gateway.testing.fake_riva import FakeRiva, Says
from voice_gateway.testing.program import connect

from .conftest import Gateway, Serve
from .credentials import KEY, OTHERS_KEY, settings, signed

RANDOM = "".join(random.Random(7).choices("abcdefghijklmnopqrstuvwxyz0123456789 ", k=12_000))
"""Instructions that no compression makes short."""


def server_of(gateway: Gateway, key: str) -> AsyncOpenAI:
    """The page's own server, which holds a key."""
    url = f"http://127.0.0.1:{gateway.http_port}/v1"
    return AsyncOpenAI(api_key=key, base_url=url, max_retries=0)


async def secret(gateway: Gateway, key: str, **asked: Any) -> Any:
    async with server_of(gateway, key) as server:
        return await server.realtime.client_secrets.create(**asked)


async def test_a_browser_calls_with_a_token_and_never_sees_the_key(serve: Serve, tmp_path: Path):
    chat = FakeChat(["Hello."])
    async with serve(FakeRiva(), chat, **settings(tmp_path)) as gateway:
        made = await secret(gateway, KEY, session={"type": "realtime", "model": "m"})
        assert made.value.startswith("ek_")
        assert KEY not in made.value
        assert 590 < made.expires_at - time.time() <= 600
        assert (made.session.type, made.session.model) == ("realtime", "m")
        offered = ("realtime", f"openai-insecure-api-key.{made.value}")
        async with connect(gateway.http_port, protocols=offered) as program:
            await program.type("hello")
            await program.until("response.done")
        async with gateway.dial(made.value) as line:  # and on the other front
            await line.say(text_input="hello")
            await line.hang_up()
            await line.rest()


SETTINGS: dict[str, Any] = {
    "type": "realtime",
    "model": "mine",
    "instructions": "Answer in rhyme.",
    "output_modalities": ["text"],
    "tools": [{"type": "function", "name": "get_weather"}],
    "audio": {
        "input": {"format": {"type": "audio/pcmu"}, "turn_detection": None},
        "output": {"voice": "marin", "speed": 1.2},
    },
}


async def test_its_session_begins_with_the_settings_it_was_asked_with(serve: Serve, tmp_path: Path):
    """The page that uses it sends no session.update, and may still send one."""
    riva, chat = FakeRiva(says=[Says("what is the weather", 0.3, 1.2)]), FakeChat(["It rains."])
    async with serve(riva, chat, **settings(tmp_path)) as gateway:
        made = await secret(gateway, KEY, session=SETTINGS)
        async with (
            AsyncOpenAI(
                api_key=made.value, websocket_base_url=f"ws://127.0.0.1:{gateway.http_port}/v1"
            ) as page,
            page.realtime.connect(model="") as connection,
        ):
            begun: Any = await connection.recv()
        shown = begun.session.to_dict()
        assert {**made.session.to_dict(), "id": shown["id"]} == shown
        assert (shown["model"], shown["instructions"]) == ("mine", "Answer in rhyme.")
        assert shown["audio"]["output"]["speed"] == 1.2
        headers = {"Authorization": f"Bearer {made.value}"}
        async with connect(gateway.http_port, "", headers=headers) as program:
            mu_law = g711.encode(bytes(2 * 8_000 * 2), "mu")
            await program.say("input_audio_buffer.append", audio=b64encode(mu_law).decode())
            await program.say("input_audio_buffer.commit")
            await program.say("response.create")
            done = (await program.until("response.done"))["response"]
            assert (await program.update(instructions="Be brief."))["instructions"] == "Be brief."
    assert done["output"][0]["content"] == [{"type": "output_text", "text": "It rains."}]
    asked = chat.requests[0]
    assert [m["content"] for m in asked.messages] == ["Answer in rhyme.", "what is the weather"]
    assert asked.body["tools"][0]["function"]["name"] == "get_weather"


async def test_one_for_words_opens_a_transcription_session(serve: Serve, tmp_path: Path):
    turns = {"input": {"turn_detection": {"type": "server_vad", "silence_duration_ms": 400}}}
    async with serve(FakeRiva(), FakeChat(), **settings(tmp_path)) as gateway:
        made = await secret(gateway, KEY, session={"type": "transcription", "audio": turns})
        offered = ("realtime", f"openai-insecure-api-key.{made.value}")
        async with connect(gateway.http_port, protocols=offered) as program:
            session = (await program.until("session.created"))["session"]
    assert session["type"] == made.session.type == "transcription"
    assert session["audio"]["input"]["turn_detection"]["silence_duration_ms"] == 400


async def test_what_its_holder_may_not_choose_it_may_not_put_in_a_token(
    serve: Serve, tmp_path: Path
):
    async with serve(FakeRiva(), FakeChat(), **settings(tmp_path)) as gateway:
        rude: Any = {"type": "realtime", "instructions": "Be rude."}
        with pytest.raises(PermissionDeniedError) as refused:
            await secret(gateway, OTHERS_KEY, session=rude)
        assert (refused.value.code, refused.value.param) == (
            "not_permitted",
            "session.instructions",
        )
        made = await secret(gateway, KEY, session=rude)
        keys = tmp_path / "keys.toml"
        right_gone = keys.read_text().replace('"mine"\n', '"mine"\nmay = []\n')
        keys.write_text(right_gone)
        server: Any = gateway.server
        await server._access._file.look()
        offered = ("realtime", f"openai-insecure-api-key.{made.value}")
        async with connect(gateway.http_port, protocols=offered) as program:
            error = await program.error()
            assert (error["code"], error["param"]) == ("not_permitted", "session.instructions")
            assert await program.rest() == 1008


async def test_where_no_key_is_asked_for_its_settings_hold_or_it_is_refused(serve: Serve):
    async with serve(FakeRiva(), FakeChat()) as gateway:
        rhymes: Any = {"type": "realtime", "instructions": "Answer in rhyme."}
        made = await secret(gateway, "whatever", session=rhymes)
        offered = ("realtime", f"openai-insecure-api-key.{made.value}")
        async with connect(gateway.http_port, protocols=offered) as program:
            session = (await program.until("session.created"))["session"]
            assert session["instructions"] == "Answer in rhyme."
        offered = ("realtime", f"openai-insecure-api-key.{made.value[:-4]}AAAA")
        async with connect(gateway.http_port, protocols=offered) as program:
            assert (await program.error())["code"] == "invalid_api_key"


async def test_it_lasts_as_long_as_it_was_asked_to_and_no_longer_than_a_jwt(
    serve: Serve, tmp_path: Path
):
    async with serve(FakeRiva(), FakeChat(), **settings(tmp_path)) as gateway:
        hour = {"anchor": "created_at", "seconds": 3600}
        made = await secret(gateway, KEY, expires_after=hour)
        assert 3590 < made.expires_at - time.time() <= 3600
        soon = int(time.time()) + 60
        made = await secret(gateway, signed(exp=soon), expires_after=hour)
        assert made.expires_at == soon


async def test_whoever_has_no_key_gets_none_nor_does_a_token(serve: Serve, tmp_path: Path):
    async with serve(FakeRiva(), FakeChat(), **settings(tmp_path)) as gateway:
        with pytest.raises(AuthenticationError, match="Incorrect API key"):
            await secret(gateway, "wrong")
        made = await secret(gateway, KEY)
        with pytest.raises(PermissionDeniedError, match="A token gets no further token"):
            await secret(gateway, made.value)


async def test_where_no_key_is_asked_for_the_same_clients_work(serve: Serve):
    async with serve(FakeRiva(), FakeChat()) as gateway:
        made = await secret(gateway, "whatever")
        offered = ("realtime", f"openai-insecure-api-key.{made.value}")
        async with connect(gateway.http_port, protocols=offered) as program:
            await program.until("session.created")


@pytest.mark.parametrize(
    ("asked", "param"),
    [
        ({"expires_after": {"seconds": 9}}, "expires_after.seconds"),
        ({"expires_after": {"seconds": 7201}}, "expires_after.seconds"),
        ({"expires_after": {"seconds": "60"}}, "expires_after.seconds"),
        ({"expires_after": {"anchor": "used_at"}}, "expires_after.anchor"),
        ({"expires_after": []}, None),
        ({"session": {"type": "video"}}, "session.type"),
        ({"session": {"instructions": 1}}, "session.instructions"),
        ({"session": {"audio": {"output": {"speed": 9}}}}, "session.audio.output.speed"),
        ({"session": {"tool_choice": {"name": "missing"}}}, "session.tool_choice.name"),
        ({"session": {"tools": [{"type": "mcp"}]}}, "session.tools[0].type"),
        ({"session": {"voice": "alloy"}}, "session.voice"),
        ({"session": {"type": "transcription", "tools": []}}, "session.tools"),
        ({"session": {"instructions": RANDOM}}, "session"),
        ({"session": {"model": "m" * 129}}, "session.model"),
        ({"session": 1}, "session"),
        ({"sessions": {}}, "sessions"),
    ],
)
async def test_what_cannot_be_had_is_refused_by_its_name(
    serve: Serve, asked: dict[str, Any], param: str | None
):
    async with serve(FakeRiva(), FakeChat()) as gateway:
        if param is None:  # an empty one asks for nothing
            assert (await secret(gateway, "k", **asked)).value
            return
        with pytest.raises(APIStatusError) as refused:
            await secret(gateway, "k", extra_body=asked)
        assert (refused.value.status_code, refused.value.param) == (400, param)


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b"no JSON", "invalid_json"),
        (b"[]", "invalid_event"),
        (b"\xff", "invalid_json"),
        (b" " * 65_537, "too_long"),
        (b"[" * 65_000, "event_too_large"),
    ],
)
async def test_a_body_that_is_none_is_refused(serve: Serve, body: bytes, code: str):
    async with (
        serve(FakeRiva(), FakeChat()) as gateway,
        aiohttp.ClientSession() as http,
        http.post(
            f"http://127.0.0.1:{gateway.http_port}/v1/realtime/client_secrets", data=body
        ) as answer,
    ):
        assert (answer.status, (await answer.json())["error"]["code"]) == (400, code)


async def test_a_body_that_does_not_come_is_not_waited_for(
    serve: Serve, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("voice_gateway.transports.realtime.client_secrets._BODY_TIMEOUT_S", 0.1)
    async with serve(FakeRiva(), FakeChat()) as gateway:
        reader, writer = await asyncio.open_connection("127.0.0.1", gateway.http_port)
        writer.write(
            b"POST /v1/realtime/client_secrets HTTP/1.1\r\nHost: localhost\r\n"
            b"Content-Length: 100\r\n\r\n{"
        )
        async with asyncio.timeout(60):
            assert (await reader.readline()).startswith(b"HTTP/1.1 400 ")
        writer.close()
