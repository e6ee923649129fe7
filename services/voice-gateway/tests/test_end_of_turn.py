"""When a turn is over, by the caller's voice and words: literal times in, commands out."""

import wave
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from voice_gateway.conversation import (
    AskFinal,
    CallerQuiet,
    CallerSpoke,
    CallerVoiced,
    CancelReply,
    Command,
    Conversation,
    Event,
    Interrupted,
    Message,
    PauseReply,
    ReplyAudioStarted,
    ReplyHeard,
    Replying,
    StartReply,
    TimerFired,
    left_over,
    step,
    taken_back,
)
from voice_gateway.conversation.policy import TurnPolicy
from voice_gateway.hearing.voice_activity import Hysteresis, load_silero
from voice_gateway.language import language_of, sounds_finished
from voice_gateway.ports import Edge

POLICY = TurnPolicy(
    silence_s=0.3,
    unsure_silence_s=0.6,
    open_silence_s=1.2,
    final_wait_s=0.7,
    max_silence_s=3.0,
    drafts=0,
)
SPEECH = Path(__file__).parents[2] / "voice-client" / "src" / "voice_client" / "speech"
QUESTION = "what is the weather"
ASKED = (
    CallerVoiced(1.0),
    CallerSpoke(1.8, QUESTION, False),
    CallerQuiet(2.1, since=2.0),
    TimerFired(2.3),
)


def play(*events: Event, start: Conversation | None = None) -> tuple[Conversation, list[Command]]:
    now, commands = start or Conversation(), list[Command]()
    for event in events:
        now, more = step(now, event, POLICY)
        commands += more
    return now, commands


def test_a_finished_question_ends_after_a_short_silence_and_its_final_is_asked_for():
    now, commands = play(*ASKED)
    assert commands == [AskFinal()]
    assert now.wake_at == 2.3 + 0.7


def test_the_final_that_was_asked_for_is_answered_at_once():
    _, commands = play(*ASKED, CallerSpoke(2.35, "What is the weather?", True), TimerFired(2.35))
    assert commands == [AskFinal(), StartReply(1, (Message("user", "What is the weather?"),))]


def test_without_that_final_the_interim_words_are_answered():
    now, commands = play(*ASKED, TimerFired(3.0))
    assert commands == [AskFinal(), StartReply(1, (Message("user", QUESTION),))]
    assert now.floor == Replying(provisional=QUESTION)


def test_its_late_final_with_the_same_words_changes_nothing():
    before, _ = play(*ASKED, TimerFired(3.0))
    after, commands = play(CallerSpoke(3.1, "What is the weather?", True), start=before)
    assert (after.floor, commands) == (Replying(), [])


def test_its_late_final_with_other_words_corrects_the_question():
    before, _ = play(*ASKED, TimerFired(3.0))
    late = "What is the weather in Paris?"
    _, commands = play(CallerSpoke(3.1, late, True), start=before)
    assert commands == [
        CancelReply(1),
        Interrupted(1, "", reopened=True),
        StartReply(2, (Message("user", late),)),
    ]


def test_whoever_speaks_on_soon_after_its_turn_had_not_finished():
    taken, _ = play(
        *ASKED,
        CallerSpoke(2.35, "Ask not.", True),
        TimerFired(2.6),
        ReplyAudioStarted(2.7, 1),
        ReplyHeard(3.2, 1, "As"),
    )
    going_on = (CallerVoiced(3.2), CallerSpoke(3.6, "what your country can do", False))
    after, commands = play(*going_on, start=taken)
    assert commands == [PauseReply(1), CancelReply(1), Interrupted(1, "", reopened=True)]
    assert (after.history, after.finals) == ((), ("Ask not.",))
    assert after.question() == "Ask not. what your country can do"
    later = (CallerVoiced(5.0), CallerSpoke(5.4, "stop", False))
    after, _ = play(*later, start=taken)
    assert after.history == (
        Message("user", "Ask not."),
        Message("assistant", "As", interrupted=True),
    )


