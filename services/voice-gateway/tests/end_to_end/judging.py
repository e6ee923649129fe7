"""Recognising a recording with a recogniser that had no part in the call."""

import numpy as np
import soxr
from voice_local.engines import ASR_RATE_HZ
from voice_local.loading import load_recogniser

from .conftest import normalised


def judged(pcm: bytes, rate_hz: int) -> list[str]:
    """The words of a recording, s16le mono."""
    samples = np.frombuffer(pcm, "<i2").astype(np.float32) / 32768
    heard = soxr.resample(samples, rate_hz, ASR_RATE_HZ).astype(np.float32)
    return normalised(load_recogniser("whisper-base").transcribe(heard, "en-US").text)
