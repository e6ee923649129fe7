"""Checks what the caller receives: one reply at a time, with whole audio that is paced."""

from collections.abc import Iterator
from dataclasses import dataclass

from voice_gateway.audio import pcm
from voice_gateway.messages import (
    CutOff,
    Failed,
    Listening,
    Processing,
    ReplyAudio,
    ReplyText,
    Speaking,
    ToCaller,
    TurnOver,
)

from voice_sim.call_record import Received, Record, Sent
from voice_sim.rules.followed import ROUNDING_S


@dataclass(slots=True)
class _Client:
    """Follows the call as a client does."""

    rate_hz: int
    begun: bool = False
    live: int = 0
    speaking: bool = False
    sent_s: float = 0.0

    def take(self, message: ToCaller) -> Iterator[str]:
        """Take one message; yield what is wrong about it."""
        self.begun, before = True, self.begun
        if before is isinstance(message, Listening):
            yield f"{type(message).__name__} came {'again' if before else 'first'}"
        match message:
            case Processing(reply):
                self.live, self.speaking, self.sent_s = reply, False, 0.0
            case Speaking():
                self.speaking = True
            case ReplyText(reply) if reply != self.live:
                yield f"text of reply {reply} came while it was not live"
            case ReplyAudio():
                yield from self._audio(message)
            case CutOff() | TurnOver():
                yield from self._end(message)
            case Failed(error, reply):
                if error.stage == "gateway":
                    yield f"reply {reply} failed inside the gateway"
            case _:
                pass

    def _end(self, message: CutOff | TurnOver) -> Iterator[str]:
        if isinstance(message, CutOff) and message.heard_s > self.sent_s + ROUNDING_S:
            yield (
                f"of reply {message.reply} {message.heard_s:.3f} s were heard, "
                f"and only {self.sent_s:.3f} s sent"
            )
        self.live = 0

    def _audio(self, audio: ReplyAudio) -> Iterator[str]:
        if audio.reply != self.live:
            yield f"audio of reply {audio.reply} came while it was not live"
        if not self.speaking:
            yield f"audio of reply {audio.reply} came before SPEAKING"
        if abs(audio.offset_s - self.sent_s) > 1e-6:
            yield (
                f"audio of reply {audio.reply} goes on at {audio.offset_s:.4f} s, "
                f"where {self.sent_s:.4f} s had been sent"
            )
        if not audio.pcm or len(audio.pcm) % pcm.SAMPLE_BYTES:
            yield f"audio of reply {audio.reply} is not whole samples: {len(audio.pcm)} bytes"
        self.sent_s = audio.offset_s + pcm.seconds(audio.pcm, self.rate_hz)


def the_order(record: Record) -> Iterator[str]:
    """A reply's messages are between its beginning and its end, and its audio has no gap."""
    client = _Client(record.script.call.rate_hz)
    for entry in record.entries:
        if isinstance(entry, Sent):
            for broken in client.take(entry.message):
                yield f"at {entry.at:.2f} {broken}"


def the_pace(record: Record) -> Iterator[str]:
    """Audio is at most the lead and one piece ahead of the loudspeaker, until the half-close."""
    call = record.script.call
    lead_s = call.options.playback_lead_s
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
                if silent_at - at > lead_s + piece_s + ROUNDING_S:
                    yield (
                        f"at {at:.2f} audio of reply {reply} was {silent_at - at:.3f} s ahead of "
                        f"the loudspeaker; allowed: {lead_s:g} s and a piece of {piece_s:g} s"
                    )
            case _:
                pass
