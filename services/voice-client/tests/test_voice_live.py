"""The live view of `voice mic`: who has the floor, how loud, which words, where the time went."""

import io

import pytest
from rich.console import Console
from voice_client.levels import Levels, peak_db, tone
from voice_client.live import LiveScreen
from voice_client.messages import (
    Fault,
    Interruption,
    Listening,
    Processing,
    ReplyText,
    Speaking,
    StageLatency,
    Transcript,
    TurnEnded,
    VoicePaused,
)
from voice_client.turns import Turn

STAGES = StageLatency(endpoint_ms=400, model_ms=200, clause_ms=100, voice_ms=100, total_ms=800)


class Terminal:
    def __init__(self) -> None:
        self.levels = Levels()
        self.written = io.StringIO()
        self.live = LiveScreen(Console(file=self.written, width=80), self.levels, hint="here")

    def picture(self) -> str:
        console = Console(file=io.StringIO(), width=80)
        with console.capture() as shown:
            console.print(self.live.picture())
        return shown.get()


@pytest.fixture
def terminal() -> Terminal:
    return Terminal()


def test_the_floor_is_shown_as_it_goes_round(terminal: Terminal):
    live = terminal.live
    assert "no line yet" in terminal.picture()
    for message, floor in (
        (Listening(None), "the floor is yours"),
        (Processing(), "thinking"),
        (Speaking(1), "the gateway speaks"),
        (VoicePaused(), "the gateway waits for you"),
        (Listening(Interruption(900, "It is")), "the floor is yours"),
    ):
        live.see(message)
        assert f"● {floor}" in terminal.picture()
    assert "[interrupted after 900 ms, heard: It is]" in terminal.written.getvalue()


def test_words_in_the_making_stand_in_the_panel_and_finished_ones_above(terminal: Terminal):
    live = terminal.live
    live.see(Transcript("what is", False))
    assert "… what is" in terminal.picture()
    assert terminal.written.getvalue() == ""
    live.see(Transcript("what is\x1b[31m it", True))
    live.see(ReplyText(1, "A "))
    live.see(ReplyText(1, "field."))
    assert "reply: A field." in terminal.picture()
    live.see(TurnEnded(STAGES))
    live.turn_over(Turn(0, "microphone", stages=STAGES))
    assert terminal.written.getvalue() == "you: what is [31m it\nreply: A field.\n"
    assert "reply" not in terminal.picture()
    assert "━" * 40 in terminal.picture()
    assert "end of turn 400  model 200  clause 100  voice 100  = 800 ms" in terminal.picture()


def test_a_turn_that_goes_on_is_one_line(terminal: Terminal):
    live = terminal.live
    for message in (
        Transcript("what is natural language", True),
        Processing(),
        ReplyText(1, "Natural language is"),
        Speaking(1),
        Transcript("processing?", True, 1, "what is natural language processing?"),
        Listening(Interruption(0, ""), 1),
    ):
        live.see(message)
    assert "… what is natural language processing?" in terminal.picture()
    assert "reply" not in terminal.picture()
    for message in (Processing(), ReplyText(2, "A field."), TurnEnded(STAGES)):
        live.see(message)
    assert terminal.written.getvalue() == (
        "you: what is natural language processing?\nreply: A field.\n"
    )


def test_an_answer_that_was_cut_short_says_why(terminal: Terminal):
    terminal.live.see(ReplyText(1, "It is"))
    terminal.live.see(TurnEnded(STAGES, "content_filter"))
    assert terminal.written.getvalue() == (
        "reply: It is\n[cut short: the model's filter withheld the rest]\n"
    )


def test_the_bars_follow_the_levels(terminal: Terminal):
    assert terminal.picture().count("silent") == 2
    terminal.levels.microphone_db = -30.0
    assert "█" * 12 + "·" * 12 + " -30 dB" in terminal.picture()


def test_faults_and_notes_are_kept(terminal: Terminal):
    terminal.live.note("dialling again in 0.5 s")
    terminal.live.see(Fault("too long", "llm", "timed_out", True))
    assert terminal.written.getvalue() == (
        "dialling again in 0.5 s\nerror: llm timed_out: too long\n"
    )


def test_levels_are_peaks():
    assert peak_db(b"") == peak_db(bytes(100)) == -90.0
    assert peak_db(b"\xff\x3f\x00\xc0") == pytest.approx(-6.02, abs=0.01)
    beep = tone(440.0, 0.5, 16_000, -20.0)
    assert peak_db(beep) == pytest.approx(-20.0, abs=0.1)
