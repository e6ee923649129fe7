"""What a chat model takes: told, learnt from refusals, and kept to."""

import json
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from voice_gateway.adapters.chat_context import ChatContext, Sent
from voice_gateway.adapters.chat_refusals import TooLong, refusal
from voice_gateway.adapters.chat_roles import RoleRules, ordered
from voice_gateway.adapters.chat_tokens import TokenRates
from voice_gateway.conversation import Message, ToolCall
from voice_gateway.messages import ModelOptions, Tool
from voice_gateway.testing.fake_chat_limits import REFUSALS, Template

PLAIN = ModelOptions()

# Counted by the tokenizer of SmolLM2, which has 49,152 tokens and was made for English.
COUNTED = {
    "English": (
        "Yes, of course. The train to Hamburg leaves at twenty past seven from platform four, and "
        "you will have to change in Hanover. Would you like me to book a seat for you? ",
        118,
    ),
    "German": (
        "Ja, natürlich. Der Zug nach Hamburg fährt um zwanzig nach sieben von Gleis vier ab, und "
        "Sie müssen in Hannover umsteigen. Möchten Sie, dass ich einen Platz für Sie reserviere? ",
        191,
    ),
    "Hindi": (
        "हाँ, बिल्कुल। हैम्बर्ग जाने वाली ट्रेन सात बजकर बीस मिनट पर प्लेटफ़ॉर्म चार से निकलती है। "
        "क्या मैं आपके लिए सीट बुक कर दूँ? ",
        430,
    ),
    "Russian": (
        "Да, конечно. Поезд до Гамбурга отправляется в семь двадцать с четвёртой платформы, и "
        "вам нужно будет пересесть в Ганновере. ",
        286,
    ),
}


class TestTheEstimate:
    @pytest.mark.parametrize("language", COUNTED)
    def test_it_is_near_the_count_of_a_small_tokenizer(self, language: str):
        text, counted = COUNTED[language]
        assert 0.9 < TokenRates().of_text(text * 3) / counted < 1.5

    def test_json_has_more_tokens_than_prose(self):
        rates = TokenRates()
        told = json.dumps([{"t": "07:20", "platform": 4, "id": "ICE-1045", "price": 39.9}] * 12)
        assert rates.of_text(told) > 1.4 * rates.of_text("a" * len(told))

    def test_tool_schemas_count(self):
        rates, tool = TokenRates(), Tool("look", "Look out", {"type": "object"})
        assert rates.of_head("Be brief.", (tool,)) > rates.of_head("Be brief.", ()) + 16

    def test_half_a_surrogate_pair_counts_as_something(self):
        assert TokenRates().of_text("\ud83d") > 0

    def test_counts_that_are_higher_are_believed_at_once(self):
        rates, history = TokenRates(), [Message("user", "word " * 800)]
        before = rates.of_message(history[0])
        rates.counted(history, "", int(2 * before))
        assert rates.of_message(history[0]) > 2 * before

    def test_lower_ones_slowly_and_not_without_end(self):
        rates, history = TokenRates(), [Message("user", "word " * 800)]
        before = rates.of_message(history[0])
        rates.counted(history, "", int(before / 2))
        assert 0.9 * before < rates.of_message(history[0]) < before
        for _ in range(200):
            rates.counted(history, "", 60)
        assert rates.of_message(history[0]) > 0.3 * before

    def test_each_script_has_its_own(self):
        rates, hindi = TokenRates(), Message("user", COUNTED["Hindi"][0] * 9)
        english = rates.of_text("word " * 800)
        for _ in range(99):
            rates.counted([hindi], "", int(rates.of_message(hindi) / 3))
        assert rates.of_text("word " * 800) == english


