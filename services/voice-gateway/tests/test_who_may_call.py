"""Every endpoint and method, and who gets an answer there: a table, over real gRPC and HTTP."""

import asyncio
import hashlib
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

import aiohttp
import grpc
import grpc.aio
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc
from voice_gateway.server import SERVICE
from voice_gateway.testing.fake_chat import FakeChat
from voice_gateway.testing.fake_riva import FakeRiva
from voice_proto import voice_workflow_pb2 as pb
from voice_proto import voice_workflow_pb2_grpc as pb_grpc

from .authorities import Authorities, Client
from .conftest import Gateway, Serve
from .credentials import KEY, OTHERS_KEY, RIGHT, WRONG, settings

Ask = Callable[[Gateway, str], Awaitable[bool]]
"""Asks a gateway with what a caller shows; tells whether it was served, and not refused."""


# --- how each endpoint is asked ---


@dataclass
class AskedByClient(Gateway):
    """A gateway with TLS, as a client with a certificate reaches it."""

    client: Client = field(kw_only=True)

    def channel(self) -> grpc.aio.Channel:
        return grpc.aio.secure_channel(f"localhost:{self.port}", self.client.credentials)


def asked_by(client: Client, gateway: Gateway) -> Gateway:
    given = {each.name: getattr(gateway, each.name) for each in fields(gateway)}
    return AskedByClient(**given, client=client)


def shown(bearer: str) -> list[tuple[str, str]]:
    return [("authorization", f"Bearer {bearer}")] if bearer else []


async def served(answer: Awaitable[Any]) -> bool:
    try:
        await answer
    except grpc.aio.AioRpcError as error:
        if error.code() in (grpc.StatusCode.UNAUTHENTICATED, grpc.StatusCode.UNIMPLEMENTED):
            return error.code() is grpc.StatusCode.UNIMPLEMENTED  # let in, for nothing
        raise
    return True


async def told(ask: Callable[[], Awaitable[Any]]) -> bool:
    """The same of a stream that is written to: what is written just as it is refused hides why."""
    while True:
        try:
            return await served(ask())
        except grpc.aio.AioRpcError as error:
            if error.code() is not grpc.StatusCode.INTERNAL:
                raise


def _untyped(module: Any) -> Any:
    return module


async def calls(gateway: Gateway, bearer: str) -> bool:
    async with gateway.channel() as channel:
        stub: Any = pb_grpc.VoiceGatewayStub(channel)
        return await told(lambda: _hello(stub.StreamAudio(metadata=shown(bearer))))


async def _hello(call: Any) -> None:
    await call.write(pb.ClientMessage(config=pb.VoiceConfig()))
    await call.read()


def checks(service: str) -> Ask:
    async def ask(gateway: Gateway, bearer: str) -> bool:
        async with gateway.channel() as channel:
            stub: Any = health_pb2_grpc.HealthStub(channel)
            asked = health_pb2.HealthCheckRequest(service=service)
            return await served(stub.Check(asked, metadata=shown(bearer)))

    return ask


def watches(service: str) -> Ask:
    async def ask(gateway: Gateway, bearer: str) -> bool:
        async with gateway.channel() as channel:
            stub: Any = health_pb2_grpc.HealthStub(channel)
            asked = health_pb2.HealthCheckRequest(service=service)
            return await served(stub.Watch(asked, metadata=shown(bearer)).read())

    return ask


async def reflects(gateway: Gateway, bearer: str) -> bool:
    async with gateway.channel() as channel:
        stub: Any = _untyped(reflection_pb2_grpc).ServerReflectionStub(channel)
        asked = [reflection_pb2.ServerReflectionRequest(list_services="")]
        metadata = shown(bearer)
        return await told(lambda: stub.ServerReflectionInfo(iter(asked), metadata=metadata).read())


async def lists(gateway: Gateway, bearer: str) -> bool:
    async with gateway.channel() as channel:
        stub: Any = health_pb2_grpc.HealthStub(channel)
        return await served(
            stub.List(_untyped(health_pb2).HealthListRequest(), metadata=shown(bearer))
        )


