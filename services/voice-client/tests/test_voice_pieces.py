"""WAV files, the end of speech, the rhythm, the loudspeaker's queue, the folding of turns."""

import math
import struct
import wave
from pathlib import Path

import pytest
from voice_client import speech
from voice_client.failures import BadInputError, Exit
from voice_client.messages import (
    Interruption,
    Listening,
    Processing,
    ReplyAudio,
    ReplyText,
    Transcript,
    TurnEnded,
)
from voice_client.pace import Pace
from voice_client.playback import Playback
from voice_client.sayings import read_sayings
from voice_client.turn_latency import speech_end
from voice_client.turns import Turns, turn_as_json
from voice_client.wavfile import Wav, mono, read_wav, write_wav


def riff(*chunks: tuple[bytes, bytes]) -> bytes:
    body = b"".join(
        name + len(it).to_bytes(4, "little") + it + b"\0" * (len(it) % 2) for name, it in chunks
    )
    return b"RIFF" + (len(body) + 4).to_bytes(4, "little") + b"WAVE" + body


def fmt(encoding: int = 1, channels: int = 1, rate_hz: int = 16_000, bits: int = 16) -> bytes:
    frame = channels * bits // 8
    return struct.pack("<HHIIHH", encoding, channels, rate_hz, rate_hz * frame, frame, bits)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "x.wav"


class TestWav:
    @pytest.mark.parametrize(
        ("content", "complaint"),
        [
            (b"", "not a WAV file"),
            (b"ID3\x04 an MP3, with a WAV's name", "not a WAV file"),
            (riff((b"data", b"\0\0")), "broken WAV file (audio before its format)"),
            (riff((b"fmt ", b"\1\0")), "broken WAV file (its format is cut off)"),
            (riff((b"fmt ", fmt())), "broken WAV file (no audio in it)"),
            (riff((b"LIST", b"x")), "broken WAV file (no format in it)"),
            (riff((b"fmt ", fmt()), (b"data", b"")), "there is no audio in it"),
            (
                riff((b"fmt ", fmt(3, bits=32)), (b"data", bytes(8))),
                "sample format is floating point, allowed is 16-bit PCM",
            ),
            (
                riff((b"fmt ", fmt(7, bits=8)), (b"data", bytes(8))),
                "sample format is mu-law, allowed is 16-bit PCM",
            ),
            (
                riff((b"fmt ", fmt(bits=24)), (b"data", bytes(6))),
                "sample width is 24 bits, allowed is 16 (PCM)",
            ),
            (
                riff((b"fmt ", fmt(channels=9)), (b"data", bytes(18))),
                "9 channels, allowed are 1 to 8",
            ),
            (
                riff((b"fmt ", fmt(rate_hz=96_000)), (b"data", bytes(8))),
                "sample rate is 96000 Hz, allowed are 8000 to 48000 Hz",
            ),
        ],
    )
    def test_a_file_that_does_not_fit_says_why(self, file: Path, content: bytes, complaint: str):
        file.write_bytes(content)
        with pytest.raises(BadInputError) as refused:
            read_wav(file)
        assert str(refused.value).startswith(f"{file}: {complaint}")

    @pytest.mark.parametrize("rate_hz", [8_000, 11_025, 16_000, 44_100, 48_000])
    def test_every_rate_in_between_is_taken_as_it_is(self, file: Path, rate_hz: int):
        write_wav(file, Wav(rate_hz, b"\1\0\2\0"))
        assert read_wav(file) == Wav(rate_hz, b"\1\0\2\0")
        with wave.open(str(file)) as ours:
            assert ours.getparams()[:4] == (1, 2, rate_hz, 2)

    def test_stereo_is_mixed_down(self, file: Path):
        frames = struct.pack("<6h", 100, 200, -100, -300, 32_767, 32_767)
        file.write_bytes(riff((b"fmt ", fmt(channels=2)), (b"data", frames)))
        assert read_wav(file).pcm == struct.pack("<3h", 150, -200, 32_767)

    def test_an_extensible_header_and_foreign_chunks_are_read(self, file: Path):
        extensible = fmt(0xFFFE) + struct.pack("<HHIH", 22, 16, 4, 1) + bytes(14)
        chunks = (b"LIST", b"odd"), (b"fmt ", extensible), (b"data", b"\1\0")
        file.write_bytes(riff(*chunks))
        assert read_wav(file) == Wav(16_000, b"\1\0")

    @pytest.mark.parametrize("size", [b"\0\0\0\0", b"\xff\xff\xff\xff"])
    def test_a_size_that_a_pipe_never_filled_in_means_the_rest(self, file: Path, size: bytes):
        whole = riff((b"fmt ", fmt()))
        file.write_bytes(whole + b"data" + size + b"\1\0\2\0\3")
        assert read_wav(file).pcm == b"\1\0\2\0"

    def test_an_unfinished_frame_is_dropped(self):
        assert mono(b"\1\0\2\0\3", 2) == b"\1\0"
        assert mono(b"", 3) == b""

    def test_a_folder_is_no_file(self, tmp_path: Path):
        with pytest.raises(BadInputError, match="Is a directory"):
            read_wav(tmp_path)
        with pytest.raises(BadInputError, match="cannot write"):
            write_wav(tmp_path, Wav(16_000, b"\0\0"))


