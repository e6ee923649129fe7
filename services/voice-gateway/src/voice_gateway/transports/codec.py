"""Encodes a call's audio for the wire: as s16le, or as Opus packets if both sides support it.

Everything behind the gRPC front uses s16le only.
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
"""Audio of a reply that begins farther than this from its last sample has skipped a part."""


class Codec(Protocol):
    """Encodes and decodes the audio of one call."""

    encoding: pb.AudioEncoding

    def decode(self, chunk: bytes) -> bytes:
        """Return the caller audio as s16le; raises BadMessage."""
        ...

    def encode(self, message: ToCaller) -> Sequence[ToCaller]:
        """Return the messages to send for this one, in order, with audio as it is on the wire."""
        ...


class Pcm(Codec):
    """Sends audio as s16le."""

    encoding = pb.PCM_S16LE

    def decode(self, chunk: bytes) -> bytes:
        return chunk

    def encode(self, message: ToCaller) -> Sequence[ToCaller]:
        return (message,)


class Opus(Codec):
    """Sends one packet per chunk; each reply is an Opus stream of its own."""

    encoding = pb.OPUS

    def __init__(self, rate_hz: int) -> None:
        from voice_proto import opus

        self._opus = opus
        self._rate_hz = rate_hz
        self._decoder = opus.Decoder(rate_hz)
        self._encoder: Encoder | None = None
        self._reply, self._packed_s, self._encoded_s = 0, 0.0, 0.0

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
            case CutOff():  # no more audio of that reply follows
                self._encoder = None
                return (message,)
            case _:
                return (message,)

    def _begin(self, audio: ReplyAudio) -> list[ReplyAudio]:
        """Start a stream unless the last one goes on; return the packets left in the last one."""
        goes_on = audio.reply == self._reply and abs(audio.offset_s - self._encoded_s) < GAP_S
        if self._encoder and goes_on:
            return []
        rest = self._end()
        self._encoder = self._opus.Encoder(self._rate_hz)
        self._reply = audio.reply
        self._packed_s = self._encoded_s = audio.offset_s
        return rest

    def _pack(self, pcm: bytes) -> list[ReplyAudio]:
        assert self._encoder
        self._encoded_s += len(pcm) / 2 / self._rate_hz
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


def opus_is_installed() -> bool:
    """Whether the extra `opus` is installed."""
    return find_spec("av") is not None


def agree(config: pb.VoiceConfig, rate_hz: int) -> Codec:
    """Return the codec for a call with this config; raises BadMessage."""
    asked = config.audio_encoding
    if asked in (pb.AUDIO_ENCODING_UNSPECIFIED, pb.PCM_S16LE):
        return Pcm()
    if asked != pb.OPUS or not opus_is_installed():
        return Pcm()  # the encoding is unknown, or this server does not support it
    from voice_proto.opus import RATES_HZ

    if rate_hz not in RATES_HZ:
        allowed = ", ".join(map(str, RATES_HZ))
        raise BadMessage(
            f"config.sample_rate is {rate_hz}; allowed with config.audio_encoding OPUS: {allowed}"
        )
    return Opus(rate_hz)
