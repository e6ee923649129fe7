"""The interfaces between Riva's API and the engines: what the local stack asks of a model.

Everything here blocks and runs off the event loop. An engine serves one call at a time; whoever
owns it (`bench.py`) sees to that.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

Samples = NDArray[np.float32]
"""Mono audio, -1 to 1; the rate is said beside it."""

ASR_RATE_HZ = 16_000
"""The rate of the audio that recognisers and the voice activity detector take."""

VAD_FRAME = 512
"""Samples in one frame of voice activity: 32 ms."""


class Unspeakable(ValueError):
    """A voice cannot say this text at all, such as one in a script it can't read."""


@dataclass(frozen=True, slots=True)
class Word:
    text: str
    start_s: float
    """Counted from the start of the samples; estimated where a recogniser's model gives none."""
    end_s: float
    confidence: float = 0.0


@dataclass(frozen=True, slots=True)
class Transcript:
    text: str
    """Cased and punctuated, without spaces around it; empty where nothing was said."""
    words: tuple[Word, ...] = ()
    confidence: float = 0.0


class Recogniser(Protocol):
    """Speech to text over one utterance, or over the start of one."""

    @property
    def name(self) -> str: ...

    @property
    def languages(self) -> tuple[str, ...]:
        """BCP-47 tags, such as "en-US"."""
        ...

    def transcribe(self, samples: Samples, language: str) -> Transcript:
        """Transcribe mono speech at ASR_RATE_HZ; `language` is one of `languages`."""
        ...


@dataclass(frozen=True, slots=True)
class Said:
    """A piece of synthesised speech."""

    samples: Samples
    words: tuple[Word, ...] = ()
    """The words of the piece as they are pronounced; none from an engine without word times."""


class Voice(Protocol):
    """Text to speech."""

    @property
    def name(self) -> str: ...

    @property
    def languages(self) -> tuple[str, ...]: ...

    @property
    def speakers(self) -> tuple[str, ...]:
        """The voices that can be asked for by name."""
        ...

    @property
    def rate_hz(self) -> int: ...

    def speak(self, text: str, speaker: str) -> Iterator[Said]:
        """Yield the speech piece by piece, at `rate_hz`; `speaker` is one of `speakers`.

        Raises Unspeakable, when called, for text that the voice cannot say.
        """
        ...


class VoiceActivity(Protocol):
    """The memory of one stream: it takes frames in order and gives the probability of speech."""

    def speech(self, frame: Samples) -> float:
        """Take the next VAD_FRAME samples at ASR_RATE_HZ; return 0 to 1. Cheap: a tenth of a ms."""
        ...
