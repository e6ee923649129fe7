"""A call that names its conversation goes on with what was said in the call before."""

import asyncio
import logging
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, cast

import grpc
import pytest
from voice_gateway import conversation as c
from voice_gateway.adapters.local_memory import LocalMemories
from voice_gateway.call.session import CallOptions
from voice_gateway.conversation import Message
from voice_gateway.conversation.policy import TurnPolicy
from voice_gateway.errors import CallerSilent, Unavailable
from voice_gateway.messages import CallConfig, Transcript
from voice_gateway.observe.event_log import first_line, read, step_line
from voice_gateway.ports import Memory
from voice_gateway.testing.fake_chat import FakeChat
from voice_gateway.testing.fake_riva import FakeRiva
from voice_gateway.testing.scripted import Call, Says
from voice_gateway.transports.wire import Defaults, to_config
from voice_proto import voice_workflow_pb2 as pb

from .conftest import Gateway, Serve

ID = "b1946ac92492d2347c6235b4d2611184"
STORY = "Once upon a time, there was a fox. It lived in a wood. The end."


class StoreOf(Memory):
    """A store that takes its time, or fails; remembers what it was asked to keep."""

    def __init__(
        self, *recalls_s: float, keep_s: float = 0.0, fault: Exception | None = None
    ) -> None:
        self._recalls_s = [*recalls_s]
        """How long each recall takes; those behind take no time."""
        self.recalls = 0
        self._keep_s = keep_s
        self._fault = fault
        self.asked = 0
        self.at_once = 0
        self.kept: list[tuple[Message, ...]] = []

    def open(self, conversation_id: str, principal: str) -> Memory:
        assert conversation_id == ID
        return self

    async def recall(self) -> tuple[Message, ...]:
        self.recalls += 1
        await asyncio.sleep(self._recalls_s.pop(0) if self._recalls_s else 0.0)
        if self._fault:
            raise self._fault
        return (Message("user", "my name is Ada"), Message("assistant", "Hello Ada."))

    async def keep(self, messages: Sequence[Message]) -> None:
        self.asked += 1
        self.at_once += 1
        assert self.at_once == 1, "one write at a time"
        try:
            await asyncio.sleep(self._keep_s)
        finally:
            self.at_once -= 1
        if self._fault:
            raise self._fault
        self.kept.append(tuple(messages))


def a_call(memory: LocalMemories | StoreOf, *says: Says, **more: Any) -> Call:
    call: dict[str, Any] = {"conversation_id": ID, "memory": memory.open, "hangs_up": 20.0}
    return Call(says=says, **{**call, **more}).run()


class TestAcrossCalls:
    def test_a_turn_that_was_taken_too_early_is_one_question(self):
        store = StoreOf()
        early, late = Says(1.0, "What is natural language"), Says(1.4, "processing?")
        call = a_call(store, early, late, replies=["Natural language is", "A field."])
        question = Message("user", "What is natural language processing?")
        assert call.asked[-1][-1] == question
        assert store.kept[-1][2:] == (question, Message("assistant", "A field."))
        (last,) = (m for _, m in call.received if isinstance(m, Transcript) and m.replaces)
        assert (last.replaces, last.turn) == (1, question.text)

    def test_the_next_call_goes_on_with_what_was_said(self):
        memories = LocalMemories(600)
        a_call(memories, Says(1.0, "my name is Ada"), replies=["Hello Ada."])
        second = a_call(memories, Says(1.0, "what is my name"), replies=["Ada."])
        assert second.asked == [
            (
                Message("user", "my name is Ada"),
                Message("assistant", "Hello Ada."),
                Message("user", "what is my name"),
            )
        ]

    def test_a_call_without_a_name_leaves_nothing_behind(self):
        memories = LocalMemories(600)
        call = a_call(memories, Says(1.0, "hello"), replies=["Hi."], conversation_id="")
        assert call.error is None
        assert len(memories) == 0

    def test_only_what_was_heard_is_remembered(self):
        memories = LocalMemories(600)
        says = Says(1.0, "tell me a story"), Says(3.0, "wait", final=False), Says(3.5, "wait stop")
        a_call(memories, *says, replies=[STORY, "As you like."])
        second = a_call(memories, Says(1.0, "go on"), replies=["There was a fox."])
        assert second.asked[0][:3] == (
            Message("user", "tell me a story"),
            Message("assistant", "Once upon a time,", interrupted=True),
            Message("user", "wait stop"),
        )

    def test_so_is_the_answer_that_the_line_dropped_in(self):
        memories = LocalMemories(600)
        rules = CallOptions(longest_s=3.0)
        first = a_call(memories, Says(1.0, "tell me a story"), replies=[STORY], rules=rules)
        assert isinstance(first.error, CallerSilent)
        second = a_call(memories, Says(1.0, "go on"), replies=["There was a fox."])
        assert second.asked[0][:2] == (
            Message("user", "tell me a story"),
            Message("assistant", "Once upon a time,", interrupted=True),
        )

    def test_nobody_is_greeted_twice(self):
        memories = LocalMemories(600)
        rules = CallOptions(policy=TurnPolicy(greeting="Welcome."))
        first = a_call(memories, Says(3.0, "hello"), replies=["Hi."], rules=rules)
        second = a_call(memories, Says(3.0, "hello again"), replies=["Hi."], rules=rules)
        assert "Welcome." in first.voice.spoken
        assert second.voice.spoken == ["Hi."]
        assert second.asked[0][0] == Message("assistant", "Welcome.")


