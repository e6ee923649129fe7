"""Reads the header of a RIFF/WAVE file as it comes: clients stream files with their headers."""

import struct
from dataclasses import dataclass

from voice_local.riva.coding import Coding
from voice_local.riva.refusal import RefusedError

HEADER_LIMIT = 65_536
"""Bytes of header, other chunks before the audio included, that are read before giving up."""

_UNTIL_THE_END = 0x7FFF_0000
"""Writers that cannot seek back leave 0 or a huge size: the audio then ends with the stream."""

_EXTENSIBLE = 0xFFFE
_CODINGS = {
    (1, 8): Coding.U8,
    (1, 16): Coding.S16,
    (1, 24): Coding.S24,
    (1, 32): Coding.S32,
    (3, 32): Coding.F32,
    (6, 8): Coding.ALAW,
    (7, 8): Coding.MULAW,
}


@dataclass(frozen=True, slots=True)
class WavHeader:
    coding: Coding
    rate_hz: int
    channels: int
    audio_at: int
    """Where the audio begins, in bytes from the start of the file."""
    audio_bytes: int | None
    """None where the audio runs to the end of the stream."""


def could_be_wav(start: bytes) -> bool:
    """Whether a stream that starts so may turn out to be a WAV file."""
    return start[:4] == b"RIFF"[: len(start)] and start[8:12] == b"WAVE"[: max(0, len(start) - 8)]


def read_header(start: bytes) -> WavHeader | None:
    """Read the header at the start of a WAV file; None where more bytes are needed.

    Raises RefusedError for a header that is broken, too long, or of a coding not known here.
    """
    form: tuple[Coding, int, int] | None = None
    at = 12
    while at + 8 <= len(start):
        name, size = start[at : at + 4], int.from_bytes(start[at + 4 : at + 8], "little")
        if name == b"data":
            return _with_audio(form, at + 8, size)
        if name == b"fmt " and at + 8 + size <= len(start):
            form = _read_format(start[at + 8 : at + 8 + size])
        at += 8 + size + size % 2
    if max(at, len(start)) > HEADER_LIMIT:
        raise RefusedError(
            f"Error: the first {HEADER_LIMIT} bytes of the WAV audio hold no data chunk"
        )
    return None


def _with_audio(form: tuple[Coding, int, int] | None, at: int, size: int) -> WavHeader:
    if form is None:
        raise RefusedError("Error: the WAV audio has no fmt chunk before its data chunk")
    coding, rate_hz, channels = form
    endless = size == 0 or size >= _UNTIL_THE_END
    return WavHeader(coding, rate_hz, channels, at, None if endless else size)


def _read_format(chunk: bytes) -> tuple[Coding, int, int]:
    if len(chunk) < 16:
        raise RefusedError(
            f"Error: the fmt chunk of the WAV audio has {len(chunk)} bytes; 16 at least"
        )
    tag, channels, rate_hz, _, _, bits = struct.unpack("<HHIIHH", chunk[:16])
    if tag == _EXTENSIBLE and len(chunk) >= 26:
        tag = int.from_bytes(chunk[24:26], "little")
    coding = _CODINGS.get((tag, bits))
    if coding is None:
        raise RefusedError(
            f"Error: WAV format {tag} with {bits} bits is not supported; allowed are PCM of 8, 16, "
            "24 or 32 bits, float of 32 bits, A-law and mu-law"
        )
    return coding, rate_hz, channels
