"""Audio as clients send it: codings, rates, channels, headers, cut anywhere."""

import io
import struct
import wave
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from voice_local.engines import Samples
from voice_local.riva import g711
from voice_local.riva.coding import Encoding, write_samples
from voice_local.riva.decoding import Decoder
from voice_local.riva.refusal import RefusedError
from voice_local.testing import pcm

TONE = (0.5 * np.sin(2 * np.pi * 440 * np.arange(16_000) / 16_000)).astype(np.float32)


def tone(rate_hz: int) -> Samples:
    return (0.5 * np.sin(2 * np.pi * 440 * np.arange(rate_hz) / rate_hz)).astype(np.float32)


def decoded(decoder: Decoder, data: bytes, cuts: list[int] | None = None) -> Samples:
    edges = [0, *sorted(cut % (len(data) + 1) for cut in cuts or []), len(data)]
    pieces = [decoder.feed(data[start:end]) for start, end in pairwise(edges)]
    return np.concatenate([*pieces, decoder.finish()])


def wav(
    samples: Samples, rate_hz: int = 16_000, channels: int = 1, audio: bytes | None = None
) -> bytes:
    file = io.BytesIO()
    with wave.open(file, "wb") as writer:
        writer.setnchannels(channels)
        writer.setsampwidth(2)
        writer.setframerate(rate_hz)
        writer.writeframes(audio if audio is not None else pcm(samples))
    return file.getvalue()


