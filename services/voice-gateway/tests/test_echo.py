"""The gateway's own voice come back: as words the recogniser wrote down, and as sound."""

import random
import wave
from pathlib import Path

import numpy as np
import pytest
import voice_client.speech
from hypothesis import given
from hypothesis import strategies as st
from voice_gateway.hearing.echo import FRAME_S, Echo
from voice_gateway.hearing.own_words import APART, OwnWords, Utterance, callers_part, split
from voice_gateway.hearing.voice_activity import ArrivalClock, VoiceActivity, load_silero
from voice_gateway.language import language_of
from voice_gateway.messages import LineEcho, Transcript, Word
from voice_gateway.ports import Edge
from voice_gateway.testing.scripted import Call, Says, ScriptedActivity

RATE_HZ = 16_000
SPEECH = Path(voice_client.speech.__file__).parent
SAID = (
    "The capital of France is Paris. It lies on the Seine, and about two million people live there."
)
STOPS = language_of("en-US").stops


def callers(recognised: str, own: str = SAID) -> str:
    return callers_part(Transcript(recognised, final=True), own, STOPS).text


# As words.


@pytest.mark.parametrize(
    "recognised",
    [
        "The",
        "the capi",
        "The capital of France is Paris.",
        "the capitol of front is pairs it lies on the sane",
        "and about two million people live their",
        "capital of France is Paris it lies on the Seine uh",
    ],
)
def test_what_only_came_back_is_nobody(recognised: str):
    assert callers(recognised) == ""


@pytest.mark.parametrize(
    ("recognised", "theirs"),
    [
        ("the capitol of France is Paris wait what about London", "wait what about London"),
        ("wait", "wait"),
        ("it lies on stop the Seine", "stop"),
        ("Can you say that again?", "Can you say that again?"),
        ("so what about London", "so what about London"),
        ("live there. And what is its name?", "And what is its name?"),
        ("no no it lies on the Seine and", "no no"),
    ],
)
def test_what_the_caller_said_over_it_is_kept_as_written(recognised: str, theirs: str):
    assert callers(recognised) == theirs


def test_a_question_that_shares_a_few_words_with_the_answer_is_kept_whole():
    asked = "what is the weather in fitiba today"
    assert callers(asked, "Fetiba is sunny, and fetiba") == asked


def test_nothing_goes_on_from_one_text_to_the_next():
    own = APART.join(("Moved to room 4. Nobody else has", "The meeting has moved"))
    assert callers("moved to room 4 what is the weather", own) == "what is the weather"


def test_the_times_of_the_callers_words_stay_with_them():
    times = [Word(w, i, i + 0.5) for i, w in enumerate("is Paris wait what about it".split())]
    heard = Transcript("is Paris wait what about it", final=True, words=tuple(times))
    assert [w.text for w in callers_part(heard, SAID, STOPS).words] == [
        "wait", "what", "about", "it",
    ]  # fmt: skip


@given(st.lists(st.sampled_from("alpha bravo charlie delta echo foxtrot".split()), max_size=30))
def test_words_are_only_left_out_never_made(words: list[str]):
    text = " ".join(words)
    parts = split(text, "bravo charlie delta")
    assert parts.own + len(parts.callers) == len(words)
    assert list(parts.callers) == sorted(set(parts.callers))
    assert split(text, "").own == 0


def test_numbers_are_known_however_the_recogniser_writes_them():
    own = OwnWords("en-US", lambda: "That makes $14 for 2 tickets")
    said = own.of_utterance(0.0, final=True)
    assert callers("that makes fourteen dollars for two tickets", said) == ""
    assert callers("That makes $14 for 2 tickets.", said) == ""


def test_a_reply_is_forgotten_once_nothing_of_it_can_come_back_unless_its_utterance_goes_on():
    own = OwnWords("en-US", str)
    own.reply_over("It lies on the Seine.", until=10.0)
    assert own.of_utterance(11.0, final=False) == "It lies on the Seine."
    assert own.of_utterance(15.0, final=True) == "It lies on the Seine."
    assert own.of_utterance(15.5, final=False) == ""


# Words are the caller's only where its voice was noticed beside the echo.


def test_what_is_heard_in_an_echo_before_the_caller_made_a_sound_is_nobodys():
    utterance = Utterance()
    assert not utterance.take(Transcript("You are already ready", final=False), 3.0)
    assert utterance.misheard == "You are already ready"


