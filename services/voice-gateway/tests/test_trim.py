"""Silence at the ends of a text: what is taken off, what never is."""

import math
from array import array

import pytest
from hypothesis import given
from hypothesis import strategies as st
from voice_gateway.audio import pcm
from voice_gateway.speaking.trim import Trim, TrimEnd

RATE_HZ = 16_000


def tone(length_s: float, peak: int = 8_000) -> bytes:
    count = round(length_s * RATE_HZ)
    return array("h", (int(peak * math.cos(i / 5)) for i in range(count))).tobytes()


def trimmed(
    audio: bytes, limit_s: float = 0.3, pause_s: float = 0.0, chunk_s: float = 0.1
) -> bytes:
    trim = Trim(RATE_HZ, limit_s, pause_s)
    chunks = pcm.pieces(audio, chunk_s, RATE_HZ)
    return b"".join([trim.feed(chunk) for chunk in chunks]) + trim.flush()


@pytest.mark.parametrize(
    ("silence_s", "pause_s", "left_s"),
    [
        (0.0, 0.0, 0.0),
        (0.01, 0.0, 0.01),  # less than what is kept before a soft consonant
        (0.2, 0.0, 0.02),
        (0.2, 0.1, 0.1),
        (0.05, 0.1, 0.05),
        (0.32, 0.0, 0.02),
        (0.5, 0.0, 0.2),  # no more than the limit
    ],
)
def test_silence_goes_down_to_what_is_kept(silence_s: float, pause_s: float, left_s: float):
    word = tone(0.5)
    assert trimmed(pcm.silence(silence_s, RATE_HZ) + word, pause_s=pause_s) == (
        pcm.silence(left_s, RATE_HZ) + word
    )


def test_off_changes_nothing():
    audio = pcm.silence(0.2, RATE_HZ) + tone(0.1)
    trim = Trim(RATE_HZ, 0.0)
    assert (trim.feed(audio), trim.flush()) == (audio, b"")


def test_sound_flows_at_once():
    trim = Trim(RATE_HZ, 0.3)
    assert trim.feed(pcm.silence(0.1, RATE_HZ)) == b""
    word = tone(0.1)
    assert trim.feed(word) == pcm.silence(0.02, RATE_HZ) + word
    assert trim.feed(word) == word
    assert trim.feed(pcm.silence(0.1, RATE_HZ)) == pcm.silence(0.1, RATE_HZ)
    assert trim.flush() == b""


def test_no_more_silence_waits_than_may_be_removed():
    trim = Trim(RATE_HZ, 0.3)
    sent = b"".join(trim.feed(pcm.silence(0.1, RATE_HZ)) for _ in range(10))
    assert pcm.seconds(sent, RATE_HZ) == pytest.approx(1.0 - 0.32)


def test_a_clause_without_any_sound_comes_out_whole():
    hiss = tone(0.25, peak=30)
    assert trimmed(hiss) == hiss
    assert trimmed(pcm.silence(2.0, RATE_HZ)) == pcm.silence(2.0, RATE_HZ)


def test_noise_and_a_constant_offset_are_silence_and_soft_sound_above_them_is_not():
    offset = array("h", [3_000] * round(0.2 * RATE_HZ)).tobytes()
    soft = tone(0.3, peak=300)
    assert trimmed(offset + soft) == offset[: 2 * round(0.02 * RATE_HZ)] + soft
    noise = tone(0.2, peak=60)
    assert len(trimmed(noise + soft)) == len(noise) // 10 + len(soft)
    loud_noise = tone(0.2, peak=250)
    assert trimmed(loud_noise + tone(0.3, peak=300)) == loud_noise + tone(0.3, peak=300)


