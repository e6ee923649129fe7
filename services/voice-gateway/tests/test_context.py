"""Long calls on models that take little, over real HTTP: every turn is answered."""

import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing, asynccontextmanager
from dataclasses import replace
from itertools import count, pairwise
from typing import Any, cast

import pytest
from voice_gateway import conversation as c
from voice_gateway.adapters.chat import ChatEndpoint, ChatOptions
from voice_gateway.adapters.chat_context import ChatContext
from voice_gateway.adapters.local_memory import LocalMemories
from voice_gateway.call.session import CallOptions
from voice_gateway.conversation.history import History, as_turns, with_answer, with_question
from voice_gateway.conversation.policy import TurnPolicy
from voice_gateway.errors import Misconfigured
from voice_gateway.messages import ModelOptions, Tool
from voice_gateway.testing.fake_chat import ChatRequest, FakeChat
from voice_gateway.testing.fake_chat_limits import REFUSALS, Limits, Template, count_tokens
from voice_gateway.testing.fake_riva import FakeRiva
from voice_gateway.testing.program import connect, typed
from voice_gateway.testing.scripted import Call, Says
from voice_proto import voice_workflow_pb2 as pb

from .conftest import Serve

PROMPT = "You are a friendly voice assistant. Answer in one to three short sentences."
LONG_ANSWER = "Thatisagoodquestionandiamgladthatyouaskmeaboutittoday. " * 12  # in few pieces
TURNS = 300
TOKENS = 4_096
POLICY = TurnPolicy(memory_messages=1_000)  # so that nothing but the context bounds the history


@asynccontextmanager
async def endpoint(chat: FakeChat, **options: Any) -> AsyncGenerator[ChatEndpoint]:
    async with chat:
        model = ChatEndpoint(ChatOptions(chat.base_url, "m", **options))
        try:
            yield model
        finally:
            await model.close()


class Talk:
    """A conversation with the model, without the sound: each question is typed and answered."""

    def __init__(self, model: ChatEndpoint, policy: TurnPolicy = POLICY) -> None:
        self._model = model
        self._policy = policy
        self._at = count(1)
        self.now = c.Conversation()

    def call(self, recalled: Sequence[c.Message] = ()) -> None:
        """A call begins, which may continue another one."""
        self.now = c.Conversation()
        self._step(c.CallerJoined(next(self._at), tuple(recalled)))
        if self._policy.greeting:
            self._step(c.ReplyEnded(next(self._at), self.now.reply, self._policy.greeting))

    async def ask(self, text: str, asking: ModelOptions | None = None) -> str:
        (started,) = self._step(c.CallerTyped(next(self._at), text))
        assert isinstance(started, c.StartReply)
        said = await answer(self._model, started.history, asking)
        self._step(c.ReplyEnded(next(self._at), self.now.reply, said))
        return said

    def _step(self, event: c.Event) -> tuple[c.Command, ...]:
        self.now, commands = c.step(self.now, event, self._policy)
        return commands


async def answer(
    model: ChatEndpoint, history: Sequence[c.Message], asking: ModelOptions | None = None
) -> str:
    pieces = model.complete(history, system_prompt=PROMPT, asking=asking or ModelOptions())
    async with aclosing(pieces) as text:
        return "".join([piece async for piece in text if isinstance(piece, str)])


def user(text: str) -> c.Message:
    return c.Message("user", text)


def question(turn: int) -> str:
    return f"question number {turn} about the weather in Hamburg and in Berlin, please"


def taken(chat: FakeChat) -> list[ChatRequest]:
    return [request for request in chat.requests if not request.refused]


