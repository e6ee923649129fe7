"""When the caller makes voice and when not: Silero's network, frame by frame.

The network (`silero_vad.onnx`, MIT, see NOTICE) takes about 3 ms of CPU per second of audio.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from voice_gateway.audio.pcm import SAMPLE_BYTES
from voice_gateway.audio.resample import Resampler

RATE_HZ = 16_000
FRAME = 512  # samples: 32 ms
_FRAME_S = FRAME / RATE_HZ
_CONTEXT = 64  # samples of the frame before that the network sees again
_HUSH = 60  # of 65536, from trough to crest: nobody speaks so softly, and the network need not look
_NETWORK = Path(__file__).with_name("silero_vad.onnx")


@dataclass(frozen=True, slots=True)
class Edge:
    """The caller's voice began, or fell silent."""

    voiced: bool
    ago_s: float
    """How long before the end of the audio fed so far."""


class Hysteresis:
    """Turns a chance of speech per frame into edges, without flickering.

    Voice begins with two frames in a row above `rises`, and is over with three below `falls`; it
    ended where the first of these began.
    """

    def __init__(self, *, rises: float = 0.5, falls: float = 0.35) -> None:
        self._rises = rises
        self._falls = falls
        self._voiced = False
        self._against = 0

    def feed(self, chance: float) -> bool | None:
        """Take the next frame; return the new state where it changed."""
        contradicts = chance < self._falls if self._voiced else chance >= self._rises
        self._against = self._against + 1 if contradicts else 0
        if self._against < self.frames_to_change:
            return None
        self._voiced, self._against = not self._voiced, 0
        return self._voiced

    @property
    def frames_to_change(self) -> int:
        return 3 if self._voiced else 2


class VoiceActivity:
    """One caller's voice activity: whole samples at `rate_hz` in, edges out."""

    def __init__(self, chance_of: Callable[[Any], float], rate_hz: int) -> None:
        self._chance_of = chance_of
        self._resampler = Resampler(rate_hz, RATE_HZ)
        self._waiting = bytearray()
        self._hysteresis = Hysteresis()

    def feed(self, pcm: bytes) -> list[Edge]:
        self._waiting += self._resampler.feed(pcm)
        size = FRAME * SAMPLE_BYTES
        edges: list[Edge] = []
        while len(self._waiting) >= size:
            frame = bytes(self._waiting[:size])
            del self._waiting[:size]
            if edge := self._edge(frame):
                edges.append(edge)
        return edges

    def _edge(self, frame: bytes) -> Edge | None:
        import numpy as np

        frames = self._hysteresis.frames_to_change
        samples = np.frombuffer(frame, "<i2")
        hush = int(samples.max()) - int(samples.min()) < _HUSH
        chance = 0.0 if hush else self._chance_of(samples.astype(np.float32) / 32768)
        voiced = self._hysteresis.feed(chance)
        if voiced is None:
            return None
        later_s = len(self._waiting) / (SAMPLE_BYTES * RATE_HZ)
        return Edge(voiced, frames * _FRAME_S + later_s)


def load_silero() -> Callable[[int], VoiceActivity]:
    """Load the network once; what comes back makes one listener per call, at that call's rate."""
    import onnxruntime

    runtime: Any = onnxruntime  # ships no types
    options = runtime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    providers = ["CPUExecutionProvider"]
    session = runtime.InferenceSession(str(_NETWORK), options, providers=providers)
    return lambda rate_hz: VoiceActivity(_Silero(session), rate_hz)


class _Silero:
    """The network with one caller's memory."""

    def __init__(self, session: Any) -> None:
        import numpy as np

        self._session = session
        self._state = np.zeros((2, 1, 128), np.float32)
        self._window = np.zeros((1, _CONTEXT + FRAME), np.float32)
        self._rate = np.array(RATE_HZ, np.int64)

    def __call__(self, samples: Any) -> float:
        self._window[0, :_CONTEXT] = self._window[0, -_CONTEXT:]
        self._window[0, _CONTEXT:] = samples
        given = {"input": self._window, "state": self._state, "sr": self._rate}
        chance, self._state = self._session.run(("output", "stateN"), given)
        return float(chance[0, 0])
