"""Recorded speech for `settings_sweep.py`, and services that answer from store.

Every bundled clip is used as it is, and with a pause put between two of its words. The voice
detector and the end-of-turn model are the gateway's own, run once per sound and remembered; the
recogniser's words are those that `sweep_listen.py` stored.
"""

import asyncio
import json
import math
import random
import wave
from array import array
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import cache
from typing import Any

import voice_client.speech
from sweep_listen import STORED
from voice_gateway.hearing.end_of_turn import load_turn_end
from voice_gateway.hearing.voice_activity import load_silero
from voice_gateway.messages import Transcript
from voice_gateway.ports import CallerAudioStream, Edge

RATE_HZ = 16_000
FRAME_S = 0.032
PAUSES_S = (0.25, 0.4, 0.6, 0.8, 1.0, 1.4)
_LEAD_S, _TAIL_S = 0.64, 3.2
_ENERGY_S = 0.01
_OPINION_S = 0.05  # what the end-of-turn model takes
_BEFORE_S = 0.5


@dataclass(frozen=True, slots=True)
class Utterance:
    """One thing said, in a stream of audio. Seconds count from the stream's first sample."""

    name: str
    pcm: bytes
    speech_end_s: float
    said: tuple[tuple[float, str], ...]
    """What the recogniser makes of the stream up to each position."""
    took_s: float
    """How long it thinks."""
    pause_s: float = 0.0

    @property
    def seconds(self) -> float:
        return len(self.pcm) / 2 / RATE_HZ

    def frames(self) -> list[bytes]:
        size = round(FRAME_S * RATE_HZ) * 2
        whole = len(self.pcm) // size * size
        return [self.pcm[start : start + size] for start in range(0, whole, size)]

    def heard_at(self, position_s: float) -> str:
        texts = [text for at, text in self.said if at <= position_s + 1e-6]
        return texts[-1] if texts else ""


def utterances() -> list[Utterance]:
    """The clips, each as it is and with each of the pauses in it."""
    stored = json.loads(STORED.read_text())
    chance = random.Random(1)
    found: list[Utterance] = []
    for name, known in stored["clips"].items():
        plain = _plain(name, known)
        found.append(plain)
        found += [_paused(plain, _gap(plain, chance), pause_s) for pause_s in PAUSES_S]
    return found


def _plain(name: str, known: Any) -> Utterance:
    with wave.open(str(voice_client.speech.clip(name))) as file:
        pcm = file.readframes(file.getnframes())
    said = tuple((at + _LEAD_S, text) for at, text in known["said"])
    whole = Utterance(name, _hush(_LEAD_S) + pcm + _hush(_TAIL_S), 0.0, said, known["took_s"])
    noticed_s, quiet = edges_of(whole)[-1]  # some clips end in noise: their energy tells nothing
    return replace(whole, speech_end_s=noticed_s - quiet.ago_s)


def _gap(of: Utterance, chance: random.Random) -> float:
    """A quiet moment between two words, somewhere in the middle."""
    loudness = _loudness(of.pcm)
    first, last = round(_LEAD_S / _ENERGY_S), round(of.speech_end_s / _ENERGY_S)
    span = last - first
    places = range(first + span // 4, last - span // 5)
    quietest = sorted(places, key=lambda at: sum(loudness[at - 2 : at + 3]))[: max(3, span // 20)]
    return chance.choice(quietest) * _ENERGY_S


def _paused(of: Utterance, at_s: float, pause_s: float) -> Utterance:
    cut = round(at_s * RATE_HZ) * 2
    pcm = of.pcm[:cut] + _hush(pause_s) + of.pcm[cut:]
    said = tuple((at + pause_s if at > at_s + 0.05 else at, text) for at, text in of.said)
    return Utterance(of.name, pcm, of.speech_end_s + pause_s, said, of.took_s, pause_s)


def _hush(seconds: float) -> bytes:
    """Room noise too soft to be a voice."""
    noise = random.Random(2)
    return array("h", (noise.randint(-12, 12) for _ in range(round(seconds * RATE_HZ)))).tobytes()


def _loudness(pcm: bytes) -> list[float]:
    samples, size = array("h", pcm), round(_ENERGY_S * RATE_HZ)
    return [
        math.sqrt(sum(sample * sample for sample in samples[start : start + size]))
        for start in range(0, len(samples) - size + 1, size)
    ]


class StoredRecogniser:
    """Implements `ports.Recogniser`. `own_s`: silence after which it ends an utterance itself."""

    def __init__(self, of: Utterance, *, obeys: bool, own_s: float, step_s: float) -> None:
        self._of = of
        self._obeys = obeys
        self._own_s = own_s
        self._step_s = step_s
        self._done = 0
        self._last = ""

    async def listen(
        self,
        speech: CallerAudioStream,
        *,
        language: str,
        rate_hz: int,
        on_transcript: Callable[[Transcript], None],
    ) -> None:
        loop = asyncio.get_running_loop()
        position_s, stepped_s = 0.0, 0.0
        ends = [at for at, edge in edges_of(self._of) if not edge.voiced]
        while (spoken := await speech.take()) is not None:
            position_s += len(spoken.pcm) / 2 / rate_hz
            if position_s - stepped_s >= self._step_s:
                stepped_s = position_s
                loop.call_later(self._of.took_s, self._interim, position_s, on_transcript)
            asked = spoken.ends_utterance or (spoken.asks_final and self._obeys)
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
            self._done = len(self._of.heard_at(position_s).split())
            self._last = ""
            on_transcript(Transcript(text, final=True))

    def _rest(self, position_s: float) -> str:
        return " ".join(self._of.heard_at(position_s).split()[self._done :])


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

    def echoes(self) -> bool | None:
        return None


@cache
def edges_of(of: Utterance) -> Sequence[tuple[float, Edge]]:
    """Each edge of the voice, and the end of the frame that it is noticed in."""
    activity = _silero()(RATE_HZ)
    found: list[tuple[float, Edge]] = []
    for number, frame in enumerate(of.frames(), 1):
        found += [(number * FRAME_S, edge) for edge in activity.feed(frame, number * FRAME_S)]
    return found


@cache
def _silero() -> Any:
    return load_silero()


class StoredSound:
    """Implements `ports.TurnSound`: the opinions are real, the time they take is not."""

    def __init__(self) -> None:
        self._sound = bytearray()

    def begin(self) -> None:
        del self._sound[: -round(_BEFORE_S * RATE_HZ) * 2]

    def feed(self, pcm: bytes) -> None:
        self._sound += pcm

    async def probability(self) -> float | None:
        sound = bytes(self._sound[-8 * RATE_HZ * 2 :])
        await asyncio.sleep(_OPINION_S)
        return _opinion(sound)


@cache
def _opinion(sound: bytes) -> float | None:
    thread, ends = _judge()
    return thread.submit(lambda: asyncio.run(ends.probability(sound))).result()


@cache
def _judge() -> tuple[ThreadPoolExecutor, Any]:
    return ThreadPoolExecutor(1), load_turn_end()