OTHER_TEXTS = {  # from public reports of what these servers say
    "LLaMA on Groq": (400, "Please reduce the length of the messages or completion.", None, None),
    "OpenRouter": (
        400,
        "This endpoint's maximum context length is 32768 tokens. However, you requested about "
        "42832 tokens (42832 of text input). Please reduce the length of either one.",
        32_768,
        42_832,
    ),
    "OpenAI since 2025": (
        400,
        "Input tokens exceed the configured limit of 272000 tokens. Your messages resulted in "
        "509178 tokens. Please reduce the length of the messages.",
        272_000,
        509_178,
    ),
    "Gemini": (
        400,
        "The input token count (1196265) exceeds the maximum number of tokens allowed (1048576).",
        1_048_576,
        None,
    ),
    "Mistral": (
        400,
        "Prompt contains 40000 tokens and 0 draft tokens, too large for model with 32768 maximum "
        'context length","type":"invalid_request_error","code":"3051"',
        32_768,
        40_000,
    ),
    "vLLM about max_tokens": (
        400,
        "'max_tokens' or 'max_completion_tokens' is too large: 2000. This model's maximum context "
        "length is 4096 tokens and your request has 2104 input tokens (2000 > 4096 - 2104).",
        4_096,
        2_104,
    ),
    "vLLM about max_model_len": (
        400,
        "max_tokens=140000 cannot be greater than max_model_len=max_total_tokens=131072.",
        131_072,
        None,
    ),
    "TGI about the input": (
        422,
        "Input validation error: `inputs` must have less than 1024 tokens. Given: 1168",
        1_024,
        1_168,
    ),
    "llama-cpp-python": (
        500,
        "Requested tokens (2285) exceed context window of 2048",
        2_048,
        None,
    ),
    "older llama.cpp": (
        None,
        "the request exceeds the available context size. try increasing the context size or "
        "enable context shift",
        None,
        None,
    ),
    "DeepInfra": (
        400,
        "Requested input length 39818 exceeds maximum input length 32767",
        32_767,
        None,
    ),
    "Bedrock": (400, "Input is too long for requested model.", None, None),
}


class TestRefusalsForLength:
    @pytest.mark.parametrize("server", OTHER_TEXTS)
    def test_they_are_recognised(self, server: str):
        status, text, limit, counted = OTHER_TEXTS[server]
        assert refusal(status, text, asked=True) == TooLong(limit, counted)

    @pytest.mark.parametrize("server", REFUSALS)
    def test_and_those_of_the_scripted_servers(self, server: str):
        refused = REFUSALS[server](4_096, 4_500, 256)
        why = refusal(refused.status, f"Error code: {refused.body}", asked=True)
        assert isinstance(why, TooLong)
        assert why.limit in (4_096, None)
        assert why.counted in (4_500, None)

    @pytest.mark.parametrize(
        ("status", "text"),
        [
            (429, "Request too large: tokens per min (TPM): Limit 6000, Requested 7000"),
            (401, "Incorrect API key provided."),
            (404, "The model does not exist."),
            (400, "temperature must be less than 2"),
            (400, "Invalid 'tools[0].function.name': string does not match pattern"),
            (413, "Request Entity Too Large"),
            (500, "Internal Server Error"),
            (503, "maximum context length"),
        ],
    )
    def test_others_are_none(self, status: int, text: str):
        assert refusal(status, text, asked=True) is None

    def test_ollama_loses_the_questions_of_a_prompt_that_is_too_long(self):
        text = '{"error":"no user query found in messages"}'
        assert refusal(500, text, asked=True) == TooLong()
        assert refusal(500, text, asked=False) == RoleRules(alternate=True)


STRICT, NO_SYSTEM = RoleRules(alternate=True), RoleRules(alternate=True, system=False)


