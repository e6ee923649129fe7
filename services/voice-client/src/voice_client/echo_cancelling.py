"""Takes the loudspeaker's sound out of the microphone's; only this module knows LiveKit's SDK.

WebRTC's audio processing module does the work, which that package carries as native code. Nothing
else of the package is used, and nothing leaves the machine.
"""

# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false
# (the package's generated messages are partly untyped)

import importlib
from typing import Protocol, cast

from voice_client.failures import BadInputError

FRAME_S = 0.01
"""The length of the frames that the module takes."""
_INSTALL = (
    "echo cancellation needs the package livekit: uv run --extra mic --extra aec voice mic "
    "--echo-cancellation, or uv tool install 'voice-client[mic,aec]'; --half-duplex needs nothing"
)


class _Frame(Protocol):
    data: memoryview


class _Module(Protocol):
    def process_stream(self, data: _Frame) -> None: ...
    def process_reverse_stream(self, data: _Frame) -> None: ...
    def set_stream_delay_ms(self, delay_ms: int) -> None: ...


class _Rtc(Protocol):
    """The part of `livekit.rtc` that is used."""

    def AudioFrame(self, data: bytes, rate: int, channels: int, samples: int) -> _Frame: ...  # noqa: N802
    def AudioProcessingModule(  # noqa: N802
        self, *, echo_cancellation: bool, high_pass_filter: bool
    ) -> _Module: ...


def can_cancel(rate_hz: int) -> bool:
    """Tell whether the rate has whole frames of 10 ms."""
    return rate_hz % 100 == 0


class EchoCanceller:
    """Cancels echo; both methods take whole frames, s16le mono, each on its device's thread.

    `delay_s` is the time from handing a sample to the loudspeaker to its echo in the microphone, as
    far as the devices tell; the module finds the rest, up to half a second, by itself.
    """

    def __init__(self, rate_hz: int) -> None:
        if not can_cancel(rate_hz):
            raise BadInputError(f"echo cancellation cannot do {rate_hz} Hz, only multiples of 100")
        try:
            self._rtc = cast("_Rtc", importlib.import_module("livekit.rtc"))
        except ImportError as error:
            raise BadInputError(f"{error}: {_INSTALL}") from None
        self._module = self._rtc.AudioProcessingModule(
            echo_cancellation=True, high_pass_filter=True
        )
        self._rate_hz = rate_hz
        self.delay_s = 0.0

    def played(self, pcm: bytes) -> None:
        """Take what the loudspeaker is about to play."""
        for frame in self._frames(pcm):
            self._module.process_reverse_stream(frame)

    def clean(self, pcm: bytes) -> bytes:
        """Return the microphone's audio without what the loudspeaker has played."""
        cleaned = bytearray()
        for frame in self._frames(pcm):
            self._module.set_stream_delay_ms(round(self.delay_s * 1000))
            self._module.process_stream(frame)
            cleaned += bytes(frame.data)
        return bytes(cleaned)

    def _frames(self, pcm: bytes) -> list[_Frame]:
        count = round(FRAME_S * self._rate_hz)
        return [
            self._rtc.AudioFrame(pcm[at : at + 2 * count], self._rate_hz, 1, count)
            for at in range(0, len(pcm) - 2 * count + 1, 2 * count)
        ]
