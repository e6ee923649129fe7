"""What must hold of what the caller receives: phases, one reply at a time, audio and its pace."""

from collections.abc import Iterator
from dataclasses import dataclass

from voice_gateway.audio import pcm
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
    TurnOver,
)

from voice_sim.record import Received, Record, Sent

_HAIR_S = 0.002  # rounding, and the outbox's own idea of "due"


@dataclass(slots=True)
class _Floor:
    """The call as a client follows it."""

    begun: bool = False
    live: int = 0
    last: int = 0
    why_over: str = ""
    speaking: bool = False
    paused: bool = False
    sent_s: float = 0.0

    def take(self, message: ToCaller, rate_hz: int) -> Iterator[str]:
        """Follow the call by one message; yield what must not be."""
        self.begun, before = True, self.begun
        if before is isinstance(message, Listening):
            yield f"{type(message).__name__} came {'again' if before else 'first'}"
        match message:
            case Processing(reply):
                yield from self._begin(reply)
            case ReplyAudio():
                yield from self._audio(message, rate_hz)
            case ReplyText(reply):
                yield from self._named(reply, "text")
            case Speaking(reply):
                yield from self._speak(reply)
            case CutOff() | TurnOver():
                yield from self._end(message)
            case Paused() | Resumed():
                yield from self._pause(message)
            case Failed():
                yield from self._failed(message)
            case _:
                pass  # what is not about a reply may come at any time

    def _speak(self, reply: int) -> Iterator[str]:
        yield from self._named(reply, "SPEAKING")
        if self.speaking:
            yield f"reply {reply} began to speak twice"
        self.speaking = True

    def _pause(self, message: Paused | Resumed) -> Iterator[str]:
        pauses = isinstance(message, Paused)
        yield from self._named(message.reply, "a pause" if pauses else "the end of a pause")
        if pauses is self.paused:
            yield f"reply {message.reply} {'paused' if pauses else 'went on'} twice"
        self.paused = pauses

    def _end(self, message: CutOff | TurnOver) -> Iterator[str]:
        what = "its interruption" if isinstance(message, CutOff) else "the end of its turn"
        yield from self._named(message.reply, what)
        if isinstance(message, CutOff) and message.heard_s > self.sent_s + _HAIR_S:
            yield (
                f"of reply {message.reply} {message.heard_s:.3f} s were heard, "
                f"and only {self.sent_s:.3f} s sent"
            )
        if self.paused and isinstance(message, TurnOver):
            yield f"reply {message.reply} ended in its pause"
        self.live, self.why_over = 0, what

    def _failed(self, message: Failed) -> Iterator[str]:
        if message.reply:
            yield from self._named(message.reply, "a failure")
        if message.error.stage == "gateway":
            yield f"reply {message.reply} failed inside the gateway"

    def _begin(self, reply: int) -> Iterator[str]:
        if self.live:
            yield f"reply {reply} began while reply {self.live} lived"
        if reply <= self.last:  # one prepared in vain leaves a gap
            yield f"reply {reply} came after reply {self.last}"
        self.live = self.last = reply
        self.speaking, self.paused, self.sent_s = False, False, 0.0

    def _named(self, reply: int, what: str) -> Iterator[str]:
        if reply == self.live:
            return
        if reply == self.last:
            yield f"{what} of reply {reply} came after {self.why_over}"
        else:
            yield f"{what} of reply {reply} came while it was not live"

    def _audio(self, audio: ReplyAudio, rate_hz: int) -> Iterator[str]:
        yield from self._named(audio.reply, "audio")
        if not self.speaking:
            yield f"audio of reply {audio.reply} came before SPEAKING"
        if self.paused:
            yield f"audio of reply {audio.reply} came in its pause"
        if abs(audio.offset_s - self.sent_s) > 1e-6:
            yield (
                f"audio of reply {audio.reply} goes on at {audio.offset_s:.4f} s, "
                f"where {self.sent_s:.4f} s had been sent"
            )
        if not audio.pcm or len(audio.pcm) % pcm.SAMPLE_BYTES:
            yield f"audio of reply {audio.reply} is not whole samples: {len(audio.pcm)} bytes"
        self.sent_s = audio.offset_s + pcm.seconds(audio.pcm, rate_hz)


def the_floor(record: Record) -> Iterator[str]:
    """Phases come in a legal order, one reply at a time, and nothing comes of one that is over."""
    floor = _Floor()
    for entry in record.entries:
        if isinstance(entry, Sent):
            for broken in floor.take(entry.message, record.script.call.rate_hz):
                yield f"at {entry.at:.2f} {broken}"


def the_pace(record: Record) -> Iterator[str]:
    """Audio is at most the lead and one piece ahead of the loudspeaker, until the half-close."""
    call = record.script.call
    silent_at = 0.0
    for entry in record.entries:
        match entry:
            case Received(_, None):
                return
            case Sent(at, Processing()):
                silent_at = at
            case Sent(at, ReplyAudio(reply, _, audio)):
                piece_s = pcm.seconds(audio, call.rate_hz)
                silent_at = max(silent_at, at) + piece_s
                if silent_at - at > call.lead_s + piece_s + _HAIR_S:
                    yield (
                        f"at {at:.2f} audio of reply {reply} was {silent_at - at:.3f} s ahead of "
                        f"the loudspeaker; allowed: {call.lead_s:g} s and a piece of {piece_s:g} s"
                    )
            case _:
                pass
