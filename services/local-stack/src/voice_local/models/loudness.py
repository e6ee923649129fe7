"""Finds by loudness alone where in audio somebody seems to speak: cheap, and rough.

The result trims, cuts and spreads words; whether there is speech at all is for a voice activity
detector to say.
"""

import numpy as np
from numpy.typing import NDArray

from voice_local.engines import ASR_RATE_HZ, Samples

PER_S = 100
"""Frames of loudness in a second."""

FRAME = ASR_RATE_HZ // PER_S
"""Samples in one frame."""

_SILENT_DB = -60.0
_UNDER_PEAK_DB = 30.0
_OVER_FLOOR_DB = 6.0
_HANG_FRAMES = 3


def levels_db(samples: Samples) -> NDArray[np.float32]:
    """RMS of each whole frame without the constant offset, in dB of full scale."""
    whole = len(samples) // FRAME * FRAME
    frames = samples[:whole].reshape(-1, FRAME)
    frames = frames - frames.mean() if whole else frames
    power = np.einsum("ij,ij->i", frames, frames) / FRAME
    return 10.0 * np.log10(power + 1e-12, dtype=np.float32)


def voiced(levels: NDArray[np.float32]) -> NDArray[np.bool_]:
    """The frames loud enough for speech: clear of the noise floor and not far under the peak."""
    if not len(levels):
        return np.zeros(0, np.bool_)
    peak, floor = np.percentile(levels, (95, 10))
    threshold = max(_SILENT_DB, peak - _UNDER_PEAK_DB, min(floor + _OVER_FLOOR_DB, peak - 10.0))
    loud = levels >= threshold
    return _without_specks(loud)


def spread_db(levels: NDArray[np.float32]) -> float:
    """How far the loud moments stand above the quiet ones: about 20 for speech, few for hiss."""
    loud, quiet = np.percentile(levels, (95, 10))
    return float(loud - quiet)


def _without_specks(loud: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Drop lone clicks: a frame counts where at least three of the five around it are loud."""
    counts = np.convolve(loud.astype(np.int8), np.ones(2 * _HANG_FRAMES - 1, np.int8), "same")
    return loud & (counts >= _HANG_FRAMES)
