"""Asks one of several chat endpoints that serve the same model."""

import asyncio
import logging
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from dataclasses import replace
from urllib.parse import urlsplit

from voice_gateway.adapters.addresses import Target, listed
from voice_gateway.adapters.chat import ChatEndpoint, ChatOptions
from voice_gateway.adapters.pool import Listeners, Pool
from voice_gateway.conversation import Message
from voice_gateway.errors import Rejected, ServiceError
from voice_gateway.messages import ModelOptions
from voice_gateway.ports import ModelPiece

log = logging.getLogger(__name__)

_DEFAULT_OPTIONS = ModelOptions()


class ChatAddresses:
    """Implements `ports.ChatModel`; `base_url` of the options may list several endpoints."""

    def __init__(self, options: ChatOptions, listeners: Listeners | None = None) -> None:
        self._first_token_timeout_s = options.first_token_timeout_s

        targets = [Target(url, _shown(url)) for url in listed(options.base_url)]
        self._alone = len(targets) == 1

        def dial(target: Target) -> ChatEndpoint:
            alone = self._alone
            return ChatEndpoint(replace(options, base_url=target.dialled, asks_again=alone))

        self._pool = Pool("llm", targets, dial, listeners or Listeners())

    async def complete(
        self,
        history: Sequence[Message],
        *,
        system_prompt: str,
        asking: ModelOptions = _DEFAULT_OPTIONS,
    ) -> AsyncGenerator[ModelPiece, None]:
        """Ask an endpoint, and another one where that fails in time before its first piece."""
        until = _now() + self._first_token_timeout_s
        for last in (True,) if self._alone else (False, True):
            begun = False
            try:
                async with aclosing(self._asked(history, system_prompt, asking)) as pieces:
                    async for piece in pieces:
                        begun = True
                        yield piece
            except ServiceError as fault:
                if begun or last or isinstance(fault, Rejected) or _now() >= until:
                    raise
                log.info("llm: another address is asked: %s", fault.text)
            else:
                return

    async def check(self) -> str:
        """Say which model is served; raises ServiceError where no endpoint serves one."""
        return await self._pool.look(ChatEndpoint.check)

    async def close(self) -> None:
        await self._pool.close()

    async def _asked(
        self, history: Sequence[Message], system_prompt: str, asking: ModelOptions
    ) -> AsyncGenerator[ModelPiece, None]:
        with self._pool.lease() as lease:
            answer = lease.connection.complete(history, system_prompt=system_prompt, asking=asking)
            async with aclosing(answer) as pieces:
                async for piece in pieces:
                    lease.answered()
                    yield piece


def _now() -> float:
    return asyncio.get_running_loop().time()


def _shown(url: str) -> str:
    """The URL without credentials, for metrics."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"
