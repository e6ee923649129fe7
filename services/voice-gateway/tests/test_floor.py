"""Sounds during a reply: what takes the floor, and what only makes it pause; and long silence."""

from dataclasses import replace
from itertools import pairwise

import pytest
from voice_gateway.call.session import CallOptions
from voice_gateway.conversation import (
    AskFinal,
    CallerFinished,
    CallerInterrupted,
    CallerJoined,
    CallerQuiet,
    CallerSpoke,
    CallerTyped,
    CallerVoiced,
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
    PauseReply,
    RecognitionBehind,
    RecognitionCaughtUp,
    ReplyAudioStarted,
    ReplyEnded,
    ReplyHeard,
    ResumeReply,
    Say,
    StartReply,
    TimerFired,
    step,
)
from voice_gateway.conversation.policy import TurnPolicy
from voice_gateway.messages import Audio, CutOff, Interrupt, Typed
from voice_gateway.speaking.playback import LEAST_LATENCY_S
from voice_gateway.testing.scripted import Call, Says, ScriptedVoice, Sends

STORY = "Once upon a time, there was a fox. It lived in a wood. The end."
ASKED = [(0.2, True), (0.9, False)]  # the voice of the question
STORY_S = 15 * 0.4
POLICY = TurnPolicy(resume_s=0.5, interrupt_voice_s=1.0)
UNPREPARED = replace(POLICY, drafts=0)  # the answer's first audio would come at 1.65


def story(
    *voiced: tuple[float, bool],
    says: tuple[Says, ...] = (),
    sends: tuple[Sends, ...] = (),
    policy: TurnPolicy = POLICY,
    can_pause: bool = False,
) -> Call:
    """A call in which a story is told from about 1.4 s on, and something sounds meanwhile."""
    return Call(
        says=[Says(1.0, "Tell me a story."), *says],
        voiced=[*ASKED, *voiced],
        sends=sends,
        replies=[STORY, "Yes?"],
        rules=CallOptions(policy=policy),
        can_pause=can_pause,
    ).run()


def gap(call: Call) -> tuple[float, float]:
    """The longest time without audio in the first reply: from when, and how long."""
    times = [at for at, _ in call.audio(1)]
    gaps = [(b - a, a) for a, b in pairwise(times)]
    length, start = max(gaps)
    return start, length


def about(start: float, length: float) -> tuple[object, object]:
    """A gap that may begin up to a piece of audio early."""
    return pytest.approx(start - 0.05, abs=0.06), pytest.approx(length + 0.05, abs=0.06)


def test_a_cough_makes_the_voice_pause_and_go_on_without_losing_a_word():
    call = story((3.0, True), (3.3, False))
    assert gap(call) == about(3.0, 0.8)  # 0.3 s of cough, 0.5 s of waiting for words
    assert call.audio_seconds(1) == pytest.approx(STORY_S)
    offsets = [audio.offset_s for _, audio in call.audio(1)]
    assert offsets == sorted(set(offsets))
    assert call.cut_offs() == []
    assert len(call.asked) == 1


def test_no_audio_leaves_from_the_onset_of_a_voice_on():
    call = story((3.0, True), (3.8, False), says=(Says(3.6, "what about the"),))
    assert max(at for at, _ in call.audio(1)) <= 3.0
    assert [round(at, 1) for at, name in call.timeline() if name == "CUT OFF"] == [3.6]


@pytest.mark.parametrize("words", ["mm-hm", "Yeah.", "okay, I see", "uh-huh"])
def test_a_listeners_small_words_let_the_voice_go_on_at_once(words: str):
    heard = (Says(3.4, words, final=False), Says(3.6, words))
    call = story((3.0, True), (3.5, False), says=heard)
    assert gap(call) == about(3.0, 0.6)
    assert call.audio_seconds(1) == pytest.approx(STORY_S)
    assert len(call.asked) == 1


def test_small_words_that_go_on_are_an_interruption():
    heard = (Says(3.3, "yeah", final=False), Says(3.5, "yeah but which", final=False))
    call = story((3.0, True), (4.0, False), says=(*heard, Says(4.2, "Yeah, but which fox?")))
    assert call.asked[-1][-1].text == "Yeah, but which fox?"


