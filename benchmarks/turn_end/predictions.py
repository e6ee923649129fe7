"""Asks the end-of-turn network about recorded speech: at every pause and end, and cut off."""

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
from voice_client.speech import clip_names
from voice_gateway.hearing.end_of_turn import TurnEnds
from voice_gateway.hearing.voice_activity import load_silero

from shared.recordings import RATE_HZ, recording

CHUNK = RATE_HZ // 50
SHORTEST_PAUSE_S = 0.2
LATER_S = (0.3, 0.6, 1.0)
"""Seconds of silence at which the network is asked again; the gateway asks at the edge alone."""
NOISE_S = 2.5
_SHORTEST_VOICE_S = 0.15  # a click at the end of a recording is no speech
_DIP_DB = 12.0  # below the 60th percentile of the speech: between words, or in a stop consonant

READS_ON = {"en_austen_0880": "unless to be rather cold hearted and rather selfish"}
"""Recordings that end in mid-sentence, with what the reader says next."""


@dataclass(frozen=True, slots=True)
class Clip:
    name: str
    pcm: bytes
    """16 kHz samples, followed by NOISE_S of soft noise."""
    speech_s: float

    def upto(self, position_s: float) -> bytes:
        return self.pcm[: 2 * round(position_s * RATE_HZ)]


@dataclass(frozen=True, slots=True)
class Silence:
    clip: str
    at_s: float
    """The position in the clip where the voice fell silent."""
    known_s: float
    """The position at which the voice detector reported it."""
    lasts_s: float | None
    """None: it lasts to the end of the clip."""
    complete: bool
    chances: tuple[float, ...] = ()
    """End-of-turn probabilities: when the silence was known, and LATER_S into it."""


def clips() -> list[Clip]:
    return [_read(name) for name in clip_names()]


def _read(name: str) -> Clip:
    pcm = recording(name)
    noise = np.random.default_rng(0).normal(0, 3, round(NOISE_S * RATE_HZ)).astype("<i2").tobytes()
    return Clip(name, pcm + noise, len(pcm) / 2 / RATE_HZ)


def silences(of: Clip) -> list[Silence]:
    """The pauses of at least SHORTEST_PAUSE_S, and the end of the speech."""
    found = list(_runs(of))
    ends = found[-1]
    inner = [each for each in found[:-1] if (each.lasts_s or 0) >= SHORTEST_PAUSE_S]
    return [*inner, replace(ends, complete=of.name not in READS_ON)]


def _runs(of: Clip) -> Iterator[Silence]:
    """Every silence after voice, as the gateway's own detector finds it."""
    detector = load_silero()(RATE_HZ)
    open_: Silence | None = None
    voice_at = 0.0
    for position in range(0, len(of.pcm) // 2, CHUNK):
        known_s = (position + CHUNK) / RATE_HZ
        for edge in detector.feed(of.pcm[2 * position : 2 * (position + CHUNK)], known_s):
            at_s = known_s - edge.ago_s
            if edge.voiced:
                voice_at = at_s
            elif open_ and at_s - voice_at < _SHORTEST_VOICE_S:
                continue
            else:
                if open_:
                    yield replace(open_, lasts_s=voice_at - open_.at_s)
                open_ = Silence(of.name, at_s, known_s, None, complete=False)
    if open_:
        yield open_


async def judged(of: Clip, silence: Silence, ends: TurnEnds) -> Silence:
    until_s = NOISE_S if silence.lasts_s is None else silence.lasts_s
    asked = [silence.known_s, *(silence.at_s + later for later in LATER_S if later <= until_s)]
    chances = [await _probability(of.upto(position_s), ends) for position_s in asked]
    return replace(silence, chances=tuple(chances))


async def cut_off(of: Clip, end_s: float, ends: TurnEnds) -> list[float]:
    """The probabilities after each dip before `end_s`, where 0.1 s of quiet replaces the rest."""
    noise = of.pcm[-2 * RATE_HZ // 10 :]
    return [await _probability(of.upto(at_s) + noise, ends) for at_s in _dips(of, end_s)]


def _dips(of: Clip, end_s: float) -> list[float]:
    """Seconds at which the speech is softest within 0.3 s, away from its start and end."""
    step = RATE_HZ // 100
    samples = np.frombuffer(of.upto(end_s), "<i2").astype(np.float64)
    frames = samples[: len(samples) // step * step].reshape(-1, step)
    levels = 10 * np.log10((frames**2).mean(1) + 1)
    smooth = np.convolve(levels, np.ones(4) / 4, "same")
    soft = np.percentile(smooth, 60) - _DIP_DB
    begins = int(np.argmax(smooth > soft))
    return [
        int(i) / 100
        for i in range(begins + 35, len(smooth) - 30)
        if smooth[i] < soft and smooth[i] == smooth[i - 15 : i + 16].min()
    ]


async def _probability(sound: bytes, ends: TurnEnds) -> float:
    caller = ends(RATE_HZ)
    caller.feed(sound)
    probability = await caller.probability()
    assert probability is not None, "nobody else asks"
    return probability
