"""The chat server: llama.cpp's OpenAI API in a process of its own, owned from start to end.

Its own process keeps the token loop off the speech engines' interpreter, and a crash of it does
not end them.
"""

import asyncio
import json
import logging
import sys
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Self
from urllib.parse import urlsplit

from voice_local.catalogue import LANGUAGE_MODELS, Model
from voice_local.failures import ChatFailed

log = logging.getLogger(__name__)

_START_S = 120.0
_QUIET, _TALKATIVE = -1, 3

_DEFAULT_TOKENS = 2048
_TOKENS_PER_SLOT: Mapping[str, int] = {"qwen-0.5b": 4096}
"""Others get _DEFAULT_TOKENS: 4 slots of 4096 tokens cost 200 MB here, 460 MB in qwen-1.5b."""


@dataclass(frozen=True, slots=True)
class ChatSettings:
    name: str
    """What `/v1/models` tells; requests may name any model."""
    weights: str
    host: str = "127.0.0.1"
    port: int = 0
    """0 is any free one."""
    slots: int = 4
    """Requests answered at once; more wait their turn."""
    tokens_per_slot: int = _DEFAULT_TOKENS
    """Prompt and reply together; a longer prompt is refused with status 400."""
    threads: int = 1
    """Two threads slow to a token a second where the second core is not free."""
    verbosity: int = _QUIET


def chat_settings(model: Model, cache: Path, *, host: str, port: int) -> ChatSettings:
    """The settings under which one of LANGUAGE_MODELS is served from its cached weights."""
    assert model.name in LANGUAGE_MODELS
    return ChatSettings(
        name=model.name,
        weights=str(cache / model.name / model.files[0].name),
        host=host,
        port=port,
        tokens_per_slot=_TOKENS_PER_SLOT.get(model.name, _DEFAULT_TOKENS),
        verbosity=_TALKATIVE if log.isEnabledFor(logging.DEBUG) else _QUIET,
    )


def bracketed(host: str) -> str:
    """The host as it stands before a port: an IPv6 address goes in brackets."""
    return f"[{host}]" if ":" in host else host


class ChatServer:
    """A running chat server; `start` makes one."""

    def __init__(self, process: asyncio.subprocess.Process, url: str) -> None:
        self._process = process
        self.url = url
        """The base of the API, such as http://127.0.0.1:8000/v1."""

    @classmethod
    async def start(cls, settings: ChatSettings) -> Self:
        """Start the process and wait until it has answered a request. Raises ChatFailed."""
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "voice_local.llm_child", json.dumps(asdict(settings))),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            start_new_session=True,
        )
        try:
            async with asyncio.timeout(_START_S):
                address = await _address(process)
        except BaseException as error:
            await _end(process, 0.0)
            if isinstance(error, TimeoutError):
                text = f"the chat server was not ready after {_START_S:.0f} s"
                raise ChatFailed(text) from error
            raise
        return cls(process, f"http://{bracketed(settings.host)}:{urlsplit(address).port}/v1")

    @property
    def pid(self) -> int:
        return self._process.pid

    async def ended(self) -> None:
        """Wait until the process ends by itself, and raise ChatFailed then."""
        status = await self._process.wait()
        raise ChatFailed(f"the chat server ended by itself with status {status}")

    async def stop(self, grace_s: float = 2.0) -> None:
        """End the process; replies under way break off."""
        await _end(self._process, grace_s)


async def _address(process: asyncio.subprocess.Process) -> str:
    """The address that the child prints; its other output is passed over."""
    assert process.stdout is not None
    while line := await process.stdout.readline():
        if line.startswith(b'{"address"'):
            return str(json.loads(line)["address"])
    raise ChatFailed(f"the chat server did not start: status {await process.wait()}")


async def _end(process: asyncio.subprocess.Process, grace_s: float) -> None:
    assert process.stdin is not None
    process.stdin.close()
    try:
        async with asyncio.timeout(grace_s):
            await process.wait()
    except TimeoutError:
        process.kill()
        await process.wait()
