"""Plays six notes, and finds them in a microphone's audio beside voices and noise."""

import cmath
import math
from collections.abc import Sequence
from itertools import pairwise

from voice_client.levels import samples_of, tone

NOTES_HZ = (523.3, 784.0, 659.3, 1046.5, 587.3, 880.0)
_NOTE_BLOCKS, _BLOCK_S = 6, 0.02
MELODY_S = len(NOTES_HZ) * _NOTE_BLOCKS * _BLOCK_S
_STANDS_OUT_RATIO = 4.0  # in power over each of the other notes: 6 dB
_FOUND_NOTES = len(NOTES_HZ) - 1  # one note may be drowned by a voice


def melody(rate_hz: int, db: float) -> bytes:
    """Return the notes, s16le mono, MELODY_S long."""
    return b"".join(tone(hz, _NOTE_BLOCKS * _BLOCK_S, rate_hz, db) for hz in NOTES_HZ)


def hears_melody(pcm: bytes, rate_hz: int) -> bool:
    """Whether the audio has the notes, one after the other, wherever they begin."""
    samples = samples_of(pcm)
    parts = [_blocks(samples, hz, rate_hz) for hz in NOTES_HZ]
    return any(_notes_from(start, parts) >= _FOUND_NOTES for start in range(len(parts[0])))


def _notes_from(start: int, parts: Sequence[Sequence[complex]]) -> int:
    """How many notes stand out in their place if the melody begins with block `start`."""
    places = range(start, start + (len(parts) + 1) * _NOTE_BLOCKS, _NOTE_BLOCKS)
    found = 0
    for note, (begin, end) in enumerate(pairwise(places)):
        powers = [abs(sum(blocks[begin:end])) ** 2 for blocks in parts]
        own = powers.pop(note)
        found += own > _STANDS_OUT_RATIO * max(powers)
    return found


def _blocks(samples: Sequence[int], hz: float, rate_hz: int) -> list[complex]:
    """The amplitude and phase of a tone in each block of samples."""
    size, turn = round(_BLOCK_S * rate_hz), -2 * math.pi * hz / rate_hz
    return [
        sum((samples[n] * cmath.rect(1, turn * n) for n in range(at, at + size)), 0j)
        for at in range(0, len(samples) - size + 1, size)
    ]