def test_a_voice_without_words_silences_the_answer_which_then_goes_on():
    """A television behind the caller, for two seconds."""
    call = story((3.0, True), (5.0, False))
    assert gap(call) == about(3.0, 2.7)  # while it lasts, and 0.7 s for words that were asked for
    assert call.audio_seconds(1) == pytest.approx(STORY_S)
    assert call.cut_offs() == []


def test_a_voice_without_words_that_never_ends_holds_the_answer_back_for_three_seconds():
    call = story((3.0, True))
    assert gap(call) == about(3.0, 3.0)
    assert call.audio_seconds(1) == pytest.approx(STORY_S)


def test_a_voice_whose_words_come_late_silences_the_answer_at_once():
    call = story((3.0, True), (5.0, False), says=(Says(5.3, "Which fox was it?"),))
    assert max(at for at, _ in call.audio(1)) <= 3.0
    assert [round(at, 1) for at, name in call.timeline() if name == "CUT OFF"] == [5.3]
    assert call.asked[-1][-1].text == "Which fox was it?"


def test_words_that_come_late_interrupt_what_already_goes_on():
    call = story((3.0, True), (3.3, False), says=(Says(4.5, "stop"),))
    assert [round(at, 1) for at, name in call.timeline() if name == "CUT OFF"] == [4.5]


def test_a_reply_pauses_only_so_often_for_nothing():
    coughs = [(at + d, d == 0.0) for at in (2.0, 3.2, 4.4, 5.6) for d in (0.0, 0.1)]
    call = story(*coughs)
    times = [at for at, _ in call.audio(1)]
    pauses = [a for a, b in pairwise(times) if b - a > 0.5]
    assert len(pauses) == POLICY.pauses


def test_a_voice_before_the_answer_holds_it_back_until_it_is_silent():
    call = story((1.55, True), (2.0, False), policy=UNPREPARED)
    assert min(at for at, _ in call.audio(1)) == pytest.approx(2.5, abs=0.01)
    assert call.audio_seconds(1) == pytest.approx(STORY_S)


def test_a_noise_that_never_ends_does_not_silence_the_answer():
    call = story((1.55, True), policy=UNPREPARED)
    assert min(at for at, _ in call.audio(1)) == pytest.approx(4.55, abs=0.01)


def test_a_caller_that_can_pause_is_told_and_its_clock_stands_still():
    call = story((3.0, True), (3.3, False), sends=(Sends(5.0, Interrupt()),), can_pause=True)
    told = [(at, name) for at, name in call.timeline() if name in {"PAUSED", "RESUMED"}]
    assert told == [(3.0, "PAUSED"), (3.8, "RESUMED")]
    plain = story((3.0, True), (3.3, False), sends=(Sends(5.0, Interrupt()),))
    assert [name for _, name in plain.timeline() if name in {"PAUSED", "RESUMED"}] == []
    exact, guessed = (c.cut_offs()[0].heard_s for c in (call, plain))
    began = min(at for at, _ in call.audio(1))
    assert exact == pytest.approx(5.0 - began - 0.8 - LEAST_LATENCY_S, abs=0.01)
    assert guessed >= exact  # whoever cannot pause has played what it had


def test_hanging_up_in_a_pause_still_brings_the_whole_answer():
    call = Call(
        says=[Says(1.0, "Tell me a story.")],
        voiced=[*ASKED, (3.0, True)],
        replies=[STORY],
        hangs_up=3.2,
    ).run()
    assert call.error is None
    assert call.audio_seconds(1) == pytest.approx(STORY_S)


def test_a_call_that_is_wound_up_in_a_pause_lets_the_reply_end():
    """Found by simulation, seeds 78290 and 78923."""
    now, commands = Conversation(), list[Command]()
    for event in (
        CallerTyped(0.0, "hello"),
        ReplyAudioStarted(0.1, 1),
        CallerVoiced(0.5),
        CallerFinished(0.6),
        CallerQuiet(1.5, 1.4),
        CallerVoiced(1.6),
        ReplyEnded(2.0, 1, "Hi."),
    ):
        now, more = step(now, event, POLICY)
        commands += more
    assert commands[2:] == [PauseReply(1), ResumeReply(1), EndTurn(1), EndCall()]


# A voice whose words are late, or never come.

