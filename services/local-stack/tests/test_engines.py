"""The models behind the interfaces, on recorded speech; and the arithmetic around them, without."""

import json
import re
import wave
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import resources
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import soxr
from voice_local.engines import ASR_RATE_HZ, VAD_FRAME, Recogniser, Samples, Unspeakable, Voice
from voice_local.failures import MissingExtra
from voice_local.loading import load_recogniser, load_voice, load_voice_activity
from voice_local.models import loudness, timing
from voice_local.models.hibari import pieces
from voice_local.models.moonshine import stretches
from voice_local.models.timing import Run

models = pytest.mark.models
pytestmark = pytest.mark.timeout(300)


@dataclass(frozen=True)
class Clip:
    name: str
    transcript: str
    samples: Samples

    @property
    def seconds(self) -> float:
        return len(self.samples) / ASR_RATE_HZ


def clips() -> list[Clip]:
    folder = Path(str(resources.files("voice_client.speech")))
    listed = json.loads((folder / "manifest.json").read_text())
    return [Clip(each["file"], each["transcript"], heard(folder / each["file"])) for each in listed]


def heard(path: Path) -> Samples:
    with wave.open(str(path)) as recording:
        assert recording.getframerate() == ASR_RATE_HZ
        pcm = np.frombuffer(recording.readframes(recording.getnframes()), np.int16)
    return pcm.astype(np.float32) / np.float32(32_768)


DIGITS = {"4": "four", "7": "seven", "8": "eight", "10": "ten", "12": "twelve"}


def plain(text: str) -> list[str]:
    words = re.sub(r"[^a-z0-9' ]", " ", text.lower()).split()
    return [DIGITS.get(word, word) for word in words]


def misheard(said: str, recognised: str) -> int:
    """Words to change, add or drop to get from one to the other."""
    hypothesis = plain(recognised)
    row = list(range(len(hypothesis) + 1))
    for at, word in enumerate(plain(said), start=1):
        diagonal, row[0] = row[0], at
        for column, other in enumerate(hypothesis, start=1):
            change = diagonal + (word != other)
            diagonal = row[column]
            row[column] = min(change, row[column] + 1, row[column - 1] + 1)
    return row[-1]


@pytest.fixture(scope="module")
def tiny() -> Recogniser:
    return load_recogniser("moonshine-tiny")


@pytest.fixture(scope="module")
def base() -> Recogniser:
    return load_recogniser("whisper-base")


@pytest.fixture(scope="module")
def hibari() -> Voice:
    return load_voice()


# --- recognition ----------------------------------------------------------------------------------


@models
@pytest.mark.timeout(600)  # the first run fetches the weights
@pytest.mark.parametrize("name", ["moonshine-tiny", "moonshine-base", "whisper-base"])
def test_recorded_speech_is_recognised(name: str) -> None:
    recogniser = load_recogniser(name)
    assert recogniser.name == name
    wrong = total = 0
    for clip in clips():
        transcript = recogniser.transcribe(clip.samples, "en-US")
        assert transcript.text == transcript.text.strip()
        assert transcript.text[0].isupper() or transcript.text[0].isdigit()
        assert 0.5 < transcript.confidence <= 1.0
        check_times(clip, [(word.start_s, word.end_s) for word in transcript.words])
        wrong += misheard(clip.transcript, transcript.text)
        total += len(plain(clip.transcript))
    assert wrong / total <= 0.12


def check_times(clip: Clip, spans: Sequence[tuple[float, float]]) -> None:
    times = [time for span in spans for time in span]
    assert times == sorted(times), clip.name
    assert times[0] >= 0.0, clip.name
    assert times[-1] <= clip.seconds + 0.01, clip.name


@models
def test_the_first_word_begins_and_the_last_ends_with_the_speech(tiny: Recogniser) -> None:
    """Against Silero, whose frames of 32 ms come some 32 ms late."""
    listeners = load_voice_activity()
    for clip in clips():
        listener = listeners()
        frames = range(0, len(clip.samples) - VAD_FRAME + 1, VAD_FRAME)
        chances = [listener.speech(clip.samples[at : at + VAD_FRAME]) for at in frames]
        spoken = [at for at, chance in zip(frames, chances, strict=True) if chance > 0.5]
        words = tiny.transcribe(clip.samples, "en-US").words
        assert words[0].start_s == pytest.approx(spoken[0] / ASR_RATE_HZ, abs=0.15), clip.name
        if clip.name != "en_goforward.wav":  # it ends in a breath that is as loud as speech
            assert words[-1].end_s == pytest.approx(spoken[-1] / ASR_RATE_HZ, abs=0.15), clip.name


