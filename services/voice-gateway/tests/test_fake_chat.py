"""The scripted chat model speaks the real protocol: driven through OpenAI's SDK."""

import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from typing import Any

import openai
import pytest
from openai import AsyncOpenAI
from openai.types.chat import ChatCompletionMessageParam
from voice_gateway.testing.fake_chat import (
    DropAfter,
    Empty,
    FakeChat,
    HttpError,
    Malformed,
    Silent,
    StallAfter,
)
from voice_gateway.testing.fake_chat_wire import pieces_of

ASK: list[ChatCompletionMessageParam] = [{"role": "user", "content": "what is the weather"}]


@asynccontextmanager
async def client_of(chat: FakeChat, api_key: str = "none") -> AsyncGenerator[AsyncOpenAI, None]:
    client = AsyncOpenAI(base_url=chat.base_url, api_key=api_key, max_retries=0, timeout=60.0)
    async with client:
        yield client


async def text_of(client: AsyncOpenAI, model: str = "m") -> str:
    stream = await client.chat.completions.create(model=model, messages=ASK, stream=True)
    async with stream:
        pieces = [chunk.choices[0].delta.content or "" async for chunk in stream if chunk.choices]
    return "".join(pieces)


class TestChat:
    def test_pieces_join_to_the_text(self) -> None:
        for text in ("It is  sunny.\nVery. ", "", " ", "one"):
            assert "".join(pieces_of(text)) == text

    async def test_a_reply_is_streamed_word_by_word(self) -> None:
        async with FakeChat(["It is sunny.", "Bye."]) as chat, client_of(chat) as client:
            stream = await client.chat.completions.create(
                model="m", messages=ASK, stream=True, stream_options={"include_usage": True}
            )
            chunks = [chunk async for chunk in stream]
            assert [one.choices[0].delta.content for one in chunks[1:-2]] == [
                "It",
                " is",
                " sunny.",
            ]
            assert chunks[0].choices[0].delta.role == "assistant"
            assert chunks[-2].choices[0].finish_reason == "stop"
            assert chunks[-1].usage is not None
            assert chunks[-1].usage.completion_tokens == 3
            asked = await chat.request(0)
            await asked.ended.wait()
            assert asked.messages == ASK
            assert not asked.cancelled
            assert [await text_of(client), await text_of(client)] == ["Bye.", "Bye."]

    async def test_a_reply_can_follow_from_the_messages(self) -> None:
        def echo(messages: Sequence[dict[str, Any]], ordinal: int) -> str:
            return f"{ordinal}: {messages[-1]['content']}"

        async with FakeChat(echo) as chat, client_of(chat) as client:
            whole = await client.chat.completions.create(model="m", messages=ASK)
            assert whole.choices[0].message.content == "0: what is the weather"

    async def test_lists_models(self) -> None:
        async with FakeChat(models=["a", "b"]) as chat, client_of(chat) as client:
            assert [model.id async for model in client.models.list()] == ["a", "b"]

    async def test_an_early_close_is_seen_at_once(self) -> None:
        async with FakeChat(["word " * 500], token_s=0.05) as chat, client_of(chat) as client:
            stream = await client.chat.completions.create(model="m", messages=ASK, stream=True)
            asked = await chat.request(0)
            await asked.until_sent(2)
            await stream.close()
            await asked.ended.wait()
            assert asked.cancelled
            assert len(asked.pieces_sent) < 500

    async def test_tokens_are_paced(self) -> None:
        fake = FakeChat(["a b c"], first_token_s=0.1, token_s=0.05)
        async with fake as chat, client_of(chat) as client:
            await text_of(client)
            asked = await chat.request(0)
            await asked.ended.wait()
            assert asked.first_piece_at is not None
            assert asked.first_piece_at == asked.pieces_at[0]
            assert asked.ended_at is not None
            assert asked.first_piece_at - asked.asked_at >= 0.099
            assert asked.ended_at - asked.asked_at >= 0.199

    @pytest.mark.parametrize(
        ("status", "error"),
        [
            (401, openai.AuthenticationError),
            (404, openai.NotFoundError),
            (429, openai.RateLimitError),
            (500, openai.InternalServerError),
        ],
    )
    async def test_http_errors(self, status: int, error: type[openai.APIStatusError]) -> None:
        async with FakeChat(fault=HttpError(status)) as chat, client_of(chat) as client:
            with pytest.raises(error, match="scripted error"):
                await text_of(client)

    async def test_wants_its_key_and_a_model_it_has(self) -> None:
        async with FakeChat(["Hi."], models=["m"], api_key="right") as chat:
            async with client_of(chat, api_key="wrong") as client:
                with pytest.raises(openai.AuthenticationError):
                    await text_of(client)
            async with client_of(chat, api_key="right") as client:
                with pytest.raises(openai.NotFoundError):
                    await text_of(client, model="other")
                assert await text_of(client) == "Hi."
            assert "right" not in repr(chat.requests)

    @pytest.mark.parametrize("fault", [Silent(), StallAfter(0), StallAfter(2)])
    async def test_hangs(self, fault: Silent | StallAfter) -> None:
        async with FakeChat(["a b c d"], fault=fault) as chat, client_of(chat) as client:
            pieces = fault.pieces if isinstance(fault, StallAfter) else 0
            async with asyncio.TaskGroup() as tasks:
                reading = tasks.create_task(text_of(client))
                asked = await chat.request(0)
                await asked.until_sent(pieces)
                await asyncio.sleep(0.2)  # in which the rest would come
                assert reading.cancel()
            await asked.ended.wait()
            assert asked.cancelled
            assert len(asked.pieces_sent) == pieces

    async def test_drops_the_connection(self) -> None:
        async with FakeChat(["a b c"], fault=DropAfter(1)) as chat, client_of(chat) as client:
            with pytest.raises(openai.APIConnectionError):
                await text_of(client)
            assert chat.requests[0].pieces_sent == ["a"]

    async def test_an_empty_reply_is_well_formed(self) -> None:
        async with FakeChat(fault=Empty()) as chat, client_of(chat) as client:
            assert await text_of(client) == ""

    async def test_malformed_events(self) -> None:
        async with FakeChat(fault=Malformed()) as chat, client_of(chat) as client:
            with pytest.raises(ValueError, match=r"."):
                await text_of(client)

    async def test_goes_down_and_comes_back_at_the_same_address(self) -> None:
        async with FakeChat(["Hi."]) as chat, client_of(chat) as client:
            await chat.down()
            with pytest.raises(openai.APIConnectionError):
                await text_of(client)
            await chat.up()
            assert await text_of(client) == "Hi."

    async def test_takes_the_place_of_another_at_its_port(self) -> None:
        async with FakeChat() as chat:
            port = int(chat.base_url.removesuffix("/v1").rpartition(":")[2])
        async with FakeChat(port=port) as another:
            assert another.base_url == chat.base_url