SPEAKING = (CallerTyped(1.0, "Tell me a story."), ReplyAudioStarted(1.4, 1))


def play(
    *events: Event, policy: TurnPolicy = POLICY, start: Conversation | None = None
) -> tuple[Conversation, list[Command]]:
    now, commands = start or Conversation(), list[Command]()
    for event in events:
        now, more = step(now, event, policy)
        commands += more
    return now, commands


def test_a_reply_waits_for_a_recogniser_that_is_behind_the_voice():
    voice = (CallerVoiced(3.0), RecognitionBehind(4.1), CallerQuiet(5.1, since=5.0))
    now, commands = play(*SPEAKING, *voice)
    assert commands[2:] == [PauseReply(1), AskFinal()]
    now, commands = play(TimerFired(5.8), start=now)
    assert (now.wake_at, commands) == (3.0 + POLICY.late_wait_s, [])
    now, commands = play(CallerSpoke(7.0, "which fox", False), start=now)
    assert commands[:2] == [CancelReply(1), Interrupted(1, "")]


def test_the_reply_goes_on_where_a_recogniser_that_was_behind_found_no_words():
    voice = (CallerVoiced(3.0), RecognitionBehind(4.1), CallerQuiet(5.1, since=5.0))
    now, _ = play(*SPEAKING, *voice, TimerFired(5.8), RecognitionCaughtUp(6.2))
    assert now.wake_at == 6.2 + POLICY.resume_s
    assert play(TimerFired(6.7), start=now)[1] == [ResumeReply(1)]


def test_the_reply_goes_on_where_the_words_never_come():
    dead = (RecognitionBehind(3.5, broken=True), CallerQuiet(5.1, since=5.0))
    now, commands = play(
        *SPEAKING, CallerVoiced(3.0), *dead, TimerFired(5.8), TimerFired(3.0 + POLICY.late_wait_s)
    )
    assert commands[2:] == [PauseReply(1), AskFinal(), ResumeReply(1)]
    now, commands = play(ReplyEnded(9.5, 1, STORY), start=now)
    assert now.wake_at == 9.5 + POLICY.late_wait_s  # then the caller is asked to say it again


def test_what_is_lost_after_words_said_into_a_question_back_is_asked_for_again():
    """They show that the recogniser worked again; it fails once more."""
    late_s, fails = POLICY.late_wait_s, RecognitionBehind(0.5, broken=True)
    now, commands = play(fails, CallerVoiced(1.0), CallerQuiet(2.0, since=1.9))
    now, commands = play(TimerFired(2.0 + late_s), ReplyAudioStarted(12.0, 1), start=now)
    assert isinstance(commands[0], Say)
    now, _ = play(CallerVoiced(12.5), CallerSpoke(12.8, "mm-hm", True), start=now)
    now, _ = play(CallerQuiet(13.0, since=12.9), ReplyEnded(15.0, 1, "Sorry."), start=now)
    assert now.wake_at == 15.0 + late_s
    assert isinstance(play(TimerFired(15.0 + late_s), start=now)[1][0], Say)


def test_voices_that_come_and_go_hold_a_reply_back_no_longer_than_one():
    now, commands = play(*SPEAKING)
    at = 3.0
    for at in (3.0 + 0.4 * n for n in range(100)):
        now, more = play(CallerVoiced(at), CallerQuiet(at + 0.2, since=at + 0.2), start=now)
        commands += more
        if now.wake_at is not None and now.wake_at <= at + 0.4:
            now, more = play(TimerFired(now.wake_at), start=now)
            commands += more
            break
    assert at <= 3.0 + POLICY.longest_pause_s
    assert commands[-1] == ResumeReply(1)


def test_words_that_cut_a_reply_off_and_are_taken_back_are_asked_for_again():
    """A recogniser hears a word in a noise, and thinks better of it."""
    _, commands = play(*SPEAKING, CallerSpoke(3.0, "you", False), CallerSpoke(3.4, "", True))
    assert commands[-3:] == [
        Interrupted(1, ""),
        DropWords("you", "retracted"),
        Say(2, POLICY.request_to_repeat(), asks_again=True),
    ]


# Small words: a listener's, or an answer.

