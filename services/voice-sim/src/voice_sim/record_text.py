"""Writes a simulated call as text: its script, and what happened, one line per event.

The script's lines are enough to run the call again. Text and audio between two events are summed
up.
"""

from dataclasses import dataclass, field

from voice_gateway.audio import pcm
from voice_gateway.conversation import Command
from voice_gateway.messages import (
    Adjust,
    Answer,
    Audio,
    CutOff,
    Failed,
    FromCaller,
    Interrupt,
    Noted,
    Played,
    Processing,
    ReplyAudio,
    ReplyText,
    Speaking,
    ToCaller,
    Transcript,
    Truncated,
    TurnOver,
    Typed,
    Withdrawn,
)

from voice_sim.call_record import (
    Asked,
    Ended,
    Entry,
    Fault,
    Judged,
    Left,
    Noticed,
    Over,
    Received,
    Record,
    Said,
    Sent,
    Spoke,
    Step,
    Transcribed,
    Wrote,
)
from voice_sim.script import written


def as_text(record: Record) -> str:
    lines = _Lines(record.script.call.rate_hz)
    for entry in record.entries:
        lines.take(entry)
    lines.sum_up()
    return "\n".join(["the script:", *written(record.script), "", "what happened:", *lines.lines])


@dataclass(slots=True)
class _Lines:
    rate_hz: int
    lines: list[str] = field(default_factory=list[str])
    texts: dict[int, str] = field(default_factory=dict[int, str])
    audio: dict[int, tuple[float, float, float]] = field(
        default_factory=dict[int, tuple[float, float, float]]
    )

    def take(self, entry: Entry) -> None:
        match entry:
            case Sent(_, ReplyText(reply, text)):
                self.texts[reply] = self.texts.get(reply, "") + text
            case Sent(at, ReplyAudio(reply, _, audio)):
                start, _, length_s = self.audio.get(reply, (at, at, 0.0))
                length_s += pcm.seconds(audio, self.rate_hz)
                self.audio[reply] = (start, at, length_s)
            case Received(_, Audio()) | Step(_, _, ()):
                pass
            case _:
                self.sum_up()
                said = _said(entry)
                self.lines += [f"{entry.at:7.2f}  {said[0]}", *(f"{'':9}{s}" for s in said[1:])]

    def sum_up(self) -> None:
        self.lines += [f"{'':9}text of reply {n}: {t!r}" for n, t in self.texts.items()]
        self.lines += [
            f"{'':9}audio of reply {n}: {length_s:.3f} s, sent from {start:.2f} to {end:.2f}"
            for n, (start, end, length_s) in self.audio.items()
        ]
        self.texts.clear()
        self.audio.clear()


def _said(entry: Entry) -> list[str]:
    match entry:
        case Sent(_, message):
            return [_sent(message)]
        case Received(_, message):
            return [f"the caller {_received(message)}"]
        case Noticed(_, voiced):
            return ["the caller's voice begins" if voiced else "the caller's voice falls silent"]
        case Judged(_, probability):
            return [
                f"the turn sounds complete: {'no opinion' if probability is None else probability}"
            ]
        case Transcribed(_, words):
            return [f"recognised, {'final' if words.final else 'interim'}: {words.text!r}"]
        case Asked(_, answer, history):
            asked = [f"  {message.role}: {message.text}" for message in history]
            return [f"the model is asked for answer {answer}", *asked]
        case Ended(_, error):
            return [f"the call ended: {error!r}" if error else "the call ended well"]
        case _:
            return [_service(entry)]


def _service(entry: Entry) -> str:
    match entry:
        case Wrote(_, answer, _, whole):
            return f"answer {answer} is {'complete' if whole else 'broken off'}"
        case Said(_, clause, text):
            return f"the voice is asked for clause {clause}: {text!r}"
        case Spoke(_, clause, samples, whole):
            return f"clause {clause} is {'over' if whole else 'broken off'} after {samples} samples"
        case Fault(_, what):
            return f"fault: {what}"
        case Step(_, event, commands):
            decided = ", ".join(_decided(command) for command in commands)
            return f"{type(event).__name__} → {decided}"
        case Over():
            return "nothing more is decided"
        case Left(_, how):
            return how
        case _:
            return ""


def _decided(command: Command) -> str:
    reply = getattr(command, "reply", 0)
    return f"{type(command).__name__} {reply}" if reply else type(command).__name__


def _received(message: FromCaller | None) -> str:
    match message:
        case None:
            return "hangs up"
        case Typed(text):
            return f"types {text!r}"
        case Interrupt():
            return "interrupts"
        case Played(reply, seconds):
            return f"says it played {seconds:.2f} s of reply {reply}"
        case Noted(noted):
            return f"notes {noted.name}, {noted.role}: {noted.text}"
        case Withdrawn(name):
            return f"withdraws {name}"
        case Truncated(reply, seconds):
            return f"says it stopped reply {reply} at {seconds:.2f} s"
        case Adjust(config):
            return f"wants turns taken so: {config.turns}"
        case Answer(config):
            return "asks for an answer" + (f", told to {config.system_prompt!r}" if config else "")
        case _:
            return type(message).__name__


def _sent(message: ToCaller) -> str:
    match message:
        case Transcript(text, final):
            return f"{'final' if final else 'interim'}: {text}"
        case Processing(reply):
            return f"PROCESSING reply {reply}"
        case Speaking(reply):
            return f"SPEAKING reply {reply}"
        case CutOff(reply, heard_s, text):
            return f"INTERRUPTED reply {reply} after {heard_s:.3f} s, heard: {text!r}"
        case TurnOver(reply):
            return f"END_OF_TURN reply {reply}"
        case Failed(error, reply):
            whose = f" reply {reply}" if reply else ""
            return f"ERROR{whose} {error.stage} {error.code}: {error.text}"
        case _:
            return type(message).__name__.upper()
