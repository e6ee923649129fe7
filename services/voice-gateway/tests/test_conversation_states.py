"""Every state that a conversation can come to, found by trying every event in each of them."""

from collections import deque
from collections.abc import Iterator
from dataclasses import fields
from functools import cache
from typing import get_args

import pytest
from voice_gateway import conversation as c
from voice_gateway.conversation.policy import TurnPolicy
from voice_gateway.testing import diagram

pytestmark = pytest.mark.timeout(600)  # tens of thousands of states, each with every event

IDLE = TurnPolicy(idle_prompt_s=10.0, idle_end_s=10.0)
GREETS = TurnPolicy(greeting="Hello.", greeting_interruptible=False, drafts=1)
POLICIES = (IDLE, GREETS)
STEP_S = 0.1

MANNERS = ((False, True, True), (False, True, False), (False, False, True), (True, False, True))
"""By hand, answers, interruptible."""
NOTES = (c.Message("user", "so", name="note"), c.Message("assistant", "well", name="note"))


def requests(now: c.Conversation, at: float) -> Iterator[c.Event]:
    """Everything that a program may ask for at this moment."""
    yield c.CallerAsked(at)
    yield c.CallerEnded(at)
    yield c.CallerForgot(at)
    if now.finals:
        yield c.CallerForgot(at, now.finals[:1])
    for note in NOTES:
        yield c.CallerNoted(at, note)
    for name in ("note", f"question-{now.reply}", f"answer-{now.reply}"):
        yield c.CallerWithdrew(at, name)
    for by_hand, answers, interruptible in MANNERS:
        yield c.CallerChose(at, by_hand, answers, interruptible, None, 1.0)
    for text in ("", "we"):
        yield c.HeardAmended(at, now.reply, text)


def events(now: c.Conversation, at: float) -> Iterator[c.Event]:
    for _, event in diagram.events(now, at):
        if not isinstance(event, c.ReplyAudioStarted) or not has_audio(now):
            yield event
    yield from requests(now, at)


def has_audio(now: c.Conversation) -> bool:
    """Whether the newest reply's first audio came already."""
    match now.floor:
        case c.Listening(draft=draft):
            return draft is not None and draft.audible
        case c.Replying(audible=audible, pause=pause):
            return audible or (pause is not None and pause.audible)


def form(now: c.Conversation) -> tuple[object, ...]:
    """What distinguishes a state here; what words say, and when, makes no difference."""
    drafted = isinstance(now.floor, c.Listening) and now.floor.drafts > 0
    said = bool(now.finals), bool(now.interim), drafted
    return (
        named(now.floor),
        said,
        type(now.voice),
        now.behind,
        now.commit_pending,
        now.prompted,
        now.line,
        now.options,
    )


@cache
def reached(policy: TurnPolicy) -> tuple[c.Conversation, ...]:
    """One conversation of every form, breadth first from a call's beginning."""
    start, _ = c.step(c.Conversation(), c.CallerJoined(0.0), policy)
    waiting, found = deque([(start, 0.0)]), {form(start): start}
    while waiting:
        now, at = waiting.popleft()
        for event in events(now, at + STEP_S):
            after, commands = c.step(now, event, policy)
            if form(after) not in found and c.EndCall() not in commands:
                found[form(after)] = after
                waiting.append((after, event.at))
    return tuple(found.values())


def waits(policy: TurnPolicy) -> Iterator[tuple[c.Conversation, float]]:
    for now in reached(policy):
        if now.wake_at is not None:
            yield now, now.wake_at


def named(floor: c.Listening | c.Replying) -> str:
    """What a floor is made of, in words."""
    if isinstance(floor, c.Listening):
        parts = [type(part).__name__ for part in (floor.wait, floor.draft) if part]
        audible = floor.draft is not None and floor.draft.audible
        return " ".join(["Listening", *parts, *(["audible"] if audible else [])])
    flags = ["audible", "request", "goodbye", "provisional", "doubted"]
    said = [flag for flag in flags if getattr(floor, flag)]
    said += [] if floor.interruptible else ["uninterruptible"]
    paused = ["Pause", *(["audible"] if floor.pause.audible else [])] if floor.pause else []
    return " ".join(["Replying", *said, *paused])


def test_every_event_is_tried():
    now = reached(IDLE)[0]
    tried = {type(event) for event in events(now, 1.0)} | {c.CallerJoined, c.TimerFired}
    assert tried == set(get_args(c.Event))


FLOORS = """
Listening
Listening Idle
Listening Silence
Listening Silence Draft
Listening Silence Draft audible
Listening Late
Listening Late Draft
Listening Late Draft audible
Listening Finals
Listening Finals Draft
Listening Finals Draft audible
Listening Asked
Listening Asked Draft
Listening Asked Draft audible
Listening Draft
Listening Draft audible
Replying
Replying audible
Replying audible doubted
Replying provisional
Replying audible provisional
Replying provisional doubted
Replying audible provisional doubted
Replying request
Replying audible request
Replying audible request doubted
Replying request provisional
Replying audible request provisional
Replying request provisional doubted
Replying audible request provisional doubted
Replying goodbye
Replying audible goodbye
Replying audible goodbye doubted
Replying uninterruptible
Replying audible uninterruptible
Replying Pause
Replying Pause audible
Replying audible Pause
Replying audible doubted Pause
Replying provisional Pause
Replying audible provisional Pause
Replying provisional Pause audible
Replying provisional doubted Pause
Replying audible provisional doubted Pause
Replying provisional doubted Pause audible
Replying request Pause
Replying audible request Pause
Replying request Pause audible
Replying audible request doubted Pause
Replying request provisional Pause
Replying audible request provisional Pause
Replying request provisional Pause audible
Replying request provisional doubted Pause
Replying audible request provisional doubted Pause
Replying request provisional doubted Pause audible
Replying goodbye Pause
Replying audible goodbye Pause
Replying goodbye Pause audible
Replying audible goodbye doubted Pause
"""


