"""The local stack's voice, as quick as a GPU's or slow, with the place of each word known."""

import asyncio
from bisect import bisect_left
from collections.abc import AsyncGenerator
from dataclasses import dataclass
from functools import cache
from typing import Literal

import numpy as np
from voice_gateway.messages import Word
from voice_gateway.ports import VoiceAudio
from voice_local.models.hibari import HibariVoice

from shared.recordings import SAMPLE_BYTES

VOICE_RATE_HZ = HibariVoice.rate_hz
_SPEAKER = "heart"
_CHUNK_S = 0.2
_FIRST_AUDIO_S = 0.06

Tells = Literal["early", "late", "never"]
"""The voice gives word times with a sentence's first audio, behind a text's last, or not."""


@dataclass(frozen=True, slots=True)
class Speech:
    pcm: bytes
    words: tuple[Word, ...]
    sentences: tuple[float, ...]
    """Seconds of the audio at which the voice's sentences begin."""


@cache
def _engine() -> HibariVoice:
    return HibariVoice()


@cache
def speech_of(text: str) -> Speech:
    """The voice's speech for a text, with a timed word for each word of it."""
    at_s, pieces, words, starts = 0.0, list[bytes](), list[Word](), list[float]()
    for said in _engine().speak(text, _SPEAKER):
        starts.append(at_s)
        words += [Word(w.text, at_s + w.start_s, at_s + w.end_s) for w in said.words]
        at_s += len(said.samples) / VOICE_RATE_HZ
        pieces.append(np.rint(np.clip(said.samples, -1, 1) * 32_767).astype("<i2").tobytes())
    if [word.text for word in words] != text.split():
        raise ValueError(f"the voice made other words of {text!r}: {words}")
    return Speech(b"".join(pieces), tuple(words), tuple(starts))


class SynthesisedVoice:
    """The local stack's voice, by default as quick as a GPU's."""

    def __init__(self, tells: Tells, real_time_factor: float) -> None:
        self._tells = tells
        self._real_time_factor = real_time_factor

    async def speak(
        self, text: str, *, language: str, voice: str, rate_hz: int
    ) -> AsyncGenerator[VoiceAudio, None]:
        speech = speech_of(text)
        await asyncio.sleep(_FIRST_AUDIO_S)
        size = round(_CHUNK_S * rate_hz) * SAMPLE_BYTES
        told = 0
        for start in range(0, len(speech.pcm), size):
            until = self._told_until(speech, seconds_of(start + size))
            yield VoiceAudio(speech.pcm[start : start + size], speech.words[told:until])
            told = until
            await asyncio.sleep(_CHUNK_S * self._real_time_factor)
        if self._tells == "late":
            yield VoiceAudio(b"", speech.words)

    def _told_until(self, speech: Speech, at_s: float) -> int:
        """The words told once audio up to `at_s` was given: those of sentences begun."""
        if self._tells != "early":
            return 0
        begun = bisect_left(speech.sentences, at_s)
        end_s = (*speech.sentences, float("inf"))[begun]
        return sum(word.start_s < end_s for word in speech.words)


def seconds_of(size: int) -> float:
    """Seconds that `size` bytes of the voice's audio last."""
    return size / (SAMPLE_BYTES * VOICE_RATE_HZ)
