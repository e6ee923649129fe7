"""Answers prepared while the turn is not yet certainly over, and kept until it is."""

import pytest
from voice_gateway.call.session import CallOptions
from voice_gateway.conversation import (
    AnnounceReply,
    AskFinal,
    CallerQuiet,
    CallerSpoke,
    CallerVoiced,
    CancelReply,
    Command,
    Conversation,
    Draft,
    Event,
    Listening,
    Message,
    PrepareReply,
    ReleaseReply,
    ReplyAudioStarted,
    ReplyEnded,
    Replying,
    Silence,
    StartReply,
    TimerFired,
    Unchanged,
    step,
)
from voice_gateway.conversation.policy import TurnPolicy
from voice_gateway.errors import Unavailable
from voice_gateway.messages import ReplyAudio, ReplyText
from voice_gateway.testing.scripted import Call, Says

POLICY = TurnPolicy(silence_s=0.3, drafts=2)
WORDS = "what is the weather"
FINAL = "What is the weather?"
DRAFT = PrepareReply(1, (Message("user", WORDS),))
SILENT = (CallerVoiced(1.0), CallerSpoke(1.8, WORDS, False), CallerQuiet(2.1, since=2.0))
OVER = (TimerFired(2.3), CallerSpoke(2.35, FINAL, True), TimerFired(2.35))


def play(*events: Event, start: Conversation | None = None) -> tuple[Conversation, list[Command]]:
    now, commands = start or Conversation(), list[Command]()
    for event in events:
        now, more = step(now, event, POLICY)
        commands += more
    return now, commands


def test_silence_after_words_prepares_the_answer():
    now, commands = play(*SILENT)
    unchanged = Unchanged(1.8, length=len(WORDS))
    assert now.floor == Listening(Silence(2.3), Draft(WORDS), drafts=1, unchanged=unchanged)
    assert commands == [DRAFT]


def test_the_same_words_in_the_end_release_it():
    now, commands = play(*SILENT, *OVER)
    assert commands == [DRAFT, AskFinal(), ReleaseReply(1)]
    assert now.floor == Replying()
    assert now.history == (Message("user", FINAL),)


def test_one_that_has_audio_speaks_at_once():
    now, commands = play(*SILENT, ReplyAudioStarted(2.2, 1), *OVER)
    assert commands[-2:] == [ReleaseReply(1), AnnounceReply(1)]
    assert now.floor == Replying(audible=True)


def test_other_words_in_the_end_throw_it_away():
    late = CallerSpoke(2.35, "What is the weather in Paris?", True)
    _, commands = play(*SILENT, TimerFired(2.3), late, TimerFired(2.35))
    assert commands[:3] == [DRAFT, AskFinal(), CancelReply(1)]
    assert commands[-1] == ReleaseReply(2)  # a second draft, on the final words


def test_words_that_differ_in_a_vowel_sign_are_other_words():
    drafted = (CallerVoiced(1.0), CallerSpoke(1.8, "किताब की", False), CallerQuiet(2.1, since=2.0))
    _, commands = play(*drafted, CallerSpoke(2.2, "किताब का", True))
    assert CancelReply(1) in commands


def test_going_on_throws_it_away():
    now, commands = play(*SILENT, CallerVoiced(2.25))
    assert commands == [DRAFT, CancelReply(1)]
    unchanged = Unchanged(2.25, voiced=True, length=len(WORDS))
    assert now.floor == Listening(Silence(2.25 + 3.0), drafts=1, unchanged=unchanged)


def test_words_that_ask_for_more_prepare_nothing():
    _, commands = play(
        CallerVoiced(1.0), CallerSpoke(1.8, "I want to", False), CallerQuiet(2.1, since=2.0)
    )
    assert commands == []


def test_drafts_are_bounded():
    more = [CallerSpoke(2.2, f"what is the weather {n}", False) for n in range(5)]
    _, commands = play(*SILENT, *more)
    assert len([c for c in commands if isinstance(c, PrepareReply)]) == 2


def test_a_prepared_answer_that_failed_is_made_anew():
    _, commands = play(*SILENT, ReplyEnded(2.2, 1, ""), *OVER)
    assert commands[-1] in (
        ReleaseReply(2),
        StartReply(2, (Message("user", FINAL),)),
    )


QUESTION = [Says(1.8, WORDS, final=False), Says(2.35, FINAL)]
SOUNDS = [(1.0, True), (2.0, False)]
RULES = CallOptions(policy=POLICY)


def test_the_caller_hears_it_as_soon_as_the_turn_is_over():
    call = Call(says=QUESTION, voiced=SOUNDS, replies=["It is sunny today."], rules=RULES).run()
    assert call.timeline()[:3] == [(0.0, "LISTENING"), (2.35, "PROCESSING"), (2.35, "SPEAKING")]
    assert call.audio(1)[0][0] == pytest.approx(2.35)
    assert len(call.asked) == 1
    late = Call(
        says=QUESTION,
        voiced=SOUNDS,
        replies=["It is sunny today."],
        rules=CallOptions(policy=TurnPolicy(silence_s=0.3, drafts=0)),
    ).run()
    assert late.audio(1)[0][0] - call.audio(1)[0][0] > 0.2


def test_nothing_of_it_leaves_before_the_turn_is_over():
    slow = [Says(1.8, WORDS, final=False), Says(2.9, FINAL)]
    call = Call(says=slow, voiced=SOUNDS, replies=["It is sunny today."], rules=RULES).run()
    assert min(at for at, m in call.received if isinstance(m, ReplyAudio | ReplyText)) >= 2.9
    assert call.text(1) == "It is sunny today."


def test_a_wrong_draft_is_never_heard_nor_remembered():
    call = Call(
        says=[Says(1.8, WORDS, final=False), Says(2.35, "What is the weather in Paris?")],
        voiced=SOUNDS,
        replies=["Wrong. " * 50, "Paris is sunny."],
        rules=RULES,
    ).run()
    assert call.text(1) == ""
    assert call.text(2) == "Paris is sunny."
    assert call.model
    assert call.model.cancelled == 1
    assert call.cut_offs() == []


def test_going_on_cancels_it_upstream():
    call = Call(
        says=[Says(1.8, WORDS, final=False), Says(4.0, "What is the weather like in Paris?")],
        voiced=[*SOUNDS, (2.2, True), (3.6, False)],
        replies=["Wrong. " * 50, "Paris is sunny."],
        rules=RULES,
    ).run()
    assert call.model
    assert call.model.cancelled >= 1
    assert [m.text for m in call.asked[-1]] == ["What is the weather like in Paris?"]


def test_a_failure_out_of_hearing_is_not_told_if_the_next_attempt_works():
    call = Call(
        says=QUESTION,
        voiced=SOUNDS,
        replies=[Unavailable("llm", "busy"), "It is sunny.", "It is sunny."],
        rules=RULES,
    ).run()
    assert "ERROR llm unavailable" not in [name for _, name in call.timeline()]
    assert call.timeline()[-1][1] == "END_OF_TURN"
