"""The queue of caller audio between the caller's stream and the recogniser.

Audio that came while the recogniser was busy goes up in one piece: an idle recogniser gets audio at
once, and a busy one gets fewer messages.
"""

import asyncio
from collections import deque
from collections.abc import Callable

from voice_gateway.audio import pcm
from voice_gateway.ports import CallerAudioPiece

_REMEMBERED_ARRIVALS = 2048  # chunks: 40 s of 20 ms frames, longer than any end of turn takes


class Uplink:
    """Implements `ports.CallerAudioStream`. It holds `room_s` of audio; `add` waits for room.

    While no recogniser takes audio (`lose`), the oldest audio is dropped and `add` does not wait,
    so that the caller's other messages are still read.
    """

    def __init__(self, rate_hz: int, room_s: float, clock: Callable[[], float]) -> None:
        self._rate_hz = rate_hz
        self._room = int(room_s * rate_hz) * pcm.SAMPLE_BYTES
        self._clock = clock
        self._waiting = bytearray()
        self._ends_utterance = False
        self._asks_final = False
        self._closed = False
        self._lossy = False
        self._changed = asyncio.Event()
        self._taken = asyncio.Event()
        self._added_s = 0.0
        self._taken_s = 0.0
        self._arrivals: deque[tuple[float, float]] = deque(maxlen=_REMEMBERED_ARRIVALS)

    @property
    def taken_s(self) -> float:
        """The seconds of audio that were taken or dropped."""
        return self._taken_s

    @property
    def closed(self) -> bool:
        """The caller has hung up."""
        return self._closed

    @property
    def over(self) -> bool:
        """The caller has hung up, and all its audio was taken."""
        return self._closed and not self._pending()

    async def add(self, chunk: bytes) -> None:
        """Add whole samples; waits for room, unless audio is being lost."""
        self._added_s += pcm.seconds(chunk, self._rate_hz)
        self._arrivals.append((self._added_s, self._clock()))
        rest = memoryview(chunk)
        while len(rest) > (room := self._room - len(self._waiting)) and not self._lossy:
            self._append(rest[:room])
            rest = rest[room:]
            self._taken.clear()
            await self._taken.wait()
        self._append(rest)
        self._drop_oldest()

    def lose(self) -> None:
        """Drop the oldest audio where there is no room, until the next `take`."""
        self._lossy = True
        self._taken.set()

    def end_utterance(self) -> None:
        """The client ends the utterance here."""
        self._ends_utterance = True
        self._changed.set()

    def ask_final(self) -> None:
        """The utterance seems over here: ask for its final."""
        self._asks_final = True
        self._changed.set()

    def close(self) -> None:
        """No more audio comes."""
        self._closed = True
        self._changed.set()

    async def ready(self) -> None:
        """Wait until there is something to take, or the caller has hung up."""
        while not (self._pending() or self._closed):
            self._changed.clear()
            await self._changed.wait()

    async def take(self) -> CallerAudioPiece | None:
        await self.ready()
        if self.over:
            return None
        piece = CallerAudioPiece(bytes(self._waiting), self._ends_utterance, self._asks_final)
        self._taken_s += pcm.seconds(piece.pcm, self._rate_hz)
        self._waiting.clear()
        self._lossy = False
        self._ends_utterance = self._asks_final = False
        self._taken.set()
        return piece

    def arrived_at(self, position_s: float) -> float | None:
        """When the audio up to this position had arrived; None: that is not remembered."""
        arrived: float | None = None
        for end_s, at in reversed(self._arrivals):  # the position is among the newest
            if end_s < position_s - 1e-6:
                break
            arrived = at
        return arrived

    def _drop_oldest(self) -> None:
        if (excess := len(self._waiting) - self._room) > 0:
            self._taken_s += excess / (pcm.SAMPLE_BYTES * self._rate_hz)  # word times stay right
            del self._waiting[:excess]

    def _pending(self) -> bool:
        return bool(self._waiting or self._ends_utterance or self._asks_final)

    def _append(self, part: memoryview) -> None:
        if part:
            self._waiting += part
            self._changed.set()
