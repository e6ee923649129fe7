"""Speaks one text: checks what was asked, and makes the audio piece by piece."""

import re
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass

import numpy as np
import soxr

from voice_local.bench import Bench
from voice_local.engines import Said, Samples, Voice, Word
from voice_local.riva.coding import Encoding, write_samples
from voice_local.riva.decoding import RATES_HZ
from voice_local.riva.refusal import RefusedError
from voice_local.riva.voices import pick_speaker

LONGEST_TEXT = 2_000
"""Characters of one request."""

CHUNK_S = 0.2
"""The most audio that goes into one response."""

_ENCODINGS = (Encoding.LINEAR_PCM, Encoding.MULAW, Encoding.ALAW)
_SSML = re.compile(r"\s*<speak\b.*", re.DOTALL | re.IGNORECASE)
_TAG = re.compile(r"<[^<>]*>")
_NONE = np.zeros(0, np.float32)


@dataclass(frozen=True, slots=True)
class Wish:
    """The fields of a SynthesizeSpeechRequest that matter here, unchecked."""

    text: str
    language: str = ""
    voice_name: str = ""
    encoding: int = Encoding.LINEAR_PCM
    rate_hz: int = 0
    word_times: bool = False
    zero_shot: bool = False


@dataclass(frozen=True, slots=True)
class CheckedText:
    """A text to be spoken, checked."""

    text: str
    spoken_text: str
    speaker: str
    encoding: Encoding
    rate_hz: int
    word_times: bool


def check(wish: Wish, voice: Voice) -> CheckedText:
    """Check what a client asks of a voice; raises RefusedError."""
    spoken_text = _spoken(wish.text)
    if not spoken_text:
        raise RefusedError("Error: text is empty; allowed are 1 to 2000 characters")
    if len(wish.text) > LONGEST_TEXT:
        raise RefusedError(
            f"Error: text has {len(wish.text)} characters; allowed are 1 to {LONGEST_TEXT}"
        )
    if wish.zero_shot:
        raise RefusedError("Error: zero_shot_data is set; cloning a voice is not supported")
    if wish.rate_hz and wish.rate_hz not in RATES_HZ:
        raise RefusedError(
            f"Error: Invalid sample rate: sample_rate_hz is {wish.rate_hz}; "
            f"allowed are 0 and {RATES_HZ.start} to {RATES_HZ.stop - 1}"
        )
    return CheckedText(
        text=wish.text,
        spoken_text=spoken_text,
        speaker=pick_speaker(voice, wish.voice_name, wish.language),
        encoding=_encoding(wish.encoding),
        rate_hz=wish.rate_hz or voice.rate_hz,
        word_times=wish.word_times,
    )


@dataclass(frozen=True, slots=True)
class Chunk:
    audio: bytes
    """Encoded audio of at most CHUNK_S."""
    words: tuple[Word, ...] = ()
    """The words that begin in this chunk or soon after, timed from the start of the audio."""


class Speaking:
    """The audio of one text, with the times of its words where the voice knows them."""

    def __init__(self, asked: CheckedText, bench: Bench) -> None:
        self._asked = asked
        self._bench = bench
        self._spoken_s = 0.0
        self._resampler = (
            None
            if asked.rate_hz == bench.voice.rate_hz
            else soxr.ResampleStream(bench.voice.rate_hz, asked.rate_hz, 1, quality="HQ")
        )

    async def chunks(self) -> AsyncGenerator[Chunk, None]:
        """Yield the audio piece by piece; once closed, the voice is not asked for more.

        Words come with the first audio of the piece they are in, if their times are asked for.
        """
        asked = self._asked
        async with aclosing(self._bench.speak(self, asked.spoken_text, asked.speaker)) as pieces:
            async for piece in pieces:
                words = self._placed(piece)
                for audio in self._cut(self._resample(piece.samples)):
                    yield Chunk(audio, words)
                    words = ()
        for audio in self._cut(self._resample(_NONE, last=True)):
            yield Chunk(audio)

    def _placed(self, piece: Said) -> tuple[Word, ...]:
        """The words of the next piece, timed from the start of the audio."""
        start_s = self._spoken_s
        self._spoken_s += len(piece.samples) / self._bench.voice.rate_hz
        words = piece.words if self._asked.word_times else ()
        return tuple(Word(w.text, start_s + w.start_s, start_s + w.end_s) for w in words)

    def _resample(self, samples: Samples, *, last: bool = False) -> Samples:
        if self._resampler is None:
            return samples
        return self._resampler.resample_chunk(np.ascontiguousarray(samples), last=last)

    def _cut(self, samples: Samples) -> list[bytes]:
        size = int(CHUNK_S * self._asked.rate_hz)
        return [
            write_samples(samples[at : at + size], self._asked.encoding)
            for at in range(0, len(samples), size)
        ]


def _spoken(text: str) -> str:
    """The text without SSML's tags."""
    plain = _TAG.sub(" ", text) if _SSML.fullmatch(text) else text
    return " ".join(plain.split())


def _encoding(number: int) -> Encoding:
    """The encoding; one that is left open is LINEAR_PCM."""
    for encoding in _ENCODINGS:
        if encoding == (number or Encoding.LINEAR_PCM):
            return encoding
    name = Encoding(number).name if number in set(Encoding) else str(number)
    allowed = ", ".join(encoding.name for encoding in _ENCODINGS)
    raise RefusedError(f"Error: encoding is {name}; allowed are {allowed}")
