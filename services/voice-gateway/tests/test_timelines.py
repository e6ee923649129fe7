"""The timelines in docs/architecture/turn-taking.md, held to the clock with default settings."""

from itertools import pairwise

import pytest
from voice_gateway.call.session import CallOptions
from voice_gateway.conversation.policy import TurnPolicy
from voice_gateway.messages import Audio, Interrupt, Typed
from voice_gateway.testing.scripted import Call, Says, ScriptedVoice, Sends

STORY = "Once upon a time, there was a fox. It lived in a wood. The end."
STORY_S = 15 * 0.4
ASKS = TurnPolicy(idle_prompt_s=8.0, idle_end_s=5.0)


def story(
    *voiced: tuple[float, bool], says: tuple[Says, ...] = (), loudspeaker: bool = False
) -> Call:
    """A story that is told from 1.5 s on to a client that can hold its loudspeaker."""
    return Call(
        says=[Says(1.0, "Tell me a story."), *says],
        voiced=[(0.2, True), (0.9, False), *voiced],
        replies=[STORY, "Yes?"],
        can_pause=True,
        loudspeaker=loudspeaker,
    ).run()


def silent_from(call: Call) -> float:
    """When the last audio of the story left before its first pause."""
    times = [at for at, _ in call.audio(1)]
    return next(a for a, b in pairwise([*times, 60.0]) if b - a > 0.3)


def after(call: Call, at: float) -> list[tuple[float, str]]:
    return [each for each in call.timeline() if each[0] >= at]


# Interruption.


def test_a_cough_pauses_the_reply_until_half_a_second_after_it():
    call = story((3.0, True), (3.3, False))
    assert after(call, 2.0)[:2] == [(3.0, "PAUSED"), (3.8, "RESUMED")]
    assert silent_from(call) == pytest.approx(2.95, abs=0.06)
    assert call.audio_seconds(1) == pytest.approx(STORY_S)


def test_small_words_let_the_reply_go_on_when_they_are_final():
    heard = (Says(3.3, "mm-hm", final=False), Says(3.6, "Mm-hm."))
    call = story((3.0, True), (3.4, False), says=heard)
    assert after(call, 2.0)[:2] == [(3.0, "PAUSED"), (3.6, "RESUMED")]


def test_other_words_cut_the_reply_off_with_their_first():
    call = story((3.0, True), (3.8, False), says=(Says(3.4, "wait", final=False),))
    assert after(call, 2.0)[:2] == [(3.0, "PAUSED"), (3.4, "CUT OFF")]
    assert silent_from(call) == pytest.approx(2.95, abs=0.06)


def test_a_voice_without_words_silences_the_reply_while_it_lasts():
    call = story((3.0, True), (4.5, False))
    assert after(call, 2.0)[:2] == [(3.0, "PAUSED"), (5.2, "RESUMED")]
    assert call.audio_seconds(1) == pytest.approx(STORY_S)
    assert silent_from(call) == pytest.approx(3.0, abs=0.1)


def test_yes_to_a_question_is_a_turn_though_the_reply_goes_on():
    call = Call(
        says=[Says(1.0, "Cancel my flight."), Says(4.1, "Yes.")],
        voiced=[(0.2, True), (0.9, False), (3.6, True), (3.9, False)],
        replies=["Shall I cancel it now? It takes effect at once.", "Done."],
        can_pause=True,
    ).run()
    assert after(call, 3.0)[:3] == [(3.6, "PAUSED"), (4.1, "CUT OFF"), (4.2, "PROCESSING")]


# Echo.


def test_what_comes_back_is_nobody_and_a_caller_over_it_is_one():
    echo = "once upon a time"
    heard = (Says(2.2, echo, final=False), Says(4.0, f"{echo} wait which fox", final=False))
    call = story((3.0, True), (3.7, False), says=heard, loudspeaker=True)
    assert after(call, 1.6)[:2] == [(3.0, "PAUSED"), (4.0, "CUT OFF")]
    assert call.asked[-1][-1].text == "wait which fox"


# Greeting.


def greeted(*, firm: bool, sends: tuple[Sends, ...] = ()) -> Call:
    policy = TurnPolicy(greeting="Hello, this is the gateway.", greeting_interruptible=not firm)
    return Call(
        says=[Says(1.0, "Who", final=False), Says(1.4, "Who are you?")],
        voiced=[(0.6, True), (1.3, False)],
        sends=sends,
        replies=["Fine."],
        rules=CallOptions(policy=policy),
        can_pause=True,
        hangs_up=20.0,
    ).run()


def test_a_greeting_is_paused_by_a_voice_and_cut_off_by_words():
    call = greeted(firm=False)
    assert after(call, 0.1)[:3] == [(0.6, "PAUSED"), (1.0, "CUT OFF"), (1.6, "PROCESSING")]


def test_a_firm_greeting_is_heard_to_its_end_and_what_was_said_into_it_is_answered_then():
    call = greeted(firm=True, sends=(Sends(0.8, Interrupt()),))
    assert after(call, 0.1)[:2] == [(1.75, "END_OF_TURN"), (1.75, "PROCESSING")]


# Silence.


def silent(*sends: Sends) -> Call:
    return Call(
        sends=[Sends(0.0, Audio(bytes(640))), *sends],
        replies=["Fine."],
        rules=CallOptions(policy=ASKS),
        hangs_up=None,
        voice=ScriptedVoice(seconds_per_word=0.25),
    ).run()


def test_silence_is_asked_into_and_then_ended():
    call = silent()
    turns = [each for each in call.timeline() if each[1] in ("PROCESSING", "END_OF_TURN")]
    assert [at for at, _ in turns] == [8.0, 8.75, 13.75, pytest.approx(13.81, abs=0.02)]
    assert call.voice.spoken == ["Are you still there?", "Goodbye."]
    assert call.error is None
    assert call.ended_at == turns[-1][0]


def test_whoever_says_something_is_asked_again_after_another_silence():
    call = silent(Sends(10.0, Typed("I am here")))
    assert call.voice.spoken[:3] == ["Are you still there?", "Fine.", "Are you still there?"]
    assert [at for at, name in call.timeline() if name == "PROCESSING"][1:3] == [10.0, 18.16]
