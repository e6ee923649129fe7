"""The client's end of a call that carries Opus; only this module knows the codec."""

import importlib
from dataclasses import replace
from typing import TYPE_CHECKING

from voice_client.failures import BadInputError, CallBrokenError
from voice_client.messages import ReplyAudio

if TYPE_CHECKING:
    from voice_proto import opus

_INSTALL = (
    "Opus needs the package av: uv run --extra opus voice ..., or "
    "uv tool install 'voice-client[opus]'; without --opus nothing is needed"
)


def check_opus(rate_hz: int) -> None:
    """Raise BadInputError where this machine or the rate cannot do Opus."""
    try:
        opus = importlib.import_module("voice_proto.opus")
    except ImportError as error:
        raise BadInputError(f"{error}: {_INSTALL}") from None
    if rate_hz not in opus.RATES_HZ:
        allowed = ", ".join(map(str, opus.RATES_HZ))
        raise BadInputError(f"Opus cannot do {rate_hz} Hz; allowed are {allowed}")


class OpusLine:
    """Packs the caller's audio into packets, and unpacks the replies."""

    def __init__(self, rate_hz: int) -> None:
        check_opus(rate_hz)
        self._opus = importlib.import_module("voice_proto.opus")
        self._rate_hz = rate_hz
        self._encoder: opus.Encoder = self._opus.Encoder(rate_hz)
        self._decoder: opus.Decoder = self._opus.Decoder(rate_hz)
        self._reply_id = 0

    def pack(self, pcm: bytes) -> list[bytes]:
        """Return the packets that the audio fills."""
        return self._encoder.encode(pcm)

    def pack_rest(self) -> list[bytes]:
        """Return the packets up to the last sample."""
        return self._encoder.finish()

    def unpack(self, audio: ReplyAudio) -> ReplyAudio:
        """Return the reply's audio as s16le; each reply is a stream of its own."""
        if audio.reply_id != self._reply_id:
            self._reply_id = audio.reply_id
            self._decoder = self._opus.Decoder(self._rate_hz)
        try:
            return replace(audio, pcm=self._decoder.decode(audio.pcm))
        except ValueError as error:
            raise CallBrokenError(f"audio_chunk is no Opus packet: {error}") from None
