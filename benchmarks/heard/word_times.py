"""Finds by its waveform when each spoken word of an answer ends in what reached the caller."""

from collections.abc import Iterator, Sequence
from functools import cache

import numpy as np
from voice_gateway.language.speakable import speakable
from voice_gateway.speaking.clauses import Clauses

from heard.synthesised_voice import VOICE_RATE_HZ, seconds_of, speech_of
from shared.recordings import SAMPLE_BYTES

MIN_WORDS = 2
"""Fewest words of a clause."""
_LOUD_SAMPLE = 1_000
_MARK_BYTES = round(0.03 * VOICE_RATE_HZ) * SAMPLE_BYTES  # enough of a waveform to find it again


@cache
def texts_of(text: str) -> tuple[str, ...]:
    """The texts that the voice is given of an answer, in order."""
    cutter = Clauses(MIN_WORDS, "en-US")
    return tuple(speakable(clause, "en-US") for clause in cutter.feed(text) + cutter.flush())


def word_ends(texts: Sequence[str], stream: bytes) -> Iterator[float]:
    """Seconds of the stream at which each spoken word ends, up to audio that is not in it."""
    since = 0
    for text in texts:
        speech = speech_of(text)
        samples = np.frombuffer(speech.pcm, "<i2")
        loud = int(np.argmax(np.abs(samples) > _LOUD_SAMPLE)) * SAMPLE_BYTES
        place = stream.find(speech.pcm[loud : loud + _MARK_BYTES], since)
        if place < 0:
            return
        shift_s = seconds_of(place - loud)
        yield from (shift_s + word.end_s for word in speech.words)
        since = place
