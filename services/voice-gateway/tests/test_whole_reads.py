"""A read that nobody waits for any more takes what has arrived, so that it can be freed."""

import asyncio

import pytest
from voice_gateway.whole_reads import Whole


class Stream:
    """A stream whose messages come when a test says so."""

    def __init__(self) -> None:
        self.arrived: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self.taken: list[str] = []

    async def read(self) -> str:
        await asyncio.sleep(0)  # as gRPC does until the request is out
        self.taken.append(message := await self.arrived)
        return message


async def waiting(stream: Stream) -> "asyncio.Task[str]":
    """A task that waits for the next message."""

    async def wait() -> str:
        return await Whole(stream.read())

    task = asyncio.create_task(wait())
    for _ in range(3):
        await asyncio.sleep(0)
    return task


async def test_a_message_is_returned_to_who_waits():
    stream = Stream()
    task = await waiting(stream)
    stream.arrived.set_result("hello")
    assert await task == "hello"


async def test_what_fails_is_raised():
    stream = Stream()
    task = await waiting(stream)
    stream.arrived.set_exception(ConnectionError("gone"))
    with pytest.raises(ConnectionError, match="gone"):
        await task


async def test_a_message_that_arrives_as_its_task_is_cancelled_is_taken():
    stream = Stream()
    task = await waiting(stream)
    stream.arrived.set_result("hello")
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert stream.taken == ["hello"]


async def test_so_is_one_that_arrives_later():
    stream = Stream()
    task = await waiting(stream)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert not stream.arrived.cancelled()
    stream.arrived.set_result("hello")
    await asyncio.sleep(0)
    assert stream.taken == ["hello"]


async def test_a_read_that_fails_later_disturbs_nobody(caplog: pytest.LogCaptureFixture):
    stream = Stream()
    task = await waiting(stream)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    stream.arrived.set_exception(ConnectionError("gone"))
    await asyncio.sleep(0)
    assert caplog.records == []
