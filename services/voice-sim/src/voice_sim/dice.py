"""Draws the values of a call's script from a seed."""

from random import Random
from typing import TypeVar

T = TypeVar("T")


class Dice:
    """Draws from a seed; the same for the same seed, on every machine."""

    def __init__(self, seed: int | str) -> None:
        self._dice = Random(seed)  # no secret depends on it

    def _happens(self, probability: float) -> bool:
        return self._dice.random() < probability

    def _pick(self, *choices: T) -> T:
        return self._dice.choice(choices)

    def _grid(self, least: float, most: float) -> float:
        return round(self._dice.uniform(least, most), 2)

    def _soon(self, most: float) -> float:
        """A delay, which is often 0."""
        return 0.0 if self._happens(0.3) else self._grid(0.0, most)
