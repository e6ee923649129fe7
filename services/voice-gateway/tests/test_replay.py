"""A recorded call is decided again exactly as it was, and otherwise with other settings."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from voice_gateway.conversation import Command, Event
from voice_gateway.messages import CallConfig
from voice_gateway.observe import event_log
from voice_gateway.observe.event_log import EventLog
from voice_gateway.replay.__main__ import main
from voice_gateway.replay.compared import Turn, summarised
from voice_gateway.replay.rerun import differs, rerun
from voice_sim.__main__ import main as simulation
from voice_sim.__main__ import quiet
from voice_sim.draw import drawn
from voice_sim.script import Act, Answers, Call, Recognised, Script, Speaks, Voiced
from voice_sim.simulation import simulated

CONFIG = CallConfig("7", "en-US", 16_000, "", "")

# A question, one with a pause of 0.7 s in it, and one into the answer to that.
CALL = Script(
    Call(ends_at=30.0, activity=True, recogniser_obeys_s=0.05),
    acts=(Act(0.0, "talks", seconds=28.0, frame_s=0.02),),
    recognised=(
        Recognised(1.3, "what is", final=False),
        Recognised(1.8, "what is the weather", final=False),
        Recognised(3.0, "what is the weather?", final=True),
        Recognised(8.4, "can you", final=False),
        Recognised(8.9, "can you call bob", final=False),
        Recognised(9.65, "can you call bob?", final=True),
        Recognised(9.9, "now", final=False),
        Recognised(11.5, "now!", final=True),
        Recognised(13.0, "thank you", final=False),
        Recognised(14.5, "thank you!", final=True),
    ),
    voiced=(Voiced(1.0, 1.0), Voiced(8.0, 1.0), Voiced(9.7, 0.5), Voiced(12.8, 0.5)),
    answers=(Answers(words=12, first_s=0.1),),
    speaks=(Speaks(first_s=0.1),),
)


@dataclass
class Log:
    """Implements `ports.CallRecord`, in memory."""

    script: Script
    lines: list[str] = field(default_factory=list[str])

    def note(self, event: Event, commands: Sequence[Command]) -> None:
        self.lines.append(event_log.step_line(event, commands))

    def dropped(self, at: float, text: str, reason: str) -> None:
        self.lines.append(event_log.dropped_line(at, text, reason))

    def close(self) -> None:
        pass

    def text(self) -> str:
        policy = self.script.call.policy
        first = event_log.first_line(CONFIG, policy, datetime.now(UTC), 0.0)
        return "".join([first, *self.lines, event_log.last_line(over=True)])

    def read(self) -> EventLog:
        return event_log.read(self.text().splitlines())


def _recorded(script: Script) -> Log:
    log = Log(script)
    with quiet():
        simulated(script, log)
    return log


def _turns(log: EventLog, **changes: float) -> list[Turn]:
    return summarised(rerun(log, replace(log.policy, **changes)).steps).turns


def test_every_recorded_decision_is_made_again():
    for seed in range(150):
        log = _recorded(drawn(seed)).read()
        assert log.steps, seed
        assert differs(log) is None, seed


def test_with_its_own_settings_a_call_goes_as_it_went():
    log = _recorded(CALL).read()
    course = rerun(log, log.policy)
    old, new = summarised(log.steps), summarised(course.steps)
    assert [t.question for t in new.turns] == [t.question for t in old.turns]
    assert [t.fate for t in new.turns] == [t.fate for t in old.turns]
    assert [t.taken_at for t in new.turns] == pytest.approx([t.taken_at for t in old.turns])
    assert [t.answer_at for t in new.turns] == pytest.approx([t.answer_at for t in old.turns])
    assert course.estimated_from is None


def test_a_longer_silence_takes_the_turn_later_with_the_words_it_had():
    log = _recorded(CALL).read()
    old, new = _turns(log), _turns(log, silence_s=0.6)
    assert new[0].question == old[0].question == "what is the weather"
    assert new[0].taken_at == pytest.approx(old[0].taken_at + 0.3)
    assert new[0].fate == "whole"


def test_a_longer_silence_does_not_answer_into_a_pause():
    log = _recorded(CALL).read()
    assert "can you call bob" in [t.question for t in _turns(log)]
    patient = [t.question for t in _turns(log, silence_s=1.0)]
    assert "can you call bob" not in patient
    assert "can you call bob? now" in patient


def test_without_preparation_the_answer_comes_as_much_later_as_it_takes():
    log = _recorded(CALL).read()
    new = _turns(log, drafts=0)[0]
    assert not new.prepared
    assert new.answer_at
    assert new.answer_at - new.taken_at == pytest.approx(0.2, abs=0.1)


def test_asking_in_the_middle_of_an_utterance_is_an_estimate():
    log = _recorded(CALL).read()
    course = rerun(log, replace(log.policy, silence_s=0.0, unsure_silence_s=0.0))
    assert course.estimated_from is not None
    words = " ".join(t.question for t in summarised(course.steps).turns)
    assert words.count("now") == 1  # no word is told twice


def test_the_command_prints_both_side_by_side(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    file = tmp_path / "call.jsonl"
    file.write_text(_recorded(CALL).text())
    assert main([str(file), "--set", "silence_s=0.6", "drafts=0"]) == 0
    said = capsys.readouterr().out
    assert "silence_s=0.6 drafts=0" in said
    assert "'what is the weather'" in said
    assert "decides every one of them as it was recorded" in said
    assert "whatever it hears now" in said


@pytest.mark.parametrize(
    ("change", "wrong"),
    [
        ("silence=1", "'silence' is no setting; allowed: "),
        ("silence_s=long", "allowed is a number such as 0.3"),
        ("silence_s=-1", "allowed are numbers from 0 on"),
        ("greeting_interruptible=1", "allowed are true and false"),
    ],
)
def test_a_setting_that_is_none_is_refused(
    change: str, wrong: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    file = tmp_path / "call.jsonl"
    file.write_text(_recorded(CALL).text())
    assert main([str(file), "--set", change]) == 2
    assert wrong in capsys.readouterr().err


def test_other_decisions_of_this_version_are_told():
    log = _recorded(CALL).read()
    other = replace(log, policy=replace(log.policy, drafts=0))
    found = differs(other)
    assert found
    assert found[1] == "PrepareReply was recorded, now it is nothing"


def test_a_log_that_breaks_off_is_replayed_as_far_as_it_goes(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    file = tmp_path / "call.jsonl"
    file.write_text("\n".join(_recorded(CALL).text().splitlines()[:40]))
    assert main([str(file)]) == 0
    assert "the log breaks off before the call's end" in capsys.readouterr().out


def test_a_version_that_decides_otherwise_says_so_and_exits_with_one(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    file = tmp_path / "call.jsonl"
    file.write_text(_recorded(CALL).text().replace('"drafts":3', '"drafts":0'))
    assert main([str(file)]) == 1
    assert "this version decides otherwise from" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("text", "wrong"),
    [("", "line 1 is no first line"), ("hello", "line 1 is no JSON"), (None, "No such file")],
)
def test_a_file_that_is_no_log_is_refused_in_one_line(
    text: str | None, wrong: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    file = tmp_path / "call.jsonl"
    if text is not None:
        file.write_text(text)
    assert main([str(file)]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"voice-replay: {file}: ")
    assert wrong in line


def test_the_command_explains_itself(capsys: pytest.CaptureFixture[str]):
    with pytest.raises(SystemExit, match=r"^0$"):
        main(["--help"])
    said = capsys.readouterr().out
    assert "usage: voice-replay" in said
    assert "exit status: 0 this version decides as was recorded" in said


def test_the_simulation_replays_a_log_in_the_same_way(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    file = tmp_path / "call.jsonl"
    file.write_text(_recorded(CALL).text())
    assert main([str(file), "--set", "drafts=0"]) == 0
    said = capsys.readouterr().out
    assert simulation(["--replay", str(file), "--set", "drafts=0"]) == 0
    assert capsys.readouterr().out == said
