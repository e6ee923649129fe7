"""Short-lived tokens for browsers: got with OpenAI's own client, used as a browser does."""

import asyncio
import time
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from openai import APIStatusError, AsyncOpenAI, AuthenticationError, PermissionDeniedError
from voice_gateway.testing.fake_chat import FakeChat
from voice_gateway.testing.fake_riva import FakeRiva
from voice_gateway.testing.program import connect

from .conftest import Gateway, Serve
from .credentials import KEY, settings, signed


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
        ({"session": {"type": "transcription"}}, "session.type"),
        ({"session": {"instructions": "Be rude."}}, "session.instructions"),
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