QUESTION = "Shall I cancel it now? It takes effect at once. Your seat is free then."


def told(heard: str, said: str, *, policy: TurnPolicy = POLICY) -> list[Command]:
    """What small words bring about when so much was heard of the question."""
    small = CallerSpoke(3.0, said, True)
    now, commands = play(*SPEAKING, ReplyHeard(2.9, 1, heard), small, policy=policy)
    if isinstance(now.floor, Listening):
        return commands[2:]
    now, more = play(ReplyEnded(6.0, 1, QUESTION), start=now, policy=policy)
    commands += more
    if now.wake_at is not None:
        commands += play(TimerFired(now.wake_at), start=now, policy=policy)[1]
    return commands[2:]


def named(commands: list[Command]) -> list[str]:
    return [type(command).__name__ for command in commands]


@pytest.mark.parametrize("yes", ["yes", "Yes.", "okay sure", "Right.", "mm yeah"])
@pytest.mark.parametrize("heard", ["Shall I cancel it now?", "Shall I cancel it now? It takes"])
def test_yes_to_what_was_just_asked_is_the_callers_turn_at_once(yes: str, heard: str):
    assert named(told(heard, yes))[:2] == ["CancelReply", "Interrupted"]


@pytest.mark.parametrize(
    "heard", ["Shall I cancel it now? It takes effect at once.", "Shall I", "Shall I cancel it"]
)
def test_yes_before_the_question_is_over_or_long_after_it_is_answered_after_the_reply(heard: str):
    assert named(told(heard, "Yes.")) == ["EndTurn", "StartReply"]


def test_a_listeners_mm_hm_answers_only_what_was_heard_last():
    assert named(told("Shall I cancel it now?", "Mm-hm."))[:2] == ["CancelReply", "Interrupted"]
    later = told("Shall I cancel it now? It takes", "Mm-hm.")
    assert later == [DropWords("Mm-hm.", "backchannel"), EndTurn(1)]


def test_a_yes_into_a_story_is_a_listeners():
    heard = 'Once there was a fox. "Who are you?" said the owl.'
    now, commands = play(*SPEAKING, ReplyHeard(2.9, 1, heard), CallerSpoke(3.0, "Yeah.", True))
    assert commands[2:] == [DropWords("Yeah.", "backchannel")]
    heard = "Once there was a"  # nobody knows yet what this sentence becomes
    now, commands = play(*SPEAKING, ReplyHeard(2.9, 1, heard), CallerSpoke(3.0, "Yeah.", True))
    assert commands[2:] == []
    now, commands = play(ReplyHeard(3.5, 1, "Once there was a fox. It lived"), start=now)
    assert commands == [DropWords("Yeah.", "backchannel")]


def test_an_answer_that_waits_comes_before_the_words_that_cut_the_reply_off():
    heard = ReplyHeard(2.9, 1, "Shall I cancel it now? It takes effect at once. Your")
    now, _ = play(*SPEAKING, heard, CallerSpoke(3.0, "Yes.", True))
    now, _ = play(CallerSpoke(4.0, "and book the train", True), start=now)
    assert now.question() == "Yes. and book the train"


def test_one_word_that_is_too_few_to_interrupt_answers_a_question():
    policy = replace(POLICY, words_to_interrupt=2)
    assert named(told("Shall I cancel it now?", "Never.", policy=policy))[0] == "CancelReply"
    assert named(told("Shall I cancel it now? At once. Or", "Never.", policy=policy)) == [
        "EndTurn",
        "StartReply",
    ]


ASKED_IN = {
    "en-US": ("Shall I cancel it?", "Yes."),
    "de-DE": ("Soll ich stornieren?", "Ja, gut."),
    "es-ES": ("¿Lo cancelo?", "Sí, claro."),
    "fr-FR": ("Je l'annule ?", "Oui, d'accord."),
    "hi-IN": ("क्या मैं रद्द करूँ?", "जी हाँ।"),
}


@pytest.mark.parametrize("tag", ASKED_IN)
def test_yes_is_an_answer_in_every_language(tag: str):
    policy = replace(POLICY, language=tag)
    question, yes = ASKED_IN[tag]
    assert policy.is_backchannel(yes)
    assert named(told(question, yes, policy=policy))[:2] == ["CancelReply", "Interrupted"]


