"""Speech recognition by Moonshine, which knows words but neither silence nor time."""

import hashlib
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from voice_local.engines import ASR_RATE_HZ, Samples, Transcript, Word
from voice_local.models import loudness, timing
from voice_local.models.moonshine_net import MoonshineNet, Spelled
from voice_local.models.tokens import Vocabulary

_LONGEST_S = 12.0
"""The longest audio that the networks get whole: their cost grows with its square."""
_CUT_FROM_S = 8.0
"""Longer audio is cut at the quietest moment after this."""
_MARGIN_FRAMES = 25
"""Frames of quiet kept around the speech: 250 ms."""
_UNSURE_BELOW = 0.6
_STEADY_BELOW_DB = 9.0
"""Sound that varies less than this and leaves the model unsure is noise, spelled "You"."""
_REMEMBERED_STRETCHES = 32


class Moonshine:
    """A recogniser (see `engines.Recogniser`) for American English."""

    languages = ("en-US",)

    def __init__(self, name: str, net: MoonshineNet, vocabulary: Vocabulary) -> None:
        self.name = name
        self._net = net
        self._vocabulary = vocabulary
        self._known: OrderedDict[bytes, Transcript] = OrderedDict()

    def transcribe(self, samples: Samples, language: str) -> Transcript:
        """Transcribe mono speech at ASR_RATE_HZ.

        A growing buffer is cut at the same places each time, and the transcripts of stretches that
        are complete are remembered, so the next partial costs only what is new.
        """
        if language not in self.languages:
            raise ValueError(f"language must be one of {', '.join(self.languages)}: {language!r}")
        parts: list[Transcript] = []
        for start, stretch, complete in stretches(samples):
            recognised = self._recalled(stretch) if complete else self._recognised(stretch)
            parts.append(_shifted(recognised, start / ASR_RATE_HZ))
        return _joined(parts)

    def _recalled(self, stretch: Samples) -> Transcript:
        key = hashlib.blake2b(stretch.tobytes(), digest_size=16).digest()
        if key not in self._known:
            self._known[key] = self._recognised(stretch)
            if len(self._known) > _REMEMBERED_STRETCHES:
                self._known.popitem(last=False)
        self._known.move_to_end(key)
        return self._known[key]

    def _recognised(self, stretch: Samples) -> Transcript:
        levels = loudness.levels_db(stretch)
        speech = timing.runs(loudness.voiced(levels))
        if not speech:
            return Transcript("")
        first = max(speech[0].start - _MARGIN_FRAMES, 0) * loudness.FRAME
        last = (speech[-1].end + _MARGIN_FRAMES) * loudness.FRAME
        spelled = self._net.spell(stretch[first:last])
        words = self._words(spelled)
        is_noise = _mean(spelled) < _UNSURE_BELOW and loudness.spread_db(levels) < _STEADY_BELOW_DB
        if is_noise or not any(map(str.isalnum, "".join(word.text for word in words))):
            return Transcript("")
        spans = timing.spans([word.text for word in words], speech)
        timed = tuple(
            replace(word, start_s=start / loudness.PER_S, end_s=end / loudness.PER_S)
            for word, (start, end) in zip(words, spans, strict=True)
        )
        return Transcript(" ".join(word.text for word in timed), timed, _mean(spelled))

    def _words(self, spelled: Sequence[Spelled]) -> list[Word]:
        """Tokens joined to words, still without times."""
        words: list[tuple[bytes, list[Spelled]]] = []
        for each in spelled:
            piece = self._vocabulary.piece(each.token)
            if piece.startswith(b" ") or not words:
                words.append((b"", []))
            letters, tokens = words[-1]
            words[-1] = (letters + piece, [*tokens, each])
        named = [(letters.decode(errors="replace").strip(), tokens) for letters, tokens in words]
        return [Word(text, 0.0, 0.0, _mean(tokens)) for text, tokens in named if text]


def stretches(samples: Samples) -> Iterator[tuple[int, Samples, bool]]:
    """Cut long audio: each stretch's first sample, its samples, and whether more follow.

    Where a stretch ends depends on its own samples alone, not on what comes after.
    """
    start = 0
    while len(samples) - start > _LONGEST_S * ASR_RATE_HZ:
        end = start + _quietest(samples[start : start + int(_LONGEST_S * ASR_RATE_HZ)])
        yield start, samples[start:end], True
        start = end
    yield start, samples[start:], False


def _quietest(samples: Samples) -> int:
    """The middle of the quietest 100 ms after _CUT_FROM_S."""
    levels = loudness.levels_db(samples)
    first = int(_CUT_FROM_S * loudness.PER_S)
    smooth = np.convolve(levels[first:], np.ones(10), "valid")
    return (first + int(smooth.argmin()) + 5) * loudness.FRAME


def _mean(spelled: Sequence[Spelled]) -> float:
    return sum(each.probability for each in spelled) / len(spelled) if spelled else 0.0


def _shifted(text: Transcript, by_s: float) -> Transcript:
    words = tuple(
        replace(word, start_s=word.start_s + by_s, end_s=word.end_s + by_s) for word in text.words
    )
    return replace(text, words=words)


def _joined(parts: Sequence[Transcript]) -> Transcript:
    words = tuple(word for part in parts for word in part.words)
    confidence = sum(word.confidence for word in words) / len(words) if words else 0.0
    return Transcript(" ".join(part.text for part in parts if part.text), words, confidence)


def load_moonshine(name: str, folder: Path) -> Moonshine:
    """Load whichever export stands in the folder, and warm it."""
    encoder = next(folder.glob("encoder_model.on*"), folder / "encoder_model.ort")
    decoder = encoder.with_name("decoder_model_merged" + encoder.suffix)
    net = MoonshineNet(encoder, decoder)
    net.spell(np.zeros(ASR_RATE_HZ, np.float32))
    return Moonshine(name, net, Vocabulary(folder / "tokenizer.bin"))
