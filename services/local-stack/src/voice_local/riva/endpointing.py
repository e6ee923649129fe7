"""Finds where utterances start, pause and end, from each frame's speech probability. PURE.

frames    . . s s s s s . s s . . . . . . . . . . . . . . . . . . . . . . . .
          STARTED ^               PAUSED ^  SETTLED ^               ENDED ^
                                  (think ahead)  (first pass, if asked)
"""

from collections import deque
from dataclasses import dataclass
from enum import Enum, auto
from math import ceil

from voice_local.engines import ASR_RATE_HZ, VAD_FRAME

FRAME_MS = VAD_FRAME * 1000 // ASR_RATE_HZ

ONSET = 0.5
OFFSET = 0.35
"""A frame is speech from the probability ONSET on, and stays speech down to OFFSET."""

SURE = 0.7
"""An utterance starts only where one frame is this likely: music begins with less, speech never."""

PAUSE_MS = 192
"""Silence after which an utterance may well be over, so that its transcript is worth having."""


class Turn(Enum):
    STARTED = auto()
    PAUSED = auto()
    SETTLED = auto()
    ENDED = auto()


@dataclass(frozen=True, slots=True)
class Windows:
    """Riva's endpointing: an event comes when this share of a window's frames is (not) speech."""

    start_ms: int = 200
    start_share: float = 0.4
    stop_ms: int = 800
    stop_share: float = 0.98
    settle_ms: int | None = None
    """The first pass of a two-pass end of utterance; None where nobody asked for one."""
    settle_share: float = 0.98

    @property
    def pause_ms(self) -> int:
        """Silence after the last word that belongs to the utterance's audio."""
        return min(PAUSE_MS, self.stop_ms, self.settle_ms or PAUSE_MS)


class Endpointer:
    """Follows one stream frame by frame; counts in frames from the start of the stream."""

    def __init__(self, windows: Windows) -> None:
        self._start = _Window(windows.start_ms, windows.start_share)
        self._sure = _Window(windows.start_ms, 0)
        self._stop = _Window(windows.stop_ms, windows.stop_share)
        self._settle = _Window(windows.settle_ms or windows.stop_ms, windows.settle_share)
        self._two_pass = windows.settle_ms is not None
        self._pause_frames = frames(windows.pause_ms)
        self._speech = False
        self._silent_frames = 0
        self._settled = False
        self.frame = 0
        """Frames taken so far."""
        self.open = False
        """Whether an utterance is under way."""
        self.began = 0
        """The first speech frame of the newest utterance."""
        self.spoke_until = 0
        """The frame after its last speech frame so far."""

    def hear(self, probability: float) -> list[Turn]:
        """Take the next frame's probability of speech; return what it brought about, in order."""
        self._speech = probability >= (OFFSET if self._speech else ONSET)
        self.frame += 1
        return self._go_on() if self.open else self._look_for_start(probability)

    def reset(self) -> None:
        """End the utterance here, whatever the windows say; the next may start with any frame."""
        self.open = False

    @property
    def silent(self) -> bool:
        """Whether the utterance under way pauses just now."""
        return self._silent_frames >= self._pause_frames

    def _look_for_start(self, probability: float) -> list[Turn]:
        sure = self._sure.push(probability >= SURE)
        if not (self._start.push(self._speech) and sure):
            return []
        self.open = True
        self.began = self.frame - self._start.age_of_first_hit
        self.spoke_until = self.frame
        self._silent_frames = 0
        self._settled = False
        for window in (self._start, self._sure, self._stop, self._settle):
            window.clear()
        return [Turn.STARTED]

    def _go_on(self) -> list[Turn]:
        if self._speech:
            self.spoke_until = self.frame
            self._silent_frames = 0
            self._settled = False
        else:
            self._silent_frames += 1
        stopped = self._stop.push_full(not self._speech)
        settled = self._settle.push_full(not self._speech)
        turns: list[Turn] = []
        if self._silent_frames == self._pause_frames:
            turns.append(Turn.PAUSED)
        if self._two_pass and settled and not self._settled and not stopped:
            self._settled = True
            turns.append(Turn.SETTLED)
        if stopped:
            self.reset()
            turns.append(Turn.ENDED)
        return turns


class _Window:
    """The last so many frames, and whether a share of them says yes."""

    def __init__(self, length_ms: int, share: float) -> None:
        self._flags: deque[bool] = deque(maxlen=max(1, frames(length_ms)))
        self._needed = max(1, ceil(share * frames(length_ms) - 1e-6))

    def push(self, flag: bool) -> bool:
        """Take a frame; True when enough of the window says yes, be it full or not."""
        self._flags.append(flag)
        return sum(self._flags) >= self._needed

    def push_full(self, flag: bool) -> bool:
        """Take a frame; True when the window is full and enough of it says yes."""
        return self.push(flag) and len(self._flags) == self._flags.maxlen

    @property
    def age_of_first_hit(self) -> int:
        """How many frames ago, the newest being 1, the oldest yes of the window came."""
        return len(self._flags) - self._flags.index(True)

    def clear(self) -> None:
        self._flags.clear()


def frames(length_ms: int) -> int:
    """Frames that last at least so long."""
    return -(-length_ms // FRAME_MS)
