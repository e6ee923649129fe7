"""What went up to the recogniser is kept and given again; a flood of ends costs nothing."""

import pytest
from voice_gateway.adapters.riva_progress import Inserted, Progress
from voice_gateway.adapters.riva_proto import asr as pb
from voice_gateway.audio.pcm import silence
from voice_gateway.hearing.uplink import Uplink

RATE_HZ = 16_000


def uplink() -> Uplink:
    return Uplink(RATE_HZ, 30.0, lambda: 0.0)


def numbered(start: int, count: int) -> bytes:
    return b"".join(n.to_bytes(2, "little") for n in range(start, start + count))


async def test_a_new_stream_is_given_what_no_final_covers():
    up = uplink()
    await up.add(numbered(0, 16_000))
    assert await up.take()
    await up.add(numbered(16_000, 100))
    up.rewind(0.5)
    assert up.begin_stream() == 0.5
    piece = await up.take()
    assert piece
    assert piece.pcm == numbered(8_000, 8_100)


async def test_an_end_of_utterance_is_given_again_where_it_was():
    up = uplink()
    await up.add(numbered(0, 100))
    up.end_utterance()
    first = await up.take()
    await up.add(numbered(100, 100))
    await up.take()
    up.rewind(0.0)
    assert await up.take() == first
    rest = await up.take()
    assert rest
    assert (rest.pcm, rest.ends_utterance) == (numbered(100, 100), False)


async def test_what_is_kept_is_bounded():
    up = uplink()
    for _ in range(100):
        await up.add(silence(1.0, RATE_HZ))
        await up.take()
    assert up.kept_from_s == 70.0


async def test_ends_of_utterance_without_audio_between_cost_nothing():
    up = uplink()
    await up.add(numbered(0, 100))
    pieces = 0
    for _ in range(1000):
        up.end_utterance()
        if up._pending():  # pyright: ignore[reportPrivateUsage]
            await up.take()
            pieces += 1
    assert pieces == 1


def test_inserted_silence_is_remembered_in_little_room():
    inserted = Inserted()
    for n in range(10_000):
        inserted.add(n * 1.0, 0.5)
    assert inserted.caller_s(10_000.0) == 5_000.0
    assert len(inserted._stretches) <= 64  # pyright: ignore[reportPrivateUsage]


def test_a_position_is_what_riva_says_and_goes_on_with_empty_responses():
    progress, empty = Progress(), pb.StreamingRecognizeResponse()
    assert progress.take(empty, 1.0) == 0.16
    said = pb.StreamingRecognizeResponse()
    said.results.add(audio_processed=0.5)
    assert progress.take(said, 1.0) == 0.5
    assert progress.take(empty, 1.1) == pytest.approx(0.6)
    untold = pb.StreamingRecognizeResponse()
    untold.results.add()
    assert progress.take(untold, 1.2) is None
    assert progress.take(untold, 1.2, answers_silence=True) == 1.2