class TestThreeHundredTurns:
    @pytest.mark.parametrize(
        ("server", "told"),
        [("vLLM", True), ("vLLM", False), ("llama.cpp", False), ("newer OpenAI", False)],
    )
    async def test_every_one_is_answered(self, server: str, told: bool):
        chat = FakeChat([LONG_ANSWER], limits=Limits(TOKENS, server, told))
        async with endpoint(chat) as model:
            if told:
                await model.check()
            talk = Talk(model)
            for turn in range(TURNS):
                assert await talk.ask(question(turn)) == LONG_ANSWER
        refused = [request for request in chat.requests if request.refused]
        assert len(refused) == (0 if told else 1)
        assert len(taken(chat)) == TURNS
        for turn, request in enumerate(taken(chat)):
            assert request.messages[0]["content"] == PROMPT
            assert request.messages[1]["role"] == "user"
            assert request.messages[-1]["content"] == question(turn)
            assert count_tokens(request.messages) <= TOKENS

    async def test_much_of_the_context_is_used(self):
        chat = FakeChat([LONG_ANSWER], limits=Limits(TOKENS, told=True))
        async with endpoint(chat) as model:
            await model.check()
            talk = Talk(model)
            for turn in range(60):
                await talk.ask(question(turn))
        used = [count_tokens(request.messages) for request in chat.requests[30:]]
        assert min(used) > 0.4 * TOKENS
        assert sum(used) / len(used) > 0.5 * TOKENS

    async def test_most_turns_begin_as_the_one_before_for_the_servers_cache(self):
        chat = FakeChat([LONG_ANSWER], limits=Limits(TOKENS, told=True))
        async with endpoint(chat) as model:
            await model.check()
            talk = Talk(model)
            for turn in range(100):
                await talk.ask(question(turn))
        firsts = [request.messages[1]["content"] for request in chat.requests]
        changes = sum(one != other for one, other in pairwise(firsts))
        assert changes < 35

    async def test_typed_turns_of_four_thousand_characters(self):
        chat = FakeChat(["Yes."], limits=Limits(TOKENS))
        async with endpoint(chat) as model:
            talk = Talk(model)
            for turn in range(TURNS):
                assert await talk.ask(f"{turn} " + "words " * 666) == "Yes."
        assert all(count_tokens(request.messages) <= TOKENS for request in taken(chat))

    async def test_in_hindi_on_a_tokenizer_that_knows_no_hindi(self):
        def tokens(messages: Sequence[dict[str, Any]]) -> int:
            return sum(5 + len(str(message["content"]).encode()) for message in messages)

        chat = FakeChat(["हाँ,बिल्कुल। " * 9], limits=Limits(TOKENS, "llama.cpp", count=tokens))
        async with endpoint(chat) as model:
            talk = Talk(model)
            for turn in range(60):
                assert await talk.ask(f"प्रश्न {turn} हैम्बर्ग में मौसम कैसा है")
        assert sum(request.refused for request in chat.requests) <= 2

    async def test_over_several_calls_of_one_conversation(self):
        chat = FakeChat([LONG_ANSWER], limits=Limits(TOKENS))
        policy = replace(POLICY, greeting="Welcome. How can I help you?")
        async with endpoint(chat) as model:
            talk = Talk(model, policy)
            for turn in range(TURNS):
                if turn % 30 == 0:
                    talk.call(talk.now.history)
                assert await talk.ask(question(turn)) == LONG_ANSWER
        assert len(taken(chat)) == TURNS

    async def test_with_tools(self):
        tools = tuple(Tool(f"tool_{n}", "Looks. " * 20, {"type": "object"}) for n in range(8))
        chat = FakeChat([LONG_ANSWER], limits=Limits(TOKENS))
        async with endpoint(chat) as model:
            talk = Talk(model)
            for turn in range(60):
                assert await talk.ask(question(turn), ModelOptions(tools=tools))


