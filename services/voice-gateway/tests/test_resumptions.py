"""Whose token opens which call, and how long a call that nobody comes back to is kept."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from voice_gateway.call.resumable import Line, Resumable
from voice_gateway.call.resumptions import ResumableCall, Resumptions
from voice_gateway.errors import BadMessage, CallerGone
from voice_gateway.messages import Audio, ToCaller
from voice_gateway.observe.metrics import Metrics
from voice_gateway.testing import virtual_time


class Plain:
    def decode(self, chunk: bytes) -> bytes:
        return chunk

    def encode(self, message: ToCaller) -> tuple[ToCaller, ...]:
        return (message,)


@asynccontextmanager
async def keeping(window_s: float = 30.0) -> AsyncGenerator[Resumptions]:
    resumptions = Resumptions(window_s, Metrics())
    async with asyncio.TaskGroup() as tasks:
        owning = tasks.create_task(resumptions.run())
        await asyncio.sleep(0)
        yield resumptions
        owning.cancel()


async def begin(resumptions: Resumptions, whose: str) -> tuple[ResumableCall[Resumable], Line]:
    """Begin a call that lasts until its client is given up, and whose client has said something."""
    caller = Resumable(Plain())

    async def run() -> None:
        while await caller.receive():
            pass

    call, line = resumptions.begin(caller, whose, run)
    await caller.take_in(line, Audio(b"\0\0"), 0)
    return call, line


def test_another_principals_token_opens_nothing_and_harms_nothing():
    async def run() -> None:
        async with keeping() as resumptions:
            call, line = await begin(resumptions, "clinic")
            token = call.tokens.issue()
            assert await resumptions.resume(token, "bakery", 0, Resumable) is None
            assert not line.given_up.is_set()
            assert await resumptions.resume(token, "clinic", 0, Resumable) is not None
            assert line.given_up.is_set()

    virtual_time.run(run())


def test_a_call_that_nobody_comes_back_to_ends_with_the_window():
    async def run() -> None:
        async with keeping(window_s=30.0) as resumptions:
            call, line = await begin(resumptions, "clinic")
            token = call.tokens.issue()
            resumptions.detach(call, line)
            assert resumptions.anybody_away
            await call.over()
            assert asyncio.get_running_loop().time() == 30.0
            assert isinstance(call.caller.error, CallerGone)
            assert await resumptions.resume(token, "clinic", 0, Resumable) is None

    virtual_time.run(run())


def test_a_client_that_comes_back_stops_the_window():
    async def run() -> None:
        async with keeping(window_s=30.0) as resumptions:
            call, line = await begin(resumptions, "clinic")
            token = call.tokens.issue()
            for _ in range(3):
                resumptions.detach(call, line)
                await asyncio.sleep(29.0)
                back = await resumptions.resume(token, "clinic", 0, Resumable)
                assert back
                _, line = back
            assert not call.caller.over.is_set()
            assert not resumptions.anybody_away

    virtual_time.run(run())


def test_a_call_that_broke_the_rules_cannot_be_gone_on_with():
    async def run() -> None:
        async with keeping() as resumptions:
            call, _ = await begin(resumptions, "clinic")
            token = call.tokens.issue()
            call.caller.give_up(BadMessage("a message is no ClientMessage"))
            await call.over()
            assert await resumptions.resume(token, "clinic", 0, Resumable) is None

    virtual_time.run(run())


def test_of_calls_that_are_over_the_newest_hundred_are_kept():
    async def run() -> None:
        async with keeping() as resumptions:
            tokens: list[str] = []
            for _ in range(101):
                call, line = await begin(resumptions, "clinic")
                tokens.append(call.tokens.issue())
                call.caller.hang_up(line)
                await call.over()
            kept = [await resumptions.resume(token, "clinic", 0, Resumable) for token in tokens]
            assert [back is not None for back in kept] == [False, *[True] * 100]

    virtual_time.run(run())
