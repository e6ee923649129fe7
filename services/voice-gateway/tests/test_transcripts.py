"""Whole calls, as the client receives them, compared with the recordings in `transcripts/`.

Every bug in turn-taking becomes one more of them. A missing one is recorded by the run, which
fails: read it, and keep it if it is right.
"""

from dataclasses import dataclass, field
from pathlib import Path

import pytest
from voice_gateway.audio import pcm
from voice_gateway.errors import Unavailable
from voice_gateway.messages import Audio, Interrupt, Typed
from voice_gateway.testing.scripted import RATE_HZ, Call, Says, Sends
from voice_gateway.transports.wire import to_server
from voice_proto import voice_workflow_pb2 as pb

TRANSCRIPTS = Path(__file__).parent / "transcripts"
STORY = "Once upon a time, there was a fox. It lived in a wood. The end."

CALLS = {
    "three_turns_a_typed_one_and_a_barge_in": lambda: Call(
        says=[
            Says(0.8, "what is", final=False),
            Says(1.2, "what is your name"),
            Says(5.0, "how old are you"),
            Says(9.0, "tell me a story"),
            Says(11.5, "wait", final=False),
            Says(12.0, "wait a moment"),
        ],
        sends=[Sends(16.0, Typed("thank you"))],
        replies=["I am Ann.", "Not very old.", STORY, "I am waiting.", "You are welcome."],
        hangs_up=20.0,
    ),
    "half_a_question_is_joined": lambda: Call(
        says=[
            Says(1.0, "I want to"),
            Says(1.1, "fly", final=False),
            Says(2.0, "fly to Paris"),
        ],
        replies=["Where to?", "To Paris then."],
        hangs_up=6.0,
    ),
    "interrupted_without_a_word": lambda: Call(
        says=[Says(1.0, "tell me a story")],
        sends=[Sends(3.0, Interrupt())],
        replies=[STORY],
        hangs_up=5.0,
    ),
    "hung_up_before_the_answer": lambda: Call(
        says=[Says(1.5, "eight of spades"), Says(1.9, "four of clubs")],
        sends=[Sends(0.0, Audio(bytes(640)))],
        replies=[STORY],
        hangs_up=0.3,
    ),
    "a_failed_turn": lambda: Call(
        says=[Says(1.0, "what is your name"), Says(4.0, "are you there")],
        replies=[Unavailable("llm", "the model is down"), "I am here."],
        hangs_up=8.0,
    ),
}


@dataclass
class Written:
    """What was received, one line per event; text and audio between two events are summed up."""

    lines: list[str] = field(default_factory=list[str])
    texts: dict[int, str] = field(default_factory=dict[int, str])
    audio: dict[int, tuple[float, float, float]] = field(
        default_factory=dict[int, tuple[float, float, float]]
    )

    def take(self, at: float, message: pb.ServerMessage) -> None:
        match message.WhichOneof("content"):
            case "llm_response_chunk":
                before = self.texts.get(message.reply_id, "")
                self.texts[message.reply_id] = before + message.llm_response_chunk
            case "audio_chunk":
                start, _, length_s = self.audio.get(message.reply_id, (at, at, 0.0))
                length_s += pcm.seconds(message.audio_chunk, RATE_HZ)
                self.audio[message.reply_id] = (start, at, length_s)
            case "transcript_chunk":
                kind = "final" if message.transcript.is_final else "interim"
                self.lines.append(f"{at:6.2f}  {kind}: {message.transcript_chunk}")
            case _:
                self.sum_up()
                self.lines.append(f"{at:6.2f}  {_event(message)}")

    def sum_up(self) -> None:
        self.lines += [f"        text of reply {n}: {t.strip()}" for n, t in self.texts.items()]
        self.lines += [
            f"        audio of reply {n}: {length_s:.2f} s, sent from {start:.2f} to {end:.2f}"
            for n, (start, end, length_s) in self.audio.items()
        ]
        self.texts.clear()
        self.audio.clear()


def _event(message: pb.ServerMessage) -> str:
    event = message.event
    name = pb.EventType.Name(event.type)
    said = f" reply {message.reply_id}" if message.reply_id else ""
    if event.HasField("interruption"):
        cut = event.interruption
        said += f" interrupted after {cut.heard_ms} ms, heard: {cut.heard_text!r}"
    if event.type == pb.ERROR:
        said += f" {event.fault.stage} {event.fault.code}: {event.message}"
    if event.latency.HasField("total_ms"):
        said += f" first audio after {event.latency.total_ms} ms"
    return name + said


def written(call: Call) -> str:
    out = Written()
    for number, (at, message) in enumerate(call.received, 1):
        out.take(at, to_server(message, number))
    out.sum_up()
    memory = [f"        {m.role}: {m.text}" for m in call.asked[-1]]
    return "\n".join([*out.lines, "", "what the model was last asked:", *memory, ""])


@pytest.mark.parametrize("name", CALLS)
def test_the_client_receives_what_was_recorded(name: str):
    got = written(CALLS[name]().run())
    recorded = TRANSCRIPTS / f"{name}.txt"
    if not recorded.exists():
        recorded.write_text(got)
        pytest.fail(f"recorded {recorded.name}: read it, and run again")
    assert got == recorded.read_text()