class TestOneFailureIsNoReasonForTheNext:
    async def test_questions_that_failed_do_not_make_the_prompt_grow(self):
        chat = FakeChat(["Yes."], limits=Limits(TOKENS, told=True))
        async with endpoint(chat) as model:
            await model.check()
            history: History = ()
            for turn in range(TURNS):
                history = with_question(history, "x" * 4_000, f"question-{turn}")
                history = with_answer(history, "")
            assert sum(len(message.text) for message in history) <= 8_000
            assert await answer(model, as_turns((*history, user("and now")))) == "Yes."
        assert chat.requests[-1].messages[-1]["content"].endswith("and now")

    async def test_what_was_recalled_from_a_larger_model_is_cut_down(self):
        recalled = [
            message
            for turn in range(500)
            for message in (user(question(turn)), c.Message("assistant", LONG_ANSWER))
        ]
        chat = FakeChat(["Yes."], limits=Limits(TOKENS, told=True))
        async with endpoint(chat) as model:
            await model.check()
            talk = Talk(model)
            talk.call(recalled)
            assert await talk.ask("go on") == "Yes."
        assert len(chat.requests) == 1

    @pytest.mark.parametrize("server", REFUSALS)
    async def test_a_refused_request_is_asked_once_more(self, server: str):
        history = [
            *(
                message
                for n in range(40)
                for message in (user(question(n)), c.Message("assistant", LONG_ANSWER))
            ),
            user("and now"),
        ]
        chat = FakeChat(["Yes."], limits=Limits(TOKENS, server))
        async with endpoint(chat) as model:
            assert await answer(model, history) == "Yes."
            assert await answer(model, history) == "Yes."
        assert [request.refused for request in chat.requests] == [True, False, False]

    async def test_an_error_inside_the_stream_is_a_refusal_too(self):
        history = [user("word " * 6_000), c.Message("assistant", "Yes."), user("and now")]
        chat = FakeChat(["Yes."], limits=Limits(TOKENS, "llama.cpp", in_stream=True))
        async with endpoint(chat) as model:
            assert await answer(model, history) == "Yes."
        assert [request.refused for request in chat.requests] == [True, False]

    async def test_what_no_request_mends_is_told_after_the_second(self):
        chat = FakeChat(["Yes."], limits=Limits(20, "OpenAI"))
        async with endpoint(chat) as model:
            with pytest.raises(Misconfigured, match="answered 400"):
                await answer(model, [user("and now")])
        assert len(chat.requests) == 2


GREETED = [c.Message("assistant", "Welcome."), user("hello")]
CALL = c.Message("assistant", "", calls=(c.ToolCall("1", "look", "{}"),))
ODD = {
    "a greeting first": GREETED,
    "two questions in a row": [user("one"), CALL, user("two")],
    "a note between": [
        user("one"),
        c.Message("assistant", "Yes."),
        c.Message("system", "It rains."),
        user("two"),
    ],
    "the assistant last": [*GREETED, c.Message("assistant", "Hello, too.")],
    "nothing at all": [],
    "a call that was interrupted": [
        user("one"),
        CALL,
        c.Message("tool", "blue", call_id="1"),
        user("two"),
    ],
}


class TestTheOrderOfRoles:
    @pytest.mark.parametrize("history", ODD.values(), ids=ODD)
    @pytest.mark.parametrize("system", [True, False], ids=["system", "no system"])
    @pytest.mark.parametrize("status", [400, 500])
    async def test_a_strict_template_is_asked_once_more_and_then_rightly(
        self, history: list[c.Message], system: bool, status: int
    ):
        template = Template(alternate=True, system=system, status=status)
        chat = FakeChat(["Yes."], limits=Limits(template=template))
        async with endpoint(chat) as model:
            assert await answer(model, history) == "Yes."
            assert await answer(model, history) == "Yes."
        assert [request.refused for request in chat.requests] == [True, False, False]

    async def test_who_takes_any_order_gets_it_as_it_is(self):
        async with endpoint(chat := FakeChat(["Yes."])) as model:
            await answer(model, GREETED)
        assert [message["role"] for message in chat.requests[0].messages] == [
            "system",
            "assistant",
            "user",
        ]

    async def test_length_and_roles_together(self):
        limits = Limits(TOKENS, template=Template(alternate=True, system=False))
        chat = FakeChat([LONG_ANSWER], limits=limits)
        async with endpoint(chat) as model:
            talk = Talk(model, replace(POLICY, greeting="Welcome."))
            talk.call()
            for turn in range(60):
                assert await talk.ask(question(turn)) == LONG_ANSWER
        assert sum(request.refused for request in chat.requests) == 2


