"""The commands as processes: help, version, ready line, statuses, one line on each failure."""

import asyncio
import os
import re
import signal
import socket
import sys
from importlib.metadata import version
from pathlib import Path

import pytest

COMMANDS = Path(sys.executable).parent
MAIN = Path(__file__).parents[1] / "src" / "main.py"

LOCAL = {
    "GRPC_HOST": "127.0.0.1",
    "GRPC_PORT": "0",
    "HTTP_HOST": "127.0.0.1",
    "HTTP_PORT": "0",
}
READY = re.compile(rb"ready: grpc=127\.0\.0\.1:\d+ http=http://127\.0\.0\.1:\d+/\n")

pytestmark = pytest.mark.timeout(60)


PROGRAMS = {
    "voice-gateway": (str(COMMANDS / "voice-gateway"),),
    "src/main.py": (str(MAIN),),
    "voice-sim": (str(COMMANDS / "voice-sim"),),
    "settings_table": ("-m", "voice_gateway.settings_table"),
    "diagram": ("-m", "voice_gateway.testing.diagram"),
}


async def start(*command: str, **env: str) -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(
        sys.executable,
        *command,
        env={**os.environ, **LOCAL, **env},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )


@pytest.mark.parametrize("command", [("-m", "voice_gateway"), (str(MAIN),)])
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_it_serves_without_upstreams_says_so_and_stops_when_told(
    command: tuple[str, ...], number: signal.Signals
):
    nowhere = {"RIVA_URI": "127.0.0.1:1", "LLM_BASE_URL": "http://127.0.0.1:1/v1"}
    process = await start(*command, **nowhere)
    assert process.stdout
    assert process.stderr
    assert READY.fullmatch(await process.stdout.readline())
    said = [await process.stderr.readline() for _ in range(3)]
    assert {line.split(b"upstream ")[1][:3] for line in said} == {b"asr", b"tts", b"llm"}
    process.send_signal(number)
    await process.communicate()
    assert process.returncode == 0


async def test_a_bad_setting_is_one_line_and_status_2():
    process = await start("-m", "voice_gateway", SAMPLE_RATE="1")
    out, complaints = await process.communicate()
    assert (process.returncode, out) == (2, b"")
    assert complaints.decode() == (
        "voice-gateway: SAMPLE_RATE is '1': Input should be greater than or equal to 8000\n"
    )


@pytest.mark.parametrize("setting", ["GRPC_PORT", "HTTP_PORT"])
async def test_a_taken_port_is_one_line_and_status_1(setting: str):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        process = await start("-m", "voice_gateway", **{setting: str(port)})
        out, complaints = await process.communicate()
    assert (process.returncode, out) == (1, b"")
    assert complaints.decode().startswith(
        f"voice-gateway: cannot listen on 127.0.0.1:{port}: the port is taken"
    )
    assert setting in complaints.decode()
    assert complaints.count(b"\n") == 1


@pytest.mark.parametrize("program", PROGRAMS.values(), ids=PROGRAMS)
async def test_help_answers_before_any_setting_is_read(program: tuple[str, ...]):
    process = await start(*program, "--help", SAMPLE_RATE="no rate")
    out, complaints = await process.communicate()
    assert (process.returncode, complaints) == (0, b"")
    assert out.startswith(b"usage: ")


async def test_the_gateways_help_names_what_matters_first_with_its_defaults():
    process = await start("-m", "voice_gateway", "--help", GRPC_PORT="1234")
    out, _ = await process.communicate()
    said = out.decode()
    assert "  GRPC_PORT       50051  " in said
    for word in ("RIVA_URI", "LLM_BASE_URL", "docs/settings.md", "exit status", "DRAIN_S"):
        assert word in said
    assert max(map(len, said.splitlines())) <= 100


@pytest.mark.parametrize("program", PROGRAMS.values(), ids=PROGRAMS)
async def test_the_version_is_the_packages(program: tuple[str, ...]):
    process = await start(*program, "--version", SAMPLE_RATE="no rate")
    out, complaints = await process.communicate()
    assert (process.returncode, complaints) == (0, b"")
    assert out.decode().endswith(f" {version('voice-gateway')}\n")


@pytest.mark.parametrize("program", PROGRAMS.values(), ids=PROGRAMS)
async def test_an_unknown_argument_is_one_line_that_names_it_and_status_2(
    program: tuple[str, ...],
):
    process = await start(*program, "--louder")
    out, complaints = await process.communicate()
    assert (process.returncode, out) == (2, b"")
    assert b": unrecognized arguments: --louder (see " in complaints
    assert complaints.count(b"\n") == 1
