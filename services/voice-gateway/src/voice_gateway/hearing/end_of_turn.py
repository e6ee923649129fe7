"""Predicts the end-of-turn probability from the sound of a turn, with the smart-turn network.

The network (`smart_turn.onnx`, BSD-2-Clause, see NOTICE) judges how words are said, not which:
pitch falls at the end of a turn, and stays level where the caller will go on. A silence tells more
the longer it lasts, so the network is asked again in it (`through_silence`). A prediction takes
about 30 ms of CPU, too much for the event loop, so all calls share one thread for it
(docs/decisions/0006).
"""

import asyncio
import logging
from collections.abc import AsyncGenerator, Callable
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

from voice_gateway.audio.pcm import SAMPLE_BYTES
from voice_gateway.audio.resample import Resampler
from voice_gateway.hearing import network
from voice_gateway.ports import TurnSound

log = logging.getLogger(__name__)

RATE_HZ = 16_000
_INPUT_BYTES = 8 * RATE_HZ * SAMPLE_BYTES  # the newest 8 s of a turn
_LEAD_IN_BYTES = RATE_HZ // 2 * SAMPLE_BYTES  # 0.5 s kept from before a turn's first voice
ASKED_S = (0.15, 0.35, 0.8)
"""Seconds of silence at which the network is asked: it was taught with 0.2 s of silence after each
turn, and also on a busy machine its answer must come before the shortest wait is over."""
_NETWORK = Path(__file__).with_name("smart_turn.onnx")

Judge = Callable[[bytes], float]
"""Returns the end-of-turn probability of audio: s16le mono at RATE_HZ, at most 8 s."""
Count = Callable[[str], None]
"""Counts a prediction as "given", "failed", or "refused" because too many were waiting."""


class TurnEnds:
    """Runs the judge in a thread of its own. Calling it makes the `TurnEnd` of one call.

    While `room` predictions wait, a further one is refused: it would come after the silence that
    ends its turn, and be of no use.
    """

    def __init__(self, judge: Judge, room: int = 4, count: Count = lambda _: None) -> None:
        self._judge = judge
        self._count = count
        self._room = room
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="turn-end")
        self._waiting: list[Future[float]] = []
        self._failing = False

    def __call__(self, rate_hz: int) -> "TurnEnd":
        return TurnEnd(self, rate_hz)

    async def probability(self, sound: bytes) -> float | None:
        """The end-of-turn probability; None where too many wait, or where the judge fails.

        Cancelling frees the place.
        """
        self._waiting = [each for each in self._waiting if not each.done()]
        if len(self._waiting) >= self._room:
            self._count("refused")
            return None
        try:
            prediction = self._thread.submit(self._judge, sound)
            self._waiting.append(prediction)
            probability = await asyncio.wrap_future(prediction)
        except Exception:  # the boundary: a turn also ends without a prediction
            if not self._failing:  # the log gets one line for each run of failures
                log.exception("no end-of-turn prediction; words and silence decide alone")
            self._failing = True
            self._count("failed")
            return None
        self._failing = False
        self._count("given")
        return probability

    def close(self) -> None:
        """Wait for the running prediction, which takes milliseconds, and end the thread."""
        self._thread.shutdown(cancel_futures=True)


class TurnEnd:
    """One caller's turn: whole samples at `rate_hz` in, end-of-turn probabilities out."""

    def __init__(self, ends: TurnEnds, rate_hz: int) -> None:
        self._ends = ends
        self._resampler = Resampler(rate_hz, RATE_HZ)
        self._sound = bytearray()

    def begin(self) -> None:
        """Begin a new turn with the voice that begins now; keep only a lead-in before it."""
        del self._sound[:-_LEAD_IN_BYTES]

    def feed(self, pcm: bytes) -> None:
        """Take the next whole samples; cheap enough for the event loop."""
        self._sound += self._resampler.feed(pcm)
        if len(self._sound) > 2 * _INPUT_BYTES:  # seldom, as deleting moves all bytes
            del self._sound[:-_INPUT_BYTES]

    async def probability(self) -> float | None:
        """The end-of-turn probability of the audio so far; None where it was refused."""
        return await self._ends.probability(bytes(self._sound[-_INPUT_BYTES:]))


async def through_silence(sound: TurnSound, silent_s: float) -> AsyncGenerator[float]:
    """The end-of-turn probabilities in a silence that has lasted `silent_s`, as they are known."""
    clock = asyncio.get_running_loop().time
    began = clock() - silent_s
    for asked_s in ASKED_S:
        await asyncio.sleep(began + asked_s - clock())
        if (probability := await sound.probability()) is not None:
            yield probability


def load_turn_end(count: Count = lambda _: None) -> TurnEnds:
    """Load the network and run it once, as the first prediction is the slowest."""
    judge = _SmartTurn()
    judge(b"")
    return TurnEnds(judge, count=count)


class _SmartTurn:
    def __init__(self) -> None:
        self._session = network.load(_NETWORK)

    def __call__(self, sound: bytes) -> float:
        import numpy as np

        from voice_gateway.hearing import log_mel

        samples = np.zeros(log_mel.SAMPLES, np.float32)  # silence pads short audio at its start
        if sound:
            samples[-len(sound) // SAMPLE_BYTES :] = np.frombuffer(sound, "<i2")
        samples *= np.float32(1 / 32768)
        inputs = {"input_features": log_mel.log_mel(samples)[None]}
        return float(self._session.run(("logits",), inputs)[0][0, 0])
