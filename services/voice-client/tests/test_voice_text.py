"""`voice text`, and the whole command as a process."""

import asyncio
import signal
import sys
from pathlib import Path

import pytest
from owned_processes import program
from voice_client.__main__ import run
from voice_client.failures import Exit
from voice_client.options import read_options
from voice_client.testing import Caller, scripted_gateway
from voice_client.wavfile import read_wav

REPLY = b"\x01\x02" * 160


async def answer_typed(caller: Caller) -> None:
    await caller.accept()
    for number in (1, 2):
        typed = await caller.next_other()
        await caller.answer(f"You wrote {typed.text_input}.", REPLY, number)
    await caller.half_close()


async def test_typed_turns_are_answered_one_after_the_other(capsys: pytest.CaptureFixture[str]):
    async with scripted_gateway(answer_typed) as gateway:
        wishes = ["--language", "en-GB", "--voice", "Ann", "--prompt", "Be brief."]
        wishes += ["--conversation", "c-1"]
        options = read_options(["text", "one", "two", "--server", gateway.address, *wishes])
        assert await run(options) is Exit.ANSWERED
    config = gateway.caller.config
    assert (config.language_code, config.voice_name) == ("en-GB", "Ann")
    assert (config.system_prompt, config.conversation_id) == ("Be brief.", "c-1")
    shown = [line for line in capsys.readouterr().out.splitlines() if not line.startswith(" ")]
    assert shown == [
        f"connected to {gateway.address}, 16000 Hz",
        "[listening]",
        "you typed: one",
        "[thinking]",
        "reply: You wrote one.",
        "[end of turn]",
        "you typed: two",
        "[thinking]",
        "reply: You wrote two.",
        "[end of turn]",
    ]


@pytest.mark.parametrize(
    ("down", "said"),
    [
        ([], ""),
        (["llm"], "the language model does"),
        (["tts", "asr"], "speech recognition and the voice do"),
        (["asr", "llm", "tts"], "speech recognition, the language model and the voice do"),
    ],
)
async def test_what_does_not_answer_is_said_before_the_first_word(
    capsys: pytest.CaptureFixture[str], down: list[str], said: str
):
    async with scripted_gateway(answer_typed, down=down) as gateway:
        options = read_options(["text", "one", "two", "--server", gateway.address])
        assert await run(options) is Exit.ANSWERED
    shown = capsys.readouterr().out.splitlines()
    why = f"the gateway is not ready: {said} not answer; it tries again all the time"
    assert shown[1:2] == ([why] if said else ["[listening]"])
    assert sum("not ready" in line for line in shown) == bool(said)


@pytest.mark.parametrize(("down", "tells"), [((), False), (("tts",), True)])
async def test_nothing_is_said_of_a_service_that_is_still_being_looked_at(
    capsys: pytest.CaptureFixture[str], down: tuple[str, ...], tells: bool
):
    async with scripted_gateway(answer_typed, down=down, unknown=["llm"]) as gateway:
        options = read_options(["text", "one", "two", "--server", gateway.address])
        assert await run(options) is Exit.ANSWERED
    shown = capsys.readouterr().out
    assert ("not ready: the voice does not answer" in shown) is tells
    assert "language model" not in shown


async def test_ctrl_c_ends_the_process_with_130_and_keeps_what_was_answered(tmp_path: Path):
    async def hang(caller: Caller) -> None:
        await caller.accept()
        await caller.next_other()
        await caller.voice(REPLY)
        await caller.write("Hi.")
        await asyncio.Event().wait()

    command = ["-m", "voice_client", "text", "hello", "--out", str(tmp_path / "reply.wav")]
    async with (
        scripted_gateway(hang) as gateway,
        program(
            *(sys.executable, *command, "--server", gateway.address),
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        ) as process,
    ):
        assert process.stdout
        await process.stdout.readuntil(b"reply: Hi.")
        process.send_signal(signal.SIGINT)
        out, complaints = await process.communicate()
    assert (process.returncode, complaints) == (Exit.STOPPED, b"")
    assert out.decode() == f"\nwrote {tmp_path}/reply.wav: 0.0 s of reply\n\n"
    assert read_wav(tmp_path / "reply.wav").pcm == REPLY
