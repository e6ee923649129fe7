"""The caller's audio between the stream it comes in on and the recogniser.

What came while the recogniser was busy goes up in one piece, so that nothing is held back when
there is time, and fewer messages are sent when there is none.
"""

import asyncio
from collections import deque
from collections.abc import Callable

from voice_gateway.audio import pcm
from voice_gateway.ports import CallerAudioPiece

_ARRIVALS = 2048  # remembered chunks: 40 s of 20 ms frames, longer than any end of turn takes


class Uplink:
    """Implements `ports.Speech`. Room for `room_s` of audio; whoever adds more waits.

    While nobody takes anything (`lossy`), the oldest audio gives way instead: what else the caller
    sends must get through.
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
        self._arrivals: deque[tuple[float, float]] = deque(maxlen=_ARRIVALS)

    @property
    def taken_s(self) -> float:
        """How much audio has gone up."""
        return self._taken_s

    @property
    def closed(self) -> bool:
        """The caller has hung up."""
        return self._closed

    @property
    def over(self) -> bool:
        """Nothing waits and nothing more comes."""
        return self._closed and not self._pending()

    async def add(self, chunk: bytes) -> None:
        """Add whole samples; waits while there is no room for them, unless lossy."""
        self._added_s += pcm.seconds(chunk, self._rate_hz)
        self._arrivals.append((self._added_s, self._clock()))
        rest = memoryview(chunk)
        while len(rest) > (room := self._room - len(self._waiting)) and not self._lossy:
            self._append(rest[:room])
            rest = rest[room:]
            self._taken.clear()
            await self._taken.wait()
        self._append(rest)
        self._give_way()

    def lose(self) -> None:
        """Nobody takes anything for now: from here to the next `take`, the oldest gives way."""
        self._lossy = True
        self._taken.set()

    def end_utterance(self) -> None:
        """The caller says that the utterance is over here."""
        self._ends_utterance = True
        self._changed.set()

    def ask_final(self) -> None:
        """The utterance seems over here: its final words are wanted now."""
        self._asks_final = True
        self._changed.set()

    def close(self) -> None:
        """No more audio comes."""
        self._closed = True
        self._changed.set()

    async def ready(self) -> None:
        """Wait until there is something to take, or nothing more comes."""
        while not (self._pending() or self._closed):
            self._changed.clear()
            await self._changed.wait()

    async def take(self) -> CallerAudioPiece | None:
        await self.ready()
        if self.over:
            return None
        spoken = CallerAudioPiece(bytes(self._waiting), self._ends_utterance, self._asks_final)
        self._taken_s += pcm.seconds(spoken.pcm, self._rate_hz)
        self._waiting.clear()
        self._lossy = False
        self._ends_utterance = self._asks_final = False
        self._taken.set()
        return spoken

    def arrived_at(self, position_s: float) -> float | None:
        """When the audio up to this position of the call had arrived, if that is remembered."""
        arrived: float | None = None
        for end_s, at in reversed(self._arrivals):  # what is asked for came lately
            if end_s < position_s - 1e-6:
                break
            arrived = at
        return arrived

    def _give_way(self) -> None:
        if (extra := len(self._waiting) - self._room) > 0:
            self._taken_s += extra / (pcm.SAMPLE_BYTES * self._rate_hz)  # positions stay true
            del self._waiting[:extra]

    def _pending(self) -> bool:
        return bool(self._waiting or self._ends_utterance or self._asks_final)

    def _append(self, part: memoryview) -> None:
        if part:
            self._waiting += part
            self._changed.set()
