"""The conversation, as a specification: literal times in, commands out."""

from voice_gateway.conversation import (
    AnnounceReply,
    CallerClosed,
    CallerFinished,
    CallerInterrupted,
    CallerSpoke,
    CallerTyped,
    CancelReply,
    Command,
    Conversation,
    DropWords,
    EndCall,
    EndTurn,
    Event,
    Interrupted,
    Listening,
    Message,
    ReplyAudioStarted,
    ReplyEnded,
    ReplyHeard,
    Replying,
    StartReply,
    TimerFired,
    step,
)
from voice_gateway.conversation.policy import TurnPolicy

POLICY = TurnPolicy(settle_s=0.2, max_silence_s=3.0)
HELLO = (CallerSpoke(1.0, "hello", True), TimerFired(1.2))
SPEAKING = (*HELLO, ReplyAudioStarted(2.0, 1), ReplyHeard(3.0, 1, "Hi there."))
ASKED_HELLO = Message("user", "hello")


def play(
    *events: Event, start: Conversation | None = None, policy: TurnPolicy = POLICY
) -> tuple[Conversation, list[Command]]:
    now, commands = start or Conversation(), list[Command]()
    for event in events:
        now, more = step(now, event, policy)
        commands += more
    return now, commands


def test_final_words_and_silence_start_a_reply():
    now, commands = play(*HELLO)
    assert commands == [StartReply(1, (ASKED_HELLO,))]
    assert now.floor == Replying()


def test_the_reply_waits_while_the_caller_goes_on():
    now, commands = play(
        CallerSpoke(1.0, "what is", True), CallerSpoke(1.1, "the", False), TimerFired(1.2)
    )
    assert commands == []
    assert now.wake_at == 1.1 + 3.0


def test_several_finals_make_one_turn():
    _, commands = play(
        CallerSpoke(1.0, "what is", True),
        CallerSpoke(1.1, "the weather", True),
        TimerFired(1.3),
    )
    assert commands == [StartReply(1, (Message("user", "what is the weather"),))]


def test_an_interim_that_never_becomes_final_is_answered_after_the_longest_silence():
    _, commands = play(CallerSpoke(1.0, "anyone there", False), TimerFired(4.0))
    assert commands == [StartReply(1, (Message("user", "anyone there"),))]


def test_a_recogniser_that_heard_nothing_after_all_starts_nothing():
    now, commands = play(CallerSpoke(1.0, "uh", False), CallerSpoke(1.5, "", True))
    assert (now.wake_at, commands) == (None, [DropWords("uh", "retracted")])


def test_a_timer_before_its_time_changes_nothing():
    before, _ = play(CallerSpoke(1.0, "hello", True))
    assert play(TimerFired(1.1), start=before) == (before, [])


def test_the_first_audio_announces_the_voice():
    now, commands = play(*HELLO, ReplyAudioStarted(2.0, 1))
    assert commands[-1] == AnnounceReply(1)
    assert now.floor == Replying(audible=True)


def test_a_complete_reply_is_remembered_in_full():
    now, commands = play(*SPEAKING, ReplyEnded(5.0, 1, "Hi there. How are you?"))
    assert commands[-1] == EndTurn(1)
    assert now.floor == Listening()
    assert now.history == (ASKED_HELLO, Message("assistant", "Hi there. How are you?"))


def test_an_answer_that_broke_off_is_remembered_as_cut():
    now, _ = play(*SPEAKING, ReplyEnded(5.0, 1, "Hi there. How", unfinished=True))
    assert now.history == (ASKED_HELLO, Message("assistant", "Hi there. How", interrupted=True))


def test_barge_in_cancels_and_remembers_only_what_was_heard():
    now, commands = play(*SPEAKING, CallerSpoke(3.1, "wait", False))
    assert commands[-2:] == [CancelReply(1), Interrupted(1, "Hi there.")]
    assert now.history == (ASKED_HELLO, Message("assistant", "Hi there.", interrupted=True))
    assert now.interim == "wait"


def test_a_cancelled_reply_cannot_speak_or_end_again():
    before, _ = play(*SPEAKING, CallerSpoke(3.1, "wait", False))
    late = (
        ReplyAudioStarted(3.2, 1),
        ReplyHeard(3.2, 1, "Hi there. How"),
        ReplyEnded(3.3, 1, "Hi"),
    )
    assert play(*late, start=before) == (before, [])