class TestSlowStore:
    def test_the_ear_hears_while_nothing_is_known_yet(self):
        call = a_call(StoreOf(0.4), Says(0.1, "what is my name"), replies=["Ada."])
        assert call.timeline()[:2] == [(0.0, "LISTENING"), (0.4, "PROCESSING")]
        (heard,) = [at for at, message in call.received if isinstance(message, Transcript)]
        assert heard == pytest.approx(0.1)
        assert call.asked[0][0] == Message("user", "my name is Ada")

    def test_it_is_waited_for_half_a_second_and_the_caller_is_told(self):
        call = a_call(StoreOf(99.0), Says(0.1, "what is my name"), replies=["Who knows."])
        assert call.timeline()[:3] == [
            (0.0, "LISTENING"),
            (0.5, "ERROR memory timed_out"),
            (0.5, "PROCESSING"),
        ]
        assert call.asked == [(Message("user", "what is my name"),)]
        assert call.error is None

    def test_what_it_held_is_kept_although_it_was_read_too_late(self):
        store = StoreOf(99.0, 1.0)
        call = a_call(store, Says(0.1, "what is my name"), replies=["Who knows."])
        assert call.asked == [(Message("user", "what is my name"),)]
        assert [m.text for m in store.kept[-1]] == [
            "my name is Ada", "Hello Ada.", "what is my name", "Who knows."
        ]  # fmt: skip

    def test_it_is_not_written_before_it_could_be_read(self):
        store = StoreOf(*[99.0] * 20)
        call = a_call(store, Says(0.1, "one"), Says(5.0, "two"), replies=["First.", "Second."])
        assert call.error is None
        assert store.asked == 0

    def test_what_comes_later_takes_the_place_of_what_waits(self):
        store = StoreOf(keep_s=1.9)
        says = [Says(1.0 + turn / 2, f"turn {turn}") for turn in range(6)]
        call = a_call(store, *says, replies=["Yes."] * 6, hangs_up=12.0)
        assert call.error is None
        assert 2 <= len(store.kept) < 6
        assert store.kept[-1][-1] == Message("assistant", "Yes.")

    def test_no_answer_waits_for_it(self):
        def answered(store: StoreOf) -> list[tuple[float, str]]:
            return a_call(store, Says(1.0, "one"), Says(6.0, "two"), replies=[STORY] * 2).timeline()

        assert answered(StoreOf(keep_s=99.0)) == answered(StoreOf())

    def test_nor_does_the_end_of_the_call_for_long(self):
        store = StoreOf(keep_s=99.0)
        call = a_call(store, Says(1.0, "one"), replies=["Yes."], hangs_up=9.0)
        assert call.ended_at == pytest.approx(10.0)
        assert call.error is None


class TestFailingStore:
    @pytest.mark.parametrize("fault", [Unavailable("memory", "gone"), RuntimeError("a bug")])
    def test_the_call_goes_on_without_it(self, fault: Exception, caplog: pytest.LogCaptureFixture):
        store = StoreOf(fault=fault)
        with caplog.at_level(logging.WARNING):
            call = a_call(store, Says(1.0, "one"), Says(5.0, "two"), replies=["First.", "Second."])
        assert call.error is None
        assert (0.0, "ERROR memory unavailable") in call.timeline()
        assert [call.text(1), call.text(2)] == ["First.", "Second."]
        assert store.recalls > 2
        assert not store.kept
        told = [r for r in caplog.records if "not kept" in r.getMessage()]
        assert len(told) == 1
        assert ID not in caplog.text