def test_a_voice_makes_the_utterance_the_callers_to_its_final_words():
    utterance = Utterance()
    utterance.take(Transcript("You are", final=False), 1.0)
    utterance.take(Transcript("You are all", final=False), 2.5)
    utterance.voice(3.0, voiced=True)
    utterance.voice(3.4, voiced=False)
    assert utterance.take(Transcript("You are all stop", final=False), 6.0)
    assert utterance.misheard == "You are", "what came later may be the caller's already"
    assert utterance.take(Transcript("You are all stop.", final=True), 6.5)
    assert not utterance.take(Transcript("It lies", final=False), 7.0)
    assert utterance.misheard == "It lies"


def test_a_word_may_be_told_after_the_final_of_the_echo_that_it_was_said_into():
    utterance = Utterance()
    utterance.take(Transcript("It lies", final=False), 1.0)
    utterance.voice(2.0, voiced=True)
    utterance.voice(2.3, voiced=False)
    utterance.take(Transcript("It lies on the Seine.", final=True), 2.4)
    assert utterance.take(Transcript("Stop", final=False), 2.9)


def test_once_it_was_understood_what_follows_is_the_echo_of_the_answer():
    utterance = Utterance()
    utterance.voice(2.0, voiced=True)
    utterance.voice(2.6, voiced=False)
    assert utterance.take(Transcript("What is that?", final=True), 2.8)
    utterance.understood(2.8)
    assert not utterance.take(Transcript("The key is", final=False), 3.4)


@pytest.mark.parametrize(("voiced", "cut"), [([(2.0, True), (2.4, False)], [1]), ([], [])])
def test_words_alone_take_no_floor_from_a_reply_that_may_come_back(
    voiced: list[tuple[float, bool]], cut: list[int]
):
    question = [(0.1, True), (0.5, False)]
    call = Call(
        says=[Says(0.6, "What is that?"), Says(2.5, "You are already ready.")],
        replies=["one two three four five six seven eight nine ten.", "Fine."],
        voiced=[*question, *voiced],
        loudspeaker=True,
        hangs_up=20.0,
    ).run()
    assert [each.reply for each in call.cut_offs()] == cut


@pytest.mark.parametrize(
    ("text", "cut"),
    [("You", []), ("Oh, yeah", []), ("Stop", [1]), ("So what about London", [1])],
)
def test_a_few_words_out_of_silence_take_no_floor_unless_they_say_stop(text: str, cut: list[int]):
    call = Call(
        says=[Says(0.6, "What is that?"), Says(2.5, text)],
        replies=["one two three four five six seven eight nine ten.", "Fine."],
        voiced=[(0.1, True), (0.5, False)],
        hangs_up=20.0,
    ).run()
    assert [each.reply for each in call.cut_offs()] == cut


class TakenForSilent(ScriptedActivity):
    """A line of which it was learned that nothing comes back: its echo is soft."""

    def echoes(self) -> bool | None:
        return False


class SoftEcho(Call):
    def _activity(self, rate_hz: int) -> ScriptedActivity:
        return TakenForSilent(self.voiced)


@pytest.mark.parametrize(
    ("text", "cut"), [("two three four five six", []), ("so what about London", [1])]
)
def test_the_reply_in_words_that_no_voice_said_is_an_echo_whatever_was_learned(
    text: str, cut: list[int]
):
    call = SoftEcho(
        says=[Says(0.6, "What is that?"), Says(3.6, text)],
        replies=["one two three four five six seven eight nine ten.", "Fine."],
        voiced=[(0.1, True), (0.5, False)],
        hangs_up=20.0,
    ).run()
    assert [each.reply for each in call.cut_offs()] == cut


# As sound.


def speech(name: str, level: float = 0.1) -> np.ndarray:
    with wave.open(str(SPEECH / f"{name}.wav"), "rb") as file:
        assert file.getframerate() == RATE_HZ
        pcm = np.frombuffer(file.readframes(file.getnframes()), "<i2").astype(np.float32)
    return pcm * (level / np.sqrt(np.mean(pcm**2)))