class TestSayings:
    def test_one_call_has_one_rate(self, tmp_path: Path):
        for rate_hz in (8_000, 16_000):
            write_wav(tmp_path / f"{rate_hz}.wav", Wav(rate_hz, b"\1\0"))
        files = [str(tmp_path / f"{rate_hz}.wav") for rate_hz in (8_000, 16_000)]
        with pytest.raises(BadInputError, match="16000 Hz, allowed is 8000 Hz, as in "):
            read_sayings(files, ())

    def test_every_bundled_clip_can_be_said(self):
        for name in speech.clip_names():
            (spoken,), rate_hz = read_sayings([f"@{name}"], ())
            assert rate_hz == 16_000
            assert spoken


class TestSpeechEnd:
    @pytest.mark.parametrize(
        ("clip", "seconds"),
        [("en_nlp_question", 3.23), ("en_order_1", 3.71), ("en_cards_7c", 1.28)],
    )
    def test_it_agrees_with_a_voice_detector_on_real_speech(self, clip: str, seconds: float):
        wav = read_wav(speech.clip(clip))
        assert (speech_end(wav.pcm, wav.rate_hz) or 0) / wav.rate_hz == pytest.approx(
            seconds, abs=0.1
        )

    def test_silence_and_nothing_have_no_end(self):
        assert speech_end(bytes(32_000), 16_000) is None
        assert speech_end(b"", 16_000) is None

    def test_a_click_after_the_words_is_not_speech(self):
        loud, quiet = b"\0\x40\0\xc0", b"\5\0\xfb\xff"
        pcm = quiet * 2000 + loud * 4000 + quiet * 4000 + loud * 160 + quiet * 2000
        assert speech_end(pcm, 16_000) == 12_000

    def test_noise_is_not_speech(self):
        hum = [int(1000 * math.sin(n / 5)) for n in range(16_000)]
        word = [int(16_000 * math.sin(n / 9)) for n in range(4_800)]
        pcm = struct.pack(f"<{36_800}h", *hum, *word, *hum)
        assert speech_end(pcm, 16_000) == pytest.approx(20_800, abs=320)


async def test_lateness_does_not_add_up():
    clock, slept = [100.0], list[float]()

    async def sleep(seconds: float) -> None:
        slept.append(round(seconds, 3))
        clock[0] += seconds + 0.004

    pace = Pace(0.02, now=lambda: clock[0], sleep=sleep)
    for _ in range(5):
        await pace.next_piece()
    assert slept == [0.02, 0.016, 0.016, 0.016, 0.016]
    clock[0] += 0.05
    await pace.next_piece()
    clock[0] += 60
    await pace.next_piece()
    await pace.next_piece()
    assert slept[5:] == [0.0, 0.0, 0.016]


