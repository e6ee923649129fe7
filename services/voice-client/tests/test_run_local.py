"""`scripts/run_local.sh` around stand-ins for the three programs: order, refusals, orderly ends."""

import asyncio
import os
import shutil
import signal
import socket
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from owned_processes import program

SCRIPT = Path(__file__).parents[3] / "scripts/run_local.sh"

# Each notes how it was called and, where it serves, that it was stopped as it should be.
SERVER = """\
#!/bin/sh
trap 'echo "$0 stopped" >>calls; exit 0' TERM
echo "$(basename "$0") $* GRPC_PORT=$GRPC_PORT $RIVA_URI $LLM_BASE_URL" >>calls
echo "loading the thing" >&2
%s
while :; do sleep 0.05; done
"""
LOCAL = 'echo "ready: riva=127.0.0.1:1 llm=http://127.0.0.1:2/v1"'
GATEWAY = 'echo "ready: grpc=0.0.0.0:3 http=http://127.0.0.1:4/"'
FAILING = 'echo "no such model" >&2; exit 1'
VOICE = '#!/bin/sh\necho "voice $*" >>calls\necho the answer\nexit %d\n'


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A checkout whose packages are stand-ins."""
    (tmp_path / "scripts").mkdir()
    for script in (SCRIPT, SCRIPT.with_name("ensure_uv.sh")):
        shutil.copy(script, tmp_path / "scripts")
    put(tmp_path, "uv", "#!/bin/sh\nexit 0\n")
    put(tmp_path, "voice-local", SERVER % LOCAL)
    put(tmp_path, "voice-gateway", SERVER % GATEWAY)
    put(tmp_path, "voice", VOICE % 0)
    return tmp_path


def put(checkout: Path, name: str, content: str) -> None:
    folder = checkout / ("bin" if name == "uv" else ".cache/run-venv/bin")
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_text(content)
    (folder / name).chmod(0o755)


@asynccontextmanager
async def started(
    checkout: Path, *arguments: str, **environment: str
) -> AsyncGenerator[asyncio.subprocess.Process]:
    ports = {"GRPC_PORT": "0", "HTTP_PORT": "0", "RIVA_PORT": "0", "LLM_PORT": "0"}
    async with program(
        *(str(checkout / "scripts/run_local.sh"), *arguments),
        env={"PATH": f"{checkout}/bin:{os.environ['PATH']}"} | ports | environment,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    ) as process:
        yield process


async def run(checkout: Path, *arguments: str, **environment: str) -> tuple[int | None, str]:
    async with started(checkout, *arguments, **environment) as process:
        out, _ = await process.communicate()
    return process.returncode, out.decode()


def calls(checkout: Path) -> list[str]:
    return (
        (checkout / "calls").read_text().replace(f"{checkout}/.cache/run-venv/bin/", "").split("\n")
    )


async def test_once_asks_and_stops_everything(checkout: Path):
    status, said = await run(checkout, "--once", "--asr", "moonshine-base")
    assert status == 0
    assert said == (
        "syncing packages into .cache/run-venv\n"
        "starting the speech server and the chat model\n"
        "starting the gateway\n"
        "\n"
        "the answer\n"
        "\n"
    )
    local, gateway, voice, *stops = calls(checkout)
    assert local.startswith("voice-local --riva-port 0 --llm-port 0 --asr moonshine-base ")
    assert gateway == "voice-gateway  GRPC_PORT=0 127.0.0.1:1 http://127.0.0.1:2/v1"
    assert voice == "voice wav @en_nlp_question --out out/reply.wav --server 127.0.0.1:3"
    assert stops == ["voice-gateway stopped", "voice-local stopped", ""]


async def test_it_serves_until_ctrl_c(checkout: Path):
    async with started(checkout) as process:
        assert process.stdout
        while b"serving on 127.0.0.1:3; Ctrl-C" not in await process.stdout.readline():
            pass
        assert await process.stdout.readline() == b"  http://127.0.0.1:4/\n"
        process.send_signal(signal.SIGINT)
        await process.communicate()
    assert process.returncode == 130
    assert calls(checkout)[-3:-1] == ["voice-gateway stopped", "voice-local stopped"]


async def test_a_question_that_fails_hands_its_status_on(checkout: Path):
    put(checkout, "voice", VOICE % 5)
    status, said = await run(checkout)
    assert status == 5
    assert "run_local: the question was not answered (status 5; logs: " in said
    assert "voice-local stopped" in calls(checkout)


@pytest.mark.parametrize(
    ("name", "complaint"),
    [
        ("voice-local", "the local speech server did not start (log: out/voice-local.log)"),
        ("voice-gateway", "the gateway did not start (log: out/voice-gateway.log)"),
    ],
)
async def test_a_server_that_does_not_start_shows_its_log(
    checkout: Path, name: str, complaint: str
):
    put(checkout, name, SERVER % FAILING)
    status, said = await run(checkout)
    assert status == 1
    assert said.endswith(f"loading the thing\nno such model\nrun_local: {complaint}\n")


async def test_a_server_that_stops_later_ends_the_run(checkout: Path):
    put(checkout, "voice", f"{VOICE % 0}".replace("exit 0", "kill $(cat gateway.pid)"))
    put(checkout, "voice-gateway", SERVER % f"echo $$ >gateway.pid; {GATEWAY}")
    status, said = await run(checkout)
    assert status == 1
    assert said.endswith("run_local: the gateway has stopped (log: out/voice-gateway.log)\n")
    assert calls(checkout)[-2] == "voice-local stopped"


async def test_a_taken_port_is_named_before_anything_starts(checkout: Path):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        status, said = await run(checkout, RIVA_PORT=str(port))
    assert status == 1
    assert said == (
        f"run_local: port {port} (the speech server) is taken; choose another, such as "
        f"RIVA_PORT={port + 100} scripts/run_local.sh\n"
    )


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["--loud"], "unknown option --loud"),
        (["--llm"], "--llm needs a value"),
        (["--llm", "none"], "--llm none: the question needs one"),
    ],
)
async def test_bad_usage(checkout: Path, arguments: list[str], complaint: str):
    status, said = await run(checkout, *arguments)
    assert status == 2
    assert said.startswith(f"run_local: {complaint}")


async def test_help_names_what_it_writes(checkout: Path):
    status, said = await run(checkout, "--help")
    assert status == 0
    assert "out/reply.wav" in said


async def test_without_uv_and_without_venv_it_says_what_to_install(checkout: Path):
    tools = checkout / "tools"
    tools.mkdir()
    for name in ("bash", "dirname", "mkdir", "cat"):
        (tools / name).symlink_to(shutil.which(name) or name)
    (tools / "python3").write_text("#!/bin/sh\nexit 1\n")
    (tools / "python3").chmod(0o755)
    status, said = await run(checkout, PATH=str(tools))
    assert status == 1
    assert "install uv, or python3-venv" in said
