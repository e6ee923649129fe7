"""Converts audio between the client's wire (base64, G.711, 8 kHz) and the call."""

import binascii
from base64 import b64encode

from voice_gateway.audio import g711
from voice_gateway.audio.resample import Resampler
from voice_gateway.transports.realtime.fields import BadEvent
from voice_gateway.transports.realtime.session_options import LAWS, RATE_HZ, Sound


class AudioDecoder:
    """Decodes the client's audio, cut anywhere, to s16le at the call's rate."""

    def __init__(self, sound: Sound) -> None:
        self.sound: Sound = sound
        self._law: g711.Law | None = LAWS.get(sound)
        self._up = Resampler(g711.RATE_HZ if self._law else RATE_HZ, RATE_HZ)

    def feed(self, audio: str) -> bytes:
        try:
            data = binascii.a2b_base64(audio, strict_mode=True)
        except (binascii.Error, ValueError):
            raise BadEvent("invalid_value", "'audio' is not base64.", "audio") from None
        if self._law is None:
            return data
        return self._up.feed(g711.decode(data, self._law))


class AudioEncoder:
    """Encodes one reply's audio in the client's format."""

    def __init__(self, sound: Sound) -> None:
        self._law: g711.Law | None = LAWS.get(sound)
        self._down = Resampler(RATE_HZ, g711.RATE_HZ if self._law else RATE_HZ)

    def feed(self, pcm: bytes) -> str:
        """Return base64 of the audio that is ready, perhaps none."""
        return self._wire(self._down.feed(pcm))

    def flush(self) -> str:
        return self._wire(self._down.flush())

    def _wire(self, samples: bytes) -> str:
        data = g711.encode(samples, self._law) if self._law else samples
        return b64encode(data).decode("ascii")