def web(gateway: Gateway, bearer: str = "", *, internal: bool = False) -> aiohttp.ClientSession:
    """A program that shows this over HTTP, and a certificate where the gateway asks for one."""
    headers = dict(shown(bearer))
    if internal or not isinstance(gateway, AskedByClient):
        port = gateway.internal_port if internal else gateway.http_port
        return aiohttp.ClientSession(f"http://127.0.0.1:{port}", headers=headers)
    context = aiohttp.TCPConnector(ssl=gateway.client.context)
    url = f"https://127.0.0.1:{gateway.http_port}"
    return aiohttp.ClientSession(url, headers=headers, connector=context)


def over_http(method: str, path: str, expected: int = 200, *, internal: bool = False) -> Ask:
    async def ask(gateway: Gateway, bearer: str) -> bool:
        async with (
            web(gateway, bearer, internal=internal) as http,
            http.request(method, path) as answer,
        ):
            assert answer.status in (expected, 401)
            return answer.status == expected

    return ask


async def opens_socket(gateway: Gateway, bearer: str) -> bool:
    async with web(gateway, bearer) as http, http.ws_connect("/v1/realtime") as socket:
        return await begins_session(socket)


async def begins_session(socket: aiohttp.ClientWebSocketResponse) -> bool:
    """Who is refused is told so, and closed; nothing else comes before that."""
    first = await socket.receive_json()
    if first["type"] == "session.created":
        return True
    assert first["error"]["code"] == "invalid_api_key"
    assert (await socket.receive()).type is aiohttp.WSMsgType.CLOSE
    assert socket.close_code == 3000
    return False


async def opens_socket_from_a_browser(gateway: Gateway, bearer: str) -> bool:
    offered = ["realtime", *([f"openai-insecure-api-key.{bearer}"] if bearer else [])]
    headers = {"Origin": "https://app.example"}
    async with (
        web(gateway) as http,
        http.ws_connect("/v1/realtime", headers=headers, protocols=offered) as socket,
    ):
        return await begins_session(socket)


# --- the table ---

KEYED: dict[str, Ask] = {
    "/voice_workflow.VoiceGateway/StreamAudio": calls,
    "/grpc.health.v1.Health/Check of an upstream": checks("asr"),
    "/grpc.health.v1.Health/Watch of an upstream": watches("llm"),
    "/grpc.health.v1.Health/List": lists,
    "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo": reflects,
    "GET /metrics": over_http("GET", "/metrics"),
    "HEAD /metrics": over_http("HEAD", "/metrics"),
    "GET /choices": over_http("GET", "/choices"),
    "HEAD /choices": over_http("HEAD", "/choices"),
    "GET /v1/models": over_http("GET", "/v1/models"),
    "HEAD /v1/models": over_http("HEAD", "/v1/models"),
    "GET /v1/realtime": opens_socket,
    "GET /v1/realtime from a browser": opens_socket_from_a_browser,
    "GET /v1/realtime without a WebSocket": over_http("GET", "/v1/realtime", 426),
}
OPEN: dict[str, Ask] = {
    "/grpc.health.v1.Health/Check": checks(""),
    "/grpc.health.v1.Health/Check of the service": checks(SERVICE),
    "/grpc.health.v1.Health/Watch of the service": watches(SERVICE),
    "GET /": over_http("GET", "/"),
    "HEAD /": over_http("HEAD", "/"),
    "GET a file": over_http("GET", "/app.js"),
    "HEAD a file": over_http("HEAD", "/app.js"),
    "* /v1/{unknown} that nobody serves": over_http("GET", "/v1/files", 404),
    "GET /healthz": over_http("GET", "/healthz"),
    "HEAD /healthz": over_http("HEAD", "/healthz"),
    "GET /readyz": over_http("GET", "/readyz"),
    "HEAD /readyz": over_http("HEAD", "/readyz"),
    "internal GET /healthz": over_http("GET", "/healthz", internal=True),
    "internal GET /readyz": over_http("GET", "/readyz", internal=True),
    "internal GET /metrics": over_http("GET", "/metrics", internal=True),
}
MINTS = "POST /v1/realtime/client_secrets"


def by_header(bearer: str) -> bool:
    """Whether a client's library sends this in a header at all."""
    return bearer.isascii()


async def ready(gateway: Gateway) -> None:
    """Wait until all upstreams were looked at, as a key lets one see."""
    async with gateway.channel() as channel:
        stub: Any = health_pb2_grpc.HealthStub(channel)
        watch = stub.Watch(health_pb2.HealthCheckRequest(service=SERVICE))
        while (await watch.read()).status != health_pb2.HealthCheckResponse.SERVING:
            pass


