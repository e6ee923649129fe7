"""The command as a user meets it: options, ports, the ready line, signals and exit statuses."""

import asyncio
import re
import signal
import socket
import sys
from collections.abc import Iterator
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

import aiohttp
import pytest
from owned_processes import program

pytestmark = pytest.mark.timeout(300)

READY = re.compile(r"ready: riva=(\S+) llm=(\S+)\n")


def command(*options: str) -> AbstractAsyncContextManager[asyncio.subprocess.Process]:
    return program(
        *(sys.executable, "-m", "voice_local", *options),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )


@dataclass(frozen=True)
class Ended:
    status: int | None
    out: str
    err: str


async def ended(*options: str) -> Ended:
    async with command(*options) as process:
        out, err = await process.communicate()
        return Ended(process.returncode, out.decode(), err.decode())


@pytest.fixture
def taken() -> Iterator[int]:
    """A port that somebody listens on until the test is over."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        yield listener.getsockname()[1]


async def test_help_names_every_option() -> None:
    shown = await ended("--help")
    assert shown.status == 0
    for option in ("--host", "--riva-port", "--llm-port", "--llm", "--asr", "--cache", "--offline"):
        assert option in shown.out


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        (("--riva-port", "70000"), "argument --riva-port: must be 0 to 65535: '70000'"),
        (("--llm-port", "x"), "argument --llm-port: must be 0 to 65535: 'x'"),
        (("--llm", "gpt"), "must be smollm2, qwen-0.5b, qwen-1.5b, none or an http(s) URL: 'gpt'"),
        (("--asr", "ears"), "argument --asr: invalid choice: 'ears'"),
        (("--riva-port", "9", "--llm-port", "9"), "must differ from --riva-port, both are 9"),
        (("--louder",), "unrecognized arguments: --louder"),
    ],
)
async def test_a_bad_option_is_named(options: tuple[str, ...], complaint: str) -> None:
    refused = await ended(*options)
    assert refused.status == 2
    assert complaint in refused.err
    assert refused.err.count("\n") == 1
    assert refused.out == ""


async def test_the_version_is_the_packages() -> None:
    shown = await ended("--version")
    assert shown == Ended(0, f"voice-local {version('voice-local')}\n", "")


async def test_the_chat_servers_own_process_says_what_it_is() -> None:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "voice_local.llm_child", "--help"),
        stdout=asyncio.subprocess.PIPE,
    )
    out, _ = await process.communicate()
    assert process.returncode == 0
    assert out.startswith(b"usage: python -m voice_local.llm_child")


@pytest.mark.parametrize("option", ["--riva-port", "--llm-port"])
async def test_a_taken_port_is_named(option: str, taken: int, tmp_path: Path) -> None:
    other = "--llm-port" if option == "--riva-port" else "--riva-port"
    refused = await ended(*(option, str(taken), other, "0", "--offline", "--cache", str(tmp_path)))
    assert refused.status == 1
    line = f"voice-local: cannot listen on 127.0.0.1:{taken}: Address already in use\n"
    assert refused.err == line


async def test_missing_weights_are_one_line(tmp_path: Path) -> None:
    refused = await ended("--offline", "--fetch-only", "--cache", str(tmp_path))
    assert refused.status == 1
    assert refused.err == (
        f"voice-local: not in the cache {tmp_path}: moonshine-tiny, silero-vad, qwen-0.5b; "
        "fetch them without --offline\n"
    )


@pytest.mark.models
async def test_fetch_only_fetches_and_ends() -> None:
    fetched = await ended("--fetch-only", "--llm", "none")
    assert (fetched.status, fetched.out) == (0, "")


@pytest.mark.models
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_it_serves_until_a_signal(number: signal.Signals) -> None:
    options = ("--riva-port", "0", "--llm-port", "0", "--llm", "smollm2")
    async with command(*options) as process:
        riva, llm = await ready(process)
        host, port = riva.split(":")
        _, writer = await asyncio.open_connection(host, int(port))
        writer.close()
        async with aiohttp.ClientSession() as http, http.get(f"{llm}/models") as response:
            assert response.status == 200
        process.send_signal(number)
        async with asyncio.timeout(120):
            out, _ = await process.communicate()
        assert process.returncode == 0
        assert out == b"", "one line on standard output, no more"
        with pytest.raises(ConnectionRefusedError):
            await asyncio.open_connection(host, int(llm.split(":")[-1].removesuffix("/v1")))


@pytest.mark.models
async def test_the_chat_server_does_not_outlive_a_killed_command() -> None:
    options = ("--riva-port", "0", "--llm-port", "0", "--llm", "smollm2")
    async with command(*options) as process:
        _, llm = await ready(process)
        process.kill()
        await process.wait()
        async with aiohttp.ClientSession() as http, asyncio.timeout(120):
            while await answers(http, f"{llm}/models"):
                pass


async def answers(http: aiohttp.ClientSession, url: str) -> bool:
    try:
        async with http.get(url) as response:
            return response.status == 200
    except aiohttp.ClientConnectionError:
        return False


@pytest.mark.models
@pytest.mark.parametrize("llm", ["none", "http://models.test:8000/v1"])
async def test_without_a_model_of_our_own(llm: str) -> None:
    async with command("--riva-port", "0", "--llm", llm) as process:
        assert (await ready(process))[1] == llm
        process.terminate()
        await process.communicate()
        assert process.returncode == 0


async def ready(process: asyncio.subprocess.Process) -> tuple[str, str]:
    assert process.stdout is not None
    line = (await process.stdout.readline()).decode()
    match = READY.fullmatch(line)
    assert match, f"expected the ready line, got {line!r}"
    return match[1], match[2]
