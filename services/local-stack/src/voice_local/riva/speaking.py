"""One text being spoken: what was asked, checked, and the audio of it piece by piece."""

import re
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass

import numpy as np
import soxr

from voice_local.bench import Bench
from voice_local.engines import Samples, Voice, Word
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
_BREATH = {",": 2, ";": 2, ":": 2, ".": 4, "!": 4, "?": 4}
_NONE = np.zeros(0, np.float32)


@dataclass(frozen=True, slots=True)
class Wish:
    """The fields of a SynthesizeSpeechRequest that matter here, as they came."""

    text: str
    language: str = ""
    voice_name: str = ""
    encoding: int = Encoding.LINEAR_PCM
    rate_hz: int = 0
    word_times: bool = False
    zero_shot: bool = False


@dataclass(frozen=True, slots=True)
class Line:
    """A text to be spoken, checked."""

    text: str
    spoken_text: str
    speaker: str
    encoding: Encoding
    rate_hz: int
    word_times: bool


def check(wish: Wish, voice: Voice) -> Line:
    """Check what a client wishes of a voice; raises RefusedError."""
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
    return Line(
        text=wish.text,
        spoken_text=spoken_text,
        speaker=pick_speaker(voice, wish.voice_name, wish.language),
        encoding=_encoding(wish.encoding),
        rate_hz=wish.rate_hz or voice.rate_hz,
        word_times=wish.word_times,
    )


class Speaking:
    """The audio of one line. Iterate `chunks` once; afterwards `words` can tell when each was."""

    def __init__(self, line: Line, bench: Bench) -> None:
        self._line = line
        self._bench = bench
        self._spoken = 0
        self._resampler = (
            None
            if line.rate_hz == bench.voice.rate_hz
            else soxr.ResampleStream(bench.voice.rate_hz, line.rate_hz, 1, quality="HQ")
        )

    async def chunks(self) -> AsyncGenerator[bytes, None]:
        """Encoded audio, at most CHUNK_S each; once closed the voice is not asked for more."""
        line = self._line
        async with aclosing(self._bench.speak(self, line.spoken_text, line.speaker)) as pieces:
            async for piece in pieces:
                for chunk in self._cut(self._resample(piece)):
                    yield chunk
        for chunk in self._cut(self._resample(_NONE, last=True)):
            yield chunk

    def words(self) -> tuple[Word, ...]:
        """When each word was spoken: an estimate, by letters and punctuation."""
        return _spread(self._line.spoken_text.split(), self._spoken / self._line.rate_hz)

    def _resample(self, samples: Samples, *, last: bool = False) -> Samples:
        if self._resampler is None:
            return samples
        return self._resampler.resample_chunk(np.ascontiguousarray(samples), last=last)

    def _cut(self, samples: Samples) -> list[bytes]:
        self._spoken += len(samples)
        size = int(CHUNK_S * self._line.rate_hz)
        return [
            write_samples(samples[at : at + size], self._line.encoding)
            for at in range(0, len(samples), size)
        ]


def _spoken(text: str) -> str:
    """The text without SSML's tags."""
    plain = _TAG.sub(" ", text) if _SSML.fullmatch(text) else text
    return " ".join(plain.split())


def _encoding(number: int) -> Encoding:
    """An encoding that is left open is LINEAR_PCM."""
    for encoding in _ENCODINGS:
        if encoding == (number or Encoding.LINEAR_PCM):
            return encoding
    name = Encoding(number).name if number in set(Encoding) else str(number)
    allowed = ", ".join(encoding.name for encoding in _ENCODINGS)
    raise RefusedError(f"Error: encoding is {name}; allowed are {allowed}")


def _spread(words: list[str], length_s: float) -> tuple[Word, ...]:
    weights = [len(word) + 1 + _BREATH.get(word[-1], 0) for word in words]
    per_weight_s = length_s / max(1, sum(weights))
    spread: list[Word] = []
    at_s = 0.0
    for word, weight in zip(words, weights, strict=True):
        spread.append(Word(word, at_s, at_s + (len(word) + 1) * per_weight_s, 0.0))
        at_s += weight * per_weight_s
    return tuple(spread)