def test_yes_into_a_question_that_goes_on_is_answered():
    """The caller does not wait for the sentence that comes after the question."""
    call = Call(
        says=[Says(1.0, "Cancel my flight."), Says(4.1, "Yes.")],
        voiced=[*ASKED, (3.5, True), (3.9, False)],
        replies=["Shall I cancel it now? It takes effect at once.", "Done."],
        rules=CallOptions(policy=POLICY),
        hangs_up=12.0,
    ).run()
    assert call.text(2) == "Done."
    assert call.asked[-1][-1].text == "Yes."


# The greeting.


def greeted(firm: bool, *sends: Sends, says: tuple[Says, ...] = ()) -> Call:
    policy = TurnPolicy(greeting="Hello, this is the gateway.", greeting_interruptible=not firm)
    return Call(
        says=says,
        sends=[Sends(0.0, Audio(bytes(640))), *sends],
        replies=["Fine.", "Good."],
        rules=CallOptions(policy=policy),
        hangs_up=20.0,
    ).run()


def test_a_call_may_begin_with_a_greeting_that_the_model_knows_of():
    call = greeted(False, says=(Says(4.0, "Who are you?"),))
    assert call.voice.spoken[0].startswith("Hello")
    assert call.audio(1)[0][0] < 0.2
    assert call.asked == [
        (Message("assistant", "Hello, this is the gateway."), Message("user", "Who are you?"))
    ]


def test_a_greeting_is_cut_off_like_any_reply():
    call = greeted(False, says=(Says(1.0, "Who are you?"),))
    assert [cut.reply for cut in call.cut_offs()] == [1]


def test_a_firm_greeting_goes_on_and_what_was_said_meanwhile_is_answered_after_it():
    call = greeted(True, Sends(0.5, Interrupt()), says=(Says(1.0, "Who are you?"),))
    assert call.cut_offs() == []
    assert call.audio_seconds(1) == pytest.approx(5 * 0.4)
    assert [m.text for m in call.asked[0]] == ["Hello, this is the gateway.", "Who are you?"]


def test_a_turn_typed_into_a_firm_greeting_is_answered_after_it():
    call = greeted(True, Sends(0.5, Typed("Who are you?")))
    assert [m.text for m in call.asked[0]] == ["Hello, this is the gateway.", "Who are you?"]


def test_a_firm_greeting_is_not_interrupted_in_a_call_that_is_wound_up_either():
    """Found by simulated call 900333: drained at 0.07, interrupted at 0.99."""
    policy = TurnPolicy(greeting="Hello, this is the gateway.", greeting_interruptible=False)
    now, commands = Conversation(), list[Command]()
    for event in (
        CallerJoined(0.0),
        ReplyAudioStarted(0.05, 1),
        CallerSpoke(0.06, "Who are you?", True),
        CallerFinished(0.07),
        CallerInterrupted(0.99),
        ReplyEnded(1.0, 1, "Hello, this is the gateway."),
    ):
        now, more = step(now, event, policy)
        commands += more
    greeting = Message("assistant", "Hello, this is the gateway.", name="answer-1")
    question = Message("user", "Who are you?", name="question-2")
    assert commands[2:] == [EndTurn(1), StartReply(2, (greeting, question))]


def test_hanging_up_during_a_firm_greeting_still_brings_the_answer():
    policy = TurnPolicy(greeting="Hello, this is the gateway.", greeting_interruptible=False)
    call = Call(
        says=[Says(0.5, "Who are you?")],
        replies=["Fine."],
        rules=CallOptions(policy=policy),
        hangs_up=0.3,
    ).run()
    assert call.text(2) == "Fine."
    assert call.error is None


# Silence.


def silent(policy: TurnPolicy, *sends: Sends, hangs_up: float | None = None) -> Call:
    return Call(
        sends=[Sends(0.0, Audio(bytes(640))), *sends],
        replies=["Fine."],
        rules=CallOptions(policy=policy),
        hangs_up=hangs_up,
        voice=ScriptedVoice(seconds_per_word=0.25),
    ).run()


ASKS = TurnPolicy(idle_prompt_s=8.0, idle_end_s=5.0)


