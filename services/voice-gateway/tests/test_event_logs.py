"""Event logs: what a call went through, written beside it and never in its way."""

import asyncio
import json
import logging
import os
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from threading import Event as ThreadEvent
from typing import Any

import pytest
from voice_gateway import conversation as c
from voice_gateway.conversation.policy import TurnPolicy
from voice_gateway.messages import CallConfig
from voice_gateway.observe import event_log, recording
from voice_gateway.observe.event_log import BadLog, EventLog
from voice_gateway.observe.old_event_logs import OldEventLogs
from voice_gateway.observe.recording import Recorder
from voice_gateway.testing.fake_chat import FakeChat
from voice_gateway.testing.fake_riva import FakeRiva, Says
from voice_proto import voice_workflow_pb2 as pb

from .conftest import Serve

CONFIG = CallConfig("call 7/../x", "en-US", 16_000, "", "")
POLICY = TurnPolicy(silence_s=0.4)
SPOKE = c.CallerSpoke(0.1 + 0.2, "what is „it“", final=True)
ASKS = c.StartReply(1, (c.Message("user", "one"), c.Message("user", SPOKE.text)))


async def _recorded(folder: Path, *steps: tuple[c.Event, tuple[c.Command, ...]]) -> Path:
    recorder = Recorder(folder, POLICY)
    record = recorder.begin(CONFIG)
    for event, commands in steps:
        record.note(event, commands)
    record.close()
    await recorder.close()
    return _only(folder)


def _only(folder: Path, name: str = "*") -> Path:
    (file,) = folder.glob(name)
    return file


def _read(folder: Path, name: str = "*") -> EventLog:
    return event_log.read(_only(folder, name).read_text().splitlines())


async def test_a_log_says_which_word_lists_the_call_had(tmp_path: Path):
    recorder = Recorder(tmp_path, POLICY)
    record = recorder.begin(replace(CONFIG, language="hi-IN"))
    record.note(SPOKE, ())
    record.close()
    await recorder.close()
    assert _read(tmp_path).policy == replace(POLICY, language="hi-IN")


async def test_a_log_is_read_back_as_it_was_written(tmp_path: Path):
    file = await _recorded(tmp_path, (SPOKE, (ASKS,)), (c.CallerVoiced(2.0), ()))
    log = event_log.read(file.read_text().splitlines())
    assert log.call == CONFIG.call_id
    assert log.policy == POLICY
    assert [kept.event for kept in log.steps] == [SPOKE, c.CallerVoiced(2.0)]
    assert log.steps[0].commands == [event_log.encoded(ASKS)]
    assert log.over
    assert not log.lost


@pytest.mark.parametrize("firm", [True, False])
def test_a_log_with_the_settings_earlier_names_is_read(firm: bool):
    first = {"voice_events": 1, "policy": {"guesses": 1, "greeting_firm": firm, "gone": 7}}
    log = event_log.read([json.dumps(first)])
    assert log.policy == TurnPolicy(drafts=1, greeting_interruptible=not firm)
    assert log.unknown == ("gone",)


async def test_a_log_is_for_its_owner_alone_and_stays_in_its_folder(tmp_path: Path):
    file = await _recorded(tmp_path)
    assert file.stat().st_mode & 0o777 == 0o600
    assert file.name.endswith("-call_7_.._x.jsonl")


async def test_calls_of_one_name_have_files_of_their_own(tmp_path: Path):
    recorder = Recorder(tmp_path, POLICY)
    for _ in range(3):
        recorder.begin(CONFIG).close()
    await recorder.close()
    assert len(os.listdir(tmp_path)) == 3


async def test_a_log_is_a_part_until_it_is_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    created, names = recording._created, list[str]()  # pyright: ignore[reportPrivateUsage]

    def noting(folder: Path, file: Any) -> Any:
        path, out = created(folder, file)
        names.append(path.name)
        return path, out

    monkeypatch.setattr(recording, "_created", noting)
    file = await _recorded(tmp_path, (SPOKE, ()))
    assert names == [f"{file.name}.part"]
    assert file.suffix == ".jsonl"


def test_old_logs_are_deleted_and_nothing_else(tmp_path: Path):
    now = datetime.now(UTC)
    old, new = now - timedelta(hours=25), now - timedelta(hours=23)
    for name, at in {
        "20261101T100000-a.jsonl": old,
        "20261101T100000-b.jsonl.part": old,
        "20261102T100000-c.jsonl": new,
        "notes.txt": old,
    }.items():
        (tmp_path / name).touch()
        os.utime(tmp_path / name, (at.timestamp(), at.timestamp()))
    sweeping = OldEventLogs(tmp_path, keep_s=86_400)
    sweeping.sweep(now)
    left = sorted(path.name for path in tmp_path.iterdir())
    assert left == ["20261102T100000-c.jsonl", "notes.txt"]
    sweeping.sweep(now + timedelta(minutes=59))
    assert len(list(tmp_path.iterdir())) == 2
    sweeping.sweep(now + timedelta(hours=2))
    assert _only(tmp_path).name == "notes.txt"