@pytest.mark.parametrize(
    ("more", "question"),
    [
        ("What is the weather in Paris?", "What is the weather in Paris?"),
        ("What is the whether in Paris?", "What is the whether in Paris?"),
        ("in Paris", "what is the weather in Paris"),
    ],
)
def test_words_that_were_interim_are_not_twice_in_a_turn_that_goes_on(more: str, question: str):
    """The recogniser gives them again, unless its stream was lost."""
    taken, _ = play(*ASKED, TimerFired(3.0))
    going_on = (CallerVoiced(3.2), CallerSpoke(3.6, more, True), CallerQuiet(3.6, since=3.5))
    after, commands = play(*going_on, TimerFired(9.0), start=taken)
    assert commands[-1] == StartReply(2, (Message("user", question),))
    assert after.history == (Message("user", question),)
    assert taken_back(taken, after) == (1, question)


def test_a_turn_that_the_client_ended_does_not_go_on():
    taken, _ = play(CallerSpoke(1.0, "turn left", True, ended=True), TimerFired(1.1))
    after, commands = play(CallerSpoke(1.2, "turn right", True, ended=True), start=taken)
    assert Interrupted(1, "") in commands
    assert (after.history, after.finals) == ((Message("user", "turn left"),), ("turn right",))


def test_the_words_of_a_turn_that_goes_on_are_kept_when_the_call_ends():
    taken, _ = play(*ASKED, CallerSpoke(2.35, "What is the weather?", True), TimerFired(2.4))
    after, _ = play(CallerVoiced(2.6), CallerSpoke(3.0, "in Paris", False), start=taken)
    assert left_over(after, "") == (Message("user", "What is the weather? in Paris"),)


def test_a_late_interim_does_not_interrupt():
    before, _ = play(*ASKED, TimerFired(3.0))
    after, commands = play(CallerSpoke(3.1, "what is the weather in", False), start=before)
    assert (after.question(), after.history, commands) == ("", before.history, [])


def test_words_after_the_voice_began_again_do_interrupt():
    before, _ = play(*ASKED, TimerFired(3.0))
    _, commands = play(CallerVoiced(3.2), CallerSpoke(3.5, "in Paris", False), start=before)
    assert commands == [PauseReply(1), CancelReply(1), Interrupted(1, "", reopened=True)]


@pytest.mark.parametrize(
    ("words", "ends"), [(QUESTION, 2.3), ("the weather is fine", 2.6), ("I want to", 3.2)]
)
def test_how_long_silence_must_be_depends_on_the_words(words: str, ends: float):
    now, _ = play(CallerVoiced(1.0), CallerSpoke(1.8, words, False), CallerQuiet(2.1, since=2.0))
    assert now.wake_at == pytest.approx(ends)


def test_a_final_of_the_recogniser_does_not_end_the_turn_while_the_caller_speaks():
    now, commands = play(
        CallerVoiced(1.0), CallerSpoke(2.0, "Eight of spades.", True), TimerFired(2.1)
    )
    assert (commands, now.wake_at) == ([], 5.0)


def test_going_on_takes_the_decision_back():
    now, commands = play(
        CallerVoiced(1.0),
        CallerSpoke(1.8, QUESTION, False),
        CallerQuiet(2.1, since=2.0),
        CallerVoiced(2.25),
        TimerFired(2.3),
    )
    assert commands == []
    assert now.wake_at == 2.25 + 3.0


def test_words_that_come_late_are_measured_from_the_silence():
    now, _ = play(CallerVoiced(1.0), CallerQuiet(2.1, since=2.0), CallerSpoke(2.5, QUESTION, True))
    assert now.wake_at == 2.5  # 0.3 s of silence have passed long ago


def test_noise_without_words_starts_nothing():
    now, commands = play(CallerVoiced(1.0), CallerQuiet(2.0, since=1.9), TimerFired(9.0))
    assert (now.wake_at, commands) == (None, [])


def test_voice_that_never_falls_silent_cannot_hold_the_turn_for_ever():
    _, commands = play(
        CallerVoiced(1.0), CallerSpoke(2.0, QUESTION, False), TimerFired(5.0), TimerFired(5.7)
    )
    assert commands == [AskFinal(), StartReply(1, (Message("user", QUESTION),))]


