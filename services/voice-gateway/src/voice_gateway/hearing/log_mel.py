"""The input of a Whisper encoder: the log-mel spectrogram of eight seconds of audio, with numpy.

It equals `transformers.WhisperFeatureExtractor(chunk_length=8)` with `do_normalize`: zero mean and
unit variance, Hann windows of 25 ms every 10 ms, 80 Slaney mel bands, a dynamic range of 80 dB.
"""

from functools import cache
from typing import Any

import numpy as np

RATE_HZ = 16_000
SAMPLES = 8 * RATE_HZ
BANDS = 80
_WINDOW = 400  # samples: 25 ms
_HOP = 160  # samples: 10 ms
_LEAST_VARIANCE = 1e-7
_LEAST_POWER = 1e-10
_DYNAMIC_RANGE = 8.0  # powers of ten below the loudest

Floats = np.ndarray[Any, np.dtype[np.float32]]
Doubles = np.ndarray[Any, np.dtype[np.float64]]


def log_mel(samples: Floats) -> Floats:
    """Take SAMPLES samples from -1 to 1; return a spectrogram of BANDS x 800, about -1 to 1.

    The result is in single precision, and within 0.0001 of the reference.
    """
    centred = samples - samples.mean()
    even = centred / np.sqrt(centred.var() + _LEAST_VARIANCE)
    padded = np.pad(even, _WINDOW // 2, mode="reflect")
    windows = np.lib.stride_tricks.sliding_window_view(padded, _WINDOW)[:SAMPLES:_HOP]
    spectrum = np.fft.rfft(windows * _hann())
    power = spectrum.real**2 + spectrum.imag**2
    levels = np.log10(np.maximum(_mel_bands() @ power.T, _LEAST_POWER))
    return ((np.maximum(levels, levels.max() - _DYNAMIC_RANGE) + 4) / 4).astype(
        np.float32, copy=False
    )


@cache
def _hann() -> Floats:
    return np.hanning(_WINDOW + 1)[:-1].astype(np.float32)


@cache
def _mel_bands() -> Floats:
    """The filter bank: BANDS triangles of area one, evenly spaced in mels (Slaney)."""
    edges = _hertz(np.linspace(0.0, _mels(RATE_HZ / 2), BANDS + 2))
    bins = np.linspace(0.0, RATE_HZ / 2, _WINDOW // 2 + 1)
    low, peak, high = edges[:-2, None], edges[1:-1, None], edges[2:, None]
    rising, falling = (bins - low) / (peak - low), (high - bins) / (high - peak)
    triangles = np.maximum(0.0, np.minimum(rising, falling)) * 2 / (high - low)
    return triangles.astype(np.float32)


# Slaney's mel scale has even steps of 200/3 Hz below 1 kHz, then 27 steps to each factor of 6.4.
_KNEE_MELS = 15.0
_LOG_STEP = np.log(6.4) / 27


def _mels(hertz: float) -> float:
    """The mels of a frequency of 1 kHz or more."""
    return _KNEE_MELS + float(np.log(hertz / 1000)) / float(_LOG_STEP)


def _hertz(mels: Doubles) -> Doubles:
    above = 1000 * np.exp(_LOG_STEP * (mels - _KNEE_MELS))
    return np.asarray(np.where(mels < _KNEE_MELS, mels * 200 / 3, above), np.float64)
