"""Measures how much of synthesised speech is sound, and where its pauses are.

Pure; s16le mono, little-endian machines.
"""

from collections.abc import Sequence
from itertools import accumulate, groupby, pairwise

from voice_gateway.audio.pcm import SAMPLE_BYTES

_FRAME_S = 0.02
_SAMPLE_STRIDE = 3  # every third sample of a frame is enough to tell sound from silence
# A swing is the highest less the lowest sample of a frame.
_SILENT_SWING = 200  # -50 dBFS
_SILENT_SHARE = 0.06  # of the loudest frame's swing
_SHORTEST_PAUSE_FRAMES = 5  # a shorter silence is part of a consonant


class Sounding:
    """A piece of speech as it comes in; one without any sound counts as sound throughout."""

    def __init__(self, rate_hz: int) -> None:
        self._frame = SAMPLE_BYTES * max(1, round(_FRAME_S * rate_hz))
        self._rest = b""
        self._swings: list[int] = []
        self._sounded_s: list[float] = []

    def feed(self, pcm: bytes) -> None:
        """Take the next whole samples."""
        self._rest += pcm
        frames = len(self._rest) // self._frame
        samples = memoryview(self._rest[: frames * self._frame]).cast("h")
        size = self._frame // SAMPLE_BYTES
        for start in range(0, len(samples), size):
            frame = samples[start : start + size : _SAMPLE_STRIDE].tolist()
            self._swings.append(max(frame) - min(frame))
        self._rest = self._rest[frames * self._frame :]

    def until(self, at_s: float) -> float:
        """Seconds of sound in the first `at_s`."""
        frames = min(int(at_s / _FRAME_S + 1e-6), len(self._swings))
        return self._sounded()[frames - 1] if frames > 0 else 0.0

    def pauses(self) -> list[float]:
        """For each silence between sounds, how many seconds of sound came before it."""
        sounded_s = self._sounded()
        whole_s = sounded_s[-1] if sounded_s else 0.0
        still = (before for before, after in pairwise(sounded_s) if after == before)
        return [at_s for at_s, _ in groupby(still) if 0.0 < at_s < whole_s]

    def _sounded(self) -> list[float]:
        """Seconds of sound up to the end of each frame."""
        if len(self._sounded_s) != len(self._swings):
            self._sounded_s = _sounded_s(self._swings)
        return self._sounded_s


def _sounded_s(swings: Sequence[int]) -> list[float]:
    silent = max(_SILENT_SWING, _SILENT_SHARE * max(swings, default=0))
    sounds: list[bool] = []
    for loud, run in groupby(swing > silent for swing in swings):
        length = len(list(run))
        inside = bool(sounds) and len(sounds) + length < len(swings)
        sounds += [loud or (inside and length < _SHORTEST_PAUSE_FRAMES)] * length
    if not any(sounds):
        sounds = [True] * len(sounds)
    return [count * _FRAME_S for count in accumulate(map(int, sounds))]
