"""A caller on loudspeakers, real models: the gateway hears the caller, and never itself."""

import asyncio
import sys
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import numpy as np
import pytest
from voice_gateway.testing.fake_chat import FakeChat
from voice_gateway.testing.loudspeaker import Speakerphone, Way, speakerphone
from voice_proto import voice_workflow_pb2 as pb

from .conftest import Clip, Stack, clips, normalised, process

pytestmark = [pytest.mark.models, pytest.mark.alone, pytest.mark.timeout(900)]

REPLY = "First chop the onions and fry them in butter. Then add the rice, and stir for a minute."
WAY = Way(delay_s=0.12, room_s=0.2, seed=3)
QUESTION = next(clip for clip in clips() if clip.name == "en_nlp_question.wav")
PATIENCE_S = 120.0
AFTER_S = 2.0  # in which an echo could still become a turn
INTO_S = 1.5  # the second reply, the caller asks something


async def test_its_own_echo_is_nobody_and_a_caller_over_it_is_heard(stack: Stack):
    async with (
        FakeChat([REPLY]) as chat,
        gateway(stack, chat) as address,
        speakerphone(address, WAY) as phone,
    ):
        await phone.type("How do I cook rice?")
        assert await phone.until(lambda: count(phone, pb.END_OF_TURN) == 1, PATIENCE_S)
        await phone.until(lambda: False, AFTER_S)
        assert count(phone, pb.PROCESSING) == 1, "nobody took a turn"
        assert not any(came.cut or came.message.transcript_chunk for came in phone.came)

        await phone.type("Say that again.")
        assert await phone.until(lambda: count(phone, pb.SPEAKING) == 2, PATIENCE_S)
        await phone.until(lambda: False, INTO_S)
        phone.say(samples(QUESTION))
        assert await phone.until(lambda: count(phone, pb.SPEAKING) == 3, PATIENCE_S)
        assert any(came.cut for came in phone.came)
        asked = normalised(chat.requests[-1].messages[-1]["content"])
        assert asked[-3:] == QUESTION.words[-3:]


def count(phone: Speakerphone, kind: "pb.EventType") -> int:
    return sum(came.is_event(kind) for came in phone.came)


def samples(clip: Clip) -> np.ndarray:
    return np.frombuffer(clip.pcm, "<i2") / 32_768


@asynccontextmanager
async def gateway(stack: Stack, chat: FakeChat) -> AsyncGenerator[str]:
    """Where a gateway in front of the local stack's ears and voice listens."""
    hosts = {"GRPC_HOST": "127.0.0.1", "HTTP_HOST": "127.0.0.1"}
    ports = {"GRPC_PORT": "0", "HTTP_PORT": "0"}
    upstreams = {"RIVA_URI": stack.riva, "LLM_BASE_URL": chat.base_url}
    running = process([sys.executable, "-m", "voice_gateway"], hosts | ports | upstreams)
    ready = await asyncio.to_thread(running.__enter__)
    try:
        yield dict(part.split("=", 1) for part in ready.split()[1:])["grpc"]
    finally:
        await asyncio.to_thread(running.__exit__, None, None, None)
