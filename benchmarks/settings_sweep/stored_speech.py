"""Recorded speech: every bundled clip as it is, and with a pause put between two of its words."""

import json
import math
import random
from array import array
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cache
from typing import Any

from voice_gateway.hearing.voice_activity import load_silero
from voice_gateway.ports import Edge

from settings_sweep.stored_words import STORED
from shared.recordings import RATE_HZ, bytes_of, recording

FRAME_S = 0.032
PAUSES_S = (0.25, 0.4, 0.6, 0.8, 1.0, 1.4)
_LEAD_S, _TAIL_S = 0.64, 3.2
_ENERGY_S = 0.01


@dataclass(frozen=True, slots=True)
class Utterance:
    """One thing said, in a stream of audio. Seconds count from the stream's first sample."""

    name: str
    pcm: bytes
    speech_end_s: float
    said: tuple[tuple[float, str], ...]
    """The recognised text of the stream up to each position in seconds."""
    took_s: float
    """Seconds that the recogniser takes."""
    pause_s: float = 0.0

    @property
    def seconds(self) -> float:
        return len(self.pcm) / 2 / RATE_HZ

    def frames(self) -> list[bytes]:
        size = bytes_of(FRAME_S)
        whole = len(self.pcm) // size * size
        return [self.pcm[start : start + size] for start in range(0, whole, size)]

    def recognised_until(self, position_s: float) -> str:
        texts = [text for at, text in self.said if at <= position_s + 1e-6]
        return texts[-1] if texts else ""


def utterances() -> list[Utterance]:
    """The clips, each as it is and with each of the pauses in it."""
    stored = json.loads(STORED.read_text())
    dice = random.Random(1)
    found: list[Utterance] = []
    for name, known in stored["clips"].items():
        plain = _plain(name, known)
        found.append(plain)
        found += [_paused(plain, _gap(plain, dice), pause_s) for pause_s in PAUSES_S]
    return found


def _plain(name: str, known: Any) -> Utterance:
    pcm = recording(name)
    said = tuple((at + _LEAD_S, text) for at, text in known["said"])
    whole = Utterance(name, _noise(_LEAD_S) + pcm + _noise(_TAIL_S), 0.0, said, known["took_s"])
    noticed_s, quiet = edges_of(whole)[-1]  # the energy of clips that end in noise tells nothing
    return replace(whole, speech_end_s=noticed_s - quiet.ago_s)


def _gap(of: Utterance, dice: random.Random) -> float:
    """A quiet moment between two words, somewhere in the middle."""
    loudness = _loudness(of.pcm)
    first, last = round(_LEAD_S / _ENERGY_S), round(of.speech_end_s / _ENERGY_S)
    span = last - first
    places = range(first + span // 4, last - span // 5)
    quietest = sorted(places, key=lambda at: sum(loudness[at - 2 : at + 3]))[: max(3, span // 20)]
    return dice.choice(quietest) * _ENERGY_S


def _paused(of: Utterance, at_s: float, pause_s: float) -> Utterance:
    cut = bytes_of(at_s)
    pcm = of.pcm[:cut] + _noise(pause_s) + of.pcm[cut:]
    said = tuple((at + pause_s if at > at_s + 0.05 else at, text) for at, text in of.said)
    return Utterance(of.name, pcm, of.speech_end_s + pause_s, said, of.took_s, pause_s)


def _noise(seconds: float) -> bytes:
    """Room noise too soft to be a voice."""
    noise = random.Random(2)
    return array("h", (noise.randint(-12, 12) for _ in range(round(seconds * RATE_HZ)))).tobytes()


def _loudness(pcm: bytes) -> list[float]:
    samples, size = array("h", pcm), round(_ENERGY_S * RATE_HZ)
    return [
        math.sqrt(sum(sample * sample for sample in samples[start : start + size]))
        for start in range(0, len(samples) - size + 1, size)
    ]


@cache
def edges_of(of: Utterance) -> Sequence[tuple[float, Edge]]:
    """Each edge of the voice, with the end of the frame that it is noticed in."""
    activity = _silero()(RATE_HZ)
    found: list[tuple[float, Edge]] = []
    for number, frame in enumerate(of.frames(), 1):
        found += [(number * FRAME_S, edge) for edge in activity.feed(frame, number * FRAME_S)]
    return found


@cache
def _silero() -> Any:
    return load_silero()
