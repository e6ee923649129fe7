"""Gathers the audio of utterances: what belongs to each, and where a long one is cut. PURE."""

from collections import deque
from dataclasses import dataclass, field

import numpy as np

from voice_local.engines import ASR_RATE_HZ, VAD_FRAME, Samples, Transcript
from voice_local.riva.endpointing import Endpointer, Turn, Windows, frames

LEAD_FRAMES = frames(200)
"""Audio before the first speech frame that goes with an utterance: soft first sounds."""

CUT_AT_FRAMES = frames(12_000)
"""A recogniser's cost grows with the square of the length, so longer speech is cut."""

LONGEST_FRAMES = frames(120_000)
"""An utterance without any pause is ended here."""

_EDGE_FRAMES = frames(480)
_SOFT_FRAMES = 5


@dataclass(frozen=True, slots=True)
class Span:
    """A piece of the stream: samples at ASR_RATE_HZ, and where it stands, in samples."""

    samples: Samples
    start: int

    @property
    def end(self) -> int:
        return self.start + len(self.samples)

    @property
    def start_s(self) -> float:
        return self.start / ASR_RATE_HZ

    @property
    def end_s(self) -> float:
        return self.end / ASR_RATE_HZ


@dataclass(frozen=True, slots=True)
class Part:
    """What was recognised of one span."""

    transcript: Transcript
    start_s: float


@dataclass(eq=False, slots=True)
class Utterance:
    """One utterance as it grows: the spans cut off it, and the tail that is still open."""

    tail_start: int
    """Where the tail starts, in frames from the start of the stream."""
    tail: list[Samples] = field(default_factory=list[Samples])
    cuts: int = 0
    parts: list[Part] = field(default_factory=list[Part])
    """The transcripts of the spans that were cut off."""
    ahead: tuple[Span, Transcript] | None = None
    """The tail as it was at a pause, and its transcript."""
    paused_at: int | None = None
    """Where the utterance pauses now, in samples; None while somebody speaks."""

    def span(self, end: int | None = None) -> Span:
        """The tail, up to a frame of the stream or to all of it."""
        count = len(self.tail) if end is None else max(0, end - self.tail_start)
        kept = self.tail[:count]
        return Span(np.concatenate(kept) if kept else _NOTHING, self.tail_start * VAD_FRAME)

    def cut(self) -> Span:
        """Take the start of the tail off, up to the quietest place of its second half."""
        at = _quietest(self.tail)
        span = self.span(self.tail_start + at)
        self.tail = self.tail[at:]
        self.tail_start += at
        self.cuts += 1
        return span


@dataclass(frozen=True, slots=True)
class Cut:
    """The start of a long utterance; its text comes before that of everything later."""

    utterance: Utterance
    span: Span


@dataclass(frozen=True, slots=True)
class Paused:
    """The utterance may be over; `settled` when the client asked to be told at this point."""

    utterance: Utterance
    span: Span
    settled: bool


@dataclass(frozen=True, slots=True)
class Ended:
    """The utterance is over. Without an utterance: the client forced an end where none was."""

    utterance: Utterance | None
    span: Span
    decided_at: int
    """Where in the stream that was decided, in samples."""
    forced: bool


Event = Cut | Paused | Ended

_NOTHING = np.zeros(0, np.float32)


class Utterances:
    """Gathers the audio of one stream's utterances, frame by frame."""

    def __init__(self, windows: Windows) -> None:
        self._endpointer = Endpointer(windows)
        self._tail_frames = frames(windows.pause_ms)
        self._lead: deque[Samples] = deque(maxlen=LEAD_FRAMES + frames(windows.start_ms))
        self.current: Utterance | None = None

    @property
    def position(self) -> int:
        """Samples of the stream taken so far."""
        return self._endpointer.frame * VAD_FRAME

    @property
    def silent(self) -> bool:
        """Whether the current utterance pauses."""
        return self._endpointer.silent

    def hear(self, frame: Samples, probability: float) -> list[Event]:
        """Take the next VAD_FRAME samples and their probability of speech."""
        turns = self._endpointer.hear(probability)
        if self.current is None:
            self._lead.append(frame)
        else:
            self.current.tail.append(frame)
            if not self._endpointer.silent:
                self.current.paused_at = None
        events = [event for turn in turns if (event := self._follow(turn)) is not None]
        return events + self._cut_if_long()

    def force_end(self, *, forced: bool = True) -> list[Event]:
        """End the current utterance here; what is said next starts another."""
        return [self._end(forced=forced)]

    def finish(self) -> list[Event]:
        """The stream is over: end the utterance that is under way, if any."""
        return [] if self.current is None else [self._end(forced=False)]

    def _follow(self, turn: Turn) -> Event | None:
        if turn is Turn.STARTED:
            self._begin()
            return None
        if turn is Turn.ENDED:
            return self._end(forced=False)
        utterance = self.current
        if utterance is None:
            return None
        span = self._spoken(utterance)
        utterance.paused_at = span.end
        return Paused(utterance, span, settled=turn is Turn.SETTLED)

    def _begin(self) -> None:
        """Start with the lead before the first speech frame, less what was used already."""
        endpointer = self._endpointer
        wanted = endpointer.frame - endpointer.began + LEAD_FRAMES
        lead = list(self._lead)[-wanted:]
        self.current = Utterance(endpointer.frame - len(lead), lead)
        self._lead.clear()

    def _end(self, *, forced: bool) -> Ended:
        utterance, self.current = self.current, None
        if utterance is None:
            return Ended(None, Span(_NOTHING, self.position), self.position, forced)
        self._endpointer.reset()
        span = self._spoken(utterance)
        unused = utterance.tail[len(span.samples) // VAD_FRAME :]
        self._lead.extend(unused)
        return Ended(utterance, span, self.position, forced)

    def _spoken(self, utterance: Utterance) -> Span:
        """The tail up to its last speech frame, and a little silence after it."""
        return utterance.span(self._endpointer.spoke_until + self._tail_frames)

    def _cut_if_long(self) -> list[Event]:
        utterance = self.current
        if utterance is None or len(utterance.tail) < CUT_AT_FRAMES:
            return []
        events: list[Event] = [Cut(utterance, utterance.cut())]
        if utterance.cuts * CUT_AT_FRAMES >= LONGEST_FRAMES:
            events += self.force_end(forced=False)
        return events


def _quietest(tail: list[Samples]) -> int:
    """The frame of a tail's second half, away from its end, with the least sound around it."""
    first, last = len(tail) // 2, len(tail) - _EDGE_FRAMES
    loudness = np.array([float(np.mean(frame * frame)) for frame in tail])
    around = np.convolve(loudness, np.ones(_SOFT_FRAMES), mode="same")
    return first + int(np.argmin(around[first:last]))