class TestLocalMemories:
    def setup_method(self) -> None:
        self.now = 0.0
        self.memories = LocalMemories(600, most=2, clock=lambda: self.now)

    async def left(self, name: str, text: str) -> Memory:
        memory = self.memories.open(name)
        await memory.recall()
        await memory.keep((Message("user", text),))
        return memory

    async def recalled(self, name: str) -> list[str]:
        return [message.text for message in await self.memories.open(name).recall()]

    async def test_forgets_after_a_while(self):
        await self.left("a", "hello")
        self.now = 599.9
        assert await self.recalled("a") == ["hello"]
        self.now += 600
        assert await self.recalled("a") == []

    async def test_holds_so_many(self):
        for name in "abc":
            await self.left(name, name)
        assert len(self.memories) == 2
        assert [await self.recalled(name) for name in "bc"] == [["b"], ["c"]]

    async def test_asking_for_what_does_not_exist_costs_nobody_the_memory(self):
        await self.left("a", "hello")
        for stranger in range(5):
            assert await self.recalled(f"stranger-{stranger}") == []
        assert await self.recalled("a") == ["hello"]

    async def test_the_later_call_has_the_memory(self):
        older = await self.left("a", "from the older")
        newer = self.memories.open("a")
        assert [m.text for m in await newer.recall()] == ["from the older"]
        await newer.keep((Message("user", "from the newer"),))
        await older.keep((Message("user", "too late"),))
        assert await self.recalled("a") == ["from the newer"]


def test_what_was_recalled_is_not_taken_for_this_calls_replies():
    recalled = (Message("user", "hello", name="question-1"), Message("assistant", "Hi there."))
    start, _ = c.step(c.Conversation(), c.CallerJoined(0.0, recalled), TurnPolicy())
    after, _ = c.step(start, c.HeardAmended(1.0, 1, "Hi"), TurnPolicy())
    assert after.history == recalled
    assert not any(message.name for message in after.history)


def test_an_event_log_holds_what_was_recalled():
    joined = c.CallerJoined(1.5, (Message("assistant", "Hi", True, (c.ToolCall("1", "f", "{}"),)),))
    config = CallConfig("x", "en-US", 16_000, "", "")
    first = first_line(config, TurnPolicy(), datetime.now(UTC), 0.0)
    log = read([first, step_line(joined, ())])
    assert log.steps[0].event == joined


class TestOnTheWire:
    async def turn(self, gateway: Gateway, conversation_id: str, text: str) -> list[str]:
        """Hold one turn in a call of its own; returns what the model was asked with."""
        async with gateway.dial() as line:
            await line.say(config=pb.VoiceConfig(conversation_id=conversation_id))
            await line.say(text_input=text)
            await line.until(pb.END_OF_TURN)
            await line.hang_up()
            await line.rest()
        return [message["content"] for message in gateway.chat.requests[-1].messages[1:]]

    async def test_a_client_that_dials_again_goes_on(self, serve: Serve):
        async with serve(FakeRiva(), FakeChat(replies=["First.", "Second."])) as gateway:
            await self.turn(gateway, ID, "one")
            assert await self.turn(gateway, ID, "two") == ["one", "First.", "two"]

    async def test_nobody_else_does(self, serve: Serve):
        async with serve(FakeRiva(), FakeChat(replies=["First."] * 3)) as gateway:
            await self.turn(gateway, ID, "one")
            assert await self.turn(gateway, ID[::-1], "two") == ["two"]
            assert await self.turn(gateway, "", "three") == ["three"]

    async def test_nor_is_anything_of_a_dropped_line_lost(self, serve: Serve):
        chat = FakeChat(replies=["One, two, three, four, five. " * 20, "Six."])
        async with serve(FakeRiva(), chat) as gateway:
            async with gateway.dial() as line:
                await line.say(config=pb.VoiceConfig(conversation_id=ID))
                await line.say(text_input="count")
                await line.until(pb.SPEAKING)
                while len(line.audio()) < 48_000:  # 1.5 s: sent as it is played, a little ahead
                    line.received.append(await line.call.read())
            await cast(Any, gateway.server)._calls.over()
            question, answer, more = await self.turn(gateway, ID, "go on")
            assert (question, more) == ("count", "go on")
            assert answer.startswith("One, two")
            assert len(answer) < 200

    async def test_its_time_may_be_set(self, serve: Serve):
        chat = FakeChat(replies=["First.", "Second."])
        async with serve(FakeRiva(), chat, call_state_keep_s=0.001) as gateway:
            await self.turn(gateway, ID, "one")
            assert await self.turn(gateway, ID, "two") == ["two"]

    async def test_a_name_too_long_is_refused(self, serve: Serve):
        async with serve(FakeRiva(), FakeChat()) as gateway, gateway.dial() as line:
            await line.say(config=pb.VoiceConfig(conversation_id="x" * 129))
            code, said = await line.refusal()
            assert code is grpc.StatusCode.INVALID_ARGUMENT
            assert said == "config.conversation_id has 129 characters; allowed: at most 128"

    def test_the_name_is_shown_nowhere(self):
        config = to_config(pb.VoiceConfig(conversation_id=ID), Defaults("en-US", 16_000, "", ""))
        assert config.conversation_id == ID
        assert ID not in repr(config)
