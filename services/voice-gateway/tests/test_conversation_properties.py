"""What holds in every conversation, whatever happens in it."""

from dataclasses import dataclass, replace
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st
from voice_gateway import conversation as c
from voice_gateway.conversation.policy import TurnPolicy

POLICY = TurnPolicy(settle_s=0.3, max_silence_s=2.0, memory_messages=6)
WORDS = st.sampled_from(["", "hello", "what is", "the weather in Paris"])
GREETED = replace(POLICY, greeting="Hello!", idle_prompt_s=1.0, idle_end_s=1.0)
REPLIES = st.integers(0, 5)


def _events(at: float) -> st.SearchStrategy[c.Event]:
    return st.one_of(
        st.builds(c.CallerSpoke, st.just(at), WORDS, st.booleans()),
        st.builds(c.CallerVoiced, st.just(at)),
        st.builds(c.CallerQuiet, st.just(at), st.just(at - 0.1)),
        st.builds(c.EndOfTurnProbability, st.just(at), st.floats(0, 1)),
        st.builds(c.CallerTyped, st.just(at), WORDS.filter(bool)),
        st.builds(c.CallerInterrupted, st.just(at)),
        st.builds(c.CallerClosed, st.just(at)),
        st.builds(c.CallerFinished, st.just(at)),
        st.builds(c.ReplyAudioStarted, st.just(at), REPLIES),
        st.builds(c.ReplyHeard, st.just(at), REPLIES, WORDS),
        st.builds(c.ReplyEnded, st.just(at), REPLIES, WORDS),
        st.builds(c.TimerFired, st.just(at)),
    )


def _requests(at: float) -> st.SearchStrategy[c.Event]:
    """What a caller's program asks for."""
    return st.one_of(
        st.builds(c.CallerAsked, st.just(at)),
        st.builds(c.CallerEnded, st.just(at)),
        st.builds(c.CallerForgot, st.just(at)),
        st.builds(c.CallerChose, st.just(at), *[st.booleans()] * 3, st.none(), st.just(1.0)),
    )


@st.composite
def calls(draw: st.DrawFn, *, programmed: bool = False) -> list[c.Event]:
    gaps = draw(st.lists(st.sampled_from([0.0, 0.1, 0.5, 2.5]), max_size=40))
    at, events = 0.0, list[c.Event]()
    for gap in gaps:
        at += gap
        asks = programmed and draw(st.booleans())
        events.append(draw(_requests(at) if asks else _events(at)))
    return events


@dataclass
class Floor:
    """What whoever carries the commands out must be able to rely on."""

    live: int = 0
    held: int = 0
    paused: bool = False

    def carry_out(self, command: c.Command) -> None:
        match command:
            case c.StartReply(reply) | c.Say(reply) | c.PrepareReply(reply):
                assert self.live == self.held == 0
                held = isinstance(command, c.PrepareReply)
                self.live, self.held = (0, reply) if held else (reply, 0)
            case c.ReleaseReply(reply):
                assert reply == self.held
                self.live, self.held = reply, 0
            case c.CancelReply(reply):
                assert reply == (self.live or self.held)
                self.live, self.held, self.paused = 0, 0, False
            case c.EndTurn(reply):
                assert (reply, self.paused) == (self.live, False)
                self.live = 0
            case c.AnnounceReply(reply):
                assert reply == self.live
            case c.PauseReply(reply):
                assert (reply, self.paused) == (self.live, False)
                self.paused = True
            case c.ResumeReply(reply):
                assert (reply, self.paused) == (self.live, True)
                self.paused = False
            case c.Interrupted() | c.EndCall() | c.AskFinal() | c.KeepTurn():
                assert self.live == 0


@given(calls(programmed=True), st.sampled_from([POLICY, GREETED]))
def test_one_reply_lives_at_a_time_and_only_the_live_one_is_cancelled(
    call: list[c.Event], policy: TurnPolicy
):
    now, floor = c.Conversation(), Floor()
    for event in [c.CallerJoined(0.0), *call]:
        now, commands = c.step(now, event, policy)
        for command in commands:
            floor.carry_out(command)
        assert (now.phase is c.Phase.LISTENING) == (floor.live == 0)
        assert (now.paused_at is not None) == floor.paused
        floor.held = now.held  # one that failed is forgotten without a command


@given(calls(), st.sampled_from([POLICY, GREETED]))
def test_history_alternates_ends_with_a_question_and_stays_bounded(
    call: list[c.Event], policy: TurnPolicy
):
    now = c.Conversation()
    for event in [c.CallerJoined(0.0), *call]:
        now, commands = c.step(now, event, policy)
        for command in commands:
            if isinstance(command, c.StartReply | c.PrepareReply):
                roles = [message.role for message in command.history]
                assert len(roles) <= POLICY.memory_messages
                assert roles[-1] == "user"
                assert roles[0] == "user" or policy is GREETED
                assert all(a != b for a, b in pairwise(roles))
                assert all(message.text.strip() for message in command.history)


@given(calls())
def test_a_deadline_stands_only_while_words_wait_for_an_answer_or_a_reply_for_a_sound(
    call: list[c.Event],
):
    now = c.Conversation()
    for event in call:
        now, _ = c.step(now, event, POLICY)
        if now.deadline is not None:
            assert not now.closing
            assert now.paused_at is not None or now.words or now.murmur
            assert (now.phase is c.Phase.LISTENING) == (now.paused_at is None)


@given(calls())
def test_a_finished_call_ends_once_its_last_reply_has(call: list[c.Event]):
    now, over = c.Conversation(), False
    for event in [*call, c.CallerFinished(999.0)]:
        now, commands = c.step(now, event, POLICY)
        over = over or c.EndCall() in commands
    if not over:
        now, commands = c.step(now, c.ReplyEnded(1000.0, now.reply, "bye"), POLICY)
        assert commands[-1] == c.EndCall()
