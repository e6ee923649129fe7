"""Whole calls on a virtual clock, with a scripted caller, ear, model and voice."""

import pytest
from voice_gateway.call.session import CallOptions
from voice_gateway.conversation import Message
from voice_gateway.conversation.policy import TurnPolicy
from voice_gateway.errors import (
    CallerSilent,
    CallLost,
    Misconfigured,
    TimedOut,
    Unavailable,
)
from voice_gateway.messages import Audio, EndOfUtterance, Failed, Interrupt, Played, TurnOver, Typed
from voice_gateway.testing.scripted import (
    Call,
    Says,
    ScriptedRecogniser,
    ScriptedVoice,
    Sends,
)

STORY = "Once upon a time, there was a fox. It lived in a wood. The end."


def test_a_question_is_answered_and_the_floor_given_back():
    call = Call(says=[Says(1.0, "tell me a story")], replies=[STORY]).run()
    assert call.error is None
    assert [name for _, name in call.timeline()] == [
        "LISTENING",
        "PROCESSING",
        "SPEAKING",
        "END_OF_TURN",
    ]
    assert call.text(1) == STORY
    assert call.voice.spoken == [
        "Once upon a time,",
        "there was a fox.",
        "It lived in a wood.",
        "The end.",
    ]


def test_the_first_clause_is_heard_while_the_model_still_writes():
    long_story = STORY + " And so on." * 40
    call = Call(says=[Says(1.0, "tell me a story")], replies=[long_story]).run()
    first_audio = call.audio(1)[0][0]
    last_text = max(at for at, m in call.received if getattr(m, "text", "") == "on. ")
    assert first_audio < 1.3
    assert last_text > 3.0


def test_audio_stays_a_small_lead_ahead_of_the_loudspeaker():
    call = Call(says=[Says(1.0, "tell me a story")], replies=[STORY], hangs_up=30.0).run()
    started = call.audio(1)[0][0]
    for at, piece in call.audio(1):
        assert piece.offset_s - (at - started) <= 0.3 + 1e-6
    assert call.audio_seconds(1) > 5.0


def test_audio_is_not_held_back_from_a_caller_who_has_hung_up():
    call = Call(says=[Says(1.0, "tell me a story")], replies=[STORY], hangs_up=0.5).run()
    assert call.audio_seconds(1) > 5.0
    assert call.ended_at < 3.0


def test_barge_in_stops_the_voice_and_keeps_what_was_heard():
    call = Call(
        says=[
            Says(1.0, "tell me a story"),
            Says(3.0, "wait", final=False),
            Says(3.5, "wait stop"),
        ],
        replies=[STORY, "As you like."],
    ).run()
    assert [name for _, name in call.timeline()] == [
        "LISTENING",
        "PROCESSING",
        "SPEAKING",
        "CUT OFF",
        "PROCESSING",
        "SPEAKING",
        "END_OF_TURN",
    ]
    assert max(at for at, _ in call.audio(1)) <= 3.0
    (cut,) = call.cut_offs()
    assert cut.heard_text == "Once upon a time,"
    assert call.asked[1] == (
        Message("user", "tell me a story"),
        Message("assistant", "Once upon a time,", interrupted=True),
        Message("user", "wait stop"),
    )


def test_barge_in_cancels_the_model_and_the_voice_upstream():
    endless = "and on and on, " * 500
    voice = ScriptedVoice()
    call = Call(
        says=[Says(1.0, "go"), Says(2.0, "stop", final=False), Says(2.1, "stop")],
        replies=[endless, "Fine."],
        voice=voice,
    ).run()
    assert call.model
    assert call.model.cancelled == 1
    assert call.cut_offs()


