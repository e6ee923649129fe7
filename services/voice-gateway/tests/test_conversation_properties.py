"""What holds in every conversation, whatever happens in it."""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st
from voice_gateway import conversation as c
from voice_gateway.conversation.policy import TurnPolicy

POLICY = TurnPolicy(settle_s=0.3, max_silence_s=2.0, memory_messages=6)
WORDS = st.sampled_from(["", "hello", "what is", "the weather in Paris"])
GREETED = replace(POLICY, greeting="Hello!", idle_prompt_s=1.0, idle_end_s=1.0)
FIRM = replace(GREETED, greeting_interruptible=False, drafts=1, pauses=1)
POLICIES = st.sampled_from([POLICY, GREETED, FIRM])
REPLIES = st.integers(0, 5)
NAMES = st.sampled_from(
    ["note", *(f"{kind}-{n}" for kind in ("question", "answer") for n in (1, 2))]
)
NOTES = st.sampled_from(
    [
        c.Message("user", "I am Ann.", name="note"),
        c.Message("assistant", "Well.", name="note"),
        c.Message("system", "Be brief.", name="note"),
        c.Message("assistant", "", calls=(c.ToolCall("call-1", "look", "{}"),)),
        c.Message("tool", "rain", call_id="call-1"),
    ]
)


GAPS = st.sampled_from([0.0, 0.1, 0.5, 2.5])
NOW = st.just(0.0)

EVENTS: st.SearchStrategy[c.Event] = st.one_of(
    st.builds(c.CallerSpoke, NOW, WORDS, st.booleans()),
    st.builds(c.CallerVoiced, NOW),
    st.builds(c.CallerQuiet, NOW, NOW),
    st.builds(c.EndOfTurnProbability, NOW, st.floats(0, 1)),
    st.builds(c.RecognitionBehind, NOW, st.booleans()),
    st.builds(c.RecognitionCaughtUp, NOW),
    st.builds(c.CallerTyped, NOW, WORDS.filter(bool)),
    st.builds(c.CallerInterrupted, NOW),
    st.builds(c.CallerClosed, NOW),
    st.builds(c.CallerFinished, NOW),
    st.builds(c.ReplyAudioStarted, NOW, REPLIES),
    st.builds(c.ReplyHeard, NOW, REPLIES, WORDS),
    st.builds(c.ReplyEnded, NOW, REPLIES, WORDS),
    st.builds(c.TimerFired, NOW),
)
REQUESTS: st.SearchStrategy[c.Event] = st.one_of(
    st.builds(c.CallerAsked, NOW),
    st.builds(c.CallerEnded, NOW),
    st.builds(c.CallerForgot, NOW, st.lists(WORDS.filter(bool), max_size=2).map(tuple)),
    st.builds(c.CallerNoted, NOW, NOTES),
    st.builds(c.CallerWithdrew, NOW, NAMES),
    st.builds(c.HeardAmended, NOW, REPLIES, WORDS),
    st.builds(
        c.CallerChose,
        NOW,
        *[st.booleans()] * 3,
        st.none(),
        st.just(1.0),
        st.sampled_from([None, 0.5]),
    ),
)
"""What a caller's program asks for."""


def calls(*, programmed: bool = False) -> st.SearchStrategy[list[c.Event]]:
    happens = EVENTS | REQUESTS if programmed else EVENTS
    return st.lists(st.tuples(GAPS, happens), max_size=40).map(_one_after_another)


def _one_after_another(timed: list[tuple[float, c.Event]]) -> list[c.Event]:
    at, events = 0.0, list[c.Event]()
    for gap, event in timed:
        at += gap
        quiet = isinstance(event, c.CallerQuiet)
        events.append(c.CallerQuiet(at, at - 0.1) if quiet else replace(event, at=at))
    return events


@dataclass(frozen=True)
class Taken:
    """One step of a call."""

    before: c.Conversation
    event: c.Event
    after: c.Conversation
    commands: tuple[c.Command, ...]


