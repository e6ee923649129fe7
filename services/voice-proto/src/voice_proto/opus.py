"""Opus as both sides put it on the wire: one packet is one `audio_chunk`.

The codec is libopus for making packets and FFmpeg's own decoder for reading them, both carried by
PyAV (the extra `opus`), which has wheels for Linux, macOS and Windows. Importing this module fails
with ImportError where it is not installed.
"""

# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
# (PyAV's packets are generic without saying of what)

from contextlib import suppress
from fractions import Fraction
from typing import Any

import av
from av.audio.codeccontext import AudioCodecContext
from av.error import FFmpegError
from av.filter import Graph

RATES_HZ = (8_000, 12_000, 16_000, 24_000, 48_000)
PACKET_S = 0.02
LARGEST_PACKET = 8_192
"""Bytes; 120 ms at the highest bit rate there is need less."""
BIT_RATES = {8_000: 16_000, 12_000: 20_000, 16_000: 24_000, 24_000: 32_000, 48_000: 40_000}
LOOKAHEAD_S = 0.0065
"""So much later than it was given comes a sample out of a decoder."""

_COMPLEXITY = "5"
"""Of 10: half the work of the default, and no difference that one hears in speech."""
_DECODER_HZ = 48_000


class NotOpusError(ValueError):
    """Bytes that no decoder can make sense of."""


class Encoder:
    """Makes packets of 20 ms out of s16le mono; what does not fill one waits for more."""

    def __init__(self, rate_hz: int) -> None:
        self._rate_hz = rate_hz
        self._size = 2 * round(PACKET_S * rate_hz)
        self._waiting = bytearray()
        self._codec = AudioCodecContext.create("libopus", "w")
        self._codec.sample_rate = rate_hz
        self._codec.layout = "mono"
        self._codec.format = "s16"
        self._codec.bit_rate = BIT_RATES[rate_hz]
        self._codec.options = {"application": "voip", "compression_level": _COMPLEXITY}
        self._codec.open()

    def encode(self, pcm: bytes) -> list[bytes]:
        """Return the packets that are full now."""
        self._waiting += pcm
        packets: list[bytes] = []
        while len(self._waiting) >= self._size:
            packets += self._packet(bytes(self._waiting[: self._size]))
            del self._waiting[: self._size]
        return packets

    def finish(self) -> list[bytes]:
        """Return the packets that bring out the last sample, silence behind it."""
        missing = 2 * round(LOOKAHEAD_S * self._rate_hz)
        missing += -(len(self._waiting) + missing) % self._size
        return self.encode(bytes(missing))

    def _packet(self, pcm: bytes) -> list[bytes]:
        frame = av.AudioFrame(format="s16", layout="mono", samples=len(pcm) // 2)
        frame.sample_rate = self._rate_hz
        frame.planes[0].update(pcm.ljust(frame.planes[0].buffer_size, b"\0"))
        # `encode` would cut the sound into packets, which it is already, in threads of its own.
        codec: Any = self._codec
        return [bytes(packet) for packet in codec._send_frame_and_recv(frame)]


class Decoder:
    """Makes s16le mono out of packets of any length and either channel count."""

    def __init__(self, rate_hz: int) -> None:
        self._codec = AudioCodecContext.create("opus", "r")
        self._codec.sample_rate = _DECODER_HZ
        self._codec.layout = "mono"
        self._rate_hz = rate_hz
        self._resampler: _Resampler | None = None

    def decode(self, packet: bytes) -> bytes:
        """Return a packet's sound; raise NotOpusError."""
        if not 0 < len(packet) <= LARGEST_PACKET:
            raise NotOpusError(f"{len(packet)} bytes")
        pcm = bytearray()
        try:
            for frame in self._codec.decode(av.Packet(packet)):
                pcm += self._fitting(frame).resample(frame)
        except FFmpegError:
            raise NotOpusError(f"{len(packet)} bytes that begin with {packet[:4].hex()}") from None
        return bytes(pcm)

    def _fitting(self, frame: av.AudioFrame) -> "_Resampler":
        """The resampler for frames like this one; a stream may change its channels."""
        if self._resampler is None or not self._resampler.takes(frame):
            self._resampler = _Resampler(frame, self._rate_hz)
        return self._resampler


class _Resampler:
    """Makes s16le mono of one kind of frames, in the caller's thread.

    PyAV's own resampler starts a thread for each core of the machine.
    """

    def __init__(self, like: av.AudioFrame, rate_hz: int) -> None:
        self._kind = _kind(like)
        self._graph = Graph()
        self._graph.threads = 1
        source = self._graph.add_abuffer(
            sample_rate=like.sample_rate,
            format=like.format.name,
            layout=like.layout.name,
            time_base=Fraction(1, like.sample_rate),
        )
        wanted = self._graph.add(
            "aformat", sample_rates=str(rate_hz), sample_fmts="s16", channel_layouts="mono"
        )
        self._graph.link_nodes(source, wanted, self._graph.add("abuffersink")).configure()

    def takes(self, frame: av.AudioFrame) -> bool:
        return _kind(frame) == self._kind

    def resample(self, frame: av.AudioFrame) -> bytes:
        self._graph.push(frame)
        pcm = bytearray()
        with suppress(EOFError, BlockingIOError):
            while True:
                fitted = self._graph.pull()
                assert isinstance(fitted, av.AudioFrame)
                pcm += bytes(fitted.planes[0])[: 2 * fitted.samples]
        return bytes(pcm)


def _kind(frame: av.AudioFrame) -> tuple[str, str, int]:
    return frame.format.name, frame.layout.name, frame.sample_rate