def test_nothing_of_a_reply_follows_its_interruption():
    call = Call(
        says=[Says(1.0, "tell me a story"), Says(2.0, "wait", final=False), Says(2.2, "wait")],
        replies=[STORY, STORY],
    ).run()
    cut_at = next(i for i, (_, m) in enumerate(call.received) if m in call.cut_offs())
    assert all(getattr(m, "reply", 0) != 1 for _, m in call.received[cut_at + 1 :])


def test_a_caller_who_reports_its_loudspeaker_is_believed():
    call = Call(
        says=[Says(1.0, "tell me a story"), Says(4.0, "wait", final=False), Says(4.2, "wait")],
        sends=[Sends(3.9, Played(1, 0.0))],
        replies=[STORY],
    ).run()
    (cut,) = call.cut_offs()
    assert round(cut.heard_s, 2) == 0.1


def test_three_turns_share_one_memory():
    call = Call(
        says=[Says(1.0, "one"), Says(5.0, "two"), Says(9.0, "three")],
        replies=["Reply one.", "Reply two.", "Reply three."],
    ).run()
    assert call.asked[2] == (
        Message("user", "one"),
        Message("assistant", "Reply one."),
        Message("user", "two"),
        Message("assistant", "Reply two."),
        Message("user", "three"),
    )


def test_a_typed_turn_needs_no_ear():
    call = Call(
        sends=[Sends(0.5, Typed("hello"))], replies=["Good morning to you."], hangs_up=1.0
    ).run()
    assert call.error is None
    assert call.text(1) == "Good morning to you."
    assert call.recogniser
    assert call.recogniser.languages == []


def test_a_typed_turn_interrupts():
    call = Call(
        says=[Says(1.0, "tell me a story")],
        sends=[Sends(3.0, Typed("never mind"))],
        replies=[STORY, "Fine."],
    ).run()
    assert len(call.cut_offs()) == 1
    assert call.text(2) == "Fine."


def test_an_interrupt_message_silences_the_reply():
    call = Call(
        says=[Says(1.0, "tell me a story")],
        sends=[Sends(3.0, Interrupt())],
        replies=[STORY],
        hangs_up=5.0,
    ).run()
    assert call.timeline()[-1] == (3.0, "CUT OFF")
    assert max(at for at, _ in call.audio(1)) <= 3.0


def test_half_close_before_the_final_words_is_answered_in_full():
    call = Call(says=[Says(2.0, "what is that")], replies=[STORY], hangs_up=0.1).run()
    assert call.error is None
    assert call.timeline()[-1][1] == "END_OF_TURN"
    assert call.text(1) == STORY


def test_a_half_said_question_is_joined():
    call = Call(
        says=[
            Says(1.0, "I want to"),
            Says(1.05, "fly", final=False),
            Says(2.0, "fly to Paris"),
        ],
        replies=["To where?", "To Paris then."],
    ).run()
    assert call.asked[-1] == (Message("user", "I want to fly to Paris"),)
    assert call.audio(1) == []


def test_words_that_never_become_final_are_answered():
    rules = CallOptions(policy=TurnPolicy(max_silence_s=3.0))
    call = Call(says=[Says(1.0, "hello", final=False)], replies=["Hi."], rules=rules).run()
    assert (4.0, "PROCESSING") in call.timeline()


def test_a_failed_model_is_said_and_the_call_goes_on():
    call = Call(
        says=[Says(1.0, "one"), Says(5.0, "two")],
        replies=[Unavailable("llm", "no answer"), "Better now."],
    ).run()
    assert [name for _, name in call.timeline()][1:4] == [
        "PROCESSING",
        "ERROR llm unavailable",
        "END_OF_TURN",
    ]
    assert call.asked[1] == (Message("user", "one two"),)
    assert call.text(2) == "Better now."
    assert call.error is None


def test_an_empty_reply_is_an_error_of_the_turn():
    call = Call(says=[Says(1.0, "one")], replies=["  "]).run()
    assert "ERROR llm empty" in [name for _, name in call.timeline()]