def stepped(call: list[c.Event], policy: TurnPolicy) -> Iterator[Taken]:
    """The call's steps, until it is over; each reply has first audio at most once."""
    now, voiced = c.Conversation(), set[int]()
    for event in [c.CallerJoined(0.0), *call]:
        if isinstance(event, c.ReplyAudioStarted):
            if event.reply in voiced:
                continue
            voiced.add(event.reply)
        before = now
        now, commands = c.step(before, event, policy)
        yield Taken(before, event, now, commands)
        if c.EndCall() in commands:
            return


@dataclass
class Floor:
    """What whoever carries the commands out must be able to rely on."""

    live: int = 0
    draft: int = 0
    paused: bool = False
    announced: set[int] = field(default_factory=set[int])

    def carry_out(self, command: c.Command) -> None:
        match command:
            case c.StartReply(reply) | c.Say(reply) | c.PrepareReply(reply):
                assert self.live == self.draft == 0
                prepared = isinstance(command, c.PrepareReply)
                self.live, self.draft = (0, reply) if prepared else (reply, 0)
            case c.ReleaseReply(reply):
                assert reply == self.draft
                self.live, self.draft = reply, 0
            case c.CancelReply(reply):
                assert reply == (self.live or self.draft)
                self.live, self.draft, self.paused = 0, 0, False
            case c.EndTurn(reply):
                assert (reply, self.paused) == (self.live, False)
                self.live = 0
            case c.AnnounceReply(reply):
                assert reply == self.live
                assert reply not in self.announced
                self.announced.add(reply)
            case c.PauseReply(reply):
                assert (reply, self.paused) == (self.live, False)
                self.paused = True
            case c.ResumeReply(reply):
                assert (reply, self.paused) == (self.live, True)
                self.paused = False
            case c.Interrupted() | c.EndCall() | c.KeepTurn():
                assert self.live == 0
            case c.AskFinal() | c.DropWords() | c.DropRequest():
                self.record(command)

    def record(self, command: c.AskFinal | c.DropWords | c.DropRequest) -> None:
        """What concerns words says which, and asks for more while nobody speaks over them."""
        match command:
            case c.DropWords(text):
                assert text.strip()
            case c.DropRequest(request):
                assert request
            case c.AskFinal():
                assert self.live == 0 or self.paused

    def fail(self, event: c.Event) -> None:
        """A draft that ended has failed, and nothing of it runs on."""
        if isinstance(event, c.ReplyEnded) and event.reply == self.draft:
            self.draft = 0


def the_floor(now: c.Conversation) -> tuple[int, int, bool]:
    """The live reply, the draft, and whether the reply is paused."""
    match now.floor:
        case c.Listening(draft=draft):
            return 0, now.reply if draft else 0, False
        case c.Replying(pause=pause):
            return now.reply, 0, pause is not None


@given(calls(programmed=True), POLICIES)
def test_one_reply_is_made_at_a_time_and_whatever_is_made_is_known_of(
    call: list[c.Event], policy: TurnPolicy
):
    """A draft that is given up is cancelled: no request to an upstream runs on. No reply is
    announced twice, and only the live one is cancelled, paused and resumed."""
    floor = Floor()
    for taken in stepped(call, policy):
        floor.fail(taken.event)
        for command in taken.commands:
            floor.carry_out(command)
        assert the_floor(taken.after) == (floor.live, floor.draft, floor.paused)


@given(calls(), st.sampled_from([POLICY, GREETED]))
def test_history_alternates_ends_with_a_question_and_stays_bounded(
    call: list[c.Event], policy: TurnPolicy
):
    for taken in stepped(call, policy):
        for command in taken.commands:
            if isinstance(command, c.StartReply | c.PrepareReply):
                roles = [message.role for message in command.history]
                assert len(roles) <= POLICY.memory_messages
                assert roles[-1] == "user"
                assert roles[0] == "user" or policy is GREETED
                assert all(a != b for a, b in pairwise(roles))
                assert all(message.text.strip() for message in command.history)