class TestRefusalsForRoles:
    @pytest.mark.parametrize(
        ("status", "text", "rules"),
        [
            (400, "Conversation roles must alternate user/assistant/user/assistant/...", NO_SYSTEM),
            (
                500,
                "\n------------\nWhile executing CallExpression at line 189, column 32 in source:\n"
                "Error: Jinja Exception: After the optional system message, conversation roles "
                "must alternate user and assistant roles except for tool calls and results.",
                STRICT,
            ),
            (
                400,
                "After the (optional) system message(s), user or tool message(s) should alternate "
                "with assistant message(s).",
                STRICT,
            ),
            (400, "System role not supported", NO_SYSTEM),
            (
                400,
                "Only user and assistant roles are supported!",
                RoleRules(alternate=True, system=False, tools=False),
            ),
            (
                500,
                "Error: Jinja Exception: Only user, system and assistant roles are supported!",
                RoleRules(alternate=True, tools=False),
            ),
            (400, "System message must be at the beginning.", STRICT),
            (400, "Unexpected role 'user' after role 'tool'", STRICT),
            (
                400,
                "Expected last role User or Tool (or Assistant with prefix True) for serving but "
                "got assistant",
                STRICT,
            ),
            (400, 'messages: first message must use the "user" role', STRICT),
            (400, 'messages: roles must alternate between "user" and "assistant"', NO_SYSTEM),
            (400, "A conversation must start with a user message.", STRICT),
            (400, "Developer instruction is not enabled for models/gemma-3-27b-it", NO_SYSTEM),
            (400, "Cannot have 2 or more assistant messages at the end of the list.", STRICT),
        ],
    )
    def test_they_are_recognised(self, status: int, text: str, rules: RoleRules):
        assert refusal(status, text, asked=True) == rules


def said(role: str, text: str) -> dict[str, Any]:
    return {"role": role, "content": text}


SYSTEM, USER, ANSWER = said("system", "Be brief."), said("user", "Hi."), said("assistant", "Yes?")
CALL = {"id": "1", "type": "function", "function": {"name": "look", "arguments": '{"at":"sky"}'}}
CALLS = {"role": "assistant", "content": None, "tool_calls": [CALL]}
OUTPUT = {"role": "tool", "tool_call_id": "1", "content": "blue"}


class TestTheOrderOfRoles:
    def test_who_takes_everything_gets_it_as_it_was(self):
        messages = [SYSTEM, ANSWER, USER, USER]
        assert ordered(messages, RoleRules()) is messages

    def test_a_greeting_answers_the_caller(self):
        assert ordered([SYSTEM, ANSWER, USER], STRICT) == [
            SYSTEM,
            said("user", "Hello."),
            ANSWER,
            USER,
        ]

    def test_without_a_system_message_its_text_comes_first(self):
        assert ordered([SYSTEM, USER], NO_SYSTEM) == [said("user", "Be brief.\n\nHi.")]
        assert ordered([SYSTEM, ANSWER, USER], NO_SYSTEM) == [
            said("user", "Be brief.\n\nHello."),
            ANSWER,
            USER,
        ]

    def test_what_one_side_says_in_a_row_is_joined(self):
        noted = said("system", "It rains.")
        assert ordered([SYSTEM, USER, noted, USER, ANSWER, ANSWER, USER], STRICT) == [
            SYSTEM,
            said("user", "Hi. It rains. Hi."),
            said("assistant", "Yes? Yes?"),
            USER,
        ]

    def test_the_caller_has_the_last_word(self):
        assert ordered([SYSTEM, USER, ANSWER], STRICT)[-1] == said("user", "Please go on.")
        assert ordered([SYSTEM], STRICT) == [SYSTEM, said("user", "Hello.")]
        assert ordered([], STRICT) == [said("user", "Hello.")]

    def test_an_output_is_answered_before_the_caller_speaks(self):
        assert ordered([USER, CALLS, OUTPUT, USER], STRICT) == [
            USER,
            CALLS,
            OUTPUT,
            said("assistant", "—"),
            USER,
        ]
        assert ordered([USER, CALLS, OUTPUT], STRICT) == [USER, CALLS, OUTPUT]

    def test_who_takes_no_tools_is_told_in_words(self):
        assert ordered([USER, CALLS, OUTPUT], RoleRules(alternate=True, tools=False)) == [
            USER,
            said("assistant", 'look({"at":"sky"})'),
            said("user", "Tool output: blue"),
        ]

    @given(
        st.lists(st.sampled_from([USER, ANSWER, said("system", "It rains.")]), max_size=9),
        st.booleans(),
        st.sampled_from([STRICT, NO_SYSTEM]),
    )
    def test_every_order_becomes_one_that_the_strictest_template_takes(
        self, messages: list[dict[str, Any]], prompted: bool, rules: RoleRules
    ):
        given_messages = [SYSTEM, *messages] if prompted else messages
        told = ordered(given_messages, rules)
        assert Template(alternate=True, system=rules.system).refusal(told) is None
        assert told[-1]["role"] == "user"
        words = " ".join(message["content"] for message in told).split()
        assert all(word in words for each in given_messages for word in each["content"].split())