@pytest.mark.parametrize(
    ("text", "is_open", "finished"),
    [
        ("I want to", True, False),
        ("My name is", True, False),
        ("And then,", True, False),
        ("What is the", True, False),
        ("What is natural language processing", False, True),
        ("Is it raining?", False, True),
        ("Really?", False, True),
        ("What?", False, True),
        ("What", True, False),
        ("Go forward ten meters.", False, False),
        ("I know what that is.", False, False),
        ("मुझे मौसम बताइए।", False, False),
    ],
)
def test_what_words_sound_like(text: str, is_open: bool, finished: bool):
    sounds_open = POLICY.sounds_open(text)
    assert sounds_open is is_open
    assert (not sounds_open and sounds_finished(text, language_of(POLICY.language))) is finished


@pytest.mark.parametrize("language", ["de-DE", "es-US", "fr-FR", "hi-IN", "qaa"])
def test_other_languages_are_judged_by_their_marks_and_not_by_english_words(language: str):
    policy = replace(POLICY, language=language)
    assert not policy.sounds_open("I want to")
    assert policy.silence_after("Which one would fit") == policy.unsure_silence_s
    assert policy.silence_after("¿Qué hora es?") == policy.silence_s
    assert policy.silence_after("मुझे मौसम बताइए।") == policy.unsure_silence_s
    assert policy.silence_after("Et puis,") == policy.open_silence_s


@pytest.mark.parametrize(
    ("language", "goes_on", "whole"),
    [
        ("de-DE", "Wie spät ist es im", "Was kostet das"),
        ("es-US", "Quiero ir a la", "Cuánto cuesta esto"),
        ("fr-FR", "Je voudrais un", "Combien coûte cela"),
        ("hi-IN", "मौसम अच्छा है और", "कितना समय लगेगा"),
    ],
)
def test_other_languages_have_words_of_their_own_that_go_on_and_that_ask(
    language: str, goes_on: str, whole: str
):
    policy = replace(POLICY, language=language)
    assert policy.silence_after(goes_on) == policy.open_silence_s
    assert policy.silence_after(whole) == policy.silence_s


@given(st.lists(st.floats(0, 1), max_size=200))
def test_voice_edges_alternate_and_start_with_voice(chances: list[float]):
    hysteresis = Hysteresis()
    edges = [edge for probability in chances if (edge := hysteresis.feed(probability)) is not None]
    assert edges == [n % 2 == 0 for n in range(len(edges))]


def test_a_single_frame_is_no_edge():
    hysteresis = Hysteresis()
    assert [hysteresis.feed(c) for c in (0.9, 0.0, 0.9, 0.9, 0.1, 0.9, 0.1, 0.1, 0.1)] == [
        None, None, None, True, None, None, None, None, False,
    ]  # fmt: skip


def edges(pcm: bytes, rate_hz: int) -> list[tuple[float, bool]]:
    """Where the voice began and ended, in seconds of the recording."""
    activity, found = load_silero()(rate_hz), list[tuple[float, Edge]]()
    size = rate_hz // 50 * 2
    for at in range(0, len(pcm), size):
        end_s = (at + size) / (2 * rate_hz)
        found += [(end_s, edge) for edge in activity.feed(pcm[at : at + size], end_s)]
    return [(round(at - edge.ago_s, 2), edge.voiced) for at, edge in found]


def test_real_speech_begins_and_ends_where_it_does():
    with wave.open(str(SPEECH / "en_weather_synth.wav"), "rb") as file:
        rate_hz, pcm = file.getframerate(), file.readframes(file.getnframes())
    found = edges(bytes(rate_hz) + pcm + bytes(2 * rate_hz), rate_hz)  # 0.5 s and 1 s of silence
    assert [voiced for _, voiced in found] == [True, False]
    assert found[0][0] == pytest.approx(0.5 + 0.44, abs=0.1)  # the recording starts with a pause
    assert found[1][0] == pytest.approx(0.5 + 1.80, abs=0.15)


def test_silence_and_hum_are_no_voice():
    hum = bytes(n % 100 for n in range(64_000))
    assert edges(bytes(64_000), 16_000) == []
    assert edges(hum, 16_000) == []
