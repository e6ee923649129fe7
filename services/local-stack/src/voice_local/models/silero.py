"""Voice activity by Silero: the probability of speech in each frame, with a memory per listener."""

from pathlib import Path

import numpy as np

from voice_local.engines import ASR_RATE_HZ, VAD_FRAME, Samples
from voice_local.models.onnx import Net

_CONTEXT_SAMPLES = 64
"""Samples of the frame before that the network sees again."""


class SileroListener:
    """One listener; many share one loaded network."""

    def __init__(self, net: Net) -> None:
        self._net = net
        self._state = np.zeros((2, 1, 128), np.float32)
        self._window = np.zeros((1, _CONTEXT_SAMPLES + VAD_FRAME), np.float32)
        self._rate = np.array(ASR_RATE_HZ, np.int64)

    def speech(self, frame: Samples) -> float:
        """Take the next VAD_FRAME samples at ASR_RATE_HZ; return the probability of speech."""
        if frame.shape != (VAD_FRAME,):
            raise ValueError(f"frame must be {VAD_FRAME} samples, got shape {frame.shape}")
        self._window[0, :_CONTEXT_SAMPLES] = self._window[0, -_CONTEXT_SAMPLES:]
        self._window[0, _CONTEXT_SAMPLES:] = frame
        given = {"input": self._window, "state": self._state, "sr": self._rate}
        chance, self._state = self._net.run(("output", "stateN"), given)
        return float(chance[0, 0])


def open_net(folder: Path) -> Net:
    return Net(folder / "silero_vad.onnx")
