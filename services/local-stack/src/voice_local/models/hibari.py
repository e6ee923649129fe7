# hibari ships no types.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false
"""Speech synthesis by Hibari: American English at 24 kHz, a sentence in thirty milliseconds."""

import re
import unicodedata
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import numpy as np
from hibari import SAMPLE_RATE, Hibari, dsp
from hibari.g2p.normalize import normalize
from hibari.tts import MAX_PHONEMES
from hibari.voices import voice_path

from voice_local.engines import Said, Samples, Unspeakable, Word
from voice_local.models.onnx import also_giving

_SPEAKER = "heart"
_LONGEST_TEXT = 200
"""Characters given to the model at once: its cost for one sentence grows with the square."""
_BREAKS = (re.compile(r"[.!?…]['\")\]]*\s"), re.compile(r"[,;:—–]\s"), re.compile(r"\s"))
_DURATIONS = "/Cast_32_output_0"
"""The model's inner tensor of phoneme durations, which it does not give as an output."""
_INT64 = 7  # the element type in ONNX
_FRAME_SAMPLES = SAMPLE_RATE // 80
_SILENT_RMS = 0.004  # -48 dB

Sound = tuple[str, int]
"""A phoneme, and the index of the text's word that it belongs to."""


class HibariVoice:
    """A voice (see `engines.Voice`)."""

    name = "hibari"
    languages = ("en-US",)
    speakers = (_SPEAKER,)
    rate_hz = SAMPLE_RATE

    def __init__(self) -> None:
        model = also_giving(Path(voice_path(_SPEAKER)), _DURATIONS, _INT64)
        self._voice = Hibari(voice=_SPEAKER, model=model, threads=1)
        for _ in self.speak("Warm up: 1, 2, 3.", _SPEAKER):
            pass

    def speak(self, text: str, speaker: str) -> Iterator[Said]:
        """Yield speech sentence by sentence; nothing for text without a letter or digit.

        Raises Unspeakable for text in a script that the voice can't read, ValueError for a speaker
        that isn't one of `speakers`.
        """
        if speaker not in self.speakers:
            raise ValueError(f"speaker must be one of {', '.join(self.speakers)}: {speaker!r}")
        _check_readable(text)
        return self._spoken(text)

    def _spoken(self, text: str) -> Iterator[Said]:
        for piece in filter(_readable, pieces(text)):
            rng = np.random.default_rng(0)
            for sentence in self._voice.split_sentences(piece):
                yield from self._sentence(sentence, rng)

    def _sentence(self, sentence: str, rng: np.random.Generator) -> Iterator[Said]:
        words, sounds = self._pronounced(sentence)
        if len(sounds) <= MAX_PHONEMES:
            parts = [sounds] if sounds else []
        else:
            parts = [[(sound, -1) for sound in part] for part in self._voice.phonemize(sentence)]
        for part in parts:
            known = [one for one in part if one[0] in self._voice.vocab]
            audio, durations = self._synthesised([sound for sound, _ in known], rng)
            if len(audio):
                yield Said(audio, tuple(_timed(words, known, durations, audio)))

    def _pronounced(self, sentence: str) -> tuple[list[str], list[Sound]]:
        """The words of the text, its figures written out, and the phonemes of each."""
        g2p = self._voice.g2p
        words, sounds = [""], list[Sound]()
        for token in g2p.phonemize_tokens(g2p.tokenize(normalize(sentence))):
            words[-1] += token.text
            gap = " " if token.whitespace else ""
            sounds += [(sound, len(words) - 1) for sound in (token.phonemes or "") + gap]
            if gap:
                words.append("")
        return words, _stripped(sounds)

    def _synthesised(
        self, sounds: list[str], rng: np.random.Generator
    ) -> tuple[Samples, list[int]]:
        """The speech, and each phoneme's share of its length."""
        ids = self._voice.ids("".join(sounds))
        if not sounds:
            return np.zeros(0, np.float32), []
        given = {"ids": np.array([ids], np.int64), "speed": np.ones(1, np.float32)}
        *spectrum, durations = cast("list[Any]", self._voice.sess.run(None, given))
        audio = cast(Any, dsp).synth(*(part[0] for part in spectrum), rng)
        return np.asarray(audio, np.float32), durations.reshape(-1).tolist()


def _stripped(sounds: list[Sound]) -> list[Sound]:
    spoken = [at for at, (sound, _) in enumerate(sounds) if sound != " "]
    return sounds[spoken[0] : spoken[-1] + 1] if spoken else []


def _timed(
    words: list[str], sounds: list[Sound], durations: list[int], audio: Samples
) -> Iterator[Word]:
    """The times of each word; the model pads the phonemes with silence on either side."""
    edges = np.cumsum(durations) * (len(audio) / sum(durations))
    spans: dict[int, tuple[int, int]] = {}
    for at, (sound, word) in enumerate(sounds):
        if sound.isalpha() and word >= 0:
            start, _ = spans.get(word, (int(edges[at]), 0))
            spans[word] = start, int(edges[at + 1])
    for word, (start, end) in spans.items():
        end = start + _sounding(audio[start:end])
        yield Word(words[word], start / SAMPLE_RATE, end / SAMPLE_RATE)


def _sounding(audio: Samples) -> int:
    """Samples until it falls silent: to the model, a pause belongs to the phoneme before it."""
    frames = audio[: len(audio) // _FRAME_SAMPLES * _FRAME_SAMPLES].reshape(-1, _FRAME_SAMPLES)
    loud = np.flatnonzero(np.sqrt(np.mean(frames * frames, axis=1)) > _SILENT_RMS)
    return (int(loud[-1]) + 1) * _FRAME_SAMPLES if len(loud) else len(audio)


def _check_readable(text: str) -> None:
    if any(map(str.isalpha, text)) and not _readable(text):
        raise Unspeakable(f"text must be in Latin script for the voice hibari: {text[:40]!r}")


def _readable(text: str) -> bool:
    """Whether there is anything in the text that the voice pronounces."""
    return any(
        letter in "0123456789" or unicodedata.name(letter, "").startswith("LATIN")
        for letter in text
    )


def pieces(text: str) -> Iterator[str]:
    """Cut text that is too long for the model: after a sentence, else a clause, else a word."""
    rest = text.strip()
    while len(rest) > _LONGEST_TEXT:
        end = _break(rest[:_LONGEST_TEXT])
        yield rest[:end].strip()
        rest = rest[end:].strip()
    if rest:
        yield rest


def _break(head: str) -> int:
    for pattern in _BREAKS:
        ends = [match.end() for match in pattern.finditer(head)]
        if ends:
            return ends[-1]
    return len(head)
