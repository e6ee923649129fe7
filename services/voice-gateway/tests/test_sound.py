"""Samples, the caller's loudspeaker, and what was heard of a reply."""

import asyncio
import math
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st
from voice_gateway.audio.pcm import WholeSamples, pieces, seconds, silence
from voice_gateway.audio.resample import Resampler
from voice_gateway.hearing.uplink import Uplink
from voice_gateway.messages import Listening, ReplyAudio, ReplyText, ToCaller
from voice_gateway.ports import CallerAudioPiece
from voice_gateway.speaking.outbox import Outbox
from voice_gateway.speaking.playback import LEAST_LATENCY_S, Playback
from voice_gateway.testing import virtual_time


@given(st.lists(st.binary(max_size=9)))
def test_chunks_cut_anywhere_become_whole_samples(chunks: list[bytes]):
    whole = WholeSamples()
    out = [whole.feed(chunk) for chunk in chunks]
    joined = b"".join(chunks)
    assert all(len(piece) % 2 == 0 for piece in out)
    assert b"".join(out) == joined[: len(joined) // 2 * 2]


@given(st.binary(max_size=4000).filter(lambda b: len(b) % 2 == 0))
def test_pieces_are_short_and_lose_nothing(pcm: bytes):
    cut = list(pieces(pcm, 0.01, 16_000))
    assert b"".join(cut) == pcm
    assert all(seconds(piece, 16_000) <= 0.01 for piece in cut)


def tone(rate_hz: int, length_s: float, pitch_hz: int = 440) -> bytes:
    count = int(rate_hz * length_s)
    wave = (round(12_000 * math.sin(2 * math.pi * pitch_hz * n / rate_hz)) for n in range(count))
    return struct.pack(f"<{count}h", *wave)


@pytest.mark.parametrize("rate_hz", [8_000, 24_000, 44_100, 48_000])
def test_a_tone_keeps_its_length_and_loudness_at_another_rate(rate_hz: int):
    resampler = Resampler(rate_hz, 16_000)
    source = tone(rate_hz, 1.0)
    out = b"".join(resampler.feed(source[n : n + 777]) for n in range(0, len(source), 777))
    out += resampler.flush()
    assert len(out) == 2 * 16_000
    middle = struct.unpack("<8000h", out[8_000:24_000])
    loudness = math.sqrt(sum(s * s for s in middle) / len(middle))
    assert loudness == pytest.approx(12_000 / math.sqrt(2), rel=0.03)


@pytest.mark.parametrize(
    ("from_hz", "to_hz"),
    [(8_000, 16_000), (8_000, 24_000), (24_000, 8_000), (24_000, 16_000), (48_000, 16_000)],
)
def test_no_more_than_6_ms_of_audio_wait_for_what_follows(from_hz: int, to_hz: int):
    resampler = Resampler(from_hz, to_hz)
    frame = tone(from_hz, 0.02)
    given_s = 0.0
    for taken in range(1, 100):
        given_s += seconds(resampler.feed(frame), to_hz)
        assert taken * 0.02 - given_s <= 0.006


@pytest.mark.parametrize(
    ("from_hz", "to_hz", "highest_hz"),
    [(8_000, 16_000, 3_400), (24_000, 8_000, 3_400), (24_000, 16_000, 7_000)],
)
def test_what_a_telephone_or_a_recogniser_hears_stays(from_hz: int, to_hz: int, highest_hz: int):
    resampler = Resampler(from_hz, to_hz)
    out = resampler.feed(tone(from_hz, 0.5, highest_hz)) + resampler.flush()
    middle = struct.unpack(f"<{to_hz // 4}h", out[to_hz // 4 : to_hz * 3 // 4])
    loudness = math.sqrt(sum(s * s for s in middle) / len(middle))
    assert loudness == pytest.approx(12_000 / math.sqrt(2), rel=0.05)  # half a decibel


def test_the_loudest_samples_stay_loud_at_another_rate():
    resampler = Resampler(8_000, 16_000)
    square = struct.pack("<16h", *[32_767] * 8, *[-32_768] * 8) * 50
    out = resampler.feed(square) + resampler.flush()
    samples = struct.unpack(f"<{len(out) // 2}h", out)
    for n in range(800, 1_200):  # each swings beyond the corners, and none turns over
        at = n % 32
        if at not in (0, 15, 16, 31):
            assert (samples[n] > 0) is (at < 16)


def test_the_loudspeaker_plays_from_when_audio_is_sent():
    playback = Playback()
    playback.send(0.5, now=10.0)
    assert playback.ahead_s(10.2) == pytest.approx(0.3)
    assert playback.played_s(10.2) == pytest.approx(0.2 - LEAST_LATENCY_S)
    assert playback.played_s(11.0) == 0.5
    playback.send(0.5, now=12.0)  # after a gap
    assert playback.played_s(12.0) == 0.5
    assert playback.played_s(12.1) == pytest.approx(0.6 - LEAST_LATENCY_S)


@given(st.lists(st.tuples(st.floats(0, 0.3), st.floats(0, 0.5)), max_size=8), st.floats(0, 1))
def test_what_has_played_never_becomes_less(sent: list[tuple[float, float]], later_s: float):
    playback, now, played = Playback(), 0.0, [0.0]
    for length_s, gap_s in sent:
        playback.send(length_s, now)
        played.append(playback.played_s(now))
        now += gap_s
        played.append(playback.played_s(now))
        assert played[-1] <= playback.sent_s
    played.append(playback.played_s(now + later_s))
    assert played == sorted(played)


def test_a_report_of_the_loudspeaker_is_believed():
    playback = Playback()
    playback.send(2.0, now=0.0)
    playback.report(0.3, now=1.0)
    assert playback.played_s(1.5) == pytest.approx(0.8)
    playback.report(99.0, now=2.0)
    assert playback.played_s(2.0) == 2.0


def outbox() -> Outbox:
    clock = asyncio.get_running_loop().time
    return Outbox(rate_hz=16_000, lead_s=0.3, room_s=1.0, clock=clock, on_full=lambda: None)


def audio(reply: int, offset_s: float = 0.0) -> ReplyAudio:
    return ReplyAudio(reply, offset_s, silence(0.1, 16_000))


def test_notices_overtake_audio_and_audio_is_paced():
    async def call() -> list[tuple[float, ToCaller]]:
        box, sent = outbox(), list[tuple[float, ToCaller]]()
        box.begin(1)
        for n in range(5):
            await box.play(audio(1, n / 10))
        box.post(Listening())
        for _ in range(6):
            message = await box.take()
            assert message
            sent.append((round(asyncio.get_running_loop().time(), 3), message))
        return sent

    sent = virtual_time.run(call())
    assert isinstance(sent[0][1], Listening)
    assert [at for at, _ in sent[1:]] == [0.0, 0.0, 0.0, 0.1, 0.2]


def test_a_dropped_reply_is_gone_for_good():
    async def call() -> ToCaller | None:
        box = outbox()
        box.begin(1)
        await box.play(audio(1))
        box.post(ReplyText(1, "never seen"))
        box.drop()
        await box.play(audio(1))  # late, from a task that does not know yet
        box.begin(2)
        await box.play(audio(2))
        return await box.take()

    message = virtual_time.run(call())
    assert isinstance(message, ReplyAudio)
    assert message.reply == 2


def test_audio_waits_for_room():
    async def call() -> float:
        box = outbox()
        box.begin(1)
        async with asyncio.TaskGroup() as tasks:
            filling = tasks.create_task(fill(box))
            while not filling.done():
                await box.take()
        return asyncio.get_running_loop().time()

    async def fill(box: Outbox) -> None:
        for _ in range(30):
            await box.play(audio(1))

    # 3 s of audio; 1 s fits in the box and 0.3 s on the way.
    assert virtual_time.run(call()) == pytest.approx(1.7, abs=0.15)


def test_the_uplink_gives_everything_that_waits_in_one_piece():
    async def call() -> CallerAudioPiece | None:
        uplink = Uplink(16_000, 1.0, asyncio.get_running_loop().time)
        await uplink.add(b"ab")
        await uplink.add(b"cd")
        uplink.end_utterance()
        return await uplink.take()

    assert virtual_time.run(call()) == CallerAudioPiece(b"abcd", ends_utterance=True)


def test_the_uplink_is_bounded_and_loses_nothing():
    async def call() -> list[int]:
        uplink, sizes = Uplink(16_000, 1.0, asyncio.get_running_loop().time), list[int]()

        async def add() -> None:
            await uplink.add(bytes(100_000))
            uplink.close()

        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(add())
            while (spoken := await uplink.take()) is not None:
                sizes.append(len(spoken.pcm))
        return sizes

    sizes = virtual_time.run(call())
    assert max(sizes) <= 32_000
    assert sum(sizes) == 100_000


def test_the_uplink_remembers_when_audio_came():
    async def call() -> list[float | None]:
        uplink = Uplink(16_000, 30.0, asyncio.get_running_loop().time)
        for _ in range(3):
            await uplink.add(silence(0.1, 16_000))
            await asyncio.sleep(0.1)
        return [uplink.arrived_at(s) for s in (0.05, 0.1, 0.25, 9.0)]

    assert virtual_time.run(call()) == [0.0, 0.0, pytest.approx(0.2), None]
