"""Noise that holds a turn open: no wait is longer for events that bring nothing new."""

from collections.abc import Iterable
from dataclasses import replace
from itertools import chain

import pytest
from voice_gateway.conversation import (
    AskFinal,
    CallerQuiet,
    CallerSpoke,
    CallerTyped,
    CallerVoiced,
    CancelReply,
    Command,
    Conversation,
    DropWords,
    EndTurn,
    Event,
    RecognitionBehind,
    RecognitionCaughtUp,
    ReplyAudioStarted,
    ReplyEnded,
    Say,
    StartReply,
    TimerFired,
    step,
)
from voice_gateway.conversation.policy import TurnPolicy

POLICY = TurnPolicy(drafts=0)
WORDS = "what is the weather"
NOISE_S = 120.0


def lived(
    *events: Event, until: float = NOISE_S, policy: TurnPolicy = POLICY
) -> list[tuple[float, Command]]:
    """What a conversation decides, and when; its timer fires whenever it is due."""
    now, decided = Conversation(), list[tuple[float, Command]]()
    known = [event for event in events if event.at < until]
    for event in (*sorted(known, key=lambda each: each.at), TimerFired(until)):
        while now.wake_at is not None and now.wake_at < event.at:
            due = now.wake_at
            now, commands = step(now, TimerFired(due), policy)
            assert now.wake_at is None or now.wake_at > due or commands
            decided += [(due, command) for command in commands]
        now, commands = step(now, event, policy)
        decided += [(event.at, command) for command in commands]
    return decided


def first(decided: Iterable[tuple[float, Command]], kind: type[Command]) -> float:
    return next(at for at, command in decided if isinstance(command, kind))


def count(decided: Iterable[tuple[float, Command]], kind: type[Command]) -> int:
    return sum(isinstance(command, kind) for _, command in decided)


def repeated(words: str, since: float, every_s: float = 0.2) -> list[Event]:
    return [CallerSpoke(since + n * every_s, words, False) for n in range(int(NOISE_S / every_s))]


def flapping(since: float, voice_s: float, quiet_s: float) -> list[Event]:
    """A voice detector that comes on and goes off again all the time."""
    times = [since + n * (voice_s + quiet_s) for n in range(int(NOISE_S / (voice_s + quiet_s)))]
    edges = ((CallerVoiced(at), CallerQuiet(at + voice_s, since=at + voice_s)) for at in times)
    return list(chain.from_iterable(edges))


def test_the_same_words_again_and_again_do_not_hold_the_turn_open_under_music():
    decided = lived(CallerVoiced(1.0), *repeated(WORDS, 2.0))
    assert first(decided, AskFinal) == 2.0 + POLICY.max_silence_s
    assert first(decided, StartReply) == 2.0 + POLICY.max_silence_s + POLICY.final_wait_s
    assert count(decided, StartReply) == 1  # and they neither cut the answer off, nor ask again


def test_the_answer_to_words_that_are_repeated_is_given_once():
    answer = (ReplyAudioStarted(6.0, 1), ReplyEnded(8.0, 1, "Sunny."))
    decided = lived(CallerVoiced(1.0), *repeated(WORDS, 2.0), *answer)
    assert count(decided, StartReply) == 1


def test_words_that_are_repeated_after_their_turn_cut_nothing_off_and_keep_nobody_silent():
    """Found by simulation: into a firm answer, and into an idle prompt."""
    policy = replace(POLICY, idle_prompt_s=2.0)
    answer = (ReplyAudioStarted(6.0, 1), ReplyEnded(8.0, 1, "Sunny."), ReplyAudioStarted(10.1, 2))
    decided = lived(*repeated(WORDS, 2.0), *answer, policy=policy, until=11.0)
    assert first(decided, Say) == 8.0 + 2.0
    assert count(decided, CancelReply) == 0


def test_words_that_are_repeated_after_a_typed_turn_do_not_cut_its_answer_off():
    """Found by simulation: the typed turn had no interim words of its own."""
    typed = (CallerTyped(6.0, "in Paris"), ReplyAudioStarted(6.5, 2))
    decided = lived(*repeated(WORDS, 2.0), *typed, until=20.0)
    assert [at for at, each in decided if isinstance(each, CancelReply)] == [6.0]