def room(seconds: float, seed: int) -> np.ndarray:
    """A room's answer to a click: the direct way, then noise that dies away."""
    noise = np.random.default_rng(seed).standard_normal(int(seconds * RATE_HZ))
    answer = noise * 10 ** (-3 * np.arange(len(noise)) / len(noise))
    answer[0] = 6.0
    return answer / np.sqrt(np.sum(answer**2))


def edges(played: np.ndarray, caught: np.ndarray, jitter_s: float = 0.0) -> list[Edge]:
    """What is noticed of `caught` while `played` leaves the loudspeaker, sent 300 ms ahead."""
    activity: VoiceActivity = load_silero()(RATE_HZ)
    dice, found, sent = random.Random(7), list[Edge](), 0
    out, into = (np.clip(a, -1, 1) * 32767 for a in (played, caught))
    for start in range(0, len(into), 320):
        at = (start + 320) / RATE_HZ
        while sent < len(out) and sent / RATE_HZ <= at + 0.3:
            piece = out[sent : sent + 1600].astype("<i2").tobytes()
            activity.plays(piece, RATE_HZ, sent / RATE_HZ)
            sent += 1600
        frame = into[start : start + 320].astype("<i2").tobytes()
        found += activity.feed(frame, at + dice.uniform(0.0, jitter_s))
    return found


def line(echo_db: float, delay_s: float, *, reverb_s: float = 0.0, caller_at: float | None = None):
    """A reply on a loudspeaker, what the microphone catches, and perhaps a caller over it."""
    played = np.concatenate([speech("en_jfk"), np.zeros(RATE_HZ, np.float32)])
    echo = np.convolve(played, room(reverb_s, 3)) if reverb_s else played
    caught = np.random.default_rng(5).standard_normal(len(played)) * 10 ** (-65 / 20)
    late = int(delay_s * RATE_HZ)
    caught[late:] += (echo * 10 ** (echo_db / 20))[: len(caught) - late]
    if caller_at is not None:
        voice = speech("en_nlp_question")
        start = int(caller_at * RATE_HZ)
        caught[start : start + len(voice)] += voice[: len(caught) - start]
    return played, caught


@pytest.mark.parametrize("delay_s", [0.05, 0.12, 0.25, 0.5])
@pytest.mark.parametrize("echo_db", [-6.0, -10.0, -20.0])
def test_an_echo_is_no_voice(delay_s: float, echo_db: float):
    assert edges(*line(echo_db, delay_s), jitter_s=0.03) == []


@pytest.mark.parametrize("delay_s", [0.05, 0.25])
def test_nor_is_one_that_rings_in_a_room(delay_s: float):
    assert edges(*line(-10.0, delay_s, reverb_s=0.3)) == []


@pytest.mark.parametrize("delay_s", [0.05, 0.25])
def test_a_caller_over_the_echo_is_a_voice_as_soon_as_without_one(delay_s: float):
    clean = edges(*line(-90.0, delay_s, caller_at=4.0))
    over = edges(*line(-10.0, delay_s, caller_at=4.0))
    assert clean[0].voiced
    assert over[0].voiced
    # Both were counted from the same sample on; onsets are at most four frames apart.
    assert len(over) <= len(clean) + 2


def test_without_an_echo_nothing_is_taken_for_one():
    played, caught = line(-90.0, 0.1, caller_at=4.0)
    assert [e.voiced for e in edges(played, caught)] == [
        e.voiced for e in edges(np.zeros_like(played), caught)
    ]


def way(echo_db: float, seconds: float, *, level: float = 0.045, late_s: float = 0.1) -> Echo:
    """What is known of the way back after so much of a reply, in a room with a little noise."""
    echo, out = Echo(), speech("en_jfk", level)
    caught = np.random.default_rng(5).standard_normal(len(out)) * 10 ** (-65 / 20)
    late = int(late_s * RATE_HZ)
    caught[late:] += out[: len(out) - late] * 10 ** (echo_db / 20)
    size = round(FRAME_S * RATE_HZ)
    for start in range(0, int(seconds * RATE_HZ), size):
        pcm = (out[start : start + size] * 32767).astype("<i2").tobytes()
        echo.plays(pcm, RATE_HZ, 100.0 + start / RATE_HZ)
        echo.explains(caught[start : start + size], RATE_HZ, 100.0 + (start + size) / RATE_HZ)
    return echo


