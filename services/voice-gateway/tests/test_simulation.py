"""Random whole calls: the invariants hold in them, and each invariant can be broken."""

import os
import subprocess
import sys
from dataclasses import fields, replace
from pathlib import Path
from secrets import randbelow
from time import monotonic
from typing import Any

import pytest
from voice_gateway.audio import pcm
from voice_gateway.conversation import Message
from voice_gateway.errors import CallerSilent, CallLost, Unavailable
from voice_gateway.latency import TurnStages
from voice_gateway.messages import (
    CutOff,
    Failed,
    Listening,
    Paused,
    Processing,
    ReplyAudio,
    ReplyText,
    Resumed,
    Speaking,
    ToCaller,
    Transcript,
    TurnOver,
    Typed,
)
from voice_sim import ends, floor, memory, silence
from voice_sim.__main__ import Campaign, main, quiet, report
from voice_sim.draw import drawn, plainly_drawn
from voice_sim.invariants import Rule, broken
from voice_sim.marks import (
    GOODBYE,
    GREETING,
    PROMPT,
    canned,
    clause_audio,
    reply_word,
)
from voice_sim.record import (
    DRAINED,
    Asked,
    Ended,
    Entry,
    Fault,
    Left,
    Noticed,
    Received,
    Record,
    Said,
    Sent,
    Spoke,
    Told,
)
from voice_sim.script import (
    Act,
    Answers,
    Call,
    Hears,
    Opinion,
    Script,
    Voiced,
    read,
    written,
)
from voice_sim.transcript import transcript
from voice_sim.world import simulated

FIXED_SEED = 20_000
FRESH_CALLS = 2_000
FRESH_S = 100.0  # no more calls are begun after this: a machine that does 20 a second does all


def _must_hold(campaign: Campaign) -> None:
    if campaign.failed:
        pytest.fail(report(*campaign.failed), pytrace=False)


@pytest.mark.timeout(60)
def test_everything_holds_in_the_same_calls_as_ever():
    campaign = Campaign()
    with quiet():
        campaign.run(map(drawn, range(FIXED_SEED, FIXED_SEED + 400)), lambda _: None)
    _must_hold(campaign)
    for what in ("interruptions", "half-closes", "vanished", "drained", "caller slow"):
        assert campaign.occurred[what], f"no call had {what}"
    for what in ("greetings", "idle prompts", "goodbyes", "opinions", "pauses"):
        assert campaign.occurred[what], f"no call had {what}"
    for what in ("asr silent", "asr idle", "llm timed_out", "tts partial", "tts unavailable"):
        assert campaign.occurred[what], f"no call had {what}"


# Calls that once went wrong: a word was lost, the call did not end, a caller who was there was sent
# off. Mended since.
MENDED = (
    78_290, 78_923, 97_646_128, 225_445_171, 257_252_484, 447_792_683, 757_349_699, 796_391_490,
)  # fmt: skip


# What is drawn apart from all else of a call.
ADDED = frozenset(
    """greeting greeting_interruptible idle_prompt_s idle_prompt idle_end_s goodbye can_pause
    halting_silence_s""".split()
)


def test_everything_holds_in_calls_that_once_went_wrong():
    campaign = Campaign()
    with quiet():
        campaign.run(map(plainly_drawn, MENDED), lambda _: None)
        campaign.run(map(drawn, MENDED), lambda _: None)
    _must_hold(campaign)


def test_what_the_gateway_says_unasked_changes_nothing_else_of_a_call():
    for seed in range(300):
        whole, plain = drawn(seed), plainly_drawn(seed)
        shared = {f.name: getattr(plain.call, f.name) for f in fields(Call) if f.name not in ADDED}
        assert replace(plain, call=replace(whole.call, **shared), opinions=whole.opinions) == whole


@pytest.mark.timeout(150)
def test_everything_holds_in_calls_that_nobody_has_seen():
    first = randbelow(1_000_000_000)
    began = monotonic()
    seeds = (n for n in range(first, first + FRESH_CALLS) if monotonic() - began < FRESH_S)
    campaign = Campaign()
    with quiet():
        campaign.run(map(drawn, seeds), lambda _: None)
    print(campaign.summary(f"seeds from {first}"))
    _must_hold(campaign)