QUESTION, REPLY = "what is the weather like today", "It is sunny with some clouds. " * 4


def turns(number: int) -> tuple[Message, ...]:
    pairs = [(Message("user", QUESTION), Message("assistant", REPLY)) for _ in range(number)]
    return (*(message for pair in pairs for message in pair), Message("user", QUESTION))


def fit(context: ChatContext, history: Sequence[Message], **more: Any) -> Sent:
    return context.fit(history, "Be brief.", more.pop("asking", PLAIN), 256, **more)


class TestTheContextSize:
    def test_it_is_set(self):
        context = ChatContext("m", 4_096)
        context.listed([{"id": "m", "max_model_len": 8_192}])
        assert context.tokens == 4_096

    @pytest.mark.parametrize(
        ("listed", "tokens"),
        [
            ({"max_model_len": 8_192}, 8_192),  # vLLM, NIM, SGLang
            ({"context_length": 8_192}, 8_192),  # OpenRouter, Together
            ({"context_window": 8_192}, 8_192),  # Groq
            ({"max_context_length": 8_192}, 8_192),  # LM Studio, Mistral
            ({"meta": {"n_ctx": 2_048, "n_ctx_train": 8_192}}, 2_048),  # llama.cpp
            ({"meta": {"n_ctx_train": 131_072}}, 16_384),  # what its server may not have room for
            ({"meta": {"n_ctx_train": 4_096}}, 4_096),
            ({"meta": None, "max_model_len": None}, 16_384),
            ({"max_model_len": "many"}, 16_384),
            ({}, 16_384),
        ],
    )
    def test_it_is_told(self, listed: dict[str, Any], tokens: int):
        context = ChatContext("m")
        context.listed([{"id": "other", "max_model_len": 1_000}, {"id": "m", **listed}])
        assert context.tokens == tokens

    def test_who_serves_one_model_by_any_name_tells_it_of_that_one(self):
        context = ChatContext("m")
        context.listed([{"id": "smollm2", "meta": {"n_ctx": 2_048}}])
        assert context.tokens == 2_048

    def test_of_several_others_none_counts(self):
        context = ChatContext("m")
        context.listed([{"id": "a", "max_model_len": 1_000}, {"id": "b", "max_model_len": 2_000}])
        assert context.tokens == 16_384

    def test_it_is_learnt(self):
        context = ChatContext("m")
        sent = fit(context, turns(100))
        assert context.refused(sent, 400, "maximum context length is 4096 tokens")
        assert context.tokens == 4_096
        again = fit(context, turns(100), again=True)
        assert again.tokens + again.reply <= 0.8 * 4_096

    def test_a_refusal_without_a_number_halves_what_was_sent(self):
        context = ChatContext("m")
        sent = fit(context, turns(60))
        assert context.refused(sent, 400, "Your input exceeds the context window of this model.")
        assert context.tokens == int((sent.tokens + sent.reply) / 2)

    def test_one_that_should_have_fitted_raises_the_estimate(self):
        context = ChatContext("m", 4_096)
        sent = fit(context, turns(100))
        said = "request (6200 tokens) exceeds the available context size (4096 tokens)"
        assert context.refused(sent, 400, said)
        assert context.tokens == 4_096
        assert len(fit(context, turns(100), again=True).history) < len(sent.history) / 1.5

    def test_another_server_is_learnt_anew(self):
        context = ChatContext("m")
        context.listed([{"id": "m", "max_model_len": 8_192}])
        context.refused(fit(context, turns(60)), 400, "maximum context length is 2048 tokens")
        context.listed([{"id": "m", "max_model_len": 8_192}])
        assert context.tokens == 2_048
        context.listed([{"id": "m", "max_model_len": 32_768}])
        assert context.tokens == 32_768

    def test_a_reply_as_long_as_the_context_leaves_room_for_the_question(self):
        sent = ChatContext("m", 2_048).fit(turns(3), "Be brief.", PLAIN, 8_192)
        assert sent.body["max_tokens"] == 1_024
        assert sent.history == turns(3)

    def test_a_prompt_as_long_as_the_context_leaves_the_question(self):
        sent = ChatContext("m", 1_024).fit(turns(9), "Be brief. " * 500, PLAIN, 256)
        assert sent.history == (Message("user", QUESTION),)
        assert sent.body["messages"][0]["content"] == "Be brief. " * 500

    def test_roles_are_learnt_once(self):
        context, greeted = ChatContext("m"), (Message("assistant", "Welcome."), *turns(1))
        why = "Conversation roles must alternate user/assistant/user/assistant/..."
        assert context.refused(fit(context, greeted), 400, why)
        roles = [message["role"] for message in fit(context, greeted).body["messages"]]
        assert all(one != other for one, other in pairwise(roles))
        assert roles[0] == "user"
        assert not context.refused(fit(context, greeted), 400, why)

    def test_calls_that_are_refused_at_once_are_all_asked_again(self):
        context, greeted = ChatContext("m", 4_096), (Message("assistant", "Welcome."), *turns(1))
        one, other = fit(context, greeted), fit(context, greeted)
        assert context.refused(one, 400, "roles must alternate")
        assert context.refused(other, 400, "roles must alternate")
        one, other = fit(context, turns(100)), fit(context, turns(100))
        said = "request (6200 tokens) exceeds the available context size (4096 tokens)"
        assert context.refused(one, 400, said)
        kept = fit(context, turns(100), again=True).history
        assert context.refused(other, 400, said)
        assert fit(context, turns(100), again=True).history == kept

    def test_what_one_refusal_tells_is_added_to_another(self):
        context = ChatContext("m")
        context.refused(fit(context, turns(1)), 400, "System role not supported")
        context.refused(fit(context, turns(1)), 400, "Only user, system and assistant roles are")
        assert context.rules == RoleRules(alternate=True, system=False, tools=False)

    def test_counts_make_room(self):
        context = ChatContext("m", 4_096)
        history = turns(100)
        before = len(fit(context, history).history)
        for _ in range(50):
            sent = fit(context, history)
            context.counted(sent, int(sent.tokens * 0.7))
        assert len(fit(context, history).history) > before

    def test_counts_with_tools_and_none_at_all_change_nothing(self):
        context = ChatContext("m", 4_096)
        tool = ModelOptions(tools=(Tool("look", "Look out", {}),))
        before = fit(context, turns(100)).tokens
        context.counted(fit(context, turns(100), asking=tool), 9_000)
        context.counted(fit(context, turns(100)), 0)
        assert fit(context, turns(100)).tokens == before


