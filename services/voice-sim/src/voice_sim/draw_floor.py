"""Draws what takes the floor, or seems to: small words, questions of replies, noise and music.

They have dice of their own, so that all else of a seed's call is the same without them.
"""

from dataclasses import replace

from voice_sim.dice import Dice
from voice_sim.script import Recognised, Script, Voiced

SMALL_WORDS = ("yes", "Yes.", "okay sure", "mm-hm", "Mm-hm.", "I see")
_FIRST_HELD = 901  # the number of the first word that is held; an utterance has lower ones
_FRAME_S = 0.02


class Floor(Dice):
    """Draws small words, voices without words, and words that a recogniser holds."""

    def __init__(self, seed: int) -> None:
        super().__init__(f"floor of {seed}")
        self._recognised: list[Recognised] = []
        self._voiced: list[Voiced] = []

    def added(self, script: Script) -> Script:
        length_s = max([5.0, *(each.at for each in script.recognised)])
        self._voiced = list(script.voiced)
        for _ in range(self._pick(0, 0, 1, 3)):
            self._small_words(self._grid(0.5, length_s))
        for _ in range(self._pick(0, 0, 1, 2)):
            self._voice(self._grid(0.5, length_s), self._grid(0.8, self._pick(2.0, 8.0)))
        if self._happens(0.1):
            self._flapping(self._grid(0.5, length_s))
        if self._happens(0.12):
            self._held(self._grid(0.5, length_s))
        asking = self._happens(0.5)
        return replace(
            script,
            recognised=tuple(
                sorted([*script.recognised, *self._recognised], key=lambda each: each.at)
            ),
            voiced=tuple(sorted(self._voiced, key=lambda each: each.at)),
            answers=tuple(replace(each, asks=asking) for each in script.answers),
        )

    def _small_words(self, at: float) -> None:
        """A voice, an interim or two, and a final, or none where the stream died."""
        text = self._pick(*SMALL_WORDS)
        self._voice(at, self._pick(0.3, 0.6))
        if self._happens(0.6):
            self._recognised.append(Recognised(round(at + 0.3, 2), text, final=False))
        if self._happens(0.85):
            final_at = round(at + 0.4 + self._soon(0.8), 2)
            self._recognised.append(Recognised(final_at, text, final=True))

    def _flapping(self, at: float) -> None:
        """A voice detector that comes on and goes off again for a while."""
        voice_s, quiet_s = self._pick(0.2, 0.6), self._pick(0.1, 0.3)
        for _ in range(self._dice.randint(5, 30)):
            self._voice(round(at, 2), voice_s)
            at += voice_s + quiet_s

    def _held(self, at: float) -> None:
        """The same interim again and again, in most calls under a voice that never ends."""
        words = f"u{_FIRST_HELD} u{_FIRST_HELD + 1}"
        times = self._dice.randint(5, 80)
        every_s = self._pick(0.1, 0.3, 0.7)
        if self._happens(0.7):
            self._voice(at, times * every_s)
        self._recognised += [
            Recognised(round(at + n * every_s, 2), words, final=False) for n in range(times)
        ]

    def _voice(self, at: float, seconds: float) -> None:
        """Add a voice, unless it would overlap another one."""
        ends = at + seconds + _FRAME_S
        if all(each.at > ends or each.at + each.seconds + _FRAME_S < at for each in self._voiced):
            self._voiced.append(Voiced(at, round(seconds, 2)))