def test_fewer_words_than_an_interruption_needs_do_not_interrupt():
    policy = TurnPolicy(words_to_interrupt=2)
    before, _ = play(*SPEAKING, policy=policy)
    after, commands = play(CallerSpoke(3.1, "well", True), start=before, policy=policy)
    assert (after, commands) == (before, [DropWords("well", "too_few_words")])


def test_half_a_question_is_never_answered():
    """The caller goes on before anything was heard: the pieces become one turn."""
    _, commands = play(
        CallerSpoke(1.0, "I want to", True),
        TimerFired(1.2),
        CallerSpoke(1.5, "fly to", False),
        CallerSpoke(2.0, "fly to Paris", True),
        TimerFired(2.2),
    )
    assert commands == [
        StartReply(1, (Message("user", "I want to"),)),
        CancelReply(1),
        Interrupted(1, "", reopened=True),
        StartReply(2, (Message("user", "I want to fly to Paris"),)),
    ]


def test_a_typed_turn_is_answered_at_once_and_interrupts():
    now, commands = play(*SPEAKING, CallerTyped(3.1, "stop that"))
    assert commands[-3:] == [
        CancelReply(1),
        Interrupted(1, "Hi there."),
        StartReply(
            2,
            (
                ASKED_HELLO,
                Message("assistant", "Hi there.", interrupted=True),
                Message("user", "stop that"),
            ),
        ),
    ]
    assert now.floor == Replying(ended=True)


def test_typing_completes_what_was_being_said():
    _, commands = play(CallerSpoke(1.0, "fly to", False), CallerTyped(1.5, "Paris"))
    assert commands == [StartReply(1, (Message("user", "fly to Paris"),))]


def test_an_interruption_without_words_gives_the_floor_back():
    now, commands = play(*SPEAKING, CallerInterrupted(3.1))
    assert commands[-2:] == [CancelReply(1), Interrupted(1, "Hi there.")]
    assert (now.floor, now.wake_at) == (Listening(), None)


def test_an_interruption_of_nothing_is_nothing():
    assert play(CallerInterrupted(1.0)) == (Conversation(), [])


def test_a_failed_reply_leaves_the_question_open():
    _, commands = play(
        *HELLO,
        ReplyEnded(2.0, 1, ""),
        CallerSpoke(5.0, "are you there", True),
        TimerFired(5.2),
    )
    assert commands[1:] == [
        EndTurn(1),
        StartReply(2, (Message("user", "hello are you there"),)),
    ]


def test_hanging_up_in_silence_ends_the_call():
    _, commands = play(CallerClosed(1.0), CallerFinished(1.1))
    assert commands == [EndCall()]


def test_half_close_waits_for_every_word_and_answers_in_full():
    now, commands = play(
        CallerSpoke(1.0, "eight of spades", True),
        CallerClosed(1.05),
        TimerFired(1.2),
        CallerSpoke(1.3, "four of clubs", True),
        TimerFired(9.0),
        CallerFinished(9.1),
    )
    assert commands == [StartReply(1, (Message("user", "eight of spades four of clubs"),))]
    _, commands = play(ReplyAudioStarted(10.0, 1), ReplyEnded(12.0, 1, "Good."), start=now)
    assert commands == [AnnounceReply(1), EndTurn(1), EndCall()]


def test_a_call_that_only_waits_for_its_last_reply_is_not_interrupted():
    before, _ = play(*HELLO, CallerClosed(1.3), CallerFinished(1.4))
    dropped = [DropWords("wait", "call_over")]
    assert play(CallerSpoke(1.5, "wait", True), start=before) == (before, dropped)
    assert play(CallerTyped(1.5, "wait"), start=before) == (before, dropped)


def test_memory_is_bounded_and_starts_with_a_question():
    policy = TurnPolicy(settle_s=0.0, memory_messages=4)
    now = Conversation()
    for turn in range(1, 6):
        now, _ = play(
            CallerTyped(float(turn), f"question {turn}"),
            ReplyEnded(turn + 0.5, turn, f"answer {turn}"),
            start=now,
            policy=policy,
        )
    _, commands = play(CallerTyped(9.0, "question 6"), start=now, policy=policy)
    assert commands == [
        StartReply(
            6,
            (
                Message("user", "question 5"),
                Message("assistant", "answer 5"),
                Message("user", "question 6"),
            ),
        )
    ]
