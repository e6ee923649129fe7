"""Which faults come, in which order and for how long. Pure."""

import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

Kind = Literal["kill", "pause", "reset", "hang", "refuse"]
KINDS: tuple[Kind, ...] = ("kill", "pause", "reset", "hang", "refuse")
OF_ALL: tuple[Kind, ...] = ("kill", "pause", "reset")
"""What happens to every service; the rest happens to the recogniser's streams alone."""
SERVICES = ("asr", "llm", "tts")

_SHORTEST_DOWN_S, _LONGEST_DOWN_S = 1.0, 4.0
_SHORTEST_PAUSE_S = 2.0
_LONGEST_GAP_S = 2.0  # so that faults meet every moment of a turn


@dataclass(frozen=True, slots=True)
class Fault:
    service: str
    kind: Kind
    address: int
    """Which of the service's addresses it happens to, from 0."""
    lasts_s: float
    """From the kill to listening again, from SIGSTOP to SIGCONT; 0 for any other."""
    gap_s: float
    """A wait before it."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a run is to do."""

    services: Sequence[str]
    kinds: Sequence[Kind]
    times: int
    addresses: int
    longest_pause_s: float


def planned(wanted: Wanted, seed: int = 1) -> list[Fault]:
    """Every kind at every service so many times, mixed, the same each time."""
    dice = random.Random(seed)
    faults = [
        Fault(
            service,
            kind,
            ordinal % wanted.addresses,
            _lasts_s(dice, kind, wanted.longest_pause_s),
            dice.uniform(0, _LONGEST_GAP_S),
        )
        for service in wanted.services
        for kind in wanted.kinds
        if kind in OF_ALL or service == "asr"
        for ordinal in range(wanted.times)
    ]
    dice.shuffle(faults)
    return faults


def _lasts_s(dice: random.Random, kind: Kind, longest_pause_s: float) -> float:
    if kind == "kill":
        return dice.uniform(_SHORTEST_DOWN_S, _LONGEST_DOWN_S)
    return dice.uniform(_SHORTEST_PAUSE_S, longest_pause_s) if kind == "pause" else 0.0
