"""The Mac quick start, as its guide has it, before a real gateway with a virtual sound card.

A recorded question goes into the microphone; what comes out of the loudspeakers is recognised; a
recorded interruption silences them.
"""

import asyncio
import os
import re
import signal
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from owned_processes import program
from uv import find_uv_bin

from .conftest import ROOT, clips, normalised, word_errors
from .judging import judged
from .tunnel import PORT, tunnel
from .virtual_sound import RATE_HZ, room, what_is_missing

GUIDE = ROOT / "docs/guides/mac-quick-start.md"
CLIPS = {clip.name: clip for clip in clips()}
QUESTION, INTERRUPTION = CLIPS["en_nlp_question.wav"], CLIPS["en_goforward.wav"]
PATIENCE_S = 120.0

pytestmark = [
    pytest.mark.models,
    pytest.mark.sound,
    pytest.mark.alone,
    pytest.mark.timeout(900),
    pytest.mark.skipif(bool(what_is_missing()), reason=what_is_missing() or "-"),
]


def quick_start() -> str:
    """The guide's commands."""
    section = GUIDE.read_text().partition("\n## In an empty folder\n")[2]
    found = re.search(r"```sh\n(.*?)```", section, re.DOTALL)
    assert found
    return found[1]


@dataclass(frozen=True)
class Client:
    process: asyncio.subprocess.Process

    async def says(self, text: str) -> str:
        """Read lines until one contains `text`; return that line."""
        assert self.process.stdout
        async with asyncio.timeout(PATIENCE_S):
            while line := (await self.process.stdout.readline()).decode():
                print(line, end="")
                if text in line:
                    return line.rstrip("\n")
        raise AssertionError(f"the client ended without saying {text!r}")

    async def stop(self) -> int | None:
        """Press Ctrl-C."""
        os.killpg(self.process.pid, signal.SIGINT)
        async with asyncio.timeout(PATIENCE_S):
            return await self.process.wait()


@asynccontextmanager
async def client(
    commands: str, folder: Path, environment: dict[str, str]
) -> AsyncGenerator[Client]:
    async with program(
        *("bash", "-euo", "pipefail", "-c", commands),
        cwd=folder,
        env=environment,
        stdout=asyncio.subprocess.PIPE,
    ) as process:
        yield Client(process)


async def test_the_quick_start_word_for_word(gateway: str, tmp_path: Path):
    empty = tmp_path / "empty"
    empty.mkdir()
    async with room(tmp_path) as here, tunnel(gateway) as led:
        commands = quick_start()
        if led.port != PORT:
            commands = f"{commands.rstrip()} --server localhost:{led.port}"
        path = f"{Path(find_uv_bin()).parent}:{os.environ['PATH']}"
        environment = here.environment | {"REPOSITORY": str(ROOT), "PATH": path}
        environment.pop("VIRTUAL_ENV", None)
        async with client(commands, empty, environment) as talker:
            await talker.says("[listening]")

            await here.say(QUESTION.pcm, QUESTION.rate_hz)
            assert "natural language processing" in await talker.says("you: ")
            reply = await talker.says("reply: ")
            assert re.fullmatch(r"latency \d+ ms, .*", await talker.says("latency "))
            spoken = await here.loudspeakers.until_quiet(0.0, for_s=1.0)
            written = normalised(reply.removeprefix("reply: "))
            heard = judged(spoken, RATE_HZ)
            errors = word_errors(written, heard)
            print(f"{errors} of {len(written)} words not heard so: {' '.join(heard)}")
            assert errors / len(written) <= 0.25

            led.drop()
            await talker.says("dialling again in 0.5 s")
            await talker.says("[listening]")

            asked_s = here.loudspeakers.end_s
            await here.say(QUESTION.pcm, QUESTION.rate_hz)
            speaking_s = await here.loudspeakers.until_sound(asked_s)
            await here.loudspeakers.until(speaking_s + 1.0)
            interrupted_s = here.loudspeakers.end_s
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(here.say(INTERRUPTION.pcm, INTERRUPTION.rate_hz))
                await talker.says("[interrupted after ")
                flushed_s = here.loudspeakers.end_s
                # No longer: the clip ends in silence, and is answered before it is over.
                await here.loudspeakers.until(flushed_s + 0.5)
                silent_s = here.loudspeakers.last_sound_s(interrupted_s) or interrupted_s
            print(f"silent {silent_s - interrupted_s:.2f} s after the interruption began")
            assert silent_s < min(flushed_s + 0.2, interrupted_s + 2.0)
            assert "forward" in await talker.says("you: ")

            assert await talker.stop() == 0
