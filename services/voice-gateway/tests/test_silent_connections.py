"""Connections to the HTTP port that say nothing: they give way, and end by themselves."""

import asyncio
import errno
import logging
import os
import socket
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, asynccontextmanager
from itertools import count
from typing import Any

import aiohttp
import pytest
from voice_gateway.testing.fake_chat import FakeChat
from voice_gateway.testing.fake_riva import FakeRiva
from voice_gateway.testing.program import connect
from voice_gateway.transports import open_files
from voice_gateway.transports.listener import ConnectionLimits, Connections, Listener

REQUEST = b"GET /healthz HTTP/1.1\r\nHost: gateway\r\n\r\n"


@asynccontextmanager
async def connections(port: int, count: int) -> AsyncGenerator[list[asyncio.StreamReader]]:
    """So many connections that say nothing."""
    async with AsyncExitStack() as stack:
        readers: list[asyncio.StreamReader] = []
        for _ in range(count):
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            stack.callback(writer.close)
            readers.append(reader)
        yield readers


async def is_closed(reader: asyncio.StreamReader) -> bool:
    try:
        return await reader.read() == b""
    except ConnectionResetError:
        return True


def limited(monkeypatch: pytest.MonkeyPatch, limits: ConnectionLimits) -> None:
    def of(_settings: object) -> ConnectionLimits:
        return limits

    monkeypatch.setattr("voice_gateway.wiring.http_connections", of)


async def test_a_connection_that_says_nothing_gives_way_to_one_that_asks(
    serve: Any, monkeypatch: pytest.MonkeyPatch
):
    limited(monkeypatch, ConnectionLimits(most=8))
    async with (
        serve(FakeRiva(), FakeChat(["Hello."])) as gateway,
        connect(gateway.http_port) as program,  # it is at work, and stays
        connections(gateway.http_port, 30) as readers,
        aiohttp.ClientSession() as http,
    ):
        for _ in range(3):
            async with http.get(f"http://127.0.0.1:{gateway.http_port}/healthz") as answer:
                assert answer.status == 200
        async with asyncio.timeout(10):
            assert all([await is_closed(reader) for reader in readers[:20]])
        await program.type("hello")
        await program.until("response.done")


@pytest.mark.parametrize("said", [b"", b"GET /healthz HTTP/1.1\r\nHost: gate"])
async def test_a_connection_that_does_not_say_it_all_in_time_is_closed(
    serve: Any, monkeypatch: pytest.MonkeyPatch, said: bytes
):
    limited(monkeypatch, ConnectionLimits(request_s=0.3))
    async with serve(FakeRiva(), FakeChat()) as gateway:
        reader, writer = await asyncio.open_connection("127.0.0.1", gateway.http_port)
        writer.write(said)
        async with asyncio.timeout(10):
            assert await is_closed(reader)
        writer.close()


async def test_a_connection_that_waits_for_its_next_request_is_closed_later(
    serve: Any, monkeypatch: pytest.MonkeyPatch
):
    limited(monkeypatch, ConnectionLimits(request_s=30, idle_s=0.3))
    async with serve(FakeRiva(), FakeChat()) as gateway:
        reader, writer = await asyncio.open_connection("127.0.0.1", gateway.http_port)
        writer.write(REQUEST)
        async with asyncio.timeout(10):
            answered = await reader.readuntil(b"alive\n")
            assert answered.startswith(b"HTTP/1.1 200")
            writer.write(REQUEST)
            assert (await reader.readuntil(b"alive\n")).startswith(b"HTTP/1.1 200")
            assert await is_closed(reader)
        writer.close()


async def test_where_every_connection_is_at_work_another_is_refused(
    serve: Any, monkeypatch: pytest.MonkeyPatch
):
    limited(monkeypatch, ConnectionLimits(most=1))
    async with (
        serve(FakeRiva(), FakeChat()) as gateway,
        connect(gateway.http_port) as program,
        connections(gateway.http_port, 1) as (reader,),
    ):
        async with asyncio.timeout(10):
            assert await is_closed(reader)
        await program.update()


class Greets(asyncio.Protocol):
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        transport.write(b"hello\n")


async def test_that_no_file_is_left_is_said_once_and_not_tried_all_the_time(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
):
    caplog.set_level(logging.INFO, "voice_gateway.transports.listener")
    monkeypatch.setattr("voice_gateway.transports.listener._RETRY_S", 0.01)
    loop, tried, limits = asyncio.get_running_loop(), count(1), ConnectionLimits()
    accept = loop.sock_accept

    async def no_files_at_first(listening: socket.socket) -> Any:
        if next(tried) <= 32 + 5:  # the files that are kept for this port come first
            raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))
        return await accept(listening)

    monkeypatch.setattr(loop, "sock_accept", no_files_at_first)
    listener = Listener(Greets, Connections(limits), limits)
    port = await listener.start("127.0.0.1", 0)
    async with asyncio.TaskGroup() as tasks:
        accepting = tasks.create_task(listener.accept())
        async with connections(port, 1) as (reader,), asyncio.timeout(10):
            assert await reader.readline() == b"hello\n"
        accepting.cancel()
    listener.stop()
    assert [record.message for record in caplog.records] == [
        "no connection can be accepted: Too many open files; see `ulimit -n`",
        "connections are accepted again",
    ]


def test_the_http_port_leaves_most_files_to_the_calls():
    assert open_files.http_connections(calls=100, files=1024) == 341
    assert open_files.http_connections(calls=100, files=65_536) == 356


def test_too_few_files_for_the_calls_are_said(caplog: pytest.LogCaptureFixture):
    open_files.raise_limit(100)
    assert caplog.text == ""
    open_files.raise_limit(1_000_000)
    assert "MAX_CALLS=1000000 needs about 4000064; raise `ulimit -n`" in caplog.text