async def test_what_the_endpoint_counts_makes_room_for_more():
    def words(messages: Sequence[dict[str, Any]]) -> int:
        return sum(len(str(message["content"]).split()) for message in messages)

    async def told(*, counts: bool) -> int:
        answer = "good weather all day and all night " * 8
        chat = FakeChat([answer], limits=Limits(2_048, told=True, count=words))
        async with endpoint(chat, max_tokens=64) as model:
            await model.check()
            talk = Talk(model)
            for turn in range(60):
                await talk.ask(question(turn) * 4, ModelOptions(counts_tokens=counts))
        assert not any(request.refused for request in chat.requests)
        return sum(len(request.messages) for request in chat.requests[-20:])

    assert await told(counts=True) > 1.3 * await told(counts=False)


class SmallModel:
    """A model of 4,096 tokens behind what the adapter knows of it, on the virtual clock."""

    def __init__(self) -> None:
        self.asked: list[tuple[c.Message, ...]] = []
        self.asked_at: list[float] = []
        self.refused = 0
        self.prompts: list[int] = []
        self._context = ChatContext("m")

    async def complete(
        self, history: Sequence[c.Message], *, system_prompt: str, asking: ModelOptions
    ) -> AsyncGenerator[str, None]:
        self.asked.append(tuple(history))
        self.asked_at.append(asyncio.get_running_loop().time())
        await asyncio.sleep(0.1)
        sent = self._context.fit(history, system_prompt, asking, 256)
        if refused := Limits(TOKENS).refusal(sent.body):
            self.refused += 1
            assert self._context.refused(sent, refused.status, str(refused.body))
            sent = self._context.fit(history, system_prompt, asking, 256, again=True)
        assert Limits(TOKENS).refusal(sent.body) is None
        self.prompts.append(count_tokens(sent.body["messages"]))
        yield LONG_ANSWER


class TestWholeCalls:
    def spoken(
        self, memories: LocalMemories, calls: int, turns: int
    ) -> tuple[SmallModel, list[Call]]:
        model, made = SmallModel(), list[Call]()
        rules = CallOptions(idle_timeout_s=3_600, policy=replace(POLICY, greeting="Welcome."))
        for _ in range(calls):
            says = [Says(10.0 * turn + 0.9, question(turn)) for turn in range(1, turns + 1)]
            voiced = [
                (10.0 * turn + after, bool(on))
                for turn in range(1, turns + 1)
                for after, on in ((0.0, True), (0.7, False))
            ]
            call = Call(
                says=says,
                voiced=voiced,
                model=cast(Any, model),
                memory=memories.open,
                conversation_id="abcdefghijklmnopqrst",
                hangs_up=10.0 * turns + 9,
                rules=rules,
            )
            made.append(call.run())
        return model, made

    def test_three_hundred_spoken_turns_in_three_calls_of_one_conversation(self):
        model, calls = self.spoken(LocalMemories(600, clock=lambda: 0.0), 3, 100)
        events = [event for call in calls for _, event in call.timeline()]
        assert [call.error for call in calls] == [None] * 3
        assert not [event for event in events if event.startswith("ERROR")]
        assert events.count("END_OF_TURN") == 301  # one of them was the greeting
        assert max(model.prompts) <= TOKENS
        assert model.refused == 1
        assert model.asked[-1][-1] == user(question(100))
        assert len(model.asked[-1]) == 600  # the call's memory is as long as its setting allows

    def test_drafts_are_made_within_the_same_bound(self):
        model, (call,) = self.spoken(LocalMemories(600, clock=lambda: 0.0), 1, 40)
        taken_at = [at for at, event in call.timeline() if event == "PROCESSING"][1:]
        assert all(asked < taken for asked, taken in zip(model.asked_at, taken_at, strict=True))
        assert max(model.prompts) <= TOKENS
        assert len(model.prompts) == 40


