"""Whole calls on the virtual clock whose line drops: what was sent arrives once, in order."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from voice_gateway.call.journal import Journal
from voice_gateway.call.resumable import Line, Resumable
from voice_gateway.call.session import CallOptions, Session
from voice_gateway.errors import CallLost
from voice_gateway.messages import (
    Audio,
    CallConfig,
    CutOff,
    FromCaller,
    Interrupt,
    Moving,
    ReplyAudio,
    ReplyText,
    ToCaller,
    TurnOver,
    Typed,
)
from voice_gateway.ports import Services
from voice_gateway.testing import virtual_time
from voice_gateway.testing.scripted import (
    RATE_HZ,
    Says,
    ScriptedModel,
    ScriptedRecogniser,
    ScriptedVoice,
)

STORY = "Once upon a time, there was a fox. It lived in a wood. The end."
CONFIG = CallConfig("test", "en-US", RATE_HZ, "", "Be brief.", can_resume=True)


class Plain:
    """The wire without a codec."""

    def decode(self, chunk: bytes) -> bytes:
        return chunk

    def encode(self, message: ToCaller) -> Sequence[ToCaller]:
        return (message,)


@dataclass
class DroppingClient:
    """Takes messages over one line after the other; each drops as the script says.

    A cut `(arrived, lost, away_s)` is after so many more messages have arrived; so many are lost
    with the line, and the client is back after `away_s`.
    """

    caller: Resumable
    cuts: list[tuple[int, int, float]] = field(default_factory=list[tuple[int, int, float]])
    received: list[tuple[int, ToCaller]] = field(default_factory=list[tuple[int, ToCaller]])
    at: list[float] = field(default_factory=list[float])
    away: list[tuple[float, float]] = field(default_factory=list[tuple[float, float]])
    line: Line | None = None

    async def run(self) -> None:
        line = self.line = self.caller.attach(0)
        for cut in self.cuts:
            if not await self._take(line, cut[0]):
                return
            line = self.line = await self._drop(line, cut)
        while await self._take(line, 1):
            pass

    async def give(self, message: FromCaller | None) -> None:
        """Send a message, or hang up, as soon as there is a line."""
        while self.line is None:  # noqa: ASYNC110 (it is None now and then)
            await asyncio.sleep(0.01)
        if message:
            await self.caller.take_in(self.line, message, 0)
        else:
            self.caller.hang_up(self.line)

    async def _take(self, line: Line, count: int) -> bool:
        for _ in range(count):
            message = await self.caller.next_for(line)
            if message is None:
                return False
            self.received.append(message)
            self.at.append(_now())
        return True

    async def _drop(self, line: Line, cut: tuple[int, int, float]) -> Line:
        _, lost, away_s = cut
        for _ in range(lost):
            if await self.caller.next_for(line) is None:
                break
        self.caller.detach(line)
        self.line = None
        self.away.append((_now(), _now() + away_s))
        await asyncio.sleep(away_s)
        received = self.received[-1][0] if self.received else 0
        assert self.caller.reaches(received)
        return self.caller.attach(received)


@dataclass
class Dropped:
    """One scripted call over lines that drop, and what came of it."""

    says: Sequence[Says] = ()
    sends: Sequence[tuple[float, FromCaller]] = ()
    cuts: Sequence[tuple[int, int, float]] = ()
    hangs_up: float | None = 30.0
    drains: float | None = None
    client: DroppingClient | None = None
    error: Exception | None = None
    ended_at: float = 0.0
    model: ScriptedModel | None = None

    def run(self) -> "Dropped":
        virtual_time.run(self._run())
        return self

    async def _run(self) -> None:
        caller = Resumable(Plain(), Journal())
        self.client = DroppingClient(caller, list(self.cuts))
        self.model = ScriptedModel([STORY, STORY])
        services = Services(ScriptedRecogniser(self.says), self.model, ScriptedVoice())
        session = Session(caller, services, CONFIG, CallOptions())
        async with asyncio.TaskGroup() as tasks:
            taking = tasks.create_task(self.client.run())
            feeding = tasks.create_task(self._feed(self.client, session))
            try:
                await session.run()
            except Exception as error:  # noqa: BLE001  # tests check it
                self.error = error
            self.ended_at = _now()
            caller.end(None)
            feeding.cancel()
            await taking

    async def _feed(self, client: DroppingClient, session: Session) -> None:
        first = [(0.0, Audio(bytes(640)))] if self.says else []
        for at, message in [*first, *self.sends]:
            await asyncio.sleep(at - _now())
            await client.give(message)
        if self.drains is not None:
            await asyncio.sleep(self.drains - _now())
            session.drain("the gateway is stopping; call again")
        if self.hangs_up is not None:
            await asyncio.sleep(self.hangs_up - _now())
            await client.give(None)

    @property
    def got(self) -> list[ToCaller]:
        assert self.client
        return [message for _, message in self.client.received]

    @property
    def sequences(self) -> list[int]:
        assert self.client
        return [sequence for sequence, _ in self.client.received]

    def text(self) -> str:
        return "".join(m.text for m in self.got if isinstance(m, ReplyText)).strip()

    def audio(self) -> list[ReplyAudio]:
        return [m for m in self.got if isinstance(m, ReplyAudio)]


def _now() -> float:
    return asyncio.get_running_loop().time()


QUESTION = [Says(1.0, "tell me a story")]
WHOLE = Dropped(says=QUESTION).run()


def same_words_and_sound(call: Dropped) -> None:
    assert call.error is None
    assert call.sequences == list(range(1, len(call.got) + 1))
    assert call.text() == WHOLE.text() == STORY
    assert b"".join(m.pcm for m in call.audio()) == b"".join(m.pcm for m in WHOLE.audio())
    positions = [m.offset_s for m in call.audio()]
    assert positions == sorted(positions)
    assert [type(m) for m in call.got if not isinstance(m, ReplyText | ReplyAudio)] == [
        type(m) for m in WHOLE.got if not isinstance(m, ReplyText | ReplyAudio)
    ]


@pytest.mark.parametrize("lost", [0, 3])
@pytest.mark.parametrize("arrived", range(1, len(WHOLE.got)))
def test_the_line_drops_at_each_message_of_a_spoken_turn(arrived: int, lost: int):
    same_words_and_sound(Dropped(says=QUESTION, cuts=[(arrived, lost, 2.0)]).run())


@settings(max_examples=60, deadline=None)
@given(
    st.lists(
        st.tuples(st.integers(0, 12), st.integers(0, 8), st.floats(0.0, 4.0)),
        min_size=1,
        max_size=6,
    )
)
def test_any_cuts_lose_and_repeat_nothing(cuts: list[tuple[int, int, float]]):
    same_words_and_sound(Dropped(says=QUESTION, cuts=cuts, hangs_up=60.0).run())


def test_the_voice_waits_while_nobody_hears_it():
    """The audio is sent a lead ahead, and no more of it while the line is down."""
    first_audio = next(n for n, m in enumerate(WHOLE.got) if isinstance(m, ReplyAudio)) + 1
    call = Dropped(says=QUESTION, cuts=[(first_audio, 0, 5.0)]).run()
    assert call.client
    ((down, up),) = call.client.away
    at = [t for t, m in zip(call.client.at, call.got, strict=True) if isinstance(m, ReplyAudio)]
    assert not [t for t in at if down < t < up]
    heard_s = sum(len(m.pcm) for m in call.audio()) / 2 / RATE_HZ
    assert at[-1] > up + heard_s - 1.5  # it was not played into the void


def test_what_was_lost_with_the_line_does_not_count_as_heard():
    """The loss is noticed seconds later; who interrupts then has heard what had arrived."""
    first_audio = next(n for n, m in enumerate(WHOLE.got) if isinstance(m, ReplyAudio)) + 1
    cuts = [(first_audio, 23, 1.0)]
    dropped = Dropped(says=QUESTION, cuts=cuts).run()
    assert dropped.client
    ((down, up),) = dropped.client.away
    at = dict(zip(dropped.sequences, dropped.client.at, strict=True))
    assert down - at[first_audio] > 1.0  # so long it was sent into the void
    call = Dropped(says=QUESTION, cuts=cuts, sends=[(up + 0.1, Interrupt())]).run()
    (cut,) = [m for m in call.got if isinstance(m, CutOff)]
    arrived_s = len(call.audio()[0].pcm) / 2 / RATE_HZ
    assert cut.heard_s == pytest.approx(arrived_s + 0.1)
    assert cut.heard_text == ""


def test_a_turn_typed_after_the_drop_is_answered():
    call = Dropped(sends=[(1.0, Typed("one")), (12.0, Typed("two"))], cuts=[(2, 1, 3.0)]).run()
    assert call.error is None
    assert sum(isinstance(m, TurnOver) for m in call.got) == 2


class TestDrained:
    def test_a_silent_call_moves_at_once(self):
        call = Dropped(drains=2.0, hangs_up=None).run()
        assert isinstance(call.error, CallLost)
        assert call.ended_at == 2.0
        assert isinstance(call.got[-1], Moving)

    def test_a_turn_is_answered_to_its_end_first(self):
        call = Dropped(says=QUESTION, drains=1.5, hangs_up=None).run()
        assert isinstance(call.error, CallLost)
        assert call.text() == STORY
        assert isinstance(call.got[-1], TurnOver)
        told = next(n for n, m in enumerate(call.got) if isinstance(m, Moving))
        assert told < len(call.got) - 10

    def test_a_call_without_a_line_ends_at_once(self):
        call = Dropped(says=QUESTION, cuts=[(3, 0, 9.0)], drains=2.0, hangs_up=None).run()
        assert isinstance(call.error, CallLost)
        assert call.ended_at == 2.0
