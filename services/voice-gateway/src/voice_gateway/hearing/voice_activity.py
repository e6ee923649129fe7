"""Detects the caller's voice activity with Silero's network, frame by frame.

The echo of the gateway's own replies does not count as voice (`echo`).

The network (`silero_vad.onnx`, MIT, see NOTICE) takes about 3 ms of CPU per second of audio.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol

from voice_gateway.audio.pcm import SAMPLE_BYTES
from voice_gateway.audio.resample import Resampler
from voice_gateway.hearing import network
from voice_gateway.messages import LineEcho
from voice_gateway.ports import Edge

RATE_HZ = 16_000
FRAME = 512  # samples: 32 ms
_FRAME_S = FRAME / RATE_HZ
_CONTEXT = 64  # samples of the previous frame that the network gets again
_SILENT_SPAN = 0.0018  # peak to peak, of 2.0: softer than voice, so the network is not run
_LONGEST_STALL_S = 0.5  # delay of late packets; a longer gap is a pause in sending
_DELAY_SHARE = 0.01  # share of a new delay that is taken over with each chunk
_FRAMES_TO_RESET = 8  # ignored frames in a row after which the network's state is stale
_NETWORK = Path(__file__).with_name("silero_vad.onnx")


class Hysteresis:
    """Turns the probability of voice in each frame into edges that do not flicker.

    Voice begins with two frames in a row above `rises`, and ends with three in a row below `falls`;
    it ended where the first of the three began.
    """

    def __init__(self, *, rises: float = 0.5, falls: float = 0.35) -> None:
        self._rises = rises
        self._falls = falls
        self._voiced = False
        self._against = 0

    def feed(self, probability: float) -> bool | None:
        """Take the next frame; return the new state where it changed."""
        contradicts = probability < self._falls if self._voiced else probability >= self._rises
        self._against = self._against + 1 if contradicts else 0
        if self._against < self.frames_to_change:
            return None
        self._voiced, self._against = not self._voiced, 0
        return self._voiced

    @property
    def voiced(self) -> bool:
        return self._voiced

    @property
    def frames_to_change(self) -> int:
        return 3 if self._voiced else 2


class Network(Protocol):
    """Tells voice from other sounds; keeps a state from frame to frame."""

    def __call__(self, samples: Any, /) -> float:
        """The probability that the next FRAME samples are voice."""
        ...

    def reset(self) -> None:
        """Reset the state, as the next frame does not follow the last one."""


class VoiceActivity:
    """One caller's voice activity: whole samples at `rate_hz` in, edges out."""

    def __init__(self, network: Network, rate_hz: int) -> None:
        from voice_gateway.hearing.echo import Echo  # it imports numpy

        self._network = network
        self._resampler = Resampler(rate_hz, RATE_HZ)
        self._waiting = bytearray()
        self._hysteresis = Hysteresis()
        self._echo = Echo()
        self._arrival_clock = ArrivalClock()
        self._ignored = 0
        self.echoed_at = float("-inf")
        """When a frame was last taken for an echo."""
        self._ends_at = float("-inf")

    def feed(self, pcm: bytes, at: float) -> list[Edge]:
        """Take the next samples, the last of which arrived at `at`."""
        samples = self._resampler.feed(pcm)
        self._waiting += samples
        ends_at = self._arrival_clock.arrives(len(samples) / (SAMPLE_BYTES * RATE_HZ), at)
        self._ends_at = ends_at
        size = FRAME * SAMPLE_BYTES
        edges: list[Edge] = []
        while len(self._waiting) >= size:
            frame = bytes(self._waiting[:size])
            del self._waiting[:size]
            if edge := self._edge(frame, ends_at):
                edges.append(edge)
        return edges

    def plays(self, pcm: bytes, rate_hz: int, at: float) -> None:
        """The caller's loudspeaker plays this audio from `at` on, and it may come back."""
        self._echo.plays(pcm, rate_hz, at)

    def expects(self, line: LineEcho) -> None:
        """Take the caller's word for what of the loudspeaker its microphone picks up."""
        self._echo.expects(line)

    def echoes(self) -> bool | None:
        """Whether the caller's microphone picks up the loudspeaker; None: not known yet."""
        return self._echo.comes_back()

    @property
    def unechoed_s(self) -> float:
        """How long, up to the newest audio, nothing can have come back of what was played."""
        return max(0.0, self._ends_at - self._echo.until())

    def _edge(self, frame: bytes, ends_at: float) -> Edge | None:
        import numpy as np

        frames = self._hysteresis.frames_to_change
        later_s = len(self._waiting) / (SAMPLE_BYTES * RATE_HZ)
        samples = np.frombuffer(frame, "<i2").astype(np.float32) / 32768
        silent, echo = self._is_silent(samples), self._is_echo(samples, ends_at - later_s)
        if echo and not silent:
            self.echoed_at = ends_at - later_s
        ignored = silent or echo
        self._ignored = self._ignored + 1 if ignored else 0
        if self._ignored == _FRAMES_TO_RESET:
            self._network.reset()
        voiced = self._hysteresis.feed(0.0 if ignored else self._network(samples))
        return None if voiced is None else Edge(voiced, frames * _FRAME_S + later_s)

    def _is_silent(self, samples: Any) -> bool:
        return float(samples.max()) - float(samples.min()) < _SILENT_SPAN

    def _is_echo(self, samples: Any, at: float) -> bool:
        # `explains` is called for every frame, so that it learns. Its answer counts only before
        # voice begins: voice pauses the reply, and so ends the echo.
        return self._echo.explains(samples, RATE_HZ, at) and not self._hysteresis.voiced


class ArrivalClock:
    """Estimates when audio left the caller, so that a late packet does not count as a pause.

    The time runs on by the length of the audio, and is never later than the arrival.
    """

    def __init__(self) -> None:
        self._at: float | None = None

    def arrives(self, seconds: float, at: float) -> float:
        """Note that `seconds` of audio arrived at `at`; return when its last sample was due."""
        due = at if self._at is None else self._at + seconds
        if abs(at - due) > _LONGEST_STALL_S:
            due = at  # the client had stopped sending
        self._at = min(at, due + _DELAY_SHARE * (at - due))
        return self._at


def load_silero() -> Callable[[int], VoiceActivity]:
    """Load the network once; return what makes the detector of a call, for its sample rate."""
    session = network.load(_NETWORK)
    return lambda rate_hz: VoiceActivity(_Silero(session), rate_hz)


class _Silero:
    """The network with the state of one caller."""

    def __init__(self, session: Any) -> None:
        import numpy as np

        self._session = session
        self._state = np.zeros((2, 1, 128), np.float32)
        self._window = np.zeros((1, _CONTEXT + FRAME), np.float32)
        self._rate = np.array(RATE_HZ, np.int64)

    def reset(self) -> None:
        self._state = self._state * 0
        self._window[:] = 0

    def __call__(self, samples: Any) -> float:
        self._window[0, :_CONTEXT] = self._window[0, -_CONTEXT:]
        self._window[0, _CONTEXT:] = samples
        inputs = {"input": self._window, "state": self._state, "sr": self._rate}
        probability, self._state = self._session.run(("output", "stateN"), inputs)
        return float(probability[0, 0])
