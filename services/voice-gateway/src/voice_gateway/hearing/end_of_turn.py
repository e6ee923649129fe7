"""Whether a caller who fell silent has finished, by the sound of it: the smart-turn network.

The network (`smart_turn.onnx`, BSD-2-Clause, see NOTICE) hears how words are said, not which: the
fall of a voice that is done, the held tone of one that will go on. An opinion costs about 30 ms of
CPU, too much for the event loop, so all calls share one thread for it (docs/decisions/0006).
"""

import asyncio
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

from voice_gateway.audio.pcm import SAMPLE_BYTES
from voice_gateway.audio.resample import Resampler
from voice_gateway.hearing import network

RATE_HZ = 16_000
_HEARD = 8 * RATE_HZ * SAMPLE_BYTES  # all that the network takes in
_BEFORE = RATE_HZ // 2 * SAMPLE_BYTES  # of a turn, ahead of its first voice
_NETWORK = Path(__file__).with_name("smart_turn.onnx")

Judge = Callable[[bytes], float]
"""How probably a turn is complete, by its last sound: s16le mono at RATE_HZ, at most 8 s."""
Count = Callable[[str], None]
"""Is told that an opinion was "given", or "refused" because too many were wanted."""


class TurnEnds:
    """The judge in a thread of its own. Call it for a listener per call; close it at the end.

    Where `room` opinions are wanted already, there is none for whoever asks next: an opinion that
    waits for more than its turn's silence is of no use.
    """

    def __init__(self, judge: Judge, room: int = 4, count: Count = lambda _: None) -> None:
        self._judge = judge
        self._count = count
        self._room = room
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="turn-end")
        self._wanted: list[Future[float]] = []

    def __call__(self, rate_hz: int) -> "TurnEnd":
        return TurnEnd(self, rate_hz)

    async def probability(self, sound: bytes) -> float | None:
        """The judge's opinion; None where too many wait. A cancelled wait gives its place up."""
        self._wanted = [each for each in self._wanted if not each.done()]
        if len(self._wanted) >= self._room:
            self._count("refused")
            return None
        wanted = self._thread.submit(self._judge, sound)
        self._wanted.append(wanted)
        probability = await asyncio.wrap_future(wanted)
        self._count("given")
        return probability

    def close(self) -> None:
        """Waits for the opinion under way: it takes milliseconds."""
        self._thread.shutdown(cancel_futures=True)


class TurnEnd:
    """One caller's turn as it sounds: whole samples at `rate_hz` in, opinions out."""

    def __init__(self, ends: TurnEnds, rate_hz: int) -> None:
        self._ends = ends
        self._resampler = Resampler(rate_hz, RATE_HZ)
        self._sound = bytearray()

    def begin(self) -> None:
        """A new turn begins with the voice that begins now: what was said before is not of it."""
        del self._sound[:-_BEFORE]

    def feed(self, pcm: bytes) -> None:
        """Take the next whole samples; cheap enough for the event loop."""
        self._sound += self._resampler.feed(pcm)
        if len(self._sound) > 2 * _HEARD:  # seldom, so that it costs next to nothing
            del self._sound[:-_HEARD]

    async def probability(self) -> float | None:
        """How probably the turn is complete as it stands; None where there is no opinion."""
        return await self._ends.probability(bytes(self._sound[-_HEARD:]))


def load_turn_end(count: Count = lambda _: None) -> TurnEnds:
    """Load the network once, and let it run once: its first opinion is its slowest."""
    judge = _SmartTurn()
    judge(b"")
    return TurnEnds(judge, count=count)


class _SmartTurn:
    def __init__(self) -> None:
        self._session = network.load(_NETWORK)

    def __call__(self, sound: bytes) -> float:
        import numpy as np

        from voice_gateway.hearing import log_mel

        samples = np.zeros(log_mel.SAMPLES, np.float32)  # what is missing is silence before it
        if sound:
            samples[-len(sound) // SAMPLE_BYTES :] = np.frombuffer(sound, "<i2")
        samples *= np.float32(1 / 32768)
        given = {"input_features": log_mel.log_mel(samples)[None]}
        return float(self._session.run(("logits",), given)[0][0, 0])