def test_without_an_age_nothing_is_deleted(tmp_path: Path):
    (tmp_path / "20200101T100000-a.jsonl").touch()
    OldEventLogs(tmp_path, keep_s=0).sweep(datetime.now(UTC) + timedelta(days=9_000))
    assert list(tmp_path.iterdir())


async def test_a_log_has_a_longest_length_and_says_so(tmp_path: Path):
    recorder = Recorder(tmp_path, POLICY, most_chars=2_000)
    record = recorder.begin(CONFIG)
    for _ in range(100):
        record.note(SPOKE, (ASKS,))
    record.close()
    await recorder.close()
    log = _read(tmp_path)
    assert _only(tmp_path).stat().st_size < 2_500
    assert log.lost
    assert log.lost + len(log.steps) == 100


async def test_a_call_does_not_wait_for_a_disk_that_hangs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """Steps beyond the queue's room are lost, and the log tells where."""
    goes_on, slept = ThreadEvent(), ThreadEvent()
    created = recording._created  # pyright: ignore[reportPrivateUsage]

    def hanging(folder: Path, file: Any) -> Any:
        goes_on.wait(10)
        return created(folder, file)

    monkeypatch.setattr(recording, "_created", hanging)
    monkeypatch.setattr(recording, "_MOST_QUEUED_STEPS", 4)

    def sleeping(_: float) -> None:
        slept.set()

    monkeypatch.setattr(recording, "sleep", sleeping)
    recorder = Recorder(tmp_path, POLICY)
    record = recorder.begin(CONFIG)
    for n in range(20):
        record.note(c.CallerVoiced(float(n)), ())
    goes_on.set()
    assert await asyncio.to_thread(slept.wait, 5)  # a round is written
    record.note(c.CallerVoiced(20.0), ())
    record.close()
    await recorder.close()
    log = _read(tmp_path)
    assert log.lost >= 15
    assert [kept.event.at for kept in log.steps] == [float(n) for n in range(len(log.steps))]


async def test_a_disk_that_fails_ends_the_log_and_not_the_call(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
):
    recorder = Recorder(tmp_path / "gone", POLICY)
    record = recorder.begin(CONFIG)
    with caplog.at_level(logging.WARNING):
        for _ in range(3):
            record.note(SPOKE, ())
        record.close()
        await recorder.close()
    assert caplog.text.count("its event log ends here") == 1


async def test_a_step_that_cannot_be_written_ends_its_own_log_alone(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
):
    written = event_log.step_line

    def broken(event: c.Event, commands: Any) -> str:
        if event is SPOKE:
            raise KeyError("a bug")
        return written(event, commands)

    monkeypatch.setattr(recording, "step_line", broken)
    recorder = Recorder(tmp_path, POLICY)
    record, other = recorder.begin(CONFIG), recorder.begin(CallConfig("8", "", 8_000, "", ""))
    record.note(SPOKE, ())
    other.note(c.CallerVoiced(1.0), ())
    record.close()
    other.close()
    await recorder.close()
    assert len(_read(tmp_path, "*-8.jsonl").steps) == 1
    assert caplog.text.count("its event log ends here") == 1


@pytest.mark.parametrize(
    ("text", "wrong"),
    [
        ("", "line 1 is no first line"),
        ('{"voice_events": 99}', "line 1 is no first line"),
        ("hello", "line 1 is no JSON: 'hello'"),
        ("[]", "line 1 is no object"),
        ('{"voice_events": 1}\n{"event": {"is": "Rain", "at": 1}}', "line 2: event 'Rain' is none"),
        ('{"voice_events": 1}\n{"event": {"is": "CallerSpoke"}}', "line 2: event CallerSpoke: "),
    ],
)
def test_a_file_that_is_no_log_is_refused(text: str, wrong: str):
    with pytest.raises(BadLog, match=wrong):
        event_log.read(text.splitlines())


def test_settings_that_are_no_longer_known_are_named():
    first = {"voice_events": 1, "policy": {"silence_s": 0.5, "patience_s": 2}}
    log = event_log.read([json.dumps(first)])
    assert log.policy.silence_s == 0.5
    assert log.unknown == ("patience_s",)


async def test_a_live_call_is_recorded(serve: Serve, tmp_path: Path):
    riva = FakeRiva(says=[Says("what is the weather", 0.3, 1.0)], voice_first_audio_s=0.01)
    chat = FakeChat(replies=["It is sunny."] * 2)
    async with serve(riva, chat, record_events_dir=tmp_path) as gateway, gateway.dial() as line:
        await line.say(config=pb.VoiceConfig(session_id="live"))
        await line.speak(2.0)
        await line.until(pb.END_OF_TURN)
        await line.hang_up()
        await line.rest()
    log = _read(tmp_path)
    commands = [command["is"] for kept in log.steps for command in kept.commands]
    assert log.over
    assert log.call == "live"
    assert "EndTurn" in commands
    assert commands[-1] == "EndCall"
