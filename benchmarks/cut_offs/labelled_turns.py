"""The bundled turns of speech in which it was labelled where the speaker goes on, and ends."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from voice_gateway.audio import g711

RECORDINGS = Path(__file__).with_name("recordings")
RATE_HZ = g711.RATE_HZ
_QUIET_S = 3.0  # of soft noise after each turn: longer than any wait for its end


@dataclass(frozen=True, slots=True)
class Turn:
    set: str
    """"calls" or "orders"."""
    name: str
    speaker: str
    """Who speaks; of the orders each has a speaker of its own."""
    pcm: bytes
    """s16le mono at RATE_HZ, with soft noise after it."""
    begins_s: float
    ends_s: float
    """Where the speech ends; what follows is silence."""
    holds: tuple[tuple[float, float], ...]
    """The pauses of at least 0.1 s after which the speaker goes on."""
    doubtful: tuple[tuple[float, float], ...]
    """Pauses in which the other side says a small word: they are not judged."""

    @property
    def seconds(self) -> float:
        return len(self.pcm) / 2 / RATE_HZ


def turns() -> list[Turn]:
    sets = json.loads((RECORDINGS / "manifest.json").read_text())["sets"]
    return [
        turn
        for each in sets
        for speaker in each["speakers"]
        for turn in _turns(each["name"], speaker)
    ]


def _turns(name: str, speaker: Mapping[str, Any]) -> list[Turn]:
    sound = g711.decode((RECORDINGS / speaker["file"]).read_bytes(), "mu")
    labels = enumerate(speaker["turns"])
    return [_turn(name, speaker["speaker"], at, label, sound) for at, label in labels]


def _turn(set_: str, speaker: str, ordinal: int, label: Mapping[str, Any], sound: bytes) -> Turn:
    begin, end = (2 * round(label[name] * RATE_HZ) for name in ("from_s", "until_s"))
    name = f"{speaker}, {ordinal + 1}"
    return Turn(
        set_,
        name,
        name if "source_file" in label else speaker,
        sound[begin:end] + _quiet(),
        label["begins_s"],
        label["ends_s"],
        _spans(label["holds"]),
        _spans(label["doubtful"]),
    )


def _spans(of: Sequence[Sequence[float]]) -> tuple[tuple[float, float], ...]:
    return tuple((begin, end) for begin, end in of)


def _quiet() -> bytes:
    samples = np.random.default_rng(0).normal(0, 3, round(_QUIET_S * RATE_HZ))
    return samples.astype("<i2").tobytes()
