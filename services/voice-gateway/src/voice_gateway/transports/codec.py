"""How a call's audio goes over the wire: as it is, or as Opus packets where both sides can.

Everything behind the gRPC front knows s16le alone.
"""

from collections.abc import Sequence
from importlib.util import find_spec
from typing import TYPE_CHECKING, Protocol

from voice_proto import voice_workflow_pb2 as pb

from voice_gateway.errors import BadMessage
from voice_gateway.messages import CutOff, ReplyAudio, ToCaller, TurnOver

if TYPE_CHECKING:
    from voice_proto.opus import Encoder

GAP_S = 0.005
"""A reply's audio that goes on farther from its last sample than this has skipped something."""


class Codec(Protocol):
    """One call's way of putting audio on the wire."""

    encoding: pb.AudioEncoding

    def decode(self, chunk: bytes) -> bytes:
        """Return the caller's s16le; raises BadMessage."""
        ...

    def encode(self, message: ToCaller) -> Sequence[ToCaller]:
        """Return what goes out for a message, in order: audio as it stands on the wire."""
        ...


class Pcm(Codec):
    """Audio as it is."""

    encoding = pb.PCM_S16LE

    def decode(self, chunk: bytes) -> bytes:
        return chunk

    def encode(self, message: ToCaller) -> Sequence[ToCaller]:
        return (message,)


class Opus(Codec):
    """One packet a chunk; each reply is a stream of its own."""

    encoding = pb.OPUS

    def __init__(self, rate_hz: int) -> None:
        from voice_proto import opus

        self._opus = opus
        self._rate_hz = rate_hz
        self._decoder = opus.Decoder(rate_hz)
        self._encoder: Encoder | None = None
        self._reply, self._packed_s, self._given_s = 0, 0.0, 0.0

    def decode(self, chunk: bytes) -> bytes:
        try:
            return self._decoder.decode(chunk) if chunk else b""
        except self._opus.NotOpusError as error:
            raise BadMessage(
                f"audio_chunk is no Opus packet ({error}); allowed since config.audio_encoding is "
                f"OPUS: one packet of at most {self._opus.LARGEST_PACKET} bytes"
            ) from None

    def encode(self, message: ToCaller) -> Sequence[ToCaller]:
        match message:
            case ReplyAudio():
                return [*self._begin(message), *self._pack(message.pcm)]
            case TurnOver():
                return [*self._end(), message]
            case CutOff():  # nothing of that reply follows
                self._encoder = None
                return (message,)
            case _:
                return (message,)

    def _begin(self, audio: ReplyAudio) -> list[ReplyAudio]:
        """Start a stream where the last one does not go on; return what the last one still held."""
        goes_on = audio.reply == self._reply and abs(audio.offset_s - self._given_s) < GAP_S
        if self._encoder and goes_on:
            return []
        rest = self._end()
        self._encoder = self._opus.Encoder(self._rate_hz)
        self._reply = audio.reply
        self._packed_s = self._given_s = audio.offset_s
        return rest

    def _pack(self, pcm: bytes) -> list[ReplyAudio]:
        assert self._encoder
        self._given_s += len(pcm) / 2 / self._rate_hz
        return self._placed(self._encoder.encode(pcm))

    def _end(self) -> list[ReplyAudio]:
        encoder, self._encoder = self._encoder, None
        return self._placed(encoder.finish()) if encoder else []

    def _placed(self, packets: list[bytes]) -> list[ReplyAudio]:
        placed: list[ReplyAudio] = []
        for packet in packets:
            placed.append(ReplyAudio(self._reply, self._packed_s, packet))
            self._packed_s += self._opus.PACKET_S
        return placed


def opus_is_there() -> bool:
    """Tell whether the extra `opus` is installed."""
    return find_spec("av") is not None


def agree(config: pb.VoiceConfig, rate_hz: int) -> Codec:
    """Return the codec for a call whose config is this; raises BadMessage."""
    asked = config.audio_encoding
    if asked in (pb.AUDIO_ENCODING_UNSPECIFIED, pb.PCM_S16LE):
        return Pcm()
    if asked != pb.OPUS or not opus_is_there():
        return Pcm()  # a newer client's wish, or one that this server cannot grant
    from voice_proto.opus import RATES_HZ

    if rate_hz not in RATES_HZ:
        allowed = ", ".join(map(str, RATES_HZ))
        raise BadMessage(
            f"config.sample_rate is {rate_hz}; allowed with config.audio_encoding OPUS: {allowed}"
        )
    return Opus(rate_hz)
