"""When the caller makes voice and when not: Silero's network, frame by frame.

What is only the echo of the gateway's own voice is no voice (`echo`).

The network (`silero_vad.onnx`, MIT, see NOTICE) takes about 3 ms of CPU per second of audio.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol

from voice_gateway.audio.pcm import SAMPLE_BYTES
from voice_gateway.audio.resample import Resampler
from voice_gateway.hearing import network
from voice_gateway.ports import Edge

RATE_HZ = 16_000
FRAME = 512  # samples: 32 ms
_FRAME_S = FRAME / RATE_HZ
_CONTEXT = 64  # samples of the frame before that the network sees again
_HUSH = 0.0018  # from trough to crest: nobody speaks so softly, and the network need not look
_LONGEST_STALL_S = 0.5  # of a network; what comes later was said later
_DRIFT = 0.01  # how fast a delay that stays is believed, per chunk
_FORGET = 8  # ignored frames after which the network's memory is of another sound
_NETWORK = Path(__file__).with_name("silero_vad.onnx")


class Hysteresis:
    """Turns a probability of speech per frame into edges, without flickering.

    Voice begins with two frames in a row above `rises`, and is over with three below `falls`; it
    ended where the first of these began.
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
    """Tells voice from other sounds, remembering what it heard before."""

    def __call__(self, samples: Any, /) -> float:
        """The probability that the next FRAME samples are voice."""
        ...

    def forget(self) -> None:
        """What comes next does not go on with what was heard so far."""


class VoiceActivity:
    """One caller's voice activity: whole samples at `rate_hz` in, edges out."""

    def __init__(self, network: Network, rate_hz: int) -> None:
        from voice_gateway.hearing.echo import Echo  # brings numpy

        self._network = network
        self._resampler = Resampler(rate_hz, RATE_HZ)
        self._waiting = bytearray()
        self._hysteresis = Hysteresis()
        self._echo = Echo()
        self._line = Line()
        self._ignored = 0
        self.echoed_at = float("-inf")
        """When a sound was taken for an echo the last time."""

    def feed(self, pcm: bytes, at: float) -> list[Edge]:
        """Take the next samples, complete at `at`."""
        samples = self._resampler.feed(pcm)
        self._waiting += samples
        ends_at = self._line.arrives(len(samples) / (SAMPLE_BYTES * RATE_HZ), at)
        size = FRAME * SAMPLE_BYTES
        edges: list[Edge] = []
        while len(self._waiting) >= size:
            frame = bytes(self._waiting[:size])
            del self._waiting[:size]
            if edge := self._edge(frame, ends_at):
                edges.append(edge)
        return edges

    def plays(self, pcm: bytes, rate_hz: int, at: float) -> None:
        """This leaves the caller's loudspeaker from `at` on, and may come back."""
        self._echo.plays(pcm, rate_hz, at)

    def echoes(self) -> bool | None:
        """Whether what is played comes back on this line; None: not known yet."""
        return self._echo.comes_back()

    def _edge(self, frame: bytes, ends_at: float) -> Edge | None:
        import numpy as np

        frames = self._hysteresis.frames_to_change
        later_s = len(self._waiting) / (SAMPLE_BYTES * RATE_HZ)
        samples = np.frombuffer(frame, "<i2").astype(np.float32) / 32768
        hush, echo = self._is_hush(samples), self._is_echo(samples, ends_at - later_s)
        if echo and not hush:
            self.echoed_at = ends_at - later_s
        ignored = hush or echo
        self._ignored = self._ignored + 1 if ignored else 0
        if self._ignored == _FORGET:
            self._network.forget()
        voiced = self._hysteresis.feed(0.0 if ignored else self._network(samples))
        return None if voiced is None else Edge(voiced, frames * _FRAME_S + later_s)

    def _is_hush(self, samples: Any) -> bool:
        return float(samples.max()) - float(samples.min()) < _HUSH

    def _is_echo(self, samples: Any, at: float) -> bool:
        # Looked at first, so that it learns; and only at the start of a voice: once there is one,
        # the reply pauses, and its echo ends by itself.
        return self._echo.explains(samples, RATE_HZ, at) and not self._hysteresis.voiced


class Line:
    """When a caller's audio was said, as far as its arrival tells: late packets are not late words.

    Audio runs on by its own length, and never arrives before it ends.
    """

    def __init__(self) -> None:
        self._at: float | None = None

    def arrives(self, seconds: float, at: float) -> float:
        """So much audio is here at `at`; returns when its last sample was due."""
        due = at if self._at is None else self._at + seconds
        if abs(at - due) > _LONGEST_STALL_S:
            due = at  # the caller had stopped sending
        self._at = min(at, due + _DRIFT * (at - due))
        return self._at


def load_silero() -> Callable[[int], VoiceActivity]:
    """Load the network once; what comes back makes one listener per call, at that call's rate."""
    session = network.load(_NETWORK)
    return lambda rate_hz: VoiceActivity(_Silero(session), rate_hz)


class _Silero:
    """The network with one caller's memory."""

    def __init__(self, session: Any) -> None:
        import numpy as np

        self._session = session
        self._state = np.zeros((2, 1, 128), np.float32)
        self._window = np.zeros((1, _CONTEXT + FRAME), np.float32)
        self._rate = np.array(RATE_HZ, np.int64)

    def forget(self) -> None:
        self._state = self._state * 0
        self._window[:] = 0

    def __call__(self, samples: Any) -> float:
        self._window[0, :_CONTEXT] = self._window[0, -_CONTEXT:]
        self._window[0, _CONTEXT:] = samples
        given = {"input": self._window, "state": self._state, "sr": self._rate}
        probability, self._state = self._session.run(("output", "stateN"), given)
        return float(probability[0, 0])
