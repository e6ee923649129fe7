"""TLS and mutual TLS on both ports, and certificates that are replaced while the gateway runs."""

import ssl
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, cast

import aiohttp
import grpc
import grpc.aio
import pytest
import trustme
from voice_gateway.server import GatewayServer
from voice_gateway.settings import BadSetting, Settings
from voice_gateway.testing.fake_chat import FakeChat
from voice_gateway.testing.fake_riva import FakeRiva
from voice_gateway.testing.line import Line
from voice_proto import voice_workflow_pb2 as pb
from voice_proto import voice_workflow_pb2_grpc as pb_grpc

from .authorities import Authorities
from .conftest import Gateway, Serve


async def page(gateway: Gateway, trusted: trustme.CA, client: trustme.CA | None) -> bool:
    """Whether a browser that trusts this authority, and was signed by that, is answered."""
    context = ssl.create_default_context(cadata=trusted.cert_pem.bytes().decode())
    if client:
        made: Any = client.issue_cert("caller@example.org")
        made.configure_cert(context)
    url = f"https://127.0.0.1:{gateway.http_port}/healthz"
    try:
        async with aiohttp.ClientSession() as http, http.get(url, ssl=context) as answer:
            return answer.status == 200
    except (aiohttp.ClientError, ssl.SSLError):
        return False


@asynccontextmanager
async def dialled(
    gateway: Gateway, trusted: trustme.CA, client: trustme.CA | None
) -> AsyncGenerator[Line]:
    shown: dict[str, bytes] = {}
    if client:
        made = client.issue_cert("caller@example.org")
        shown["private_key"] = made.private_key_pem.bytes()
        shown["certificate_chain"] = b"".join(pem.bytes() for pem in made.cert_chain_pems)
    trust = grpc.ssl_channel_credentials(trusted.cert_pem.bytes(), **shown)
    async with grpc.aio.secure_channel(f"localhost:{gateway.port}", trust) as channel:
        stub: Any = pb_grpc.VoiceGatewayStub(channel)
        yield Line(stub.StreamAudio())


async def call(gateway: Gateway, trusted: trustme.CA, client: trustme.CA | None) -> bool:
    try:
        async with dialled(gateway, trusted, client) as line:
            await line.say(config=pb.VoiceConfig())
            await line.until(pb.LISTENING)
    except grpc.aio.AioRpcError as error:
        if error.code() is not grpc.StatusCode.UNAVAILABLE:
            raise
        return False
    return True


async def both(gateway: Gateway, trusted: trustme.CA, client: trustme.CA | None = None) -> bool:
    """Whether both ports serve this client; they must agree."""
    answers = {await page(gateway, trusted, client), await call(gateway, trusted, client)}
    (answer,) = answers
    return answer


async def test_tls_is_spoken_on_both_ports_and_not_on_the_internal_one(
    serve: Serve, tmp_path: Path
):
    ours = Authorities(tmp_path)
    files = ours.write()
    del files["tls_client_ca"]
    async with serve(FakeRiva(), FakeChat(), internal_port=0, **files) as gateway:
        assert await both(gateway, ours.server)
        assert not await both(gateway, trustme.CA())
        url = f"http://127.0.0.1:{gateway.internal_port}/metrics"
        async with aiohttp.ClientSession() as http, http.get(url) as answer:
            assert answer.status == 200


async def test_with_a_client_authority_only_its_clients_are_served(serve: Serve, tmp_path: Path):
    ours = Authorities(tmp_path)
    async with serve(FakeRiva(), FakeChat(), **ours.write()) as gateway:
        assert await both(gateway, ours.server, ours.clients)
        assert not await both(gateway, ours.server, trustme.CA())
        assert not await both(gateway, ours.server)


async def test_new_certificates_are_shown_to_new_calls_and_running_ones_go_on(
    serve: Serve, tmp_path: Path
):
    old, new = Authorities(tmp_path), Authorities(tmp_path)
    async with serve(FakeRiva(), FakeChat(["Hello."]), **old.write()) as gateway:
        async with dialled(gateway, old.server, old.clients) as running:
            await running.say(config=pb.VoiceConfig())
            await running.until(pb.LISTENING)
            new.write()
            server: Any = gateway.server
            await server._certificates.look()
            assert await both(gateway, new.server, new.clients)
            assert not await both(gateway, new.server, old.clients)
            assert not await both(gateway, old.server, new.clients)
            await running.say(text_input="hello")
            await running.until(pb.END_OF_TURN)
        (tmp_path / "tls_key").write_text("half a key")
        await server._certificates.look()
        assert await both(gateway, new.server, new.clients)


@pytest.mark.parametrize("broken", ["tls_cert", "tls_key", "tls_client_ca"])
async def test_files_that_do_not_fit_together_stop_the_start(tmp_path: Path, broken: str):
    files = Authorities(tmp_path).write()
    files[broken].write_text("no PEM")
    with pytest.raises(BadSetting, match="TLS_CERT cannot be used: certificate, key and CA do not"):
        GatewayServer(cast(Any, Settings)(_env_file=None, **files))
