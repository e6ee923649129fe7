"""The client's audio on the wire to and from the call's own: base64, G.711, 8 kHz."""

import binascii
from base64 import b64decode, b64encode

from voice_gateway.audio import g711
from voice_gateway.audio.resample import Resampler
from voice_gateway.transports.realtime.fields import BadEvent
from voice_gateway.transports.realtime.session_options import LAWS, RATE_HZ, Sound

_MOST_BASE64 = 20 * 1024 * 1024  # 15 MiB of audio in one event, as the protocol allows


class Hearing:
    """What the client sends, as s16le at the call's rate, cut anywhere."""

    def __init__(self, sound: Sound) -> None:
        self.sound: Sound = sound
        self._law: g711.Law | None = LAWS.get(sound)
        self._up = Resampler(g711.RATE_HZ if self._law else RATE_HZ, RATE_HZ)

    def feed(self, audio: str) -> bytes:
        if len(audio) > _MOST_BASE64:
            said = f"'audio' has {len(audio)} characters; allowed: at most {_MOST_BASE64}."
            raise BadEvent("string_above_max_length", said, "audio")
        try:
            data = b64decode(audio, validate=True)
        except (binascii.Error, ValueError):
            raise BadEvent("invalid_value", "'audio' is not base64.", "audio") from None
        if self._law is None:
            return data
        return self._up.feed(g711.decode(data, self._law))


class Speaking:
    """The call's audio as the client wants it; one for each reply."""

    def __init__(self, sound: Sound) -> None:
        self._law: g711.Law | None = LAWS.get(sound)
        self._down = Resampler(RATE_HZ, g711.RATE_HZ if self._law else RATE_HZ)

    def feed(self, pcm: bytes) -> str:
        """Base64 of what is ready; may be empty."""
        return self._wire(self._down.feed(pcm))

    def flush(self) -> str:
        return self._wire(self._down.flush())

    def _wire(self, samples: bytes) -> str:
        data = g711.encode(samples, self._law) if self._law else samples
        return b64encode(data).decode("ascii")