@pytest.mark.parametrize("echo_db", [-6.0, -10.0, -20.0])
def test_the_way_back_is_learned_from_two_seconds_of_a_soft_voice(echo_db: float):
    echo = way(echo_db, 2.0)
    assert echo.comes_back() is True
    assert echo.delay == 3  # frames of 32 ms
    assert echo.gain_db is not None
    assert float(np.median(echo.gain_db)) == pytest.approx(echo_db, abs=3.0)


def test_so_are_headphones():
    assert way(-90.0, 2.0).comes_back() is False


@pytest.mark.parametrize("stops_s", [0.3, 4.0])
@pytest.mark.parametrize("onset_s", [0.2, 0.5, 0.8, 1.1, 1.4, 1.8])
def test_a_caller_on_headphones_who_breaks_into_the_first_answer_is_no_echo(
    onset_s: float, stops_s: float
):
    reply, voice = speech("en_nlp_question"), speech("en_jfk")
    played = reply[: int((onset_s + stops_s) * RATE_HZ)]
    caught = np.random.default_rng(5).standard_normal(5 * RATE_HZ) * 10 ** (-65 / 20)
    onset = int(onset_s * RATE_HZ)
    caught[onset:] += voice[: len(caught) - onset]
    echo, size = Echo(), round(FRAME_S * RATE_HZ)
    for start in range(0, len(caught) - size, size):
        pcm = (played[start : start + size] * 32767).astype("<i2").tobytes()
        echo.plays(pcm, RATE_HZ, 100.0 + start / RATE_HZ)
        echo.explains(caught[start : start + size], RATE_HZ, 100.0 + (start + size) / RATE_HZ)
        assert not echo.comes_back()


# In the first seconds of a call's first reply it is not known yet whether the line echoes.


def first_voice_s(
    onset_s: float, *, line: LineEcho, level: float = 0.05, reply: str = "en_austen_0880"
) -> float:
    """How long after its onset a caller over the first reply, on headphones, is noticed."""
    activity = load_silero()(RATE_HZ)
    activity.expects(line)
    played = speech(reply, 0.05)
    caught = np.random.default_rng(5).standard_normal(4 * RATE_HZ) * 10 ** (-65 / 20)
    voice, onset = speech("en_weather_synth", level), int(onset_s * RATE_HZ)
    voice = voice[int(np.flatnonzero(np.abs(voice) > level / 5)[0]) :]
    caught[onset : onset + len(voice)] += voice[: len(caught) - onset]
    out, into = ((np.clip(a, -1, 1) * 32767).astype("<i2") for a in (played, caught))
    sent = 0
    for start in range(0, len(into), 320):
        at = (start + 320) / RATE_HZ
        while sent / RATE_HZ <= at + 0.3:
            activity.plays(out[sent : sent + 1600].tobytes(), RATE_HZ, sent / RATE_HZ)
            sent += 1600
        for edge in activity.feed(into[start : start + 320].tobytes(), at):
            if edge.voiced and at > onset_s:
                return at - onset_s
    raise AssertionError("the caller was never noticed")


ONSETS = [0.6, 0.8, 1.0, 1.2, 1.4, 1.6, 1.8, 2.0]


@pytest.mark.parametrize("onset_s", ONSETS)
def test_a_caller_over_the_first_reply_is_noticed_soon(onset_s: float):
    assert first_voice_s(onset_s, line="auto") <= 0.3


@pytest.mark.parametrize("reply", ["en_cards_list", "en_jfk", "en_something", "en_goforward"])
def test_a_caller_over_its_first_words_is_noticed_as_soon(reply: str):
    """By how another voice differs from playback, long before an echo could be bounded."""
    onsets = [0.25, 0.3, 0.35, 0.4, 0.45, 0.5, 0.55]
    noticed = [first_voice_s(onset_s, line="auto", reply=reply) for onset_s in onsets]
    assert max(noticed) <= 0.3, noticed


@pytest.mark.parametrize("onset_s", [0.1, 0.2, 0.4, *ONSETS])
@pytest.mark.parametrize("level", [0.05, 0.02])
def test_a_caller_who_says_that_nothing_comes_back_is_noticed_at_once(onset_s: float, level: float):
    assert first_voice_s(onset_s, line="none", level=level) <= 0.15


