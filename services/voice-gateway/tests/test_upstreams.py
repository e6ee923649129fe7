"""Whether the upstreams answer: told when it changes, and found out again after trouble."""

import asyncio
import logging
from contextlib import suppress

import pytest
from voice_gateway.adapters.chat import ChatEndpoint, ChatOptions
from voice_gateway.adapters.riva_tts import KnownVoices
from voice_gateway.errors import Misconfigured, ServiceError, Unavailable
from voice_gateway.observe.upstreams import UpstreamWatch
from voice_gateway.testing import virtual_time


class Scripted:
    """Each look finds the next of these; the last one stays."""

    def __init__(self, *found: str | ServiceError) -> None:
        self._found = list(found)

    async def check(self) -> str:
        found = self._found.pop(0) if len(self._found) > 1 else self._found[0]
        if isinstance(found, str):
            return found
        raise found


def watched(*found: str | ServiceError, seconds: float) -> list[tuple[str, bool]]:
    changes: list[tuple[str, bool]] = []

    def note(name: str, up: bool) -> None:
        changes.append((name, up))

    async def watch() -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await UpstreamWatch({"llm": Scripted(*found)}, note).run()

    virtual_time.run(watch())
    return changes


def test_a_change_is_told_once(caplog: pytest.LogCaptureFixture):
    caplog.set_level(logging.INFO)
    gone = Unavailable("llm", "cannot be reached")
    assert watched(gone, gone, gone, "model a", "model a", seconds=100.0) == [
        ("llm", False),
        ("llm", True),
    ]
    assert [record.levelname for record in caplog.records] == ["WARNING", "INFO"]


def test_another_reason_for_being_down_is_told_too(caplog: pytest.LogCaptureFixture):
    caplog.set_level(logging.INFO)
    unknown, gone = Misconfigured("llm", "answered 404"), Unavailable("llm", "cannot be reached")
    assert watched(gone, unknown, unknown, seconds=60.0) == [("llm", False)]
    assert [record.getMessage() for record in caplog.records] == [
        "upstream llm is down, trying on: cannot be reached",
        "upstream llm is down, trying on: answered 404",
    ]


_MODELS = b'{"object":"list","data":[{"id":"a","object":"model","created":0,"owned_by":""}]}'


class Misled:
    """An endpoint whose first connection ends at a program that knows nothing of it."""

    def __init__(self) -> None:
        self._connections = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._connections += 1
        first = self._connections == 1
        status, body = (b"404 Not Found", b"") if first else (b"200 OK", _MODELS)
        with suppress(asyncio.IncompleteReadError):
            while head := await reader.readuntil(b"\r\n\r\n"):
                length = b"content-length: %d\r\n" % len(body)
                kind = b"content-type: application/json\r\n"
                writer.write(b"HTTP/1.1 " + status + b"\r\n" + kind + length + b"\r\n" + body)
                if b"connection: close" in head.lower():
                    break
        writer.close()


async def test_a_connection_that_leads_elsewhere_is_not_kept():
    server = await asyncio.start_server(Misled().serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    endpoint = ChatEndpoint(ChatOptions(f"http://127.0.0.1:{port}/v1", "a"))
    try:
        with pytest.raises(Misconfigured, match="404"):
            await endpoint.check()
        assert await endpoint.check() == "model a"
    finally:
        await endpoint.close()
        server.close()


def test_what_is_known_of_voices_is_bounded_whatever_names_callers_give():
    known = KnownVoices()
    for number in range(100_000):
        known.add(("en-US", f"voice {number}"))
        known.add(("en-US", f"voice {number}"))
    kept = [number for number in range(100_000) if ("en-US", f"voice {number}") in known]
    assert kept == list(range(100_000 - 256, 100_000))
