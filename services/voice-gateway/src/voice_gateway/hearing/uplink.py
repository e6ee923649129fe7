"""The queue of caller audio between the caller's stream and the recogniser.

Audio that came while the recogniser was busy goes up in one piece: an idle recogniser gets audio at
once, and a busy one gets fewer messages. What went up is kept until a final covers it, so that a
new recognition stream can be given it again:

    caller audio  ······├──── kept ────┼──── waiting ────┤
                      _base         _cursor            _end
"""

import asyncio
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

from voice_gateway.audio import pcm
from voice_gateway.ports import CallerAudioPiece

_KEPT_S = 30.0  # audio that went up and no final covers; longer than an utterance without a pause
_REMEMBERED_ARRIVALS = 2048  # chunks: 40 s of 20 ms frames, longer than any end of turn takes
_MOST_MARKS = 256  # ends of utterances, kept with their audio


@dataclass(slots=True)
class _Mark:
    """What is asked of the recogniser behind this byte of the caller audio."""

    at: int
    ends_utterance: bool = False
    asks_final: bool = False


class Uplink:
    """Implements `ports.CallerAudioStream`. It holds `room_s` of new audio; `add` waits for room.

    While no recogniser takes audio (`lose`), the oldest audio is dropped and `add` does not wait,
    so that the caller's other messages are still read.
    """

    def __init__(
        self,
        rate_hz: int,
        room_s: float,
        clock: Callable[[], float],
        on_progress: Callable[[float | None], None] = lambda _: None,
    ) -> None:
        """`on_progress` is told of each response how far it reaches into the caller audio."""
        self._rate_hz = rate_hz
        self._room = self._bytes(room_s)
        self._clock = clock
        self._on_progress = on_progress
        self._audio = bytearray()
        self._base = self._cursor = self._newest_taken = self._stream_began = 0
        self._voiced_to = 0
        self._marks: deque[_Mark] = deque(maxlen=_MOST_MARKS)
        self._marks_taken: deque[_Mark] = deque(maxlen=_MOST_MARKS)
        self._closed = False
        self._lossy = False
        self._changed = asyncio.Event()
        self._taken = asyncio.Event()
        self._arrivals: deque[tuple[float, float]] = deque(maxlen=_REMEMBERED_ARRIVALS)

    @property
    def added_s(self) -> float:
        """The seconds of audio that came from the caller."""
        return self._seconds(self._end)

    @property
    def taken_s(self) -> float:
        """The position up to which the audio was taken or dropped."""
        return self._seconds(self._cursor)

    @property
    def kept_from_s(self) -> float:
        """The position of the oldest audio that can be given again."""
        return self._seconds(self._base)

    @property
    def closed(self) -> bool:
        """The caller has hung up."""
        return self._closed

    @property
    def over(self) -> bool:
        """The caller has hung up, and all its audio was taken."""
        return self._closed and not self._pending()

    async def add(self, chunk: bytes, *, voiced: bool = True) -> None:
        """Add whole samples; waits for room, unless audio is being lost."""
        self._arrivals.append((self._seconds(self._end + len(chunk)), self._clock()))
        rest = memoryview(chunk)
        while len(rest) > (room := self._room_left()) and not self._lossy:
            self._append(rest[:room], voiced=voiced)
            rest = rest[room:]
            self._taken.clear()
            await self._taken.wait()
        self._append(rest, voiced=voiced)
        self._drop_oldest()

    def lose(self) -> None:
        """Drop the oldest audio where there is no room, until the next `take`."""
        self._lossy = True
        self._taken.set()

    def end_utterance(self) -> None:
        """The client ends the utterance here; without audio since the last end, it ends nothing."""
        last = (*deque(self._marks_taken, 1), *deque(self._marks, 1))
        if not any(mark.ends_utterance and mark.at == self._end for mark in last):
            self._mark().ends_utterance = True

    def ask_final(self) -> None:
        """The utterance seems over here: ask for its final."""
        self._mark().asks_final = True

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
        mark = self._marks.popleft() if self._marks else None
        start = self._cursor
        self._cursor = max(start, mark.at) if mark else self._end
        with memoryview(self._audio) as kept:
            audio = bytes(kept[start - self._base : self._cursor - self._base])
        self._newest_taken = max(self._newest_taken, self._cursor)
        self._lossy = False
        self._taken.set()
        self._keep_at_most(_KEPT_S)
        voiced = self._voiced_to > start
        if mark is None:
            return CallerAudioPiece(audio, voiced=voiced)
        self._marks_taken.append(mark)
        return CallerAudioPiece(audio, mark.ends_utterance, mark.asks_final, voiced)

    def recognised(self, until_s: float | None) -> None:
        began_s = self._seconds(self._stream_began)
        self._on_progress(None if until_s is None else began_s + until_s)

    def begin_stream(self) -> float:
        """A recognition stream begins with the next audio that is taken; return its position."""
        self._stream_began = self._cursor
        return self.taken_s

    def rewind(self, to_s: float) -> None:
        """Give the audio from this position on again, as far as it is kept."""
        self._cursor = min(max(self._bytes(to_s), self._base), self._cursor)
        while self._marks_taken and self._marks_taken[-1].at > self._cursor:
            self._marks.appendleft(self._marks_taken.pop())

    def release(self, before_s: float) -> None:
        """Forget taken audio before this position: nobody needs it again."""
        self._trim(min(self._bytes(before_s), self._cursor))

    def arrived_at(self, position_s: float) -> float | None:
        """When the audio up to this position had arrived; None: that is not remembered."""
        arrived: float | None = None
        for end_s, at in reversed(self._arrivals):  # the position is among the newest
            if end_s < position_s - 1e-6:
                break
            arrived = at
        return arrived

    @property
    def _end(self) -> int:
        return self._base + len(self._audio)

    def _mark(self) -> _Mark:
        """The mark behind the newest audio, made where there is none."""
        if not self._marks or self._marks[-1].at != self._end:
            self._marks.append(_Mark(self._end))
        self._changed.set()
        return self._marks[-1]

    def _room_left(self) -> int:
        return self._room - (self._end - self._newest_taken)

    def _drop_oldest(self) -> None:
        """Keep within the room for new audio and for what is kept."""
        most = self._room + self._bytes(_KEPT_S)
        if len(self._audio) > most:
            self._trim(self._end - most)
            self._cursor = max(self._cursor, self._base)  # word times stay right
            self._newest_taken = max(self._newest_taken, self._base)

    def _keep_at_most(self, seconds: float) -> None:
        self._trim(self._cursor - self._bytes(seconds))

    def _trim(self, base: int) -> None:
        if base <= self._base:
            return
        del self._audio[: base - self._base]
        self._base = base
        while self._marks_taken and self._marks_taken[0].at < base:
            self._marks_taken.popleft()

    def _pending(self) -> bool:
        return bool(self._marks) or self._cursor < self._end

    def _append(self, part: memoryview, *, voiced: bool) -> None:
        if part:
            self._audio += part
            self._voiced_to = self._end if voiced else self._voiced_to
            self._changed.set()

    def _seconds(self, size: int) -> float:
        return size / (pcm.SAMPLE_BYTES * self._rate_hz)

    def _bytes(self, seconds: float) -> int:
        return round(seconds * self._rate_hz) * pcm.SAMPLE_BYTES