WORDS = st.sampled_from(["a", "weather", "1,234.50", "मौसम", "天气", "{}", "Donaudampfschiff"])


@given(
    st.lists(st.lists(WORDS, min_size=1, max_size=60).map(" ".join), min_size=1, max_size=60),
    st.integers(1_000, 20_000),
    st.integers(1, 4_000),
)
def test_no_request_is_over_the_context_by_the_estimate(
    texts: list[str], tokens: int, max_tokens: int
):
    sides = ("user", "assistant")
    history = tuple(
        Message(sides[n % 2], text)  # pyright: ignore[reportArgumentType]
        for n, text in enumerate(texts)
    )
    history = history if len(history) % 2 else history[:-1] or history
    context = ChatContext("m", tokens)
    sent = context.fit(history, "Be brief.", PLAIN, max_tokens)
    assert sent.tokens + sent.body["max_tokens"] <= tokens
    assert sent.history[-1].text.endswith(history[-1].text[-100:])


def test_a_call_and_its_output_are_told_together():
    call = Message("assistant", "", calls=(ToolCall("1", "look", "{}"),))
    history = (*turns(60), call, Message("tool", "blue", call_id="1"))
    sent = ChatContext("m", 1_024).fit(history, "Be brief.", PLAIN, 256)
    assert [message["role"] for message in sent.body["messages"][-3:]] == [
        "user",
        "assistant",
        "tool",
    ]
