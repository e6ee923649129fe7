"""The doctor's notes are heard through a room and under a voice; no voice is taken for them."""

import array
import random
import wave
from importlib.resources import files

import pytest
from voice_client.levels import samples_of
from voice_client.melody import MELODY_S, hears_melody, melody

RATE_HZ = 16_000
SPEECH = files("voice_client") / "speech"
CLIPS = sorted(each.name for each in SPEECH.iterdir() if each.name.endswith(".wav"))


def clip(name: str) -> "array.array[int]":
    with (SPEECH / name).open("rb") as file, wave.open(file) as recording:
        assert recording.getframerate() == RATE_HZ
        return samples_of(recording.readframes(recording.getnframes()))


def mixed(*sounds: "array.array[int]", late: int = 0) -> bytes:
    """The first sound from `late` samples on, with the others from the start."""
    first, *others = sounds
    length = late + len(first) + 800
    out = array.array("h", bytes(2 * length))
    for start, sound in ((late, first), *((0, other) for other in others)):
        for at in range(start, min(length, start + len(sound))):
            out[at] += sound[at - start]
    return out.tobytes()


def noise(loudest: int) -> "array.array[int]":
    dice = random.Random(3)
    return array.array("h", (dice.randint(-loudest, loudest) for _ in range(2 * RATE_HZ)))


def test_it_lasts_as_long_as_it_says():
    assert len(melody(RATE_HZ, -20.0)) == pytest.approx(2 * RATE_HZ * MELODY_S, abs=12)
    assert len(melody(44_100, -20.0)) == pytest.approx(2 * 44_100 * MELODY_S, abs=12)


@pytest.mark.parametrize("db", [-20.0, -40.0])
@pytest.mark.parametrize("late", [0, 37, 1111, 4800])
def test_it_is_heard_late_and_soft_in_a_noisy_room(db: float, late: int):
    notes = samples_of(melody(RATE_HZ, db))
    assert hears_melody(mixed(notes, noise(300), late=late), RATE_HZ)


def test_it_is_heard_at_another_rate():
    assert hears_melody(melody(44_100, -30.0) + bytes(4000), 44_100)


def test_silence_noise_and_nothing_are_no_melody():
    for sound in (b"", bytes(32_000), noise(3000).tobytes()):
        assert not hears_melody(sound, RATE_HZ)


@pytest.mark.parametrize("name", CLIPS)
def test_no_voice_is_taken_for_it(name: str):
    samples = clip(name)
    for start in range(0, min(len(samples), 5 * RATE_HZ), RATE_HZ):
        assert not hears_melody(samples[start : start + 18_000].tobytes(), RATE_HZ)
