"""Speaks callers' answers with the local stack's voice, lower than the gateway speaks."""

from typing import Any

import numpy as np
from voice_gateway.audio.resample import Resampler
from voice_local.models.hibari import HibariVoice

from shared.recordings import RATE_HZ

_SPEAKER = "heart"
_LOWER = 0.92  # of the voice's pitch: another person's


class CallerVoice:
    def __init__(self) -> None:
        self._engine = HibariVoice()

    def __call__(self, text: str) -> Any:
        """The samples of a spoken text; full scale is 1."""
        said = [piece.samples for piece in self._engine.speak(text, _SPEAKER)]
        pcm = (np.clip(np.concatenate(said), -1, 1) * 32_767).astype("<i2").tobytes()
        resampler = Resampler(round(HibariVoice.rate_hz * _LOWER), RATE_HZ)
        return np.frombuffer(resampler.feed(pcm) + resampler.flush(), "<i2") / 32_768.0
