"""`setup_mac_client.sh` as far as it can be followed without a Mac: its plan, its refusals."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

TESTS = Path(__file__).parents[2] / "voice-gateway/tests"
PROTO = Path(__file__).parents[3] / "proto/voice_workflow.proto"


def run(folder: Path, *arguments: str, tools: tuple[str, ...] = ("uv", "brew")) -> str:
    """Run the script where only these tools are installed; return what it says."""
    bin_folder = folder / "bin"
    bin_folder.mkdir()
    for name in ("bash", "dirname", "cat"):
        (bin_folder / name).symlink_to(shutil.which(name) or name)
    for name in tools:
        (bin_folder / name).write_text(f"#!/bin/sh\n{TOOLS.get(name, 'exit 1')}\n")
        (bin_folder / name).chmod(0o755)
    done = subprocess.run(
        [str(TESTS / "setup_mac_client.sh"), *arguments],
        cwd=folder,
        env={"PATH": str(bin_folder)},
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        check=False,
    )
    return f"{done.stdout}status {done.returncode}\n"


TOOLS = {
    # Homebrew that has no PortAudio yet.
    "brew": 'case "$1" in --prefix) echo /opt/homebrew ;; *) exit 1 ;; esac',
    "uname": "echo Darwin",
}


def test_the_plan_is_the_quick_start_to_the_letter(tmp_path: Path):
    said = run(tmp_path, "me@head-node", "--dry-run", "--folder", "talk", "--", "--half-duplex")
    assert (
        said
        == f"""\
+ brew install portaudio
+ mkdir -p talk
+ cp {PROTO} {TESTS}/test_mic_client.py talk/
+ cd talk
+ uv init --app --no-workspace --name voice-client .
+ env CFLAGS=-I/opt/homebrew/include LDFLAGS=-L/opt/homebrew/lib uv add grpcio grpcio-tools pyaudio
+ uv run python -m grpc_tools.protoc -I. --python_out=. --grpc_python_out=. voice_workflow.proto
+ ssh -N -o ExitOnForwardFailure=yes -o ServerAliveInterval=5 -o ServerAliveCountMax=3 \
-L 50051:localhost:50051 me@head-node &
+ uv run test_mic_client.py --server localhost:50051 --half-duplex
status 0
"""
    )
    assert sorted(os.listdir(tmp_path)) == ["bin"]


def test_a_folder_that_stands_is_not_made_again(tmp_path: Path):
    (tmp_path / "voice-client").mkdir()
    (tmp_path / "voice-client/pyproject.toml").touch()
    said = run(tmp_path, "me@head-node", "--dry-run", "--port", "50055")
    assert "uv init" not in said
    assert "-L 50055:localhost:50055 me@head-node &\n" in said


def test_the_quick_start_stands_in_the_script_as_well():
    script = (TESTS / "test_mic_client.py").read_text()
    for step in (
        "uv init --app --no-workspace --name voice-client .",
        "uv add grpcio grpcio-tools pyaudio",
        "uv run python -m grpc_tools.protoc -I. --python_out=. --grpc_python_out=. "
        "voice_workflow.proto",
        "uv run test_mic_client.py",
    ):
        assert f"\n    {step}\n" in script


@pytest.mark.parametrize(
    ("arguments", "tools", "complaint"),
    [
        ([], ("uv", "brew"), "usage: setup_mac_client.sh USER@HOST"),
        (["a@b", "c@d"], ("uv", "brew"), "one USER@HOST, not also c@d"),
        (["a@b", "--port", "x"], ("uv", "brew"), "--port x: not a number"),
        (["a@b", "--folder"], ("uv", "brew"), "--folder needs a folder"),
        (["a@b", "--loud"], ("uv", "brew"), "unknown option --loud"),
        (["a@b"], ("uname",), "uv is missing"),
        (["a@b"], ("uv", "uname"), "PortAudio is missing, and so is Homebrew"),
    ],
)
def test_what_does_not_fit_is_named(
    tmp_path: Path, arguments: list[str], tools: tuple[str, ...], complaint: str
):
    said = run(tmp_path, *arguments, tools=tools)
    assert complaint in said
    assert said.endswith("status 2\n")


def test_help(tmp_path: Path):
    assert "Ctrl-C ends the conversation" in run(tmp_path, "--help")
