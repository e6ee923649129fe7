"""The command `voice`, installed from here, before a real gateway and a virtual sound card."""

import asyncio
import json
import os
import subprocess
import wave
from pathlib import Path
from typing import Any

import pytest
from owned_processes import output, program
from uv import find_uv_bin

from .conftest import ROOT, clips, normalised, word_errors
from .judging import judged
from .tunnel import tunnel
from .virtual_sound import IN_TIME, Room, room, what_is_missing

CLIPS = {clip.name: clip for clip in clips()}
QUESTION = CLIPS["en_nlp_question.wav"]
UNDERRUN = "underrun occurred"  # in the words of ALSA

pytestmark = [pytest.mark.models, pytest.mark.alone, pytest.mark.timeout(900)]
needs_sound = pytest.mark.skipif(bool(what_is_missing()), reason=what_is_missing() or "-")


@pytest.fixture(scope="session")
def voice(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The command as `uv tool install` puts it."""
    folder = tmp_path_factory.mktemp("tool")
    extras = "[opus]" if what_is_missing() else "[mic,aec,opus]"
    subprocess.run(
        [find_uv_bin(), "tool", "install", "--quiet", f"{ROOT}/services/voice-client{extras}"],
        check=True,
        env={**os.environ, "UV_TOOL_DIR": str(folder), "UV_TOOL_BIN_DIR": str(folder / "bin")},
    )
    return folder / "bin" / "voice"


def recording(path: Path) -> tuple[bytes, int]:
    with wave.open(str(path), "rb") as file:
        return file.readframes(file.getnframes()), file.getframerate()


async def run(voice: Path, *arguments: str, env: dict[str, str] | None = None) -> tuple[int, str]:
    status, out, complaints = await output(str(voice), *arguments, env=env)
    print(complaints)
    return status, out


async def test_load_holds_calls_at_once(gateway: str, voice: Path):
    clips = ("@en_goforward", "@en_cards_10c")
    status, out = await run(
        voice, "load", *clips, "--server", gateway, "--calls", "2", "--duration", "5", "--json"
    )
    print(out)
    told: dict[str, Any] = json.loads(out)
    assert (status, told["failures"]) == (0, {})
    assert told["turns"] >= 4
    assert told["latency_ms"]["total"]["p50"] > 0


async def test_opus_carries_the_same_words_in_a_fraction_of_the_data(
    gateway: str, voice: Path, tmp_path: Path
):
    kbit_s: dict[str, float] = {}
    now = asyncio.get_running_loop().time
    for name, options in {"pcm": (), "opus": ("--opus",)}.items():
        async with tunnel(gateway) as led:
            began, reply = now(), tmp_path / f"{name}.wav"
            status, out = await run(
                *(voice, "wav", "@en_nlp_question", "--json", "--out", str(reply), *options),
                *("--server", f"127.0.0.1:{led.port}"),
            )
            turn = json.loads(out)["turns"][-1]
            kbit_s[name] = led.carried * 8 / 1000 / (now() - began)
        assert (status, turn["heard"]) == (0, "What is natural language processing?")
        written = normalised(turn["reply"])
        assert word_errors(written, judged(*recording(reply))) / len(written) <= 0.25
    print(", ".join(f"{name}: {rate:.0f} kbit/s" for name, rate in kbit_s.items()))
    assert kbit_s["opus"] * 4 < kbit_s["pcm"]


async def _keep_talking(here: Room) -> None:
    words = QUESTION.pcm[2 * QUESTION.rate_hz :][: QUESTION.rate_hz]  # half a second, all voice
    await here.say(100 * words, QUESTION.rate_hz)


@pytest.mark.sound
@needs_sound
async def test_doctor_finds_a_gateway_and_a_sound_card_in_order(
    gateway: str, voice: Path, tmp_path: Path
):
    async with room(tmp_path) as here:
        status, out = await run(voice, "devices", env=here.environment)
        assert (status, "default" in out) == (0, True)
        async with asyncio.TaskGroup() as tasks:
            talking = tasks.create_task(_keep_talking(here))
            status, out = await run(
                voice, "doctor", "--server", gateway, "--json", env=here.environment
            )
            talking.cancel()
    print(out)
    verdicts = {check["check"]: check["verdict"] for check in json.loads(out)["checks"]}
    assert status == 0
    assert {verdicts.pop("HTTP port"), verdicts.pop("clock")} <= {"ok", "warning"}
    assert verdicts == dict.fromkeys(
        ("address", "gateway", "contract", "round trip", "question", "microphone", "loudspeaker"),
        "ok",
    )


async def _until(what: str, out: asyncio.StreamReader) -> str:
    """All up to the line with it; fails where the program ends before."""
    said = ""
    while what not in said:
        line = (await out.readline()).decode()
        assert line, f"ended before {what}: {said}"
        said += line
    return said


async def _echoed_turn(gateway: str, voice: Path, folder: Path) -> tuple[str, str]:
    """Hold a turn on loudspeakers; return what the client shows, and its complaints."""
    async with room(folder, latency_ms=250) as here:
        await here.hear_the_loudspeakers(delay_ms=60)
        async with program(
            *(*IN_TIME, str(voice), "mic", "--echo-cancellation", "--server", gateway),
            env=here.environment,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        ) as process:
            assert process.stdout
            said = await _until("[listening]", process.stdout)
            await here.say(QUESTION.pcm, QUESTION.rate_hz)
            said += await _until("[end of turn]", process.stdout)
            await here.loudspeakers.until_quiet(0.0, for_s=2.0)
            process.terminate()
            rest, complaints = await process.communicate()
    return said + rest.decode(), complaints.decode()


def _undisturbed(said: str) -> bool:
    """Whether the question was answered, and nothing broke into the answer."""
    question = "natural language processing" in said and said.count("you: ") == 1
    return question and "[interrupted" not in said


@pytest.mark.sound
@needs_sound
async def test_a_reply_that_comes_back_into_the_microphone_interrupts_nothing(
    gateway: str, voice: Path, tmp_path: Path
):
    """Sound with holes is another sound than was played: what that interrupts says nothing."""
    for attempt in range(8):
        folder = tmp_path / str(attempt)
        folder.mkdir()
        said, complaints = await _echoed_turn(gateway, voice, folder)
        print(said, complaints)
        if _undisturbed(said):
            return
        assert UNDERRUN in complaints
    pytest.fail("interrupted in each of 8 turns, all with holes in their sound")