async def outcomes(gateway: Gateway, table: dict[str, Ask], bearer: str) -> dict[str, bool]:
    return {name: await ask(gateway, bearer) for name, ask in table.items()}


@pytest.mark.parametrize("what", [name for name in WRONG if by_header(WRONG[name])])
async def test_without_a_right_key_only_probes_and_the_page_are_served(
    serve: Serve, tmp_path: Path, what: str
):
    bearer, changes = WRONG[what], settings(tmp_path)
    async with serve(FakeRiva(), FakeChat(), internal_port=0, **changes) as gateway:
        await ready(gateway)
        closed = await outcomes(gateway, KEYED, bearer)
        assert closed == dict.fromkeys(KEYED, False)
        assert not await over_http("POST", "/v1/realtime/client_secrets")(gateway, bearer)
        assert await outcomes(gateway, OPEN, bearer) == dict.fromkeys(OPEN, True)


@pytest.mark.parametrize("what", RIGHT)
async def test_with_a_right_one_all_is_served(serve: Serve, tmp_path: Path, what: str):
    bearer, changes = RIGHT[what], settings(tmp_path)
    async with serve(FakeRiva(), FakeChat(), internal_port=0, **changes) as gateway:
        await ready(gateway)
        assert await outcomes(gateway, KEYED, bearer) == dict.fromkeys(KEYED, True)
        assert await outcomes(gateway, OPEN, bearer) == dict.fromkeys(OPEN, True)
        status = 403 if bearer.startswith("ek_") else 200  # a token gets no token
        assert await over_http("POST", "/v1/realtime/client_secrets", status)(gateway, bearer)


CERTIFICATES = '[[certificates]]\nname = "mine"\ndns = "kiosk.example.org"\n'
NAMES = {
    "a known name": ("kiosk.example.org", "", True),
    "a known name beside a key": ("kiosk.example.org", OTHERS_KEY, True),
    "an unknown name beside a key": ("lobby.example.org", KEY, True),
    "an unknown name": ("lobby.example.org", "", False),
    "a known name beside a wrong key": ("kiosk.example.org", "wrong-key", False),
}


@pytest.mark.parametrize("what", NAMES)
async def test_a_certificate_opens_what_a_key_does(serve: Serve, tmp_path: Path, what: str):
    """A key that is shown counts, right or wrong; else the certificate does."""
    name, bearer, good = NAMES[what]
    ours, changes = Authorities(tmp_path), settings(tmp_path)
    with changes["api_keys_file"].open("a") as file:
        file.write(CERTIFICATES)
    changes |= ours.write()
    async with serve(FakeRiva(), FakeChat(), internal_port=0, **changes) as plain:
        gateway = asked_by(ours.client(name), plain)
        await ready(gateway)
        assert await outcomes(gateway, KEYED, bearer) == dict.fromkeys(KEYED, good)
        assert await outcomes(gateway, OPEN, bearer) == dict.fromkeys(OPEN, True)
        assert await over_http("POST", "/v1/realtime/client_secrets")(gateway, bearer) is good


@pytest.mark.parametrize("bearer", ["", KEY])
async def test_a_revoked_certificate_opens_nothing(serve: Serve, tmp_path: Path, bearer: str):
    """Nor does a right key beside it, and even a probe by it is refused."""
    ours, changes = Authorities(tmp_path), settings(tmp_path)
    with changes["api_keys_file"].open("a") as file:
        file.write(CERTIFICATES)
    good, revoked = (ours.client("kiosk.example.org") for _ in range(2))
    changes |= {**ours.write(), "tls_client_crl": ours.revoke(revoked)}
    async with serve(FakeRiva(), FakeChat(), internal_port=0, **changes) as plain:
        await ready(asked_by(good, plain))
        gateway = asked_by(revoked, plain)
        rows = {name: ask for name, ask in (KEYED | OPEN).items() if "internal" not in name}
        assert await outcomes(gateway, rows, bearer) == dict.fromkeys(rows, False)
        assert not await over_http("POST", "/v1/realtime/client_secrets")(gateway, bearer)
        assert await outcomes(asked_by(good, plain), rows, bearer) == dict.fromkeys(rows, True)