def test_a_silent_caller_is_asked_once_and_then_the_call_ends_politely():
    call = silent(ASKS)
    assert call.error is None
    assert call.voice.spoken == ["Are you still there?", "Goodbye."]
    assert call.audio(1)[0][0] == pytest.approx(8.05, abs=0.1)
    asked_until = max(at for at, _ in call.audio(1))
    assert call.audio(2)[0][0] == pytest.approx(asked_until + 5.05, abs=0.3)
    assert call.ended_at < 15.0


def test_whoever_answers_is_not_hung_up_on():
    call = silent(ASKS, Sends(10.0, Typed("I am here")), hangs_up=12.0)
    assert call.voice.spoken == ["Are you still there?", "Fine."]
    assert [m.text for m in call.asked[0]] == ["Are you still there?", "I am here"]


def test_a_word_into_the_goodbye_keeps_the_call():
    call = silent(
        TurnPolicy(idle_end_s=5.0, goodbye="Good bye, and call again."),
        Sends(5.5, Typed("wait")),
        hangs_up=8.0,
    )
    assert call.voice.spoken[-1] == "Fine."
    assert any(isinstance(m, CutOff) for _, m in call.received)


def test_a_listeners_small_word_into_the_prompt_shows_that_somebody_is_there():
    """Found by simulated call 757349699: a lone word, too short to interrupt, said at 10.29."""
    policy = replace(ASKS, words_to_interrupt=2)
    now, commands = Conversation(), list[Command]()
    for event in (
        CallerJoined(0.0),
        TimerFired(8.0),
        ReplyAudioStarted(8.1, 1),
        CallerSpoke(8.5, "mm-hm", True),
        ReplyEnded(9.0, 1, policy.idle_prompt),
        TimerFired(14.0),
    ):
        now, more = step(now, event, policy)
        commands += more
    assert commands[2:] == [DropWords("mm-hm", "backchannel"), EndTurn(1)]
    assert now.wake_at == 9.0 + policy.idle_prompt_s


def test_a_prompt_that_was_paused_is_announced_once():
    """Found by simulated call 120008668: a prepared answer had a voice, and came to nothing."""
    policy = replace(ASKS, idle_prompt_s=1.0)
    now, commands = Conversation(), list[Command]()
    for event in (
        CallerVoiced(0.44),
        CallerSpoke(0.6, "hello there", False),
        CallerQuiet(0.7, since=0.6),
        ReplyAudioStarted(0.8, 1),
        CallerSpoke(0.86, "", True),
        TimerFired(1.86),
        ReplyAudioStarted(1.91, 2),
        CallerVoiced(2.5),
        CallerQuiet(2.52, since=2.52),
        TimerFired(3.02),
    ):
        now, more = step(now, event, policy)
        commands += more
    assert [type(each).__name__ for each in commands] == [
        "PrepareReply",
        "DropWords",
        "CancelReply",
        "Say",
        "AnnounceReply",
        "PauseReply",
        "ResumeReply",
    ]


def test_without_a_goodbye_the_call_just_ends():
    call = silent(TurnPolicy(idle_end_s=5.0, goodbye=""))
    assert (call.error, call.voice.spoken) == (None, [])
    assert call.ended_at == pytest.approx(5.0, abs=0.01)


def test_by_default_silence_is_left_alone():
    call = silent(TurnPolicy(), hangs_up=120.0)
    assert call.voice.spoken == []


def test_a_turn_does_not_end_with_the_first_words_that_the_reply_drowned():
    """The caller's voice was not told from the echo: only its words show that it speaks."""
    now = Conversation()
    for event in (
        CallerQuiet(1.0, since=0.9),
        CallerTyped(1.0, "Tell me a story."),
        ReplyAudioStarted(1.4, 1),
        CallerSpoke(4.0, "Go for", False),
    ):
        now, _ = step(now, event, POLICY)
    assert now.wake_at == 4.0 + POLICY.halting_silence_s
    now, _ = step(now, CallerVoiced(4.2), POLICY)  # the reply is silent: now it is heard
    now, _ = step(now, CallerSpoke(5.0, "Go forward ten meters.", False), POLICY)
    now, _ = step(now, CallerQuiet(5.2, since=5.1), POLICY)
    assert now.wake_at == 5.1 + POLICY.unsure_silence_s
