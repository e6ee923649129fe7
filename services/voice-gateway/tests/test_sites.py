"""Whose pages may call: a stranger's may not, whatever name leads its browser here."""

import aiohttp
import pytest
from voice_gateway.testing.fake_chat import FakeChat
from voice_gateway.testing.fake_riva import FakeRiva

from .conftest import Gateway, Serve

EVIL, OWN, APP = "http://evil.example", "http://voice.example", "https://app.example"


async def status(gateway: Gateway, path: str, host: str, origin: str | None, key: str = "") -> int:
    """The answer to a request that came by the name `host`, which stands for the port, too."""
    port = gateway.http_port
    headers = {"Host": host.replace("PORT", str(port))}
    if origin:
        headers["Origin"] = origin.replace("PORT", str(port))
    if key:
        headers["Authorization"] = f"Bearer {key}"
    async with (
        aiohttp.ClientSession(headers=headers) as http,
        http.request(
            "POST" if "secrets" in path else "GET", f"http://127.0.0.1:{port}{path}"
        ) as answer,
    ):
        if answer.status == 403:
            assert (await answer.json())["error"]["code"].endswith("_not_allowed")
        return answer.status


GUARDED = {
    "/v1/realtime": 426,
    "/choices": 200,
    "/metrics": 200,
    "/v1/realtime/client_secrets": 200,
}

CASES: list[tuple[str, str | None, dict[str, str], bool]] = [
    ("127.0.0.1:PORT", None, {}, True),
    ("127.0.0.1:PORT", "http://127.0.0.1:PORT", {}, True),
    ("localhost:PORT", "http://localhost:PORT", {}, True),
    ("LOCALHOST:PORT", None, {}, True),
    ("voice.localhost:PORT", "http://voice.localhost:PORT", {}, True),
    ("[::1]:PORT", "http://[::1]:PORT", {}, True),
    ("192.0.2.7:PORT", "http://192.0.2.7:PORT", {}, True),
    # A stranger's page that asks us by our own name, or by one of its own that leads here.
    ("127.0.0.1:PORT", EVIL, {}, False),
    ("evil.example:PORT", "http://evil.example:PORT", {}, False),
    ("evil.example", EVIL, {}, False),
    ("evil.example", None, {}, False),
    ("localhost.evil.example", None, {}, False),
    ("127.0.0.1.evil.example", None, {}, False),
    ("127.0.0.1:PORT", "null", {}, False),
    ("127.0.0.1:PORT", "http://[", {}, False),
    # Behind a proxy that the operator has named.
    ("voice.example", OWN, {}, False),
    ("voice.example", OWN, {"http_hosts": "other.example voice.example"}, True),
    ("Voice.Example.", None, {"http_hosts": "VOICE.example"}, True),
    ("voice.example", EVIL, {"http_hosts": "voice.example"}, False),
    ("evil.example", EVIL, {"http_hosts": "voice.example"}, False),
    ("evil.example", EVIL, {"http_hosts": "*"}, True),
    ("voice.example", APP, {"http_origins": APP}, True),
    ("evil.example", EVIL, {"http_origins": APP}, False),
    ("evil.example", EVIL, {"http_origins": "*"}, True),
]


@pytest.mark.parametrize(("host", "origin", "changes", "served"), CASES)
async def test_a_page_calls_only_from_where_the_gateway_is_known_to_be(
    serve: Serve, host: str, origin: str | None, changes: dict[str, str], served: bool
):
    async with serve(FakeRiva(), FakeChat(), **changes) as gateway:
        for path, right in GUARDED.items():
            assert await status(gateway, path, host, origin) == (right if served else 403), path
        assert await status(gateway, "/healthz", host, origin) == 200


async def test_in_a_cluster_a_program_may_use_any_name_and_a_page_may_not(serve: Serve):
    everywhere = {"http_host": "0.0.0.0", "allow_anyone": True}
    async with serve(FakeRiva(), FakeChat(), **everywhere) as gateway:
        assert await status(gateway, "/metrics", "gateway.voice.svc:8080", None) == 200
        assert await status(gateway, "/v1/realtime", "gateway.voice.svc:8080", None) == 426
        assert await status(gateway, "/v1/realtime", "evil.example", EVIL) == 403


async def test_a_key_is_enough_as_no_strangers_page_has_one(serve: Serve):
    async with serve(FakeRiva(), FakeChat(), api_keys="right") as gateway:
        assert await status(gateway, "/v1/realtime", "any.example", APP, "right") == 426
        assert await status(gateway, "/v1/realtime", "any.example", APP, "wrong") == 401
        assert await status(gateway, "/v1/realtime", "any.example", APP) == 401
