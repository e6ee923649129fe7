"""What is shown, as golden text: plain, and on a terminal."""

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


def test_plain_lines():
    assert show(*CALL) == PLAIN


def test_a_terminal_shows_the_same_without_the_interims():
    kept = [line for line in PLAIN.splitlines(keepends=True) if not line.startswith("  ...")]
    assert as_seen(show(*CALL, width=80)) == "".join(kept)


def test_an_interim_is_rewritten_in_place_and_never_wraps():
    assert show(Transcript("what", False), Transcript("what is natural", False), width=20) == (
        "\r\x1b[K  ... what\r\x1b[K  ... …t is natural\r\x1b[Kyou: what is natural\n"
    )


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
