"""The two programs that talk with a microphone, against a scripted gateway and a stand-in sound.

`voice mic` and the one-file client of the Mac quick start do the same; so they pass the same tests.
"""

import asyncio
import signal
import subprocess
import sys
from collections.abc import AsyncGenerator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import grpc
import pytest
from owned_processes import output
from owned_processes import program as run
from voice_client import speech
from voice_client.testing import Caller, HungUpError, Script, scripted_gateway
from voice_client.wavfile import read_wav
from voice_proto import voice_workflow_pb2 as wire

HERE = Path(__file__).parent
REPOSITORY = HERE.parents[2]
SCRIPT = REPOSITORY / "services/voice-gateway/tests/test_mic_client.py"
PATIENCE_S = 60.0
CLIP = read_wav(speech.clip("en_cards_10c")).pcm
SECOND = 2 * 16_000
VOICE = b"\3" * 3200
LATENCY = wire.TurnLatency(endpoint_ms=300, model_ms=200, clause_ms=60, voice_ms=40, total_ms=600)


@dataclass
class Program:
    """A program that runs: what it prints, and what its loudspeaker is given."""

    process: asyncio.subprocess.Process
    heard: Path

    async def says(self, text: str) -> str:
        """Read lines until one contains `text`; return that line."""
        assert self.process.stdout
        async with asyncio.timeout(PATIENCE_S):
            while line := (await self.process.stdout.readline()).decode():
                if text in line:
                    return line.rstrip("\n")
        raise AssertionError(f"the program ended without saying {text!r}")

    async def ends(self) -> tuple[int | None, str, str]:
        """Wait for the end; return the status, and what else was written."""
        async with asyncio.timeout(PATIENCE_S):
            out, err = await self.process.communicate()
        return self.process.returncode, out.decode(), err.decode()

    async def stopped(self) -> tuple[int | None, str, str]:
        """Press Ctrl-C."""
        self.process.send_signal(signal.SIGINT)
        return await self.ends()

    def played(self) -> bytes:
        return self.heard.read_bytes()


Start = Callable[..., AbstractAsyncContextManager[Program]]