def test_the_floor_has_these_states_and_no_others():
    """What a new field or flag makes possible shows up here."""
    floors = {named(now.floor) for policy in POLICIES for now in reached(policy)}
    assert floors == set(FLOORS.strip().splitlines())


def test_the_conversation_has_this_many_states():
    """Of a floor, words or none, a voice, a recogniser, a line, and options of its turns."""
    assert len(fields(c.Conversation)) <= 12
    assert [len(reached(policy)) for policy in POLICIES] == [22982, 19516]


@pytest.mark.parametrize("policy", POLICIES)
def test_a_pause_always_ends(policy: TurnPolicy):
    """Whatever else happens or not, time alone brings the reply back, or the floor."""
    pauses = [now for now in reached(policy) if is_paused(now)]
    assert pauses
    for now in pauses:
        assert now.wake_at is not None
        after, commands = c.step(now, c.TimerFired(now.wake_at), policy)
        if now.behind and is_paused(after):  # it waits for late words once, and no longer
            assert after.wake_at is not None
            assert after.wake_at > now.wake_at
            after, commands = c.step(after, c.TimerFired(after.wake_at), policy)
        assert isinstance(commands[-1], c.ResumeReply)
        assert not is_paused(after)


def is_paused(now: c.Conversation) -> bool:
    return isinstance(now.floor, c.Replying) and now.floor.pause is not None


@pytest.mark.parametrize("policy", POLICIES)
def test_an_answer_that_was_asked_for_always_comes(policy: TurnPolicy):
    """Neither time nor any event leaves a program without it, unless it takes its request back."""
    asked = [now for now, _ in waits(policy) if is_asked(now)]
    assert asked
    for now in asked:
        assert now.wake_at is not None
        for event in (*events(now, now.wake_at - STEP_S), c.TimerFired(now.wake_at)):
            after, commands = c.step(now, event, policy)
            started = [one for one in commands if isinstance(one, c.StartReply | c.Say)]
            if isinstance(event, c.CallerInterrupted):
                assert any(isinstance(one, c.DropRequest) for one in commands)
                continue
            assert started or goes_on_waiting(now, after)
            assert all(one.request for one in started)


def goes_on_waiting(now: c.Conversation, after: c.Conversation) -> bool:
    """Whether the program still waits, and longer only for a recogniser that is behind."""
    before, wait = asked_in(now), asked_in(after)
    if not (before and wait):
        return False
    longer = after.behind is not None and wait.until == wait.latest
    return wait.latest == before.latest and (wait.until <= before.until or longer)


def is_asked(now: c.Conversation) -> bool:
    return asked_in(now) is not None


def asked_in(now: c.Conversation) -> c.Asked | None:
    wait = now.floor.wait if isinstance(now.floor, c.Listening) else None
    return wait if isinstance(wait, c.Asked) else None


@pytest.mark.parametrize("policy", POLICIES)
def test_a_draft_is_for_words_that_silence_will_have_answered(policy: TurnPolicy):
    for now in reached(policy):
        if isinstance(now.floor, c.Listening) and now.floor.draft:
            assert now.said()
            assert now.options.answers
            assert not now.options.by_hand
            assert not isinstance(now.voice, c.Voiced)
            assert now.floor.wait or now.line is not c.Line.OPEN


@pytest.mark.parametrize("policy", POLICIES)
def test_drafts_are_counted_in_their_turn_alone(policy: TurnPolicy):
    for now in reached(policy):
        if isinstance(now.floor, c.Listening) and now.floor.drafts:
            assert now.said()


@pytest.mark.parametrize("policy", POLICIES)
def test_there_is_always_something_to_wake_for(policy: TurnPolicy):
    for now, wake_at in waits(policy):
        after, _ = c.step(now, c.TimerFired(wake_at), policy)
        assert after.wake_at is None or after.wake_at > wake_at, now
        match now.floor:
            case c.Listening(wait=c.Silence() | c.Finals()):
                assert now.said()
                assert now.line is c.Line.OPEN
            case c.Listening(wait=c.Late()):
                assert now.behind
                assert now.said() or now.behind.broken
                assert now.line is c.Line.OPEN
            case c.Listening(wait=c.Idle()):
                assert not now.said()
                assert now.line is c.Line.OPEN
                assert not isinstance(now.voice, c.Voiced)
            case _:
                pass


@pytest.mark.parametrize("policy", POLICIES)
def test_words_are_never_left_without_a_wait_that_ends(policy: TurnPolicy):
    """Unless a program takes its turns by hand, or the line's last words are to come."""
    for now in reached(policy):
        if isinstance(now.floor, c.Listening) and now.said() and now.line is c.Line.OPEN:
            assert now.wake_at is not None or now.options.by_hand, now


@pytest.mark.parametrize("policy", POLICIES)
def test_what_names_another_reply_changes_nothing(policy: TurnPolicy):
    for now in reached(policy):
        for stale in (now.reply - 1, now.reply + 1):
            for event in (
                c.ReplyAudioStarted(99.0, stale),
                c.ReplyHeard(99.0, stale, "we"),
                c.ReplyEnded(99.0, stale, "well"),
            ):
                assert c.step(now, event, policy) == (now, ())