@pytest.mark.timeout(60)
def test_a_seed_is_the_same_call_in_every_process():
    script = Path(__file__).name  # any text; the program is what counts
    program = (
        "import logging, hashlib; logging.disable(50)\n"
        "from voice_sim.draw import drawn\n"
        "from voice_sim.world import simulated\n"
        "from voice_sim.transcript import transcript\n"
        "text = ''.join(transcript(simulated(drawn(seed))) for seed in range(60))\n"
        "print(hashlib.sha256(text.encode()).hexdigest())\n"
    )
    digests = {
        subprocess.run(
            [sys.executable, "-c", program, script],
            env={**os.environ, "PYTHONHASHSEED": seed},
            capture_output=True,
            check=True,
            text=True,
        ).stdout
        for seed in ("1", "2")
    }
    assert len(digests) == 1


def test_a_script_is_read_back_as_it_was_written():
    for seed in range(200):
        assert read(["what happened:", *written(drawn(seed)), "  0.00  LISTENING"]) == drawn(seed)


@pytest.mark.parametrize("text", ["", '| call {"colour": 1}', '| call {}\n| weather {"at": 1}'])
def test_a_file_without_a_script_is_refused(
    text: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    (tmp_path / "call.txt").write_text(text)
    assert main(["--replay", str(tmp_path / "call.txt")]) == 2
    assert "call.txt" in capsys.readouterr().err


def test_a_report_can_be_replayed(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    (tmp_path / "call.txt").write_text(transcript(simulated(drawn(1))))
    assert main(["--replay", str(tmp_path / "call.txt")]) == 0
    assert "everything holds" in capsys.readouterr().out


def test_success_is_one_line_that_says_what_occurred(capsys: pytest.CaptureFixture[str]):
    assert main(["--seed", "7", "--calls", "30"]) == 0
    (line,) = capsys.readouterr().out.splitlines()
    assert line.startswith("30 calls (seeds 7 to 36), ")
    assert "interruptions" in line


def test_a_failed_call_is_shown_short_with_the_way_to_replay_it(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
):
    def nobody_types(record: Record):
        for entry in record.entries:
            if isinstance(entry, Received) and isinstance(entry.message, Typed):
                yield f"at {entry.at:.2f} the caller typed {entry.message.text!r}"

    monkeypatch.setattr("voice_sim.invariants.RULES", (nobody_types,))
    assert main(["--seed", "0", "--calls", "50"]) == 1
    said = capsys.readouterr().out
    assert len(read(said.splitlines()).acts) == 1  # all the rest was left out
    assert "nobody_types: at" in said
    assert "replay with: voice-sim --seed" in said


# Each rule, fed a record in which it is broken.

CALL = Call(rate_hz=16_000, lead_s=0.3, idle_timeout_s=30.0, ending="hangs up", ends_at=5.0)
SCRIPT = Script(CALL, answers=(Answers(words=3),))
WORDS = [reply_word(1, n) for n in (1, 2, 3)]
SPOKEN = " ".join(WORDS)
STAGES = TurnStages(None, None, None, None, None)


def _audio(seconds: float, clause: int = 1) -> bytes:
    return clause_audio(clause, len(pcm.silence(seconds, CALL.rate_hz)))


def _piece(offset_s: float, reply: int = 1) -> ReplyAudio:
    return ReplyAudio(reply, offset_s, _audio(0.1))


def _said(*messages: ToCaller, until: float = 1.0) -> Record:
    """A record of messages sent one after the other, 0.1 s apart."""
    sent: list[Entry] = [Sent(n / 10, message) for n, message in enumerate(messages)]
    return Record(SCRIPT, [*sent, Received(until, None), Ended(until + 1, None)])


def _went(*entries: Entry, error: Exception | None = None, ends_at: float = 30.0) -> Record:
    return Record(SCRIPT, [Sent(0.0, Listening()), *entries, Ended(ends_at, error)])


def _asks(**rules: Any) -> Script:
    return Script(replace(CALL, **rules), answers=(Answers(words=3),))


GREETS = _asks(greeting=canned(GREETING, 2), greeting_interruptible=False)
ASKS = _asks(idle_prompt_s=2.0, idle_end_s=1.0)
HELLO, ASKED, BYE = (canned(each, 2) for each in (GREETING, PROMPT, GOODBYE))


def _says(script: Script, *entries: Entry, ends_at: float = 4.0) -> Record:
    return Record(script, [Sent(0.0, Listening()), *entries, Ended(ends_at, None)])


def _saying(at: float, reply: int, text: str) -> list[Entry]:
    return [Sent(at, Processing(reply)), Sent(at, ReplyText(reply, text))]


HEARD = (Message("user", "u1"), Message("assistant", SPOKEN), Message("user", "u2"))

BROKEN: list[tuple[Rule, str, Record]] = [
    (floor.the_floor, "reply 2 began while reply 1 lived", _said(
        Listening(), Processing(1), Processing(2))),
    (floor.the_floor, "reply 1 came after reply 1", _said(
        Listening(), Processing(1), TurnOver(1, STAGES), Processing(1))),
    (floor.the_floor, "audio of reply 1 came after its interruption", _said(
        Listening(), Processing(1), Speaking(1), CutOff(1, 0.0, ""), _piece(0.0))),
    (floor.the_floor, "text of reply 1 came after the end of its turn", _said(
        Listening(), Processing(1), TurnOver(1, STAGES), ReplyText(1, "so"))),
    (floor.the_floor, "SPEAKING of reply 1 came while it was not live", _said(
        Listening(), Speaking(1))),
    (floor.the_floor, "came before SPEAKING", _said(Listening(), Processing(1), _piece(0.0))),
    (floor.the_floor, "began to speak twice", _said(
        Listening(), Processing(1), Speaking(1), Speaking(1))),
    (floor.the_floor, "goes on at 0.2000 s", _said(
        Listening(), Processing(1), Speaking(1), _piece(0.0), _piece(0.2))),
    (floor.the_floor, "not whole samples", _said(
        Listening(), Processing(1), Speaking(1), ReplyAudio(1, 0.0, b"abc"))),
    (floor.the_floor, "3.000 s were heard", _said(
        Listening(), Processing(1), Speaking(1), _piece(0.0), CutOff(1, 3.0, "all"))),
    (floor.the_floor, "failed inside the gateway", _said(
        Listening(), Processing(1), Failed(Unavailable("gateway", "broke"), 1))),
    (floor.the_floor, "Processing came first", _said(Processing(1))),
    (floor.the_floor, "Listening came again", _said(Listening(), Listening())),
    (floor.the_pace, "ahead of the loudspeaker", _said(
        Listening(), Processing(1), *(ReplyAudio(1, n * 0.4, _audio(0.4)) for n in range(4)))),
    (floor.the_floor, "audio of reply 1 came in its pause", _said(
        Listening(), Processing(1), Speaking(1), Paused(1), _piece(0.0))),
    (floor.the_floor, "reply 1 paused twice", _said(
        Listening(), Processing(1), Paused(1), Paused(1))),
    (floor.the_floor, "reply 1 ended in its pause", _said(
        Listening(), Processing(1), Paused(1), TurnOver(1, STAGES))),
    (floor.the_floor, "the end of a pause of reply 1 came after its interruption", _said(
        Listening(), Processing(1), Paused(1), CutOff(1, 0.0, ""), Resumed(1))),
    (silence.the_greeting, "the call was opened at 0.50", _says(
        GREETS, *_saying(0.5, 1, HELLO))),
    (silence.the_greeting, "reply 2 was the greeting", _says(
        GREETS, *_saying(0.0, 1, SPOKEN), *_saying(1.0, 2, HELLO))),
    (silence.the_greeting, "the greeting was cut off, which is firm", _says(
        GREETS, *_saying(0.0, 1, HELLO), Sent(0.2, CutOff(1, 0.0, "")))),
    (silence.the_greeting, "the call ended in the greeting, which is firm", Record(
        GREETS, [*_saying(0.0, 1, HELLO), Ended(0.5, CallLost(DRAINED))])),
    (silence.the_greeting, "the greeting was paused, which is firm", _says(
        GREETS, *_saying(0.0, 1, HELLO), Sent(0.2, Paused(1)))),
    (silence.the_silence, "was said while the caller spoke", _says(
        ASKS, Noticed(0.0, True), *_saying(2.0, 1, ASKED))),
    (silence.the_silence, "was said after 1.50 s of silence; its wait: 2 s", _says(
        ASKS, Received(0.5, Typed("t1")), *_saying(2.0, 1, ASKED))),
    (silence.the_silence, "was said after 0.50 s of silence; its wait: 2 s", _says(
        ASKS, Told(1.5, Transcript("u1 u2", final=True)), *_saying(2.0, 1, ASKED))),
    (silence.the_silence, "the caller was asked again", _says(
        ASKS, *_saying(2.0, 1, ASKED), Sent(2.5, TurnOver(1, STAGES)), *_saying(4.5, 2, ASKED))),
    (silence.the_silence, "the goodbye was said to a caller whom nobody had asked", _says(
        ASKS, *_saying(2.0, 1, BYE))),
    (silence.the_silence, "from 0.00 to 20.00 nobody said anything", _says(ASKS, ends_at=20.0)),
    (silence.the_polite_end, "the goodbye was over at 2.00, and the call at 4.00", _says(
        ASKS, *_saying(1.0, 1, BYE), Sent(2.0, TurnOver(1, STAGES)))),
    (silence.the_polite_end, "the goodbye was said at 2.00, and the call ended with", Record(
        ASKS, [*_saying(1.0, 1, BYE), Sent(2.0, TurnOver(1, STAGES)),
               Ended(2.0, CallerSilent("nothing"))])),
    (silence.the_polite_end, "ended well, though nobody hung up or said goodbye", _says(ASKS)),
    (memory.the_history, "does not take turns", _went(
        Asked(1.0, 1, (Message("user", "a"), Message("user", "b"))))),
    (memory.the_history, "begin and end with a question", _went(
        Asked(1.0, 1, (Message("assistant", "a"), Message("user", "b"))))),
    (memory.the_history, "an empty message", _went(Asked(1.0, 1, (Message("user", " "),)))),
    (memory.the_history, "allowed: 40", _went(Asked(1.0, 1, 21 * HEARD[:2] + HEARD[:1]))),
    (memory.the_callers_words, "said at 1.00 was never answered: u1 u2", _went(
        Told(1.0, Transcript("u1 u2", final=True)))),
    (memory.the_callers_words, "said at 1.00 was never answered: u3", _went(
        Told(1.0, Transcript("u3", final=False)), error=CallerSilent("nothing"))),
    (memory.the_callers_words, "never answered: t1", _went(Received(1.0, Typed("t1")))),
    (memory.the_callers_words, "never answered: u2", _went(  # asked, but not in order
        Told(1.0, Transcript("u1", final=True)), Told(1.0, Transcript("u2", final=True)),
        Asked(1.0, 1, (Message("user", "u2 u1"),)))),
    (memory.the_callers_words, "never answered: u1", _went(  # cut off, and then forgotten
        Told(1.0, Transcript("u1", final=True)),
        Sent(1.0, Processing(1)), Sent(1.0, CutOff(1, 0, "")),
        Told(2.0, Transcript("u2", final=True)), Asked(2.0, 1, (Message("user", "u2"),)))),
    (memory.the_callers_words, "said at 1.00 was never answered: u1", _went(  # before a prompt
        Told(1.0, Transcript("u1", final=True)), *_saying(2.0, 1, ASKED), Received(3.0, None))),
    (memory.what_was_heard, "no beginning of what it said in answer 90002", _went(
        *_saying(1.0, 1, ASKED), Said(1.0, 1, ASKED, 3200), Sent(1.1, _piece(0.0)),
        Asked(2.0, 1, (Message("assistant", ASKED + canned(PROMPT, 3)), Message("user", "u1"))))),
    (memory.what_was_heard, "was not sent as audio", _went(
        Said(1.0, 1, SPOKEN, 9600), Sent(1.1, _piece(0.0)), Asked(2.0, 2, HEARD))),
    (memory.what_was_heard, "no beginning of what it said", _went(
        Said(1.0, 1, WORDS[0], 1600), Sent(1.1, _piece(0.0)), Spoke(1.2, 1, 1600, True),
        Asked(2.0, 2, HEARD))),
    (memory.what_was_heard, "sounds of nothing the voice said", _went(Sent(1.1, _piece(0.0)))),
    (memory.whole_replies, "not all of its text was shown", _went(
        Sent(1.0, ReplyText(1, WORDS[0])), Sent(2.0, TurnOver(1, STAGES)))),
    (memory.whole_replies, "not all of it was spoken", _went(
        Said(1.0, 1, WORDS[0], 1600), Sent(1.0, ReplyText(1, SPOKEN)),
        Sent(2.0, TurnOver(1, STAGES)))),
    (memory.whole_replies, "0 samples were sent, 1600 made", _went(
        Said(1.0, 1, SPOKEN, 1600), Spoke(1.0, 1, 1600, True), Sent(1.0, ReplyText(1, SPOKEN)),
        Sent(2.0, TurnOver(1, STAGES)))),
    (ends.true_reasons, "the call broke: KeyError", _went(error=KeyError("x"))),
    (ends.true_reasons, "CallerSilent", _went(error=CallerSilent("nothing"))),
    (ends.true_reasons, "CallLost", _went(error=CallLost("speech was lost"))),
    (ends.the_end_comes, "after the caller hung up", _went(ends_at=400.0)),
    (ends.the_end_comes, "its longest is 600 s", _went(ends_at=700.0)),
    (ends.nothing_begins, "answer 1 was asked for; the call was lost at 1.00", _went(
        Fault(1.0, "asr misconfigured"), Asked(2.0, 1, HEARD[:1]))),
    (ends.the_end_comes, "after the caller vanished", _went(Left(3.0, "vanished"))),
    (ends.the_end_comes, "after the caller's last message", _went(
        Received(1.0, Typed("t1")), ends_at=90.0)),
]  # fmt: skip


@pytest.mark.parametrize(("rule", "sentence", "record"), BROKEN, ids=[b[1] for b in BROKEN])
def test_a_broken_record_is_caught(rule: Rule, sentence: str, record: Record):
    assert any(sentence in said for said in rule(record)), list(rule(record))


@pytest.mark.parametrize("left", ["still_open", "tasks", "broken"])
def test_what_a_call_leaves_behind_is_caught(left: str):
    record = _went()
    record.entries[-1] = replace(record.end, **{left: ("answer 1",)})
    assert any("answer 1" in said for said in ends.nothing_left(record))


def test_a_call_that_hangs_is_caught():
    record = _went()
    record.entries[-1] = replace(record.end, hung=True)
    assert "the call hung" in list(ends.the_end_comes(record))


def test_a_sound_record_breaks_no_rule():
    script = Script(
        Call(ends_at=8.0),
        acts=(Act(0.0, "talks", seconds=4.0), Act(5.0, "types", text="t3")),
        hears=(Hears(1.0, "u1 u2", final=True),),
    )
    assert broken(simulated(script)) == []


def test_a_silent_caller_is_greeted_asked_and_let_go():
    call = Call(greeting=HELLO, idle_prompt_s=3.0, idle_end_s=2.0, ending="stays", longest_s=60.0)
    record = simulated(Script(call))
    assert broken(record) == []
    assert [e.text for e in record.entries if isinstance(e, Said)] == [
        HELLO, canned(PROMPT, 4), canned(GOODBYE, 2),
    ]  # fmt: skip
    assert record.end.error is None


@pytest.mark.parametrize(("chance", "taken_at"), [(0.9, 2.3), (0.2, 3.2), (None, 2.6)])
def test_how_a_turn_sounds_decides_how_long_it_waits(chance: float | None, taken_at: float):
    script = Script(
        Call(ends_at=8.0, activity=True, drafts=0),
        acts=(Act(0.0, "talks", seconds=6.0, frame_s=0.02),),
        hears=(Hears(1.9, "u1 u2", final=False), Hears(2.1, "u1 u2", final=True)),
        voiced=(Voiced(1.0, 1.0),),
        opinions=(Opinion(chance),),
    )
    record = simulated(script)
    assert broken(record) == []
    taken = [e.at for e in record.entries if isinstance(e, Sent) and type(e.message) is Processing]
    assert taken == [pytest.approx(taken_at, abs=0.03)]
