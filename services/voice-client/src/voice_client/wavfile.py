"""WAV files: 16-bit PCM in, mixed down to mono; 16-bit mono out. Every refusal says why.

The standard library's reader refuses the extensible header that some recorders write, and
files whose sizes were never filled in because they came through a pipe; this one takes both.
"""

import array
import struct
import sys
import wave
from dataclasses import dataclass
from pathlib import Path

from voice_client.failures import BadInputError

LOWEST_RATE_HZ = 8_000
HIGHEST_RATE_HZ = 48_000
MOST_CHANNELS = 8
LARGEST_FILE_BYTES = 512 * 2**20

_PCM = 1
_EXTENSIBLE = 0xFFFE
_FORMAT_NAMES = {3: "floating point", 6: "A-law", 7: "mu-law", 17: "IMA ADPCM", 85: "MP3"}


@dataclass(frozen=True, slots=True)
class Wav:
    """Speech from a file: s16le mono."""

    rate_hz: int
    pcm: bytes

    @property
    def seconds(self) -> float:
        return len(self.pcm) / 2 / self.rate_hz


@dataclass(frozen=True, slots=True)
class _Format:
    encoding: int
    channels: int
    rate_hz: int
    bits: int


def read_wav(path: Path) -> Wav:
    """Read a 16-bit WAV of 8000 to 48000 Hz; raise BadInputError for anything else."""
    content = _content(path)
    if content[:4] != b"RIFF" or content[8:12] != b"WAVE":
        raise BadInputError(f"{path}: not a WAV file (it does not start with RIFF/WAVE)")
    found, samples = _format_and_samples(path, content)
    _check(path, found)
    pcm = mono(samples, found.channels)
    if not pcm:
        raise BadInputError(f"{path}: there is no audio in it")
    return Wav(found.rate_hz, pcm)


def write_wav(path: Path, wav: Wav) -> None:
    """Write the audio, making the folder where it is missing."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("wb") as file, wave.open(file, "wb") as out:
            out.setnchannels(1)
            out.setsampwidth(2)
            out.setframerate(wav.rate_hz)
            out.writeframes(wav.pcm)
    except OSError as error:
        raise BadInputError(f"cannot write {path}: {error.strerror or error}") from None


def mono(pcm: bytes, channels: int) -> bytes:
    """Mix interleaved s16le channels down to one; an unfinished last frame is dropped."""
    frames = len(pcm) // (2 * channels)
    if channels == 1:
        return pcm[: 2 * frames]
    samples = _native(array.array("h", pcm[: 2 * channels * frames]))
    lanes = [samples[lane::channels] for lane in range(channels)]
    mixed = array.array("h", (sum(frame) // channels for frame in zip(*lanes, strict=True)))
    return _native(mixed).tobytes()


def _native(samples: "array.array[int]") -> "array.array[int]":
    if sys.byteorder == "big":
        samples.byteswap()
    return samples


def _content(path: Path) -> bytes:
    try:
        size = path.stat().st_size
        if size > LARGEST_FILE_BYTES:
            raise BadInputError(f"{path}: {size} bytes, allowed are {LARGEST_FILE_BYTES}")
        return path.read_bytes()
    except OSError as error:
        raise BadInputError(f"cannot read {path}: {error.strerror or error}") from None


def _format_and_samples(path: Path, content: bytes) -> tuple[_Format, bytes]:
    found: _Format | None = None
    at = 12
    while at + 8 <= len(content):
        name, size = content[at : at + 4], int.from_bytes(content[at + 4 : at + 8], "little")
        body = content[at + 8 : at + 8 + size]
        if name == b"fmt ":
            found = _format(path, body)
        elif name == b"data":
            if found is None:
                raise BadInputError(f"{path}: broken WAV file (audio before its format)")
            return found, body if size else content[at + 8 :]
        at += 8 + size + size % 2
    raise BadInputError(f"{path}: broken WAV file (no {'audio' if found else 'format'} in it)")


def _format(path: Path, body: bytes) -> _Format:
    if len(body) < 16:
        raise BadInputError(f"{path}: broken WAV file (its format is cut off)")
    encoding, channels, rate_hz, _, _, bits = struct.unpack("<HHIIHH", body[:16])
    if encoding == _EXTENSIBLE and len(body) >= 26:
        encoding = int.from_bytes(body[24:26], "little")
    return _Format(encoding, channels, rate_hz, bits)


def _check(path: Path, found: _Format) -> None:
    if found.encoding != _PCM:
        name = _FORMAT_NAMES.get(found.encoding, f"encoding {found.encoding}")
        raise BadInputError(f"{path}: sample format is {name}, allowed is 16-bit PCM")
    if found.bits != 16:
        raise BadInputError(f"{path}: sample width is {found.bits} bits, allowed is 16 (PCM)")
    if not 1 <= found.channels <= MOST_CHANNELS:
        raise BadInputError(f"{path}: {found.channels} channels, allowed are 1 to {MOST_CHANNELS}")
    if not LOWEST_RATE_HZ <= found.rate_hz <= HIGHEST_RATE_HZ:
        raise BadInputError(
            f"{path}: sample rate is {found.rate_hz} Hz, "
            f"allowed are {LOWEST_RATE_HZ} to {HIGHEST_RATE_HZ} Hz"
        )