@pytest.mark.parametrize(("again", "new"), [("no", False), ("nobody", True), ("n", True)])
def test_a_word_that_only_begins_like_the_last_ones_is_new(again: str, new: bool):
    """Found by simulation: said after an answer to words of which no final came."""
    answer = (ReplyAudioStarted(6.0, 1), ReplyEnded(8.0, 1, "Sunny."))
    said = (CallerSpoke(2.0, "no nobody", False), *answer, CallerSpoke(9.0, again, False))
    assert count(lived(*said), StartReply) == (2 if new else 1)


def test_words_that_go_on_with_a_question_under_answer_and_get_no_final_are_recorded():
    """Found by simulation: they are of the question, and its answer was on its way."""
    decided = lived(
        CallerSpoke(1.8, WORDS, False),
        CallerQuiet(2.1, since=2.0),
        ReplyAudioStarted(3.2, 1),
        CallerSpoke(3.3, f"{WORDS} in Paris", False),
        ReplyEnded(5.0, 1, "Sunny."),
        until=9.0,
    )
    assert decided[-2:] == [(5.0, DropWords(f"{WORDS} in Paris", "unconfirmed")), (5.0, EndTurn(1))]


def test_words_that_flicker_bring_nothing_new():
    flicker = (repeated(WORDS, 2.0, 0.4), repeated("what is the", 2.2, 0.4))
    decided = lived(CallerVoiced(1.0), *chain(*flicker))
    assert first(decided, StartReply) == pytest.approx(5.7)


def test_without_voice_activity_the_same_words_do_not_hold_the_turn_open_either():
    decided = lived(*repeated(WORDS, 2.0))
    assert first(decided, StartReply) == 2.0 + POLICY.max_silence_s


@pytest.mark.parametrize("final", [False, True])
@pytest.mark.parametrize(("voice_s", "quiet_s"), [(0.2, 0.2), (0.5, 0.1), (1.0, 0.25)])
def test_a_voice_that_comes_and_goes_does_not_hold_the_turn_open(
    voice_s: float, quiet_s: float, final: bool
):
    decided = lived(CallerSpoke(1.0, WORDS, final), *flapping(1.1, voice_s, quiet_s))
    latest = 1.1 + POLICY.max_silence_s + voice_s + quiet_s + POLICY.final_wait_s
    assert first(decided, StartReply) <= latest


def test_a_caller_who_goes_on_after_a_pause_has_the_whole_time_again():
    decided = lived(
        CallerVoiced(1.0),
        CallerSpoke(1.8, WORDS, False),
        CallerQuiet(2.1, since=2.0),
        CallerVoiced(2.25),
        until=9.0,
    )
    assert first(decided, AskFinal) == 2.25 + POLICY.max_silence_s


@pytest.mark.parametrize("every_s", [0.3, 0.6, 1.1])
@pytest.mark.parametrize("voice", [CallerVoiced(1.0), CallerQuiet(1.5, since=1.4)])
def test_a_recogniser_that_falls_behind_again_and_again_does_not_hold_the_turn_open(
    voice: Event, every_s: float
):
    times = [2.0 + n * every_s for n in range(int(NOISE_S / every_s))]
    moved = [
        RecognitionCaughtUp(at) if n % 2 else RecognitionBehind(at) for n, at in enumerate(times)
    ]
    decided = lived(voice, CallerSpoke(1.8, WORDS, False), *moved)
    latest = 1.8 + POLICY.max_silence_s + POLICY.late_wait_s + POLICY.final_wait_s + 2 * every_s
    assert min(first_or_never(decided, kind) for kind in (StartReply, Say)) <= latest


def first_or_never(decided: Iterable[tuple[float, Command]], kind: type[Command]) -> float:
    return min((at for at, command in decided if isinstance(command, kind)), default=NOISE_S)


def test_voices_of_which_no_word_can_be_recognised_are_asked_for_words():
    """The recogniser is away, and a television keeps the voice detector busy."""
    away = RecognitionBehind(0.5, broken=True)
    for voices in ([CallerVoiced(1.0)], flapping(1.0, 0.8, 0.8)):
        decided = lived(away, *voices)
        assert first(decided, Say) <= 1.0 + 0.8 + POLICY.max_silence_s + POLICY.late_wait_s
