"""Services that answer from stored words.

The voice detector and the end-of-turn model are the gateway's own, run once per sound and
remembered; the recogniser's words are stored.
"""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from typing import Any

from voice_gateway.hearing.end_of_turn import load_turn_end
from voice_gateway.messages import LineEcho, Transcript
from voice_gateway.ports import CallerAudioStream, Edge

from settings_sweep.stored_speech import Utterance, edges_of
from shared.recordings import RATE_HZ, bytes_of

_PREDICTION_S = 0.05  # the time that the end-of-turn model takes
_KEPT_BEFORE_TURN_S = 0.5


class StoredRecogniser:
    """Implements `ports.Recogniser`; after `own_s` of silence it ends an utterance by itself."""

    def __init__(self, of: Utterance, *, obeys: bool, own_s: float, step_s: float) -> None:
        self._of = of
        self._obeys = obeys
        self._own_s = own_s
        self._step_s = step_s
        self._done = 0
        self._last = ""

    async def listen(
        self,
        caller_audio: CallerAudioStream,
        *,
        language: str,
        rate_hz: int,
        on_transcript: Callable[[Transcript], None],
    ) -> None:
        loop = asyncio.get_running_loop()
        position_s, stepped_s = 0.0, 0.0
        ends = [at for at, edge in edges_of(self._of) if not edge.voiced]
        while (piece := await caller_audio.take()) is not None:
            position_s += len(piece.pcm) / 2 / rate_hz
            if position_s - stepped_s >= self._step_s:
                stepped_s = position_s
                loop.call_later(self._of.took_s, self._interim, position_s, on_transcript)
            asked = piece.ends_utterance or (piece.asks_final and self._obeys)
            if asked or (ends and position_s >= ends[0] + self._own_s):
                ends = [at for at in ends if at + self._own_s > position_s]
                loop.call_later(self._of.took_s, self._final, position_s, on_transcript)
        await asyncio.sleep(self._of.took_s)

    def _interim(self, position_s: float, on_transcript: Callable[[Transcript], None]) -> None:
        text = self._rest(position_s).rstrip(".,;:!?… ")
        if text and text != self._last:
            self._last = text
            on_transcript(Transcript(text, final=False))

    def _final(self, position_s: float, on_transcript: Callable[[Transcript], None]) -> None:
        text = self._rest(position_s)
        if text:
            self._done = len(self._of.recognised_until(position_s).split())
            self._last = ""
            on_transcript(Transcript(text, final=True))

    def _rest(self, position_s: float) -> str:
        return " ".join(self._of.recognised_until(position_s).split()[self._done :])


class StoredActivity:
    """Implements `ports.Activity`."""

    def __init__(self, of: Utterance) -> None:
        self._edges = list(edges_of(of))
        self._position_s = 0.0

    def feed(self, pcm: bytes, at: float) -> list[Edge]:
        self._position_s += len(pcm) / 2 / RATE_HZ
        found: list[Edge] = []
        while self._edges and self._edges[0][0] <= self._position_s + 1e-6:
            found.append(self._edges.pop(0)[1])
        return found

    def plays(self, pcm: bytes, rate_hz: int, at: float) -> None:
        """The caller wears headphones."""

    @property
    def echoed_at(self) -> float:
        return float("-inf")

    @property
    def unechoed_s(self) -> float:
        return float("inf")

    def expects(self, line: LineEcho) -> None:
        """The caller wears headphones, whatever it says."""

    def echoes(self) -> bool | None:
        return None


class StoredSound:
    """Implements `ports.TurnSound`: the predictions are real, the time they take is not."""

    def __init__(self) -> None:
        self._sound = bytearray()

    def begin(self) -> None:
        del self._sound[: -bytes_of(_KEPT_BEFORE_TURN_S)]

    def feed(self, pcm: bytes) -> None:
        self._sound += pcm

    async def probability(self) -> float | None:
        sound = bytes(self._sound[-8 * RATE_HZ * 2 :])
        await asyncio.sleep(_PREDICTION_S)
        return _prediction(sound)


@cache
def _prediction(sound: bytes) -> float | None:
    thread, ends = _predictor()
    return thread.submit(lambda: asyncio.run(ends.probability(sound))).result()


@cache
def _predictor() -> tuple[ThreadPoolExecutor, Any]:
    return ThreadPoolExecutor(1), load_turn_end()