class TestOverTheGateway:
    async def test_a_call_that_is_longer_than_the_model_and_the_next_one(self, serve: Serve):
        chat = FakeChat(["Yes."], limits=Limits(700))
        async with serve(FakeRiva(), chat, llm_max_tokens=64) as gateway:
            for call in range(2):
                async with gateway.dial() as line:
                    await line.say(config=pb.VoiceConfig(conversation_id="abcdefghijklmnopqrst"))
                    for turn in range(6):
                        await line.say(text_input=f"{call} {turn} {question(turn) * 4}")
                        await line.until(pb.END_OF_TURN)
                    assert line.events().count("END_OF_TURN") == 6
                    assert "ERROR" not in line.events()
                    await line.hang_up()
                    await line.rest()
        assert sum(request.refused for request in chat.requests) == 1
        assert chat.requests[-1].messages[1]["content"].startswith("1 ")

    async def test_a_call_that_is_greeted_on_a_model_that_wants_the_caller_first(
        self, serve: Serve
    ):
        chat = FakeChat(["Yes."], limits=Limits(template=Template(alternate=True, system=False)))
        async with serve(FakeRiva(), chat, greeting="Welcome.") as gateway, gateway.dial() as line:
            await line.say(config=pb.VoiceConfig())
            await line.until(pb.END_OF_TURN)
            for text in ("one", "two"):
                await line.say(text_input=text)
                await line.until(pb.END_OF_TURN)
            assert "ERROR" not in line.events()
        assert [request.refused for request in chat.requests] == [True, False, False]
        assert chat.requests[-1].messages[-1] == {"role": "user", "content": "two"}

    async def test_a_flood_of_typed_turns_that_nobody_answers(self, serve: Serve):
        chat = FakeChat(["Yes."], first_token_s=60.0)
        unlimited = {"requests_per_min": 0, "typed_chars_per_min": 0}
        async with serve(FakeRiva(), chat, **unlimited) as gateway, gateway.dial() as line:
            await line.say(config=pb.VoiceConfig())
            for turn in range(TURNS):
                await line.say(text_input=f"{turn} " + "words " * 666)
            while len(line.events()) < 2 or line.events().count("PROCESSING") < TURNS:
                await line.until(pb.PROCESSING)
            chat.first_token_s = 0.0
            await line.say(text_input="and now")
            await line.until(pb.END_OF_TURN)
        prompts = [sum(len(m["content"]) for m in each.messages) for each in chat.requests]
        assert max(prompts) < 8_000 + 4_000 + 600
        assert chat.requests[-1].messages[-1]["content"].endswith("and now")

    async def test_what_a_program_asks_about_is_bounded_alike(self, serve: Serve):
        chat = FakeChat(["Yes."], limits=Limits(1_024, told=True))
        async with serve(FakeRiva(), chat) as gateway, connect(gateway.http_port) as program:
            chat.limits = Limits(1_024)
            await program.update(output_modalities=["text"])
            items = [typed(f"{n} " + "words " * 30) for n in range(200)]
            for options in ({"input": items}, {"input": items, "conversation": "none"}):
                await program.say("response.create", response=options)
                done = (await program.until("response.done"))["response"]
                assert done["status"] == "completed"
            for item in items:
                await program.say("conversation.item.create", item=item)
            for options in ({}, {"conversation": "none"}):
                await program.say("response.create", response=options)
                done = (await program.until("response.done"))["response"]
                assert done["status"] == "completed"
        assert [request.refused for request in chat.requests].count(True) <= 1
        for request in chat.requests:
            assert "199 words" in str(request.messages[-2:])
