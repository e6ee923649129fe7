"""Whose a conversation is: one principal never recalls another's, on either front."""

import asyncio
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from voice_gateway.adapters.local_memory import LocalMemories
from voice_gateway.adapters.redis_memory import RedisMemories
from voice_gateway.conversation import Message
from voice_gateway.principals import ANYONE
from voice_gateway.testing.fake_chat import FakeChat
from voice_gateway.testing.fake_riva import FakeRiva
from voice_gateway.testing.program import connect
from voice_proto import voice_workflow_pb2 as pb

from .conftest import Gateway, Serve
from .credentials import KEY, OTHERS_KEY, settings, signed, token

PHONE = "+1-555-0100"
"""A name that is easy to guess, as clients use it."""


async def say(gateway: Gateway, bearer: str, text: str) -> list[str]:
    """Call with the phone number for a name and say this; what the model was asked with."""
    async with gateway.dial(bearer) as line:
        await line.say(config=pb.VoiceConfig(conversation_id=PHONE))
        await line.say(text_input=text)
        await line.hang_up()
        await line.rest()
    return [each["content"] for each in gateway.chat.requests[-1].messages[1:]]


async def test_only_the_same_principal_goes_on_with_a_conversation(serve: Serve, tmp_path: Path):
    chat = FakeChat(["Noted."] * 8)
    async with serve(FakeRiva(), chat, **settings(tmp_path)) as gateway:
        await say(gateway, KEY, "my number is 42")
        assert await say(gateway, OTHERS_KEY, "what is it") == ["what is it"]
        assert await say(gateway, signed("mine"), "what is it") == ["what is it"]
        assert await say(gateway, token("other"), "again") == ["what is it", "Noted.", "again"]
        mine = ["my number is 42", "Noted.", "what is it"]
        assert await say(gateway, token("mine"), "what is it") == mine


async def type_in(gateway: Gateway, bearer: str, text: str) -> list[str]:
    """The same over the Realtime API."""
    headers = {"Authorization": f"Bearer {bearer}"}
    query = f"model=m&conversation_id={quote(PHONE, safe='')}"
    async with connect(gateway.http_port, query, headers=headers) as program:
        await program.type(text)
        await program.until("response.done")
    calls: Any = gateway.server
    async with asyncio.timeout(60):
        await calls._calls.over()
    return [each["content"] for each in gateway.chat.requests[-1].messages[1:]]


async def test_a_conversation_goes_on_over_the_other_front_for_its_principal_alone(
    serve: Serve, tmp_path: Path
):
    chat = FakeChat(["Noted."] * 8)
    async with serve(FakeRiva(), chat, **settings(tmp_path)) as gateway:
        await type_in(gateway, KEY, "my number is 42")
        assert await type_in(gateway, OTHERS_KEY, "what is it") == ["what is it"]
        mine = ["my number is 42", "Noted.", "what is it"]
        assert await say(gateway, KEY, "what is it") == mine
        assert await type_in(gateway, token("mine"), "sure?") == [*mine, "Noted.", "sure?"]


class TestKeys:
    async def test_the_store_in_the_process_tells_principals_apart(self):
        memories = LocalMemories(600)
        kept = memories.open("a", "ann")
        await kept.recall()
        await kept.keep([Message("user", "hello")])
        assert await memories.open("a", "bob").recall() == ()
        assert await memories.open("a").recall() == ()
        assert [m.text for m in await memories.open("a", "ann").recall()] == ["hello"]

    @pytest.mark.parametrize(
        ("one", "other"),
        [
            (("a", "ann"), ("a", "bob")),
            (("a", "ann"), ("a", ANYONE.name)),
            (("ann:a", ANYONE.name), ("a", "ann")),
            (("b:a", "ann"), ("a", "ann:b")),
        ],
    )
    def test_no_two_principals_share_a_key_in_redis(
        self, one: tuple[str, str], other: tuple[str, str]
    ):
        assert redis_key(*one) != redis_key(*other)

    def test_what_was_kept_for_anyone_is_found_after_an_upgrade(self):
        digest = "ca978112ca1bbdcafac231b39a23dc4da786eff8147c4e72b9807785afee48bb"
        assert redis_key("a", ANYONE.name) == f"voice:conversation:{digest}"


def redis_key(conversation_id: str, principal: str) -> str:
    memory: Any = RedisMemories("redis://127.0.0.1:1/0", 600).open(conversation_id, principal)
    return memory._key
