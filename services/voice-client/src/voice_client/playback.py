"""The loudspeaker's bounded queue, which can be flushed; one thread fills it, one empties it."""

import threading
from collections import deque

LONGEST_QUEUE_S = 60.0
"""The most that may wait; the gateway sends little ahead, a plain one a whole answer at once."""
TAIL_S = 0.3
"""How long the device still plays, and the room rings, after the last sample was handed over."""


class Playback:
    """The loudspeaker's queue. `push`, `flush` and `played` run on the loop, `pull` anywhere."""

    def __init__(self, rate_hz: int) -> None:
        self.device_delay_s = 0.0
        """From a sample's handing over to its sound, as the device says."""
        self._rate_hz = rate_hz
        self._lock = threading.Lock()
        self._queue: deque[tuple[int, bytes]] = deque()
        self._waiting = 0
        self._reply_id: int = 0
        self._played: int = 0
        self._paused = False
        self._silent_bytes = self._bytes(LONGEST_QUEUE_S)

    def push(self, reply_id: int, pcm: bytes) -> None:
        """Queue a piece of a reply, behind what waits already."""
        with self._lock:
            self._queue.append((reply_id, pcm))
            self._waiting += len(pcm)

    def flush(self) -> None:
        """Throw away what waits: the caller has interrupted it."""
        with self._lock:
            self._queue.clear()
            self._waiting = 0
            self._paused = False

    def begin_anew(self) -> None:
        """Throw away what waits: another call begins, which counts its replies from 1."""
        self.flush()
        with self._lock:
            self._reply_id = self._played = 0

    def pause(self) -> None:
        """Stop playing, and keep what waits."""
        self._paused = True

    def go_on(self) -> None:
        """Play on where `pause` stopped."""
        self._paused = False

    @property
    def full(self) -> bool:
        """Tell whether whoever fills the queue should wait."""
        return self._waiting >= self._bytes(LONGEST_QUEUE_S)

    @property
    def audible(self) -> bool:
        """Tell whether a microphone in the room may pick up the loudspeaker now."""
        playing = self._waiting > 0 and not self._paused
        return playing or self._silent_bytes < self._bytes(TAIL_S + self.device_delay_s)

    def pull(self, frames: int) -> bytes:
        """Take exactly so many frames for the device; silence where nothing waits."""
        wanted = 2 * frames
        taken = bytearray()
        with self._lock:
            while self._queue and len(taken) < wanted and not self._paused:
                self._take(taken, wanted)
            missing = wanted - len(taken)
            self._silent_bytes = missing + (0 if taken else self._silent_bytes)
        return bytes(taken) + bytes(missing)

    def played(self) -> tuple[int, int]:
        """Return the reply that plays, or played last, and how many ms of it have been heard."""
        with self._lock:
            handed_ms = self._played * 1000 // (2 * self._rate_hz)
            inside_s = max(0.0, self.device_delay_s - self._silent_bytes / 2 / self._rate_hz)
            return self._reply_id, max(0, handed_ms - round(inside_s * 1000))

    def _take(self, taken: bytearray, wanted: int) -> None:
        reply_id, pcm = self._queue.popleft()
        room = wanted - len(taken)
        if reply_id != self._reply_id:
            self._reply_id, self._played = reply_id, 0
        taken += pcm[:room]
        self._played += min(room, len(pcm))
        self._waiting -= min(room, len(pcm))
        if len(pcm) > room:
            self._queue.appendleft((reply_id, pcm[room:]))

    def _bytes(self, seconds: float) -> int:
        return 2 * round(seconds * self._rate_hz)