class TestPlayback:
    def test_pieces_come_out_in_order_and_silence_where_nothing_waits(self):
        playback = Playback(8_000)
        playback.push(1, b"\1\0\2\0\3\0")
        playback.push(1, b"\4\0")
        assert playback.pull(2) == b"\1\0\2\0"
        assert playback.pull(4) == b"\3\0\4\0\0\0\0\0"

    def test_flush_silences_it_at_once(self):
        playback = Playback(8_000)
        playback.push(1, b"\1\0" * 800)
        playback.pull(80)
        playback.flush()
        assert playback.pull(80) == bytes(160)
        assert playback.played() == (1, 10)

    def test_progress_counts_from_the_replys_first_sample_less_what_the_device_holds(self):
        playback = Playback(8_000)
        playback.device_delay_s = 0.05
        playback.push(1, b"\1\0" * 800)
        playback.push(2, b"\1\0" * 800)
        playback.pull(480)
        assert playback.played() == (1, 10)
        playback.pull(880)
        assert playback.played() == (2, 20)
        playback.pull(240)
        playback.pull(400)
        assert playback.played() == (2, 100)

    def test_it_is_audible_until_the_room_is_quiet(self):
        playback = Playback(8_000)
        assert not playback.audible
        playback.push(1, b"\1\0" * 8)
        assert playback.audible
        playback.pull(8)
        assert playback.audible
        playback.pull(2_400)
        assert not playback.audible

    def test_it_says_when_it_is_full(self):
        playback = Playback(8_000)
        playback.push(1, bytes(2 * 8_000 * 59))
        assert not playback.full
        playback.push(1, bytes(2 * 8_000))
        assert playback.full


class TestTurns:
    def test_latency_is_measured_once_from_the_end_of_speech(self):
        turns = Turns(16_000)
        turns.say("a.wav")
        turns.see(Transcript("hello", True), 1.0)
        turns.speech_ended(2.0)
        turns.see(ReplyAudio(1, 0, b"\0\0"), 2.75)
        turns.see(ReplyAudio(1, 0, b"\0\0"), 2.9)
        assert turns.see(TurnEnded(None), 3.0) is turns.all[0]
        assert turns.all[0].measured_ms == 750

    def test_audio_before_the_end_of_speech_answers_something_else(self):
        turns = Turns(16_000)
        turns.say("a.wav")
        turns.see(ReplyAudio(1, 0, b"\0\0"), 1.0)
        turns.speech_ended(2.0)
        turns.see(ReplyAudio(1, 0, b"\0\0"), 2.5)
        assert turns.all[0].measured_ms is None

    def test_a_final_before_the_reply_begins_belongs_to_the_turn(self):
        turns = Turns(16_000)
        turns.say("a.wav")
        turns.see(Transcript("go", True), 0.0)
        turns.see(Processing(), 0.0)
        turns.see(Transcript("go forward", True), 0.0)
        turns.see(ReplyText(1, "Ok."), 0.0)
        turns.see(Transcript("no", False), 0.0)
        assert [turn.heard for turn in turns.all] == ["go forward", "no"]
        assert turns.more_words()

    def test_two_finals_of_a_turn_are_joined(self):
        turns = Turns(16_000)
        turns.say("a.wav")
        for text in ("my number is", "five five five"):
            turns.see(Transcript(text, True), 0.0)
        assert turns.all[0].heard == "my number is five five five"

    def test_a_turn_that_goes_on_is_one_turn(self):
        turns = Turns(16_000)
        turns.say("a.wav")
        turns.see(Transcript("what is", True), 0.0)
        turns.see(Processing(), 0.0)
        turns.see(ReplyText(1, "It is"), 0.0)
        turns.see(ReplyAudio(1, 0, b"\0\0"), 0.0)
        turns.see(Transcript("mm", False), 0.0)
        turns.see(Transcript("a field?", True, 1, "what is a field?"), 0.0)
        assert turns.see(Listening(Interruption(0, ""), 1), 0.0) is None
        turns.see(Processing(), 0.0)
        turns.see(ReplyText(2, "A meadow."), 0.0)
        turns.see(TurnEnded(None, "content_filter"), 0.0)
        assert not turns.more_words()
        (turn,) = (turn_as_json(turn, 16_000) for turn in turns.all)
        assert (turn["heard"], turn["reply"], turn["audio_ms"], turn["ending"]) == (
            "what is a field?",
            "A meadow.",
            0,
            "answered",
        )
        assert turn["incomplete"] == "content_filter"

    def test_the_outcome_is_that_of_the_first_saying_that_failed(self):
        turns = Turns(16_000)
        turns.say("a.wav")
        turns.see(Transcript("hi", True), 0.0)
        turns.see(ReplyAudio(1, 0, b"\0\0"), 0.0)
        turns.see(TurnEnded(None), 0.0)
        turns.say("b.wav")
        assert turns.outcome() is Exit.NOT_RECOGNISED
        turns.see(Transcript("hi", False), 0.0)
        turns.see(Listening(Interruption(0, "")), 0.0)
        assert turns.outcome() is Exit.NO_REPLY_AUDIO
        turns.see(ReplyAudio(2, 0, b"\0\0"), 0.0)
        assert turns.outcome() is Exit.ANSWERED
