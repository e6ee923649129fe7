"""What is shown, as golden text: plain, and on a terminal."""

import re

import pytest
from voice_client.messages import (
    Fault,
    Interruption,
    Listening,
    Message,
    Processing,
    ReplyAudio,
    ReplyText,
    Speaking,
    StageLatency,
    Transcript,
    TurnEnded,
)
from voice_client.screen import Screen
from voice_client.turns import Turn

STAGES = StageLatency(endpoint_ms=402, model_ms=210, clause_ms=90, voice_ms=110, total_ms=812)

CALL: tuple[Message, ...] = (
    Listening(None),
    Transcript("what", False),
    Transcript("what", False),
    Transcript("what is natural", False),
    Transcript("what is natural language processing ", True),
    Processing(),
    ReplyText(1, "It is a "),
    ReplyText(1, "field."),
    Speaking(1),
    ReplyAudio(1, 0, b"\0\0"),
    ReplyText(1, " It helps"),
    Transcript("no wait", False),
    Listening(Interruption(1250, "It is a field.")),
    Processing(),
    Fault("the model took too long", "llm", "timed_out", True),
    TurnEnded(STAGES),
)

PLAIN = """\
[listening]
  ... what
  ... what is natural
you: what is natural language processing
[thinking]
reply: It is a field. It helps
  ... no wait
[interrupted after 1250 ms, heard: It is a field.]
you: no wait
[thinking]
error: llm timed_out: the model took too long
[end of turn]
  end of turn    402 ms  last word to the decision that the turn is over
  model          210 ms  to the first piece of the reply's text
  clause          90 ms  to the first clause that can be spoken
  voice          110 ms  to that clause's first audio
  total          812 ms  last word to first audio, as the gateway sees it
  measured       840 ms  end of speech sent to first audio received here
"""


def show(*messages: Message, width: int | None = None) -> str:
    written: list[str] = []
    screen = Screen(written.append, width=None if width is None else lambda: width)
    for message in messages:
        screen.see(message)
        if isinstance(message, TurnEnded):
            turn = Turn(0, "", stages=message.latency, measured_ms=840, ending="answered")
            screen.turn_over(turn)
    screen.close()
    return "".join(written)


def as_seen(written: str) -> str:
    """What a terminal shows in the end: carriage returns go back, ESC[K clears the line."""
    lines = [line.split("\r\x1b[K")[-1] for line in written.split("\n")]
    return "\n".join(lines)


def on_a_terminal(written: str, width: int) -> list[str]:
    """The lines that a terminal of this width shows in the end; what wraps is one line."""
    rows, at = [""], 0
    for part in re.split(r"(\x1b\[\d+A|\r|\x1b\[K|\x1b\[J|\n)", written):
        if part == "\n":
            at += 1
            rows[at:] = [""]
        elif part.endswith("A"):
            at = _row_above(rows, at, int(part[2:-1]), width)
        elif part == "\x1b[J":
            del rows[at + 1 :]
            rows[at] = ""
        elif part in ("\r", "\x1b[K"):
            rows[at] = ""
        else:
            rows[at] += part
    return [row for row in rows if row]


def _row_above(rows: list[str], at: int, up: int, width: int) -> int:
    """The line whose first row is so many rows above the cursor, at the end of this one."""
    up -= max(0, len(rows[at]) - 1) // width
    while up > 0:
        at -= 1
        up -= max(0, len(rows[at]) - 1) // width + 1
    assert up == 0
    return at


def test_plain_lines():
    assert show(*CALL) == PLAIN


def test_a_terminal_shows_the_same_without_the_interims():
    kept = [line for line in PLAIN.splitlines(keepends=True) if not line.startswith("  ...")]
    assert as_seen(show(*CALL, width=80)) == "".join(kept)


def test_an_interim_is_rewritten_in_place_and_never_wraps():
    assert show(Transcript("what", False), Transcript("what is natural", False), width=20) == (
        "\r\x1b[K  ... what\r\x1b[K  ... …t is natural\r\x1b[Kyou: what is natural\n"
    )


GOES_ON: tuple[Message, ...] = (
    Transcript("what is natural language", True),
    Processing(),
    ReplyText(1, "Natural language is how people talk to each other, and so on for a while."),
    Speaking(1),
    Transcript("processing", False, 1, "what is natural language processing"),
    Listening(Interruption(0, ""), 1),
    Transcript("processing?", True, 1, "what is natural language processing?"),
    Processing(),
    ReplyText(2, "A field."),
)


@pytest.mark.parametrize("width", [80, 30])
def test_a_turn_that_goes_on_is_one_line_on_a_terminal(width: int):
    shown = on_a_terminal(show(*GOES_ON, width=width), width)
    assert shown == ["you: what is natural language processing?", "[thinking]", "reply: A field."]


def test_a_turn_that_goes_on_is_said_to_where_nothing_can_be_erased():
    assert show(*GOES_ON).splitlines()[3:] == [
        "[the turn goes on]",
        "  ... what is natural language processing",
        "  ... what is natural language processing?",
        "you: what is natural language processing?",
        "[thinking]",
        "reply: A field.",
    ]


def test_a_final_that_comes_after_its_turn_was_answered_is_no_other_line():
    late = (Transcript("what is it", False), Processing(), Transcript("What is it?", True))
    assert show(*late) == "  ... what is it\nyou: what is it\n[thinking]\n"


@pytest.mark.parametrize(
    ("incomplete", "line"),
    [
        ("max_output_tokens", "[cut short: the answer is as long as it may be]"),
        ("content_filter", "[cut short: the model's filter withheld the rest]"),
        ("something new", "[cut short: something new]"),
    ],
)
def test_an_answer_that_was_cut_short_says_why(incomplete: str, line: str):
    assert show(ReplyText(1, "It is"), TurnEnded(None, incomplete)).splitlines()[:3] == [
        "reply: It is",
        line,
        "[end of turn]",
    ]


def test_control_characters_do_not_reach_the_terminal():
    shown = show(ReplyText(1, "a\x1b[2Jb\x9bc\nd"), Transcript("\x07x", True))
    assert shown == "reply: a [2Jb c d\nyou: x\n"


@pytest.mark.parametrize(
    ("interruption", "line"),
    [
        (Interruption(0, ""), "[interrupted after 0 ms, heard: nothing]\n"),
        (Interruption(90, "Hi."), "[interrupted after 90 ms, heard: Hi.]\n"),
    ],
)
def test_an_interruption_says_what_was_heard(interruption: Interruption, line: str):
    assert show(Listening(interruption)) == line