@models
@pytest.mark.parametrize(
    "nothing",
    [
        np.zeros(0, np.float32),
        np.zeros(100, np.float32),
        np.zeros(3 * ASR_RATE_HZ, np.float32),
        np.full(ASR_RATE_HZ, 0.1, np.float32),
        np.random.default_rng(1).normal(0, 0.0005, 2 * ASR_RATE_HZ).astype(np.float32),
        np.random.default_rng(2).normal(0, 0.02, 2 * ASR_RATE_HZ).astype(np.float32),
    ],
    ids=["empty", "too short", "silence", "offset", "faint hiss", "loud hiss"],
)
def test_where_nobody_speaks_there_is_no_text(tiny: Recogniser, nothing: Samples) -> None:
    transcript = tiny.transcribe(nothing, "en-US")
    assert (transcript.text, transcript.words) == ("", ())


@models
def test_a_long_call_is_transcribed_in_stretches(tiny: Recogniser) -> None:
    spoken = [clip for clip in clips() if clip.name != "en_jfk.wav"]
    samples = np.concatenate([clip.samples for clip in spoken])
    said = " ".join(clip.transcript for clip in spoken)
    transcript = tiny.transcribe(samples, "en-US")
    assert misheard(said, transcript.text) / len(plain(said)) <= 0.2
    starts = [word.start_s for word in transcript.words]
    assert starts == sorted(starts)
    assert starts[-1] > 15.0
    assert tiny.transcribe(samples, "en-US") == transcript


@models
def test_a_language_it_has_not_is_refused(tiny: Recogniser) -> None:
    with pytest.raises(ValueError, match="language must be one of en-US: 'hi-IN'"):
        tiny.transcribe(np.zeros(ASR_RATE_HZ, np.float32), "hi-IN")


def test_an_unknown_engine_is_refused() -> None:
    with pytest.raises(ValueError, match=r"must be one of moonshine-tiny, .*: 'ears'"):
        load_recogniser("ears")
    with pytest.raises(ValueError, match="voice must be hibari: 'larynx'"):
        load_voice("larynx")


def no_package(_: str) -> None:
    return None


def test_whisper_without_its_package_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", no_package)
    with pytest.raises(MissingExtra, match=r"install voice-local\[whisper\]"):
        load_recogniser("whisper-base")


# --- what surrounds the recogniser ----------------------------------------------------------------


def test_short_audio_is_one_stretch() -> None:
    samples = np.ones(12 * ASR_RATE_HZ, np.float32)
    assert [(start, len(part), more) for start, part, more in stretches(samples)] == [
        (0, len(samples), False)
    ]


