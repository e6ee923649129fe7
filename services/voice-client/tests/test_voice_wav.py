"""`voice wav` against a gateway that follows a script."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from voice_client.__main__ import run
from voice_client.failures import Exit
from voice_client.options import read_options
from voice_client.testing import Caller, Script, scripted_gateway
from voice_client.wavfile import Wav, read_wav, write_wav
from voice_proto import voice_workflow_pb2 as wire

REPLY = b"\x01\x02" * 1600


def tone(seconds: float, rate_hz: int = 16_000) -> bytes:
    """A loud square wave: speech, as far as energy tells."""
    period = [b"\x00\x40", b"\x00\xc0"]
    return b"".join(period[n // 40 % 2] for n in range(int(seconds * rate_hz)))


@pytest.fixture
def recording(tmp_path: Path) -> Callable[..., str]:
    """Write a recording: so much tone, then so much silence."""

    def write(name: str = "said.wav", speech_s: float = 0.2, silence_s: float = 0.1) -> str:
        pcm = tone(speech_s) + bytes(2 * int(silence_s * 16_000))
        write_wav(tmp_path / name, Wav(16_000, pcm))
        return str(tmp_path / name)

    return write


async def voice(address: str, *arguments: str) -> Exit:
    command, *rest = arguments
    return await run(read_options([command, "--server", address, "--timeout", "60", *rest]))


def hears(samples: int, *, text: str = "hello", reply_id: int = 1) -> Script:
    async def script(caller: Caller) -> None:
        await caller.samples(samples)
        await caller.heard("hel")
        await caller.heard(text, final=True)
        await caller.answer("Hi there.", REPLY, reply_id)

    return script


def conversation(*parts: Script) -> Script:
    async def script(caller: Caller) -> None:
        await caller.accept()
        for part in parts:
            await part(caller)
        await caller.half_close()

    return script


async def test_a_recording_is_answered_and_the_reply_written(
    recording: Callable[..., str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    async with scripted_gateway(conversation(hears(3200))) as gateway:
        out = tmp_path / "deep" / "reply.wav"
        status = await voice(gateway.address, "wav", recording(), "--out", str(out))
    assert status is Exit.ANSWERED
    assert read_wav(out) == Wav(16_000, REPLY)
    assert gateway.caller.config.sample_rate == 16_000
    shown = capsys.readouterr().out
    assert "  ... hel\nyou: hello\n[thinking]\nreply: Hi there.\n[end of turn]\n" in shown
    assert "  model          200 ms" in shown
    assert "  measured  " in shown


async def test_in_real_time_silence_follows_until_the_turn_is_answered(
    recording: Callable[..., str],
):
    # 0.3 s are recorded; this server only decides after 0.5 s.
    async with scripted_gateway(conversation(hears(8000))) as gateway:
        assert await voice(gateway.address, "wav", recording()) is Exit.ANSWERED
    assert not any(gateway.caller.pcm[9600:])
    assert gateway.caller.others == []


async def test_fast_half_closes_at_once_and_is_answered_in_full(recording: Callable[..., str]):
    async def script(caller: Caller) -> None:
        await caller.accept()
        await caller.half_close()
        await caller.heard("hello", final=True)
        await caller.answer("Hi.", REPLY)

    async with scripted_gateway(script) as gateway:
        assert await voice(gateway.address, "wav", "--fast", recording()) is Exit.ANSWERED
    assert len(gateway.caller.pcm) == 9600


async def test_the_next_recording_starts_when_the_turn_has_ended(
    recording: Callable[..., str], capsys: pytest.CaptureFixture[str]
):
    script = conversation(hears(4800, text="one"), hears(12_000, text="two", reply_id=2))
    async with scripted_gateway(script) as gateway:
        files = recording("a.wav"), recording("b.wav")
        assert await voice(gateway.address, "wav", *files) is Exit.ANSWERED
    shown = capsys.readouterr().out
    assert shown.index("[end of turn]") < shown.index("b.wav") < shown.index("you: two")


async def test_fast_between_recordings_says_that_the_utterance_is_over(
    recording: Callable[..., str],
):
    async def first(caller: Caller) -> None:
        assert (await caller.next_other()).HasField("end_of_utterance")
        await caller.heard("one", final=True)
        await caller.answer("Hi.", REPLY)

    async def second(caller: Caller) -> None:
        await caller.half_close()
        await caller.heard("two", final=True)
        await caller.answer("Ho.", REPLY, 2)

    async with scripted_gateway(conversation(first, second)) as gateway:
        files = recording("a.wav"), recording("b.wav")
        assert await voice(gateway.address, "wav", "--fast", *files) is Exit.ANSWERED


async def test_an_interrupted_reply_is_kept_as_far_as_it_was_heard(
    recording: Callable[..., str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    async def interrupted(caller: Caller) -> None:
        await caller.samples(1600)
        await caller.heard("hello", final=True)
        await caller.event(wire.PROCESSING)
        await caller.write("A long story.")
        await caller.event(wire.SPEAKING)
        await caller.voice(b"\x01\x01" * 16_000)
        await caller.heard("no wait")
        cut = wire.Interruption(heard_ms=250, heard_text="A long")
        await caller.event(wire.LISTENING, interruption=cut)

    async def then(caller: Caller) -> None:
        await caller.samples(3200)
        await caller.heard("no wait", final=True)
        await caller.answer("Yes?", REPLY, 2)

    out = tmp_path / "reply.wav"
    async with scripted_gateway(conversation(interrupted, then)) as gateway:
        assert await voice(gateway.address, "wav", recording(), "--out", str(out), "--json") == 0
    report = json.loads(capsys.readouterr().out)
    told = [(turn["heard"], turn["ending"], turn["audio_ms"]) for turn in report["turns"]]
    assert told == [("hello", "interrupted", 250), ("no wait", "answered", 100)]
    assert read_wav(out).pcm == b"\x01\x01" * 4000 + REPLY


async def test_json_tells_everything(
    recording: Callable[..., str], capsys: pytest.CaptureFixture[str]
):
    async with scripted_gateway(conversation(hears(3200))) as gateway:
        file = recording()
        assert await voice(gateway.address, "wav", file, "--json") is Exit.ANSWERED
    report = json.loads(capsys.readouterr().out)
    (turn,) = report.pop("turns")
    assert report == {
        "server": gateway.address,
        "rate_hz": 16_000,
        "status": 0,
        "outcome": "answered",
        "error": "",
        "code": "",
        "out": None,
    }
    assert 0 <= turn.pop("measured_ms") < 5000
    assert turn == {
        "said": file,
        "heard": "hello",
        "reply": "Hi there.",
        "audio_ms": 100,
        "ending": "answered",
        "incomplete": None,
        "latency": {
            "endpoint_ms": 300,
            "model_ms": 200,
            "clause_ms": None,
            "voice_ms": 50,
            "total_ms": 550,
        },
        "faults": [],
    }
