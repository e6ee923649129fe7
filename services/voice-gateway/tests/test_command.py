"""The commands as processes: help, version, ready line, statuses, one line on each failure."""

import asyncio
import os
import re
import signal
import socket
import sys
from contextlib import AbstractAsyncContextManager
from importlib.metadata import version
from pathlib import Path

import pytest
from owned_processes import program

COMMANDS = Path(sys.executable).parent
MAIN = Path(__file__).parents[1] / "src" / "main.py"

LOCAL = {
    "GRPC_HOST": "127.0.0.1",
    "GRPC_PORT": "0",
    "HTTP_HOST": "127.0.0.1",
    "HTTP_PORT": "0",
}
READY = re.compile(rb"ready: grpc=127\.0\.0\.1:\d+ http=http://127\.0\.0\.1:\d+/\n")


COMMAND_LINES = {
    "voice-gateway": (str(COMMANDS / "voice-gateway"),),
    "src/main.py": (str(MAIN),),
    "voice-sim": (str(COMMANDS / "voice-sim"),),
    "voice-replay": (str(COMMANDS / "voice-replay"), "FILE"),
    "settings_table": ("-m", "voice_gateway.settings_table"),
    "diagram": ("-m", "voice_gateway.testing.diagram"),
}


def start(*command: str, **env: str) -> AbstractAsyncContextManager[asyncio.subprocess.Process]:
    return program(
        sys.executable,
        *command,
        env={**os.environ, **LOCAL, **env},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )


async def ended(*command: str, **env: str) -> tuple[int | None, bytes, str]:
    async with start(*command, **env) as process:
        out, complaints = await process.communicate()
    return process.returncode, out, complaints.decode()


@pytest.mark.parametrize("command", [("-m", "voice_gateway"), (str(MAIN),)])
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_it_serves_without_upstreams_says_so_and_stops_when_told(
    command: tuple[str, ...], number: signal.Signals
):
    nowhere = {"RIVA_URI": "127.0.0.1:1", "LLM_BASE_URL": "http://127.0.0.1:1/v1"}
    async with start(*command, **nowhere) as process:
        assert process.stdout
        assert process.stderr
        assert READY.fullmatch(await process.stdout.readline())
        said = [await process.stderr.readline() for _ in range(3)]
        assert {line.split(b"upstream ")[1][:3] for line in said} == {b"asr", b"tts", b"llm"}
        process.send_signal(number)
        await process.communicate()
    assert process.returncode == 0


async def test_a_bad_setting_is_one_line_and_status_2():
    status, out, complaints = await ended("-m", "voice_gateway", SAMPLE_RATE="1")
    assert (status, out) == (2, b"")
    assert complaints == (
        "voice-gateway: SAMPLE_RATE is '1': Input should be greater than or equal to 8000\n"
    )


NOWHERE = {"RIVA_URI": "127.0.0.1:1", "LLM_BASE_URL": "http://127.0.0.1:1/v1"}
ELSEWHERE = {"GRPC_HOST": "", "HTTP_HOST": ""}


@pytest.mark.parametrize(
    ("given", "host", "warned"),
    [
        ({}, b"127.0.0.1", b"ONLY THIS MACHINE CAN CALL, as no key is asked for"),
        ({"ALLOW_ANYONE": "true"}, b"0.0.0.0", b"ANYONE WHO REACHES THESE PORTS MAY CALL"),
        ({"API_KEYS": "a-key"}, b"0.0.0.0", None),
        (LOCAL, b"127.0.0.1", None),
    ],
)
async def test_who_may_call_is_said_once_and_loudly(
    given: dict[str, str], host: bytes, warned: bytes | None
):
    async with start("-m", "voice_gateway", **{**NOWHERE, **ELSEWHERE, **given}) as process:
        assert process.stdout
        ready = await process.stdout.readline()
        assert ready.startswith(b"ready: grpc=" + host + b":")
        process.send_signal(signal.SIGINT)
        _, complaints = await process.communicate()
    told = [line for line in complaints.splitlines() if b"CALL" in line]
    assert len(told) == (1 if warned else 0)
    assert all(warned in line for line in told if warned)
    assert b"a-key" not in complaints


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"GRPC_HOST": "0.0.0.0"}, "GRPC_HOST is '0.0.0.0', and nobody is asked for a key: set "),
        ({"HTTP_HOST": "0.0.0.0"}, "HTTP_HOST is '0.0.0.0', and nobody is asked for a key: set "),
        ({"API_KEYS_FILE": __file__}, "API_KEYS_FILE cannot be used: it is neither TOML nor JSON"),
        (
            {"JWT_JWKS": __file__, "JWT_ISSUER": "i", "JWT_AUDIENCE": "a"},
            "JWT_JWKS cannot be used: it is not JSON",
        ),
        ({"TLS_CERT": __file__, "TLS_KEY": __file__}, "TLS_CERT cannot be used: certificate, key"),
    ],
)
async def test_what_would_let_in_the_wrong_ones_is_one_line_and_status_2(
    given: dict[str, str], said: str
):
    status, out, complaints = await ended("-m", "voice_gateway", **given)
    assert (status, out) == (2, b"")
    assert complaints.startswith(f"voice-gateway: {said}")
    assert complaints.count("\n") == 1


@pytest.mark.parametrize("setting", ["GRPC_PORT", "HTTP_PORT"])
async def test_a_taken_port_is_one_line_and_status_1(setting: str):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        status, out, complaints = await ended("-m", "voice_gateway", **{setting: str(port)})
    assert (status, out) == (1, b"")
    assert complaints.startswith(
        f"voice-gateway: cannot listen on 127.0.0.1:{port}: the port is taken"
    )
    assert setting in complaints
    assert complaints.count("\n") == 1


@pytest.mark.parametrize("command", COMMAND_LINES.values(), ids=COMMAND_LINES)
async def test_help_answers_before_any_setting_is_read(command: tuple[str, ...]):
    status, out, complaints = await ended(*command, "--help", SAMPLE_RATE="no rate")
    assert (status, complaints) == (0, "")
    assert out.startswith(b"usage: ")


async def test_the_gateways_help_names_what_matters_first_with_its_defaults():
    _, out, _ = await ended("-m", "voice_gateway", "--help", GRPC_PORT="1234")
    said = out.decode()
    assert "  GRPC_PORT       50051  " in said
    for word in ("RIVA_URI", "LLM_BASE_URL", "docs/settings.md", "exit status", "DRAIN_S"):
        assert word in said
    assert max(map(len, said.splitlines())) <= 100


@pytest.mark.parametrize("command", COMMAND_LINES.values(), ids=COMMAND_LINES)
async def test_the_version_is_the_packages(command: tuple[str, ...]):
    status, out, complaints = await ended(*command, "--version", SAMPLE_RATE="no rate")
    assert (status, complaints) == (0, "")
    assert out.decode().endswith(f" {version('voice-gateway')}\n")


@pytest.mark.parametrize("command", COMMAND_LINES.values(), ids=COMMAND_LINES)
async def test_an_unknown_argument_is_one_line_that_names_it_and_status_2(
    command: tuple[str, ...],
):
    status, out, complaints = await ended(*command, "--louder")
    assert (status, out) == (2, b"")
    assert ": unrecognized arguments: --louder (see " in complaints
    assert complaints.count("\n") == 1
