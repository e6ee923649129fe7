# pyright: reportUnknownMemberType=false
"""Speech recognition by Whisper base through faster-whisper: many languages, true word times."""

import importlib.util
from pathlib import Path
from typing import TYPE_CHECKING

from voice_local.engines import Samples, Transcript, Word
from voice_local.failures import MissingExtra
from voice_local.models import loudness, timing

if TYPE_CHECKING:
    from faster_whisper import WhisperModel
    from faster_whisper.transcribe import Segment

_LANGUAGES = (
    "en-US en-GB en-IN hi-IN es-ES es-US de-DE fr-FR it-IT pt-BR nl-NL pl-PL ru-RU ja-JP ko-KR"
    " zh-CN ar-AR"
)
_PROMPTS = {"hi": "हाँ, ठीक है।"}
"""Prompts by language: without one Whisper base writes Hindi in Latin or Arabic letters."""


class Whisper:
    """A recogniser (see `engines.Recogniser`)."""

    languages = tuple(_LANGUAGES.split())

    def __init__(self, name: str, model: "WhisperModel") -> None:
        self.name = name
        self._model = model

    def transcribe(self, samples: Samples, language: str) -> Transcript:
        """Transcribe mono speech at ASR_RATE_HZ in one of `languages`."""
        if language not in self.languages:
            raise ValueError(f"language must be one of {', '.join(self.languages)}: {language!r}")
        speech = timing.runs(loudness.voiced(loudness.levels_db(samples)))
        if not speech:
            return Transcript("")
        spoken = language.split("-")[0]
        prompt = _PROMPTS.get(spoken)
        segments, _ = self._model.transcribe(
            samples,
            language=spoken,
            initial_prompt=prompt,
            beam_size=5 if prompt else 1,
            temperature=0.0,
            condition_on_previous_text=False,
            word_timestamps=True,
        )
        return _transcript(list(segments), speech[0].start / loudness.PER_S)


def _transcript(segments: "list[Segment]", speech_from_s: float) -> Transcript:
    """The transcript, with the first word moved to where the speech starts, not the audio."""
    words = tuple(
        Word(
            word.word.strip(),
            min(max(float(word.start), speech_from_s), float(word.end)),
            float(word.end),
            float(word.probability),
        )
        for segment in segments
        for word in segment.words or ()
    )
    text = "".join(segment.text for segment in segments).strip()
    confidence = sum(word.confidence for word in words) / len(words) if words else 0.0
    return Transcript(text, words, confidence)


def require_whisper() -> None:
    """Raise MissingExtra unless faster-whisper is installed."""
    if importlib.util.find_spec("faster_whisper") is None:
        raise MissingExtra("whisper-base needs the extra 'whisper': install voice-local[whisper]")


def load_whisper(name: str, folder: Path) -> Whisper:
    """Load the weights in the folder as 8-bit integers, on one thread."""
    from faster_whisper import WhisperModel

    model = WhisperModel(
        str(folder), device="cpu", compute_type="int8", cpu_threads=1, num_workers=1
    )
    return Whisper(name, model)
