"""The local stack and the gateway as a user starts them: two processes, real models, free ports."""

import json
import os
import queue
import re
import subprocess
import sys
import threading
import wave
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import pytest

ROOT = Path(__file__).parents[4]
SPEECH = ROOT / "services" / "voice-client" / "src" / "voice_client" / "speech"
START_S = 600.0  # the first start fetches the models
STOP_S = 120.0


@dataclass(frozen=True, slots=True)
class Clip:
    name: str
    transcript: str
    pcm: bytes
    rate_hz: int

    @property
    def words(self) -> list[str]:
        return self.transcript.split()


def clips() -> list[Clip]:
    manifest = json.loads((SPEECH / "manifest.json").read_text())
    return [_clip(entry) for entry in manifest]


def _clip(entry: dict[str, Any]) -> Clip:
    with wave.open(str(SPEECH / entry["file"]), "rb") as file:
        assert (file.getnchannels(), file.getsampwidth()) == (1, 2)
        pcm, rate_hz = file.readframes(file.getnframes()), file.getframerate()
    return Clip(entry["file"], entry["transcript"], pcm, rate_hz)


@dataclass(frozen=True, slots=True)
class Stack:
    riva: str
    llm: str


@pytest.fixture(scope="session")
def stack() -> Generator[Stack]:
    """The local stack with its smallest models."""
    options = ["--riva-port", "0", "--llm-port", "0", "--llm", "smollm2"]
    with process([sys.executable, "-m", "voice_local", *options], {}) as ready:
        said = dict(part.split("=", 1) for part in ready.split()[1:])
        yield Stack(said["riva"], said["llm"])


@pytest.fixture(scope="session")
def gateway(stack: Stack) -> Generator[str]:
    """Where a gateway in front of the local stack listens."""
    env = {
        "GRPC_HOST": "127.0.0.1",
        "GRPC_PORT": "0",
        "HTTP_HOST": "127.0.0.1",
        "HTTP_PORT": "0",
        "RIVA_URI": stack.riva,
        "LLM_BASE_URL": stack.llm,
        "LLM_MAX_TOKENS": "40",
        "LLM_FIRST_TOKEN_TIMEOUT_S": "60",
        "ADMIT_BY_LOAD": "false",  # a busy machine is no reason to refuse a test
    }
    with process([sys.executable, "-m", "voice_gateway"], env) as ready:
        yield dict(part.split("=", 1) for part in ready.split()[1:])["grpc"]


@contextmanager
def process(command: Sequence[str], env: dict[str, str]) -> Generator[str]:
    """Run a server, give its ready line, and see that it stops cleanly."""
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, text=True, env={**os.environ, **env}, cwd=ROOT
    ) as running:
        assert running.stdout
        try:
            yield _ready_line(running.stdout)
            running.terminate()
            assert running.wait(STOP_S) == 0
        finally:
            running.kill()


def _ready_line(stdout: IO[str]) -> str:
    lines = queue.Queue[str]()
    threading.Thread(target=lambda: lines.put(stdout.readline()), daemon=True).start()
    line = lines.get(timeout=START_S).strip()
    assert line.startswith("ready:"), f"the server did not start: {line!r}"
    return line


def normalised(text: str) -> list[str]:
    """The words of a transcript as they are compared: spoken form, lower case, no marks."""
    text = re.sub(r"\b(10|12|8|7|4)\b", lambda m: _SPOKEN[m.group()], text.lower())
    text = text.replace("-", " ")
    return re.sub(r"[^a-z' ]", " ", text).split()


_SPOKEN = {"10": "ten", "12": "twelve", "8": "eight", "7": "seven", "4": "four"}


def word_errors(wanted: Sequence[str], got: Sequence[str]) -> int:
    """Substitutions, insertions and deletions between two texts (Levenshtein over words)."""
    row = list(range(len(got) + 1))
    for i, word in enumerate(wanted, 1):
        before, row[0] = row[0], i
        for j, other in enumerate(got, 1):
            cost = min(row[j] + 1, row[j - 1] + 1, before + (word != other))
            before, row[j] = row[j], cost
    return row[-1]
