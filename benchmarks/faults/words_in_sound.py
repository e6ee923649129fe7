"""Words written into audio and read from it again, so that a scripted service hears what was said.

A word stands in a few samples at its end: a mark that no recording has, its length, its letters.
They last two milliseconds and are softer than the speech around them. Audio that is sent again, cut
or lost carries its words with it, and a service that was started anew needs no script. It works
for audio that is carried sample by sample, at one rate.
"""

from array import array
from collections.abc import Sequence
from dataclasses import dataclass

from shared.recordings import RATE_HZ, SAMPLE_BYTES

_MARK = array("h", (1033, -1039, 1049, -1051)).tobytes()
_HEAD_BYTES = len(_MARK) + SAMPLE_BYTES
LONGEST_WORD = 40
_MOST_BYTES = _HEAD_BYTES + LONGEST_WORD * SAMPLE_BYTES


@dataclass(frozen=True, slots=True)
class Heard:
    """A word, and where in the audio it ends."""

    word: str
    end_s: float


def written_into(pcm: bytes, words: Sequence[str], ends_s: Sequence[float]) -> bytes:
    """The same audio with each word written so that it ends there."""
    audio = bytearray(pcm)
    for word, end_s in zip(words, ends_s, strict=True):
        code = _code(word)
        start = max(0, round(end_s * RATE_HZ) * SAMPLE_BYTES - len(code))
        audio[start : start + len(code)] = code
    return bytes(audio[: len(pcm)])


def _code(word: str) -> bytes:
    letters = word[:LONGEST_WORD]
    return _MARK + array("h", (len(letters), *map(ord, letters))).tobytes()


def plain_words(text: str) -> tuple[str, ...]:
    """The words of a text in lower case, without marks."""
    kept = (word.strip(".,;:!?\"'").lower() for word in text.split())
    return tuple(word for word in kept if word)


class Reader:
    """Reads the words of audio that comes in pieces."""

    def __init__(self) -> None:
        self._rest = b""
        self._before = 0  # bytes that were read and let go

    def read(self, piece: bytes) -> list[Heard]:
        """The words that are complete with this piece."""
        audio, heard, at = self._rest + piece, list[Heard](), 0
        while (found := audio.find(_MARK, at)) >= 0:
            word, end = _word_at(audio, found)
            if end > len(audio):
                break
            at = end
            heard.append(Heard(word, (self._before + end) / SAMPLE_BYTES / RATE_HZ))
        let_go = max(at, len(audio) - _MOST_BYTES)
        self._rest, self._before = audio[let_go:], self._before + let_go
        return heard


def _word_at(audio: bytes, start: int) -> tuple[str, int]:
    """The word whose mark is there, and where it ends: beyond the audio, if it is cut off."""
    first = start + _HEAD_BYTES
    if first > len(audio):
        return "", first
    length = int.from_bytes(audio[first - SAMPLE_BYTES : first], "little", signed=True)
    end = first + min(max(length, 0), LONGEST_WORD) * SAMPLE_BYTES
    letters = audio[first:end]
    codes = zip(letters[::2], letters[1::2], strict=False)
    return "".join(chr(low + 256 * high) for low, high in codes), end