@given(calls(programmed=True), POLICIES)
def test_no_side_speaks_twice_in_a_row_whatever_a_program_adds_and_takes_away(
    call: list[c.Event], policy: TurnPolicy
):
    for taken in stepped(call, policy):
        for command in taken.commands:
            if isinstance(command, c.StartReply | c.PrepareReply):
                assert len(command.history) <= POLICY.memory_messages
                for one, other in pairwise(command.history):
                    apart = one.role in ("system", "tool") or one.calls or other.calls
                    assert one.role != other.role or apart


@given(calls(programmed=True), POLICIES)
def test_an_answer_that_was_asked_for_comes_in_time(call: list[c.Event], policy: TurnPolicy):
    """After the time that a final has; the longer time is for a recogniser that is behind."""
    final_s, late_s = policy.final_wait_s, max(policy.final_wait_s, policy.late_wait_s)
    asked_at: float | None = None
    whole_at = 0.0  # since when the words have been whole
    for taken in stepped(call, policy):
        asks = isinstance(taken.event, c.CallerAsked) and isinstance(
            taken.before.floor, c.Listening
        )
        if asks and asked_at is None and taken.before.line is not c.Line.CLOSED:
            asked_at = taken.event.at
        if any(getattr(command, "request", 0) for command in taken.commands):
            asked_at = None
        whole_at = taken.event.at if taken.after.behind else whole_at
        if asked_at is not None:
            assert taken.after.wake_at is not None
            assert taken.after.wake_at <= asked_at + late_s
            assert taken.after.behind or taken.after.wake_at <= max(asked_at, whole_at) + final_s
            assert c.EndCall() not in taken.commands


@given(calls(programmed=True), POLICIES)
def test_every_wait_ends_and_there_is_something_to_wake_for(
    call: list[c.Event], policy: TurnPolicy
):
    for now in (taken.after for taken in stepped(call, policy)):
        if now.wake_at is None:
            continue
        after, _ = c.step(now, c.TimerFired(now.wake_at), policy)
        assert after != now
        assert after.wake_at is None or after.wake_at > now.wake_at or after.floor != now.floor
        assert now.line is not c.Line.CLOSED


@given(calls())
def test_a_wait_stands_only_while_words_wait_for_an_answer_or_a_reply_for_a_sound(
    call: list[c.Event],
):
    for now in (taken.after for taken in stepped(call, POLICY)):
        if now.wake_at is not None:
            assert now.line is c.Line.OPEN
            broken = now.behind is not None and now.behind.broken
            assert isinstance(now.floor, c.Replying) or now.said() or broken


@given(calls(programmed=True), POLICIES)
def test_what_names_another_reply_than_the_newest_changes_nothing(
    call: list[c.Event], policy: TurnPolicy
):
    for taken in stepped(call, policy):
        if isinstance(taken.event, c.ReplyAudioStarted | c.ReplyHeard | c.ReplyEnded):
            live, draft, _ = the_floor(taken.before)
            if taken.event.reply not in (live, draft) or not taken.event.reply:
                assert (taken.after, taken.commands) == (taken.before, ())


@given(calls(programmed=True), POLICIES)
def test_a_finished_call_ends_once_its_last_reply_has(call: list[c.Event], policy: TurnPolicy):
    now, over = c.Conversation(), False
    for taken in stepped([*call, c.CallerFinished(999.0)], policy):
        now, over = taken.after, c.EndCall() in taken.commands
    replies = 0
    while not over:
        replies += 1
        now, commands = c.step(now, c.ReplyEnded(1000.0, now.reply, "bye"), policy)
        over = c.EndCall() in commands
        assert replies <= 2  # the live one, and the one to what was said into it