def test_a_failed_voice_is_said_and_stops_the_model():
    call = Call(
        says=[Says(1.0, "one")],
        replies=["and on, " * 200],
        voice=ScriptedVoice(fault=TimedOut("tts", "no audio")),
    ).run()
    assert "ERROR tts timed_out" in [name for _, name in call.timeline()]
    assert call.model
    assert call.model.cancelled == 1
    assert call.timeline()[-1][1] == "END_OF_TURN"


def test_a_recogniser_that_breaks_off_is_called_again():
    ear = ScriptedRecogniser([Says(1.0, "one")], fault=Unavailable("asr", "gone"), fails_at=4.0)
    chatter = [Sends(at / 10, Audio(bytes(3200))) for at in range(1, 80)]
    call = Call(recogniser=ear, sends=chatter, replies=["Reply one."], hangs_up=9.0).run()
    assert (4.0, "ERROR asr unavailable") in call.timeline()
    assert len(ear.languages) == 2
    assert call.error is None


def test_speech_lost_to_a_dead_recogniser_does_not_look_like_success():
    ear = ScriptedRecogniser([], fault=Unavailable("asr", "gone"), fails_at=0.5, fails=4)
    call = Call(recogniser=ear, sends=[Sends(0.0, Audio(bytes(640)))], hangs_up=0.1).run()
    assert isinstance(call.error, CallLost)


def test_what_a_dead_recogniser_had_taken_is_recognised_after_the_caller_hung_up():
    ear = ScriptedRecogniser([], fault=Unavailable("asr", "gone"), fails_at=0.5, fails=3)
    call = Call(recogniser=ear, sends=[Sends(0.0, Audio(bytes(640)))], hangs_up=0.1).run()
    assert call.error is None
    assert ear.bytes_taken == 4 * 640


def test_a_recogniser_that_refuses_the_gateway_ends_the_call():
    ear = ScriptedRecogniser([], fault=Misconfigured("asr", "bad key"), fails_at=0.5)
    call = Call(recogniser=ear, sends=[Sends(0.0, Audio(bytes(640)))]).run()
    assert isinstance(call.error, CallLost)
    assert (0.5, "ERROR asr misconfigured") in call.timeline()


def test_a_caller_who_sends_nothing_is_let_go():
    call = Call(rules=CallOptions(idle_timeout_s=30.0), hangs_up=None).run()
    assert isinstance(call.error, CallerSilent)
    assert call.ended_at == 30.0


def test_a_call_has_a_longest_duration():
    chatter = [Sends(float(at), Audio(bytes(640))) for at in range(1000)]
    call = Call(sends=chatter, rules=CallOptions(longest_s=100.0), hangs_up=None).run()
    assert isinstance(call.error, CallerSilent)
    assert call.ended_at == 100.0


def test_every_turn_says_where_its_time_went():
    call = Call(says=[Says(1.0, "tell me a story")], replies=[STORY]).run()
    (over,) = [m for _, m in call.received if isinstance(m, TurnOver)]
    assert over.stages.endpoint_s is None  # the scripted ear gives no word times
    assert over.stages.model_s == pytest.approx(0.1)
    assert over.stages.voice_s == pytest.approx(0.05)
    assert over.stages.total_s is not None
    assert 0.15 < over.stages.total_s < 0.3


def test_push_to_talk_reaches_the_recogniser():
    ear = ScriptedRecogniser([Says(1.0, "one")])
    call = Call(
        recogniser=ear,
        sends=[Sends(0.0, Audio(bytes(640))), Sends(0.5, EndOfUtterance())],
        replies=["Reply one."],
    ).run()
    assert call.error is None
    assert call.text(1) == "Reply one."


def test_faults_name_their_reply():
    call = Call(says=[Says(1.0, "one")], replies=[Unavailable("llm", "no answer")]).run()
    (failed,) = [m for _, m in call.received if isinstance(m, Failed)]
    assert failed.reply == 1
