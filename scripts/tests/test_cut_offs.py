"""What benchmarks/cut_offs.py makes of evidence: literal silences, no processes."""

from dataclasses import replace

import pytest
from voice_gateway.conversation.end_of_turn import WEIGHTS

from cut_offs import evidence
from cut_offs.evidence import Silence
from cut_offs.fit import fitted
from cut_offs.labelled_turns import turns
from cut_offs.rules import judged, taken_after

SAID = Silence(
    turn="a call, 1",
    speaker="a caller",
    kind="end",
    since=4.0,
    lasts=None,
    sound=((0.1, 0.2), (0.2, 0.5), (0.4, 0.9)),
    words=((-0.3, "what is"), (0.35, "what is the weather")),
)
HOLD = replace(SAID, kind="hold", lasts=0.5)


def test_the_shipped_weights_are_those_that_are_fitted():
    assert fitted(evidence.read()) == WEIGHTS


def test_the_evidence_is_of_the_bundled_recordings():
    bundled = {turn.name for turn in turns()}
    assert {each.turn for each in evidence.read()} <= bundled
    assert len(bundled) == 32 + 60


def test_a_recording_ends_in_silence():
    for turn in turns():
        assert turn.begins_s < turn.ends_s < turn.seconds - 2.0
        assert all(turn.begins_s < a < b < turn.ends_s for a, b in turn.holds)


def test_at_each_moment_the_newest_evidence_counts():
    assert (SAID.text(0.3), SAID.text(0.4)) == ("what is", "what is the weather")
    assert (SAID.probability(0.05), SAID.probability(0.3)) == (None, 0.5)


@pytest.mark.parametrize(
    ("least_sound", "after_s"),
    [(0.0, 0.3), (0.5, 0.3), (0.9, 0.46), (0.95, 1.2)],
    ids=["at once", "when it is first asked", "when it is asked again", "never"],
)
def test_a_turn_is_taken_when_the_evidence_is_enough(least_sound: float, after_s: float):
    def silence_after(_: str, sound: float | None) -> float:
        return 0.3 if (sound or 0.0) >= least_sound else 1.2

    assert taken_after(SAID, silence_after, (0.2, 0.4)) == pytest.approx(after_s)


def test_a_turn_without_words_is_not_taken():
    assert taken_after(replace(SAID, words=()), lambda _, __: 0.3, ()) == 4.0


def test_a_hold_is_cut_off_by_a_wait_that_is_shorter():
    brief = replace(HOLD, lasts=0.2)
    outcome = judged([HOLD, brief, SAID, replace(SAID, kind="doubtful")], lambda _: 0.45)
    assert (outcome.cut, outcome.holds, outcome.long_cut, outcome.long_holds) == (1, 2, 1, 1)
    assert (outcome.mean_s, outcome.rate) == (0.45, 0.5)
