"""Decodes a client's bytes to what the engines take: mono floats at ASR_RATE_HZ."""

import numpy as np
import soxr

from voice_local.engines import ASR_RATE_HZ, Samples
from voice_local.riva.coding import Coding, Encoding
from voice_local.riva.refusal import RefusedError
from voice_local.riva.wav import could_be_wav, read_header

RATES_HZ = range(8_000, 48_001)
CHANNELS = range(1, 17)
DEFAULT_RATE_HZ = 16_000
"""The rate of raw audio for which the client names none."""

_NONE = np.zeros(0, np.float32)
_CODINGS = {
    Encoding.ENCODING_UNSPECIFIED: Coding.S16,
    Encoding.LINEAR_PCM: Coding.S16,
    Encoding.MULAW: Coding.MULAW,
    Encoding.ALAW: Coding.ALAW,
}
_FOREIGN = {b"fLaC": "FLAC", b"OggS": "OGGOPUS"}


class Decoder:
    """Decodes one stream of audio, cut into messages anywhere.

    A WAV header at the start overrides what the client said of the audio. Of several channels the
    first is used. Raises RefusedError for a coding that is not known here, as soon as it shows.
    """

    def __init__(self, encoding: Encoding, rate_hz: int = 0, channels: int = 0) -> None:
        coding = _CODINGS.get(encoding)
        if coding is None:
            raise RefusedError(
                f"Error: encoding {encoding.name} is not supported; "
                f"allowed are {', '.join(each.name for each in _CODINGS)}"
            )
        self._use(coding, rate_hz or DEFAULT_RATE_HZ, channels or 1)
        self._start: bytes | None = b""
        self._rest = b""
        self._left: int | None = None

    def feed(self, data: bytes) -> Samples:
        """Take the next bytes; return the samples that are complete so far."""
        if self._start is not None:
            data = self._sniff(self._start + data)
        return self._resample(self._read(data)) if data else _NONE

    def finish(self) -> Samples:
        """Return the samples that were held back; nothing may be fed afterwards."""
        return self._resample(_NONE, last=True)

    def _use(self, coding: Coding, rate_hz: int, channels: int) -> None:
        _check("sample_rate_hertz", rate_hz, RATES_HZ)
        _check("audio_channel_count", channels, CHANNELS)
        self._coding = coding
        self._channels = channels
        self._resampler = (
            None
            if rate_hz == ASR_RATE_HZ
            else soxr.ResampleStream(rate_hz, ASR_RATE_HZ, 1, quality=_quality(rate_hz))
        )

    def _sniff(self, start: bytes) -> bytes:
        """Look for a header at the start; return the audio after it, or nothing while undecided."""
        foreign = _FOREIGN.get(start[:4])
        if foreign is not None:
            raise RefusedError(
                f"Error: the audio is {foreign}, which is not supported; "
                "allowed are LINEAR_PCM, MULAW and ALAW, raw or in a WAV file"
            )
        if not could_be_wav(start):
            self._start = None
            return start
        header = read_header(start) if len(start) >= 12 else None
        if header is None:
            self._start = start
            return b""
        self._use(header.coding, header.rate_hz, header.channels)
        self._left = header.audio_bytes
        self._start = None
        return start[header.audio_at :]

    def _read(self, data: bytes) -> Samples:
        if self._left is not None:
            data = data[: self._left]
            self._left -= len(data)
        data = self._rest + data
        whole = len(data) - len(data) % (self._coding.width * self._channels)
        self._rest = data[whole:]
        return self._coding.read(data[:whole])[:: self._channels]

    def _resample(self, samples: Samples, *, last: bool = False) -> Samples:
        if self._resampler is None:
            return samples
        return self._resampler.resample_chunk(np.ascontiguousarray(samples), last=last)


def _quality(rate_hz: int) -> str:
    """The better of soxr's qualities that holds back 30 ms of audio at most."""
    return "MQ" if rate_hz < ASR_RATE_HZ else "HQ"


def _check(field: str, value: int, allowed: range) -> None:
    if value not in allowed:
        raise RefusedError(
            f"Error: {field} is {value}; allowed are {allowed.start} to {allowed.stop - 1}"
        )