def rewrite(path: Path, old: str, new: str) -> None:
    path.write_text(path.read_text().replace(old, new))


async def test_a_key_that_is_replaced_while_the_gateway_runs(
    serve: Serve, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """The new one is good soon, the old one is not, and a call by it is ended with the reason."""
    monkeypatch.setattr("voice_gateway.access.watched._LOOK_S", 0.01)
    monkeypatch.setattr("voice_gateway.call.calls._LOOK_AT_KEYS_S", 0.01)
    changes = settings(tmp_path)
    path = changes["api_keys_file"]
    old, new = (hashlib.sha256(key.encode()).hexdigest() for key in (KEY, "new-key"))
    async with (
        serve(FakeRiva(), FakeChat(["Hello."]), **changes) as gateway,
        gateway.dial(KEY) as running,
    ):
        await running.say(config=pb.VoiceConfig())
        await running.until(pb.LISTENING)
        rewrite(path, old, new)
        async with asyncio.timeout(60):
            while not await calls(gateway, "new-key"):
                pass
        assert not await calls(gateway, KEY)
        said = "The key of this call was taken away; call again with another."
        assert await running.refusal() == (grpc.StatusCode.UNAUTHENTICATED, said)


async def test_where_no_key_is_asked_for_all_is_served(serve: Serve):
    async with serve(FakeRiva(), FakeChat(), internal_port=0, http_origins="*") as gateway:
        await ready(gateway)
        for bearer in ("", "whatever"):
            assert await outcomes(gateway, KEYED, bearer) == dict.fromkeys(KEYED, True)
            assert await outcomes(gateway, OPEN, bearer) == dict.fromkeys(OPEN, True)


async def test_the_table_has_every_endpoint_and_method(serve: Serve):
    """One that is added to the gateway and not to the table fails here."""
    async with serve(FakeRiva(), FakeChat(), internal_port=0) as gateway:
        server: Any = gateway.server
        front: Any = server._http
        methods = await grpc_methods(gateway)
        routes = [
            f"{r.method} {r.resource.canonical.replace('/{file}', 'a file')}"
            for r in front._runner.app.router.routes()
        ]
        inside = [
            f"internal {r.method} {r.resource.canonical}"
            for r in front._internal.app.router.routes()
            if r.method == "GET"
        ]
    rows = [*KEYED, *OPEN, MINTS]
    missing = [
        each
        for each in (*methods, *routes, *inside)
        if not any(row == each or row.startswith(f"{each} ") for row in rows)
    ]
    assert missing == []


async def grpc_methods(gateway: Gateway) -> list[str]:
    """All methods of all services that the gateway says it has."""
    async with gateway.channel() as channel:
        stub: Any = _untyped(reflection_pb2_grpc).ServerReflectionStub(channel)
        call = stub.ServerReflectionInfo()
        await call.write(reflection_pb2.ServerReflectionRequest(list_services=""))
        services = [s.name for s in (await call.read()).list_services_response.service]
    found: Any = {
        pb.DESCRIPTOR: pb.DESCRIPTOR.services_by_name,
        health_pb2.DESCRIPTOR: health_pb2.DESCRIPTOR.services_by_name,
        reflection_pb2.DESCRIPTOR: reflection_pb2.DESCRIPTOR.services_by_name,
    }
    known = {s.full_name: s for names in found.values() for s in names.values()}
    return [f"/{name}/{method.name}" for name in services for method in known[name].methods]


async def test_a_probe_without_a_key_learns_yes_or_no_and_no_more(serve: Serve, tmp_path: Path):
    async with (
        serve(FakeRiva(), FakeChat(), internal_port=0, **settings(tmp_path)) as gateway,
        aiohttp.ClientSession() as http,
    ):
        await ready(gateway)
        url = f"http://127.0.0.1:{gateway.http_port}/readyz"
        async with http.get(url) as answer:
            assert await answer.json() == {"ready": True}
        async with http.get(url, headers={"Authorization": "Bearer right-key"}) as answer:
            assert set(await answer.json()) == {"ready", "stopping", "upstreams"}
        internal = gateway.internal_port
        async with http.get(f"http://127.0.0.1:{internal}/readyz") as answer:
            assert set(await answer.json()) == {"ready", "stopping", "upstreams"}