@pytest.mark.parametrize("line", ["cancelled", "phone"])
@pytest.mark.parametrize("onset_s", [0.1, 0.2, 0.4, *ONSETS])
def test_where_little_comes_back_a_caller_is_noticed_nearly_as_soon(onset_s: float, line: LineEcho):
    assert first_voice_s(onset_s, line=line) <= 0.2


@pytest.mark.parametrize("name", ["en_jfk", "en_austen_0880", "en_weather_synth"])
@pytest.mark.parametrize("low_cut_hz", [300, 600])
def test_nor_is_the_echo_of_a_small_loudspeaker_ever_a_voice(name: str, low_cut_hz: int):
    played = np.concatenate([speech(name), np.zeros(RATE_HZ, np.float32)])
    spectrum, hz = np.fft.rfft(played), np.fft.rfftfreq(len(played), 1 / RATE_HZ)
    thin = np.fft.irfft(spectrum / (1 + (low_cut_hz / np.maximum(hz, 1)) ** 4), len(played))
    caught = np.random.default_rng(5).standard_normal(len(played)) * 10 ** (-65 / 20)
    caught[2400:] += thin[:-2400] * 10 ** (-10 / 20)
    assert edges(played, caught, jitter_s=0.03) == []


def test_a_wrong_word_about_the_line_holds_only_until_enough_of_it_came_back():
    """Each reply is cut off after half a second, as its echo is taken for the caller."""
    echo, size, cut = Echo(), round(FRAME_S * RATE_HZ), RATE_HZ // 2
    echo.expects("none")
    out = speech("en_jfk", 0.045)[: 6 * cut]
    believed: list[bool | None] = []
    for reply, start in enumerate(range(0, len(out), cut)):
        played = np.concatenate([out[start : start + cut], np.zeros(2 * RATE_HZ, np.float32)])
        caught = np.random.default_rng(reply).standard_normal(len(played)) * 10 ** (-65 / 20)
        caught[1600:] += played[:-1600] * 10 ** (-10 / 20)
        for at in range(0, len(played) - size, size):
            now = 100.0 + 2.5 * reply + at / RATE_HZ
            if at < cut:
                pcm = (played[at : at + size] * 32767).astype("<i2").tobytes()
                echo.plays(pcm, RATE_HZ, now)
            echo.explains(caught[at : at + size], RATE_HZ, now + FRAME_S)
        believed.append(echo.comes_back())
    assert believed[0] is False
    assert believed[-1] is True


def test_a_caller_as_loud_as_a_soft_reply_is_noticed_over_its_echo():
    played = np.concatenate([speech("en_jfk", 0.045), np.zeros(RATE_HZ, np.float32)])
    caught = np.random.default_rng(5).standard_normal(len(played)) * 10 ** (-65 / 20)
    caught[1600:] += played[:-1600] * 10 ** (-10 / 20)
    voice, start = speech("en_nlp_question", 0.045), 4 * RATE_HZ
    caught[start : start + len(voice)] += voice
    assert any(edge.voiced for edge in edges(played, caught))


def test_a_reply_that_comes_later_than_the_one_before_is_no_voice_either():
    gap = np.zeros(2 * RATE_HZ, np.float32)
    first, second = speech("en_jfk", 0.045), speech("en_austen_0880", 0.045)
    played = np.concatenate([first, gap, second, gap])
    caught = np.random.default_rng(5).standard_normal(len(played)) * 10 ** (-65 / 20)
    for reply, at, late_s in ((first, 0, 0.1), (second, len(first) + len(gap), 0.2)):
        late = at + int(late_s * RATE_HZ)
        caught[late : late + len(reply)] += reply * 10 ** (-10 / 20)
    assert edges(played, caught) == []


def test_late_packets_are_not_late_words():
    clock = ArrivalClock()
    said = [clock.arrives(0.02, at) for at in (1.00, 1.02, 1.24, 1.24, 1.24, 1.24, 1.24)]
    assert said == pytest.approx([1.0, 1.02, 1.04, 1.06, 1.08, 1.1, 1.12], abs=0.02)


def test_whoever_stopped_sending_speaks_when_its_audio_comes():
    clock = ArrivalClock()
    clock.arrives(0.02, 1.0)
    assert clock.arrives(0.02, 9.0) == 9.0