def test_long_audio_is_cut_in_its_pauses_and_nowhere_else() -> None:
    samples = np.random.default_rng(4).normal(0, 0.1, 30 * ASR_RATE_HZ).astype(np.float32)
    for pause_s in (9.0, 19.5):
        at = int(pause_s * ASR_RATE_HZ)
        samples[at : at + ASR_RATE_HZ // 5] *= 0.01
    cut = list(stretches(samples))
    assert [more for _, _, more in cut] == [True, True, False]
    assert [start / ASR_RATE_HZ for start, _, _ in cut] == pytest.approx([0, 9.1, 19.6], abs=0.1)
    assert np.concatenate([part for _, part, _ in cut]).tolist() == samples.tolist()
    longer = np.concatenate([samples, samples[:ASR_RATE_HZ]])
    assert [start for start, _, _ in stretches(longer)] == [start for start, _, _ in cut]


def test_words_are_dealt_to_the_runs_of_speech() -> None:
    words = ["Yes,", "a", "considerably", "longer", "sentence."]
    spans = timing.spans(words, [Run(10, 30), Run(100, 240)])
    assert spans[0] == (10, 30)
    assert spans[1][0] == 100
    assert spans[-1][1] == 240
    assert all(first[1] <= second[0] for first, second in pairwise(spans))


def test_more_runs_than_words_and_no_runs_at_all() -> None:
    spans = timing.spans(["Hello."], [Run(0, 40), Run(60, 65), Run(90, 95)])
    assert spans == [(0, 40)]
    assert timing.spans([], [Run(0, 40)]) == []
    assert timing.spans(["Hello."], []) == [(0, 0)]


def test_loudness_finds_a_burst_in_the_quiet() -> None:
    samples = np.random.default_rng(3).normal(0, 0.001, 2 * ASR_RATE_HZ).astype(np.float32)
    samples[ASR_RATE_HZ // 2 : ASR_RATE_HZ] *= 200
    [run] = timing.runs(loudness.voiced(loudness.levels_db(samples)))
    assert (run.start, run.end) == pytest.approx((50, 100), abs=2)


# --- synthesis ------------------------------------------------------------------------------------

SENTENCES = (
    "The capital of France is Paris, and it has two million people.",
    "Natural language processing helps computers understand human speech.",
    "Sure, your coffee will be ready in about ten minutes.",
    "I am sorry, I did not catch that. Could you say it again?",
)


@models
def test_what_the_voice_says_is_understood(tiny: Recogniser, hibari: Voice) -> None:
    wrong = total = 0
    for sentence in SENTENCES:
        said = np.concatenate([piece.samples for piece in hibari.speak(sentence, "heart")])
        assert np.abs(said).max() <= 1.0
        at_16k = soxr.resample(said, hibari.rate_hz, ASR_RATE_HZ).astype(np.float32)
        wrong += misheard(sentence, tiny.transcribe(at_16k, "en-US").text)
        total += len(plain(sentence))
    assert wrong / total <= 0.2


@models
def test_the_voice_tells_when_it_says_each_word(hibari: Voice, base: Recogniser) -> None:
    """A recogniser that had no part in it hears the same words at the same times."""
    off_s: list[float] = []
    for sentence in SENTENCES:
        (said, *more) = hibari.speak(sentence.replace(". ", ", "), "heart")
        assert not more
        at_16k = soxr.resample(said.samples, hibari.rate_hz, ASR_RATE_HZ).astype(np.float32)
        heard = base.transcribe(at_16k, "en-US").words
        assert [plain(word.text) for word in heard] == [plain(word.text) for word in said.words]
        for one, other in zip(said.words, heard, strict=True):
            off_s += [abs(one.start_s - other.start_s), abs(one.end_s - other.end_s)]
        edges = [edge for word in said.words for edge in (word.start_s, word.end_s)]
        assert edges == sorted(edges)
    assert np.median(off_s) <= 0.12
    assert np.quantile(off_s, 0.9) <= 0.3  # it takes a pause for part of the next word


@models
def test_a_figure_takes_as_long_as_its_words(hibari: Voice) -> None:
    (said,) = hibari.speak("It is $14 — at 3:30.", "heart")
    assert [word.text for word in said.words] == "It is $14 at three thirty.".split()
    price, at = said.words[2:4]
    assert 0.7 < price.end_s - price.start_s < 1.5
    assert at.start_s - price.end_s > 0.1


@models
def test_every_sentence_comes_as_soon_as_it_is_ready(hibari: Voice) -> None:
    spoken = hibari.speak("One. Two. Three.", "heart")
    assert sum(1 for _ in spoken) == 3


@models
@pytest.mark.parametrize("text", ["", "   ", "!?", "...", "🙂"])
def test_text_without_words_is_silence(hibari: Voice, text: str) -> None:
    assert list(hibari.speak(text, "heart")) == []


@models
def test_text_it_cannot_read_is_refused_at_once(hibari: Voice) -> None:
    with pytest.raises(Unspeakable, match="must be in Latin script for the voice hibari: 'नमस्ते'"):
        hibari.speak("नमस्ते", "heart")
    with pytest.raises(ValueError, match="speaker must be one of heart: 'anna'"):
        hibari.speak("Hello.", "anna")


@models
@pytest.mark.parametrize("text", ["word " * 2_000, "w" * 5_000], ids=["unpunctuated", "one word"])
def test_an_endless_sentence_does_not_hold_up_its_start(hibari: Voice, text: str) -> None:
    first = next(iter(hibari.speak(text, "heart")))
    assert 1.0 < len(first.samples) / hibari.rate_hz < 30.0


def test_long_text_is_cut_where_a_speaker_would_breathe() -> None:
    clause = "so it went on and on"
    text = ", ".join([clause] * 30) + ". " + "The end."
    cut = list(pieces(text))
    assert all(len(piece) <= 200 for piece in cut)
    assert all(piece.endswith((",", ".")) for piece in cut)
    assert " ".join(cut) == text
    assert list(pieces("x" * 450)) == ["x" * 200, "x" * 200, "x" * 50]


# --- voice activity -------------------------------------------------------------------------------


@models
def test_listeners_share_a_network_but_no_memory() -> None:
    listeners = load_voice_activity()
    clip = next(clip for clip in clips() if clip.name == "en_something.wav")
    frames = clip.samples[: len(clip.samples) // VAD_FRAME * VAD_FRAME].reshape(-1, VAD_FRAME)
    alone = [speech for listener in [listeners()] for speech in map(listener.speech, frames)]
    one, other = listeners(), listeners()
    beside = [(one.speech(frame), other.speech(np.zeros_like(frame)))[0] for frame in frames]
    assert beside == alone
    assert max(alone) > 0.9
    assert alone[0] < 0.2


@models
def test_a_frame_of_another_length_is_refused() -> None:
    listener = load_voice_activity()()
    with pytest.raises(ValueError, match=r"frame must be 512 samples, got shape \(160,\)"):
        listener.speech(np.zeros(160, np.float32))