def wav_of(tag: int, bits: int, audio: bytes, extra: bytes = b"", rate_hz: int = 16_000) -> bytes:
    form = struct.pack("<HHIIHH", tag, 1, rate_hz, rate_hz * bits // 8, bits // 8, bits) + extra
    chunks = b"fmt " + struct.pack("<I", len(form)) + form
    chunks += b"LIST" + struct.pack("<I", 3) + b"abc\0" + b"data" + struct.pack("<I", len(audio))
    return b"RIFF" + struct.pack("<I", len(chunks) + len(audio) + 4) + b"WAVE" + chunks + audio


def test_raw_pcm_is_the_default() -> None:
    heard = decoded(Decoder(Encoding.ENCODING_UNSPECIFIED), pcm(TONE))
    np.testing.assert_allclose(heard, TONE, atol=1e-4)


@pytest.mark.parametrize("rate_hz", [8_000, 11_025, 22_050, 44_100, 48_000])
def test_any_rate_is_resampled_without_a_shift(rate_hz: int) -> None:
    heard = decoded(Decoder(Encoding.LINEAR_PCM, rate_hz), pcm(tone(rate_hz)))
    assert abs(len(heard) - 16_000) <= 1
    middle = slice(1_000, 15_000)
    np.testing.assert_allclose(heard[middle], TONE[middle], atol=5e-3)


@pytest.mark.parametrize("encoding", [Encoding.MULAW, Encoding.ALAW])
def test_g711(encoding: Encoding) -> None:
    heard = decoded(Decoder(encoding, 16_000), write_samples(TONE, encoding))
    np.testing.assert_allclose(heard, TONE, atol=0.02)


def test_g711_against_the_tables_of_the_standard() -> None:
    """G.711 tables 1a to 2b: the outermost and innermost levels, scaled to 16 bits."""
    mulaw = g711.from_mulaw(np.array([0x00, 0x80, 0x7F, 0xFF, 0x0F], np.uint8)) * 32_768
    alaw = g711.from_alaw(np.array([0x2A, 0xAA, 0x55, 0xD5], np.uint8)) * 32_768
    assert mulaw.tolist() == [-32_124, 32_124, 0, 0, -16_764]
    assert alaw.tolist() == [-32_256, 32_256, -8, 8]


@given(st.sampled_from([Encoding.MULAW, Encoding.ALAW]))
def test_g711_codes_survive_a_round_trip(encoding: Encoding) -> None:
    codes = np.arange(256, dtype=np.uint8)
    read, write = (
        (g711.from_mulaw, g711.to_mulaw)
        if encoding is Encoding.MULAW
        else (g711.from_alaw, g711.to_alaw)
    )
    again = read(write((read(codes) * 32_768).astype(np.int16)))
    np.testing.assert_array_equal(again, read(codes))


def test_the_first_of_several_channels_is_heard() -> None:
    both = np.stack([TONE, np.zeros_like(TONE), np.ones_like(TONE)], axis=1).reshape(-1)
    heard = decoded(Decoder(Encoding.LINEAR_PCM, 16_000, 3), pcm(both), [1, 5, 777])
    np.testing.assert_allclose(heard, TONE, atol=1e-4)


@given(st.lists(st.integers(0, 200_000), max_size=12))
@settings(max_examples=40, deadline=None)
def test_a_wav_file_may_be_cut_anywhere(cuts: list[int]) -> None:
    stereo = np.stack([tone(22_050), np.zeros(22_050, np.float32)], axis=1).reshape(-1)
    data = wav(stereo, 22_050, channels=2)
    whole = decoded(Decoder(Encoding.ENCODING_UNSPECIFIED), data)
    heard = decoded(Decoder(Encoding.ENCODING_UNSPECIFIED), data, cuts)
    np.testing.assert_array_equal(heard, whole)
    assert abs(len(whole) - 16_000) <= 1


def test_a_header_overrides_what_the_client_said() -> None:
    heard = decoded(Decoder(Encoding.MULAW, 44_100, 2), wav(tone(8_000), 8_000), [1, 2, 3, 11, 40])
    assert abs(len(heard) - 16_000) <= 1


@pytest.mark.parametrize(
    ("tag", "bits", "audio"),
    [
        (1, 8, np.rint(TONE * 127 + 128).astype(np.uint8).tobytes()),
        (1, 24, (TONE * 8_388_607).astype("<i4").view(np.uint8).reshape(-1, 4)[:, :3].tobytes()),
        (1, 32, (TONE * 2_147_000_000).astype("<i4").tobytes()),
        (3, 32, TONE.astype("<f4").tobytes()),
        (6, 8, write_samples(TONE, Encoding.ALAW)),
        (7, 8, write_samples(TONE, Encoding.MULAW)),
    ],
)
def test_codings_of_wav_files(tag: int, bits: int, audio: bytes) -> None:
    heard = decoded(Decoder(Encoding.ENCODING_UNSPECIFIED), wav_of(tag, bits, audio), [13, 60])
    np.testing.assert_allclose(heard, TONE, atol=0.02)


def test_an_extensible_header() -> None:
    extra = struct.pack("<HHIH", 22, 16, 4, 1) + bytes(14)
    heard = decoded(Decoder(Encoding.ENCODING_UNSPECIFIED), wav_of(0xFFFE, 16, pcm(TONE), extra))
    np.testing.assert_allclose(heard, TONE, atol=1e-4)


def test_what_follows_the_audio_of_a_file_is_not_heard() -> None:
    data = wav(TONE) + b"LIST\x04\0\0\0\xff\x7f\xff\x7f"
    assert len(decoded(Decoder(Encoding.ENCODING_UNSPECIFIED), data)) == 16_000


@pytest.mark.parametrize("size", [0, 0xFFFF_FFFF, 0x7FFF_FFF0])
def test_a_header_without_a_size_runs_to_the_end(size: int) -> None:
    data = bytearray(wav(TONE))
    data[40:44] = struct.pack("<I", size)
    assert len(decoded(Decoder(Encoding.ENCODING_UNSPECIFIED), bytes(data))) == 16_000


def test_raw_audio_that_begins_like_a_header_is_audio() -> None:
    data = b"RIFF" + bytes(4) + b"WAVY" + pcm(TONE)
    assert len(decoded(Decoder(Encoding.LINEAR_PCM), data, [2, 4, 9])) == 16_006


def test_an_odd_last_byte_is_dropped() -> None:
    assert len(decoded(Decoder(Encoding.LINEAR_PCM), pcm(TONE) + b"\x01")) == 16_000


@pytest.mark.parametrize(
    ("encoding", "text"),
    [(Encoding.FLAC, "encoding FLAC"), (Encoding.OGGOPUS, "encoding OGGOPUS")],
)
def test_foreign_encodings_are_refused_by_name(encoding: Encoding, text: str) -> None:
    with pytest.raises(RefusedError, match=text):
        Decoder(encoding)


@pytest.mark.parametrize(
    ("data", "text"),
    [
        (b"fLaC" + bytes(40), "the audio is FLAC"),
        (b"OggS" + bytes(40), "the audio is OGGOPUS"),
        (wav_of(0x55, 16, b"1234"), "WAV format 85 with 16 bits"),
        (wav_of(1, 16, b"1234", rate_hz=96_000), "sample_rate_hertz is 96000.*8000 to 48000"),
        (b"RIFF\0\0\0\0WAVEdata\0\0\0\0", "no fmt chunk"),
        (b"RIFF\0\0\0\0WAVEfmt \x04\0\0\0abcddata\0\0\0\0", "fmt chunk .* has 4 bytes"),
        (b"RIFF\0\0\0\0WAVEJUNK\xff\xff\xff\0" + bytes(70_000), "no data chunk"),
    ],
)
def test_what_is_not_spoken_is_refused_by_name(data: bytes, text: str) -> None:
    decoder = Decoder(Encoding.ENCODING_UNSPECIFIED)
    with pytest.raises(RefusedError, match=text):
        decoded(decoder, data, [7])


@pytest.mark.parametrize(("rate_hz", "channels"), [(7_999, 1), (48_001, 1), (-5, 1), (0, 17)])
def test_rates_and_channels_have_limits(rate_hz: int, channels: int) -> None:
    with pytest.raises(RefusedError, match="allowed are"):
        Decoder(Encoding.LINEAR_PCM, rate_hz, channels)


@given(st.binary(max_size=4_000), st.lists(st.integers(0, 4_000), max_size=5))
@settings(max_examples=200, deadline=None)
def test_garbage_is_decoded_or_refused(data: bytes, cuts: list[int]) -> None:
    try:
        heard = decoded(Decoder(Encoding.ENCODING_UNSPECIFIED), data, cuts)
    except RefusedError:
        return
    assert np.all(np.abs(heard) <= 1.5)


@given(st.binary(max_size=300))
@settings(max_examples=200, deadline=None)
def test_garbage_after_riff_is_decoded_or_refused(data: bytes) -> None:
    try:
        decoded(Decoder(Encoding.ENCODING_UNSPECIFIED), b"RIFF\0\0\0\0WAVEfmt " + data)
    except RefusedError:
        return


def test_encoding_clips() -> None:
    loud = np.array([-2.0, 2.0, 0.0], np.float32)
    assert np.frombuffer(write_samples(loud, Encoding.LINEAR_PCM), "<i2").tolist() == [
        -32_768,
        32_767,
        0,
    ]