@pytest.fixture(scope="session")
def quick_start(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the quick start, after its third command."""
    folder = tmp_path_factory.mktemp("quick-start")
    (folder / SCRIPT.name).write_bytes(SCRIPT.read_bytes())
    places = (f"-I{REPOSITORY}/proto", f"--python_out={folder}", f"--grpc_python_out={folder}")
    protoc = [sys.executable, "-m", "grpc_tools.protoc", *places, "voice_workflow.proto"]
    subprocess.run(protoc, check=True)
    return folder


@pytest.fixture(params=["voice mic", "quick start"])
def is_quick_start(request: pytest.FixtureRequest) -> bool:
    return request.param == "quick start"


@pytest.fixture
def start(is_quick_start: bool, quick_start: Path, tmp_path: Path) -> Start:
    """Start either program with the stand-in's sound."""
    command = [str(quick_start / SCRIPT.name)] if is_quick_start else ["-m", "voice_client", "mic"]
    (tmp_path / "says").write_bytes(CLIP * 20)

    @asynccontextmanager
    async def started(*options: str, **environment: str) -> AsyncGenerator[Program]:
        sound = {"STAND_IN_SAYS": str(tmp_path / "says"), "STAND_IN_HEARS": str(tmp_path / "hears")}
        async with run(
            *(sys.executable, *command, *options),
            env={"PYTHONPATH": str(HERE / "stand_in"), "PYTHONUNBUFFERED": "1"}
            | sound
            | environment,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        ) as process:
            yield Program(process, tmp_path / "hears")

    return started


def then_listen(script: Script) -> Script:
    """Accept the call, do the script, and keep the line open."""

    async def whole(caller: Caller) -> None:
        await caller.accept()
        await script(caller)
        await caller.half_close()

    return whole


async def a_while(caller: Caller) -> None:
    """Let the devices run for a second of theirs: their microphone is the clock."""
    await caller.samples(len(caller.pcm) // 2 + 16_000)


async def test_a_key_of_the_environment_is_shown_to_the_gateway(start: Start):
    shown: list[object] = []

    async def look(caller: Caller) -> None:
        shown.extend(
            v for k, v in caller.context.invocation_metadata() or () if k == "authorization"
        )
        await caller.heard("ten of clubs", final=True)

    async with (
        scripted_gateway(then_listen(look)) as gateway,
        start("--server", gateway.address, VOICE_API_KEY="a-key") as program,
    ):
        await program.says("ten of clubs")
        await program.stopped()
    assert shown == ["Bearer a-key"]


async def test_a_turn_is_heard_shown_and_played(start: Start, is_quick_start: bool):
    reply = bytes(range(1, 129)) * 50

    async def answer(caller: Caller) -> None:
        await caller.samples(len(CLIP))  # twice the clip: a whole one is among it
        await caller.heard("ten of")
        await caller.heard("ten of clubs", final=True)
        await caller.event(wire.PROCESSING)
        await caller.write("A fine ")
        await caller.write("card.")
        await caller.event(wire.SPEAKING)
        await caller.voice(reply)
        await a_while(caller)
        await caller.event(wire.END_OF_TURN, latency=LATENCY)

    async with (
        scripted_gateway(then_listen(answer)) as gateway,
        start("--server", gateway.address, "--language", "en-GB") as program,
    ):
        await program.says("  ... ten of")
        await program.says("you: ten of clubs")
        await program.says("reply: A fine card.")
        await program.says("600 ms")
        status, _, err = await program.stopped()
    assert (status, err) == ((0, "") if is_quick_start else (130, ""))
    assert program.played().strip(b"\0") == reply
    assert gateway.caller.config.language_code == "en-GB"
    assert gateway.caller.config.sample_rate == 16_000
    assert CLIP in bytes(gateway.caller.pcm)


async def test_an_interruption_silences_the_loudspeaker(start: Start):
    async def interrupted(caller: Caller) -> None:
        await caller.voice(b"\1\1" * 16_000 * 20)
        await caller.samples(16_000)
        cut = wire.Interruption(heard_ms=900, heard_text="A long")
        await caller.event(wire.LISTENING, interruption=cut)
        await caller.voice(b"\2\2" * 1600, 2)
        await a_while(caller)
        await caller.event(wire.END_OF_TURN, latency=LATENCY)

    async with (
        scripted_gateway(then_listen(interrupted)) as gateway,
        start("--server", gateway.address) as program,
    ):
        await program.says("[interrupted after 900 ms")
        await program.says("600 ms")
        await program.stopped()
    played = program.played()
    assert 0 < played.count(1) < 10 * SECOND
    assert played.count(2) == 3200


async def test_a_pause_keeps_what_waits_and_plays_it_when_the_voice_goes_on(
    start: Start, tmp_path: Path
):
    voice, hears = 96_000, tmp_path / "hears"  # samples: it lasts until a busy client pauses

    async def pausing(caller: Caller) -> None:
        await caller.voice(b"\1\1" * voice)
        while not (hears.exists() and b"\1" in hears.read_bytes()):
            await caller.receive()  # the microphone is the clock
        await caller.event(wire.VOICE_PAUSED)
        await caller.samples(len(caller.pcm) // 2 + 32_000)  # the pause comes after the voice
        await caller.write("still")
        await caller.event(wire.VOICE_RESUMED)
        await caller.samples(len(caller.pcm) // 2 + voice + 16_000)
        await caller.event(wire.END_OF_TURN, latency=LATENCY)

    async with (
        scripted_gateway(then_listen(pausing)) as gateway,
        start("--server", gateway.address) as program,
    ):
        await program.says("600 ms")
        await program.stopped()
    played = program.played()
    assert gateway.caller.config.can_pause
    assert played.count(1) == 2 * voice
    silence = played.strip(b"\0").split(b"\1" * 640)
    # In the middle of it: what is not paused leaves no gap, and a busy machine a short one.
    assert max(map(len, silence)) > 2 * 2_000


async def test_the_line_is_dialled_again_when_it_drops(start: Start, is_quick_start: bool):
    async def drop(caller: Caller) -> None:
        await caller.accept()
        await caller.samples(1600)
        await caller.context.abort(grpc.StatusCode.UNAVAILABLE, "the gateway stops")

    async with scripted_gateway(drop) as gateway, start("--server", gateway.address) as program:
        await program.says("[listening]")
        await program.says("the call ended")
        if is_quick_start:
            await program.says("[listening]")
        else:
            await program.says("dialling again in 0.5 s")
            await program.says("[listening]")
        await program.stopped()
    names = {caller.config.conversation_id for caller in gateway.callers}
    assert len(gateway.callers) >= 2
    assert len(names) == 1
    assert len(names.pop()) > 40


async def test_after_a_goodbye_nobody_is_dialled(start: Start):
    async def hang_up(caller: Caller) -> None:
        await caller.accept()
        await caller.voice(b"\1\1" * 1600)
        await caller.event(wire.GOODBYE)
        with suppress(HungUpError, grpc.aio.BaseError):
            await caller.half_close()

    async with scripted_gateway(hang_up) as gateway, start("--server", gateway.address) as program:
        await program.says("the gateway has ended the call")
        status, _, err = await program.ends()
    assert (status, err) == (0, "")
    assert program.played().count(1) == 3200
    assert len(gateway.callers) == 1


async def test_a_refused_call_is_not_dialled_again(start: Start, is_quick_start: bool):
    async def refuse(caller: Caller) -> None:
        await caller.receive()
        await caller.context.abort(grpc.StatusCode.INVALID_ARGUMENT, "language_code is xx")

    async with scripted_gateway(refuse) as gateway, start("--server", gateway.address) as program:
        status, _, err = await program.ends()
    assert status == (1 if is_quick_start else 4)
    assert "INVALID_ARGUMENT: language_code is xx" in err


async def test_nobody_at_the_other_end(start: Start, is_quick_start: bool):
    async with start("--server", "127.0.0.1:9") as program:
        if is_quick_start:  # the tunnel may be opened after the client
            line = await program.says("nothing answers at 127.0.0.1:9")
            assert line.endswith("; dialling again in 0.5 s")
            await program.says("is the tunnel open?")
        else:
            status, _, err = await program.ends()
            assert status == 3
            assert "is the tunnel open" in err


async def test_half_duplex_keeps_the_loudspeaker_out_of_the_microphone(
    start: Start, tmp_path: Path
):
    (tmp_path / "says").write_bytes(b"\3\3" * 16_000 * 60)

    async def answer(caller: Caller) -> None:
        await caller.samples(1600)
        await caller.voice(b"\1\1" * 16_000)
        await caller.samples(1600 + 12_800)
        await caller.event(wire.END_OF_TURN, latency=LATENCY)
        await caller.samples(1600 + 16_000 + 16_000)
        while not caller.pcm.endswith(VOICE):
            await caller.samples(len(caller.pcm) // 2 + 1600)
        await caller.heard("over", final=True)

    async with (
        scripted_gateway(then_listen(answer)) as gateway,
        start("--server", gateway.address, "--half-duplex") as program,
    ):
        await program.says("over")
        await program.stopped()
    sent = bytes(gateway.caller.pcm)
    assert sent.startswith(VOICE)
    assert 0 in sent  # no silence at all without `--half-duplex`


async def test_a_microphone_that_gives_nothing_brings_a_hint(start: Start, tmp_path: Path):
    (tmp_path / "says").write_bytes(b"")

    async def wait(caller: Caller) -> None:
        await caller.samples(16_000)

    async with (
        scripted_gateway(then_listen(wait)) as gateway,
        start("--server", gateway.address) as program,
    ):
        await program.says("nothing but digital silence")


@pytest.mark.parametrize("is_quick_start", [False])
async def test_what_does_not_answer_is_said_before_the_first_word(start: Start):
    async with (
        scripted_gateway(then_listen(a_while), down=["llm"]) as gateway,
        start("--server", gateway.address) as program,
    ):
        await program.says("not ready: the language model does not answer")
        await program.says("[listening]")


async def test_devices_are_listed_and_chosen(start: Start):
    async with start("--list-devices") as program:
        status, out, _ = await program.ends()
    assert status == 0
    names = [line.partition("  (")[0] for line in out.splitlines()]
    assert names == ["  0  Desk Microphone", "  1  Desk Speaker"]

    async def wait(caller: Caller) -> None:
        await caller.samples(1600)

    devices = ("--input-device", "microph", "--output-device", "1")
    async with (
        scripted_gateway(then_listen(wait)) as gateway,
        start("--server", gateway.address, *devices) as program,
    ):
        await program.says("[listening]")
    async with start("--input-device", "1") as program:
        status, _, err = await program.ends()
    assert status in (1, 2)
    assert "--input-device 1: no such" in err


async def test_missing_parts_are_named_with_what_to_do(start: Start, is_quick_start: bool):
    async with start(PYTHONPATH="/nowhere") as program:
        status, _, err = await program.ends()
    assert status in (1, 2)
    assert "No module named 'pyaudio'" in err
    assert "brew install portaudio" in err
    async with start(STAND_IN_NO_MICROPHONE="1") as program:
        status, _, err = await program.ends()
    assert status in (1, 2)
    assert ("--list-devices" if is_quick_start else "voice devices") in err


async def test_without_the_generated_stubs_the_quick_start_says_how_to_make_them(tmp_path: Path):
    (tmp_path / SCRIPT.name).write_bytes(SCRIPT.read_bytes())
    status, _, err = await output(sys.executable, str(tmp_path / SCRIPT.name))
    assert status == 1
    assert "No module named 'voice_workflow_pb2'" in err
    assert "uv run python -m grpc_tools.protoc -I. --python_out=. " in err