@given(
    parts=st.lists(
        st.tuples(st.sampled_from([0, 20, 90, 200, 600, 9_000]), st.floats(0.0, 0.3)), max_size=5
    ),
    cuts=st.lists(st.integers(1, 4_000), min_size=1, max_size=9),
    limit_s=st.sampled_from([0.0, 0.1, 0.3]),
    pause_s=st.sampled_from([0.0, 0.1]),
)
def test_only_a_bounded_start_of_silence_is_lost_however_it_is_cut(
    parts: list[tuple[int, float]], cuts: list[int], limit_s: float, pause_s: float
):
    audio = b"".join(tone(length_s, peak) for peak, length_s in parts)
    trim, sent, at = Trim(RATE_HZ, limit_s, pause_s), b"", 0
    while at < len(audio):
        size = 2 * cuts[at % len(cuts)]
        sent += trim.feed(audio[at : at + size])
        at += size
    sent += trim.flush()
    assert sent == trimmed(audio, limit_s, pause_s, chunk_s=10.0)
    assert len(audio) - len(sent) <= 2 * limit_s * RATE_HZ
    samples = array("h", audio)
    first_clear = next((i for i, sample in enumerate(samples) if abs(sample) >= 500), len(samples))
    assert sent.endswith(audio[2 * first_clear :])


@given(st.binary(max_size=3_000).map(lambda noise: noise[: len(noise) // 2 * 2]))
def test_any_bytes_come_through(noise: bytes):
    assert len(trimmed(noise)) <= len(noise)
    assert noise.endswith(trimmed(noise)[-640:])


def end_trimmed(audio: bytes, limit_s: float = 1.0, chunk_s: float = 0.1) -> bytes:
    trim = TrimEnd(RATE_HZ, limit_s)
    chunks = pcm.pieces(audio, chunk_s, RATE_HZ)
    return b"".join([trim.feed(chunk) for chunk in chunks]) + trim.flush()


@pytest.mark.parametrize(
    ("silence_s", "left_s"), [(0.0, 0.0), (0.03, 0.03), (0.46, 0.04), (1.04, 0.04), (1.5, 0.5)]
)
def test_silence_at_the_end_goes_down_to_what_is_kept(silence_s: float, left_s: float):
    word = tone(0.5)
    sent = end_trimmed(word + pcm.silence(silence_s, RATE_HZ))
    assert pcm.seconds(sent, RATE_HZ) == pytest.approx(0.5 + left_s)
    assert sent.startswith(word)


def test_a_pause_between_words_stays_and_sound_does_not_wait_for_it():
    trim, word = TrimEnd(RATE_HZ, 1.0), tone(0.1)
    assert trim.feed(word) == word
    assert trim.feed(pcm.silence(0.3, RATE_HZ)) == b""
    assert trim.feed(word) == pcm.silence(0.3, RATE_HZ) + word
    assert trim.flush() == b""


def test_the_end_of_what_has_no_sound_and_a_limit_of_none_change_nothing():
    assert end_trimmed(pcm.silence(2.0, RATE_HZ)) == pcm.silence(2.0, RATE_HZ)
    audio = tone(0.1) + pcm.silence(0.5, RATE_HZ)
    assert end_trimmed(audio, limit_s=0.0) == audio


@given(
    parts=st.lists(
        st.tuples(st.sampled_from([0, 20, 90, 200, 600, 9_000]), st.floats(0.0, 0.4)), max_size=6
    ),
    cuts=st.lists(st.integers(1, 4_000), min_size=1, max_size=9),
)
def test_only_a_bounded_end_of_silence_is_lost_however_it_is_cut(
    parts: list[tuple[int, float]], cuts: list[int]
):
    audio = b"".join(tone(length_s, peak) for peak, length_s in parts)
    trim, sent, at = TrimEnd(RATE_HZ, 1.0), b"", 0
    while at < len(audio):
        size = 2 * cuts[at % len(cuts)]
        sent += trim.feed(audio[at : at + size])
        at += size
    sent += trim.flush()
    assert sent == end_trimmed(audio, chunk_s=10.0)
    assert audio.startswith(sent)
    assert len(audio) - len(sent) <= 2 * 1.0 * RATE_HZ
    samples = array("h", audio[len(sent) :])
    assert all(abs(sample) < 200 for sample in samples)
