"""A line on which audio comes late: no silence is over before it has been heard."""

from collections.abc import Sequence

import pytest
from voice_gateway.audio import pcm
from voice_gateway.hearing.arrival import LATEST_S, Arrival
from voice_gateway.messages import Audio, Processing
from voice_gateway.ports import Edge
from voice_gateway.testing.scripted import RATE_HZ, Call, Says, ScriptedActivity, Sends

FRAME_S = 0.02
QUESTION = "what is the weather"
VOICED = ((0.5, True), (1.5, False))  # seconds of the audio
GOES_ON = (*VOICED, (1.7, True), (2.5, False))


def frames(until: float, *, hangs_at: float = 0.0, hangs_s: float = 0.0) -> list[Sends]:
    """Audio in real time; for `hangs_s` nothing comes, and then all at once that belongs there."""
    ends = [n * FRAME_S for n in range(1, round(until / FRAME_S) + 1)]
    free = hangs_at + hangs_s
    frame = Audio(pcm.silence(FRAME_S, RATE_HZ))
    return [Sends(free if hangs_at < end < free else end, frame) for end in ends]


class Detector(ScriptedActivity):
    """Reports the edges as the audio in which they are is fed, whenever that comes."""

    def __init__(self, edges: Sequence[tuple[float, bool]]) -> None:
        super().__init__(())
        self._in_audio = list(edges)
        self._fed_s = 0.0

    def feed(self, pcm: bytes, at: float) -> list[Edge]:
        self._fed_s += len(pcm) / 2 / RATE_HZ
        found: list[Edge] = []
        while self._in_audio and self._in_audio[0][0] <= self._fed_s + 1e-6:
            edge_s, voiced = self._in_audio.pop(0)
            found.append(Edge(voiced, self._fed_s - edge_s))
        return found


def taken_at(edges: Sequence[tuple[float, bool]], sends: Sequence[Sends]) -> list[float]:
    says = [Says(1.45, QUESTION)]
    call = Call(says, ["Sunny."], sends, activity=Detector(edges), hangs_up=6.0).run()
    assert call.error is None
    return [at for at, message in call.received if isinstance(message, Processing)]


def test_a_caller_whose_audio_comes_in_time_is_answered_in_time():
    assert taken_at(VOICED, frames(5.0))[0] == pytest.approx(1.5 + 0.3)


def test_a_gap_in_what_arrives_is_no_silence():
    late = frames(5.0, hangs_at=1.6, hangs_s=0.25)  # the voice of 1.7 s comes at 1.85 s
    assert taken_at(GOES_ON, late) == [pytest.approx(2.5 + 0.3)]


def test_audio_that_comes_much_too_late_is_not_waited_for():
    late = frames(5.0, hangs_at=1.6, hangs_s=1.5)
    assert taken_at(VOICED, late)[0] == pytest.approx(1.6 + 2 * FRAME_S + LATEST_S, abs=0.03)


def test_a_client_that_sends_nothing_in_silence_waits_no_longer_than_that():
    assert taken_at(VOICED, frames(1.6))[0] <= 1.6 + FRAME_S + LATEST_S + 1e-6


def arrival(*pieces: tuple[float, float]) -> Arrival:
    """What has come: at each time the audio up to a position, in pieces of FRAME_S."""
    of = Arrival()
    for at, until_s in pieces:
        of.came(at, until_s, FRAME_S)
    return of


def test_where_no_audio_came_nothing_is_waited_for():
    assert Arrival().has_come(5.0)


def test_what_is_not_older_than_the_newest_piece_has_come():
    of = arrival((10.0, 0.02), (10.5, 0.52))
    assert of.has_come(10.5)
    assert of.has_come(10.55)
    assert not of.has_come(10.6)
    assert of.given_up_at(10.6) == pytest.approx(10.5 + FRAME_S + LATEST_S)
    assert of.has_come(10.9)


def test_a_line_that_was_quick_is_late_when_it_is_as_slow_as_others():
    quick = arrival((10.0, 0.02), (11.0, 1.02), (11.6, 1.42))  # 0.2 s late
    assert not quick.has_come(11.6)
    slow = arrival((10.2, 0.02), (11.2, 1.02), (11.6, 1.42))
    assert slow.has_come(11.6)


def test_a_client_that_sent_nothing_for_a_while_begins_anew():
    of = arrival((10.0, 0.02), (10.5, 0.52), (14.0, 0.54))
    assert of.has_come(14.0)


def test_audio_that_came_faster_than_it_was_spoken_is_not_expected_to_go_on_so():
    of = arrival((10.0, 0.02), (10.1, 20.0))
    assert of.has_come(10.1 + FRAME_S + LATEST_S)


def test_clocks_that_drift_apart_make_no_line_late():
    of = Arrival()
    for n in range(5_000):  # 100 s, in which the client's clock loses one
        of.came(10.0 + n * FRAME_S * 1.01, (n + 1) * FRAME_S, FRAME_S)
    assert of.has_come(10.0 + 4_999 * FRAME_S * 1.01)
