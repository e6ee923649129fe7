"""The chat server: OpenAI's API, several callers at once, and nothing computed for the departed."""

import asyncio
import json
import os
import signal
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import replace
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from voice_local.catalogue import SMOLLM2
from voice_local.failures import ChatFailed
from voice_local.llm import ChatServer, ChatSettings, chat_settings
from voice_local.settings import default_cache
from voice_local.weights import fetch

pytestmark = [pytest.mark.models, pytest.mark.timeout(300)]


@pytest.fixture
async def settings() -> ChatSettings:
    await fetch([SMOLLM2], default_cache())
    return chat_settings(SMOLLM2, default_cache(), host="127.0.0.1", port=0)


@pytest.fixture
async def server(settings: ChatSettings) -> AsyncGenerator[ChatServer]:
    server = await ChatServer.start(settings)
    yield server
    await server.stop()


@pytest.fixture
async def http() -> AsyncGenerator[aiohttp.ClientSession]:
    # llama.cpp closes a connection after a streamed reply although it promised to keep it.
    fresh = aiohttp.TCPConnector(force_close=True)
    limit = aiohttp.ClientTimeout(total=60)
    async with aiohttp.ClientSession(timeout=limit, connector=fresh) as session:
        yield session


def question(text: str, tokens: int) -> dict[str, Any]:
    return {
        "model": "meta/llama-3.1-8b-instruct",
        "messages": [{"role": "user", "content": text}],
        "max_tokens": tokens,
        "temperature": 0,
        "stream": True,
    }


async def tokens(
    http: aiohttp.ClientSession, server: ChatServer, asked: dict[str, Any]
) -> AsyncGenerator[str]:
    async with http.post(f"{server.url}/chat/completions", json=asked) as response:
        assert response.status == 200, await response.text()
        async for line in response.content:
            if line.startswith(b"data: {"):
                choices = json.loads(line.removeprefix(b"data: "))["choices"]
                if choices and (text := choices[0]["delta"].get("content")):
                    yield text


async def test_a_reply_streams_for_any_model_name(
    http: aiohttp.ClientSession, server: ChatServer
) -> None:
    asked = question("Tell me about Paris.", 20)
    pieces = [piece async for piece in tokens(http, server, asked)]
    assert len(pieces) > 3


async def test_the_served_model_is_listed_with_its_context_size(
    http: aiohttp.ClientSession, server: ChatServer, settings: ChatSettings
) -> None:
    async with http.get(f"{server.url}/models") as response:
        (model,) = (await response.json())["data"]
    assert model["id"] == "smollm2"
    assert model["meta"]["n_ctx"] == settings.tokens_per_slot


async def test_closing_the_connection_stops_the_generation(
    http: aiohttp.ClientSession, server: ChatServer
) -> None:
    endless = question("Count from one to ten thousand.", 2_000) | {"ignore_eos": True}
    async with aclosing(tokens(http, server, endless)) as reply:
        await anext(reply)
        assert await busy_slots(http, server) == 1
    async with asyncio.timeout(10):  # 2,000 tokens take several times that
        while await busy_slots(http, server):
            pass


async def busy_slots(http: aiohttp.ClientSession, server: ChatServer) -> int:
    async with http.get(server.url.removesuffix("/v1") + "/slots") as response:
        return sum(slot["is_processing"] for slot in await response.json())


async def test_four_callers_are_answered_side_by_side(
    http: aiohttp.ClientSession, server: ChatServer
) -> None:
    order: list[int] = []
    came = order.append

    async def ask(caller: int) -> None:
        asked = question(f"Tell me about the number {caller}.", 16) | {"ignore_eos": True}
        async for _ in tokens(http, server, asked):
            came(caller)

    async with asyncio.TaskGroup() as callers:
        for caller in range(4):
            callers.create_task(ask(caller))
    begun = [order.index(caller) for caller in range(4)]
    ended = [len(order) - 1 - order[::-1].index(caller) for caller in range(4)]
    assert max(begun) < min(ended)


async def test_a_prompt_beyond_the_context_is_refused(
    http: aiohttp.ClientSession, server: ChatServer
) -> None:
    asked = question("word " * 3_000, 5)
    async with http.post(f"{server.url}/chat/completions", json=asked) as response:
        assert response.status == 400
        assert "context size" in await response.text()


async def test_an_end_by_itself_is_reported(server: ChatServer) -> None:
    os.kill(server.pid, signal.SIGKILL)
    with pytest.raises(ChatFailed, match="ended by itself with status -9"):
        await server.ended()


async def test_weights_that_are_none_are_reported(settings: ChatSettings, tmp_path: Path) -> None:
    (tmp_path / "model.gguf").write_bytes(b"no weights")
    with pytest.raises(ChatFailed, match="the chat server did not start: status 1"):
        await ChatServer.start(replace(settings, weights=str(tmp_path / "model.gguf")))
