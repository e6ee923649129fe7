"""Asks one of several chat endpoints that serve the same model."""

import asyncio
import logging
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from dataclasses import replace
from urllib.parse import urlsplit

from voice_gateway.adapters.addresses import Target, listed
from voice_gateway.adapters.chat import ChatEndpoint, ChatOptions, Repeated
from voice_gateway.adapters.pool import Listeners, Pool
from voice_gateway.conversation import Message
from voice_gateway.errors import Rejected, ServiceError
from voice_gateway.messages import ModelOptions
from voice_gateway.ports import ModelPiece

log = logging.getLogger(__name__)

_ASKED_AGAIN_AFTER_S = 0.2
_DEFAULT_OPTIONS = ModelOptions()


class ChatAddresses:
    """Implements `ports.ChatModel`; `base_url` of the options may list several endpoints."""

    def __init__(self, options: ChatOptions, listeners: Listeners | None = None) -> None:
        self._first_token_timeout_s = options.first_token_timeout_s

        targets = [Target(url, _shown(url)) for url in listed(options.base_url)]
        self._alone = len(targets) == 1

        def dial(target: Target) -> ChatEndpoint:
            return ChatEndpoint(replace(options, base_url=target.dialled))

        self._pool = Pool("llm", targets, dial, listeners or Listeners())

    async def complete(
        self,
        history: Sequence[Message],
        *,
        system_prompt: str,
        asking: ModelOptions = _DEFAULT_OPTIONS,
    ) -> AsyncGenerator[ModelPiece, None]:
        """Ask for the answer; once more, elsewhere if possible, where it fails before its text."""
        until = _now() + self._first_token_timeout_s
        for may_ask_again in (True, False):
            begun = False
            try:
                async with aclosing(self._asked(history, system_prompt, asking, until)) as pieces:
                    async for piece in pieces:
                        begun = True
                        yield piece
            except ServiceError as fault:
                if begun or not may_ask_again:
                    raise
                await self._wait_to_ask_again(fault, until)
            else:
                return

    async def _wait_to_ask_again(self, fault: ServiceError, until: float) -> None:
        """Give the same endpoint a moment; raises the fault where asking again is of no use."""
        wait_s = _ASKED_AGAIN_AFTER_S if self._alone else 0.0
        repeats = self._alone and (not fault.retryable or isinstance(fault, Repeated))
        if repeats or isinstance(fault, Rejected) or _now() + wait_s >= until:
            raise fault
        log.info("the chat model is asked again: %s", fault.text)
        await asyncio.sleep(wait_s)

    async def check(self) -> str:
        """Say which model is served; raises ServiceError where no endpoint serves one."""
        return await self._pool.look(ChatEndpoint.check)

    async def close(self) -> None:
        await self._pool.close()

    async def _asked(
        self, history: Sequence[Message], system_prompt: str, asking: ModelOptions, until: float
    ) -> AsyncGenerator[ModelPiece, None]:
        with self._pool.lease() as lease:
            answer = lease.connection.complete(
                history,
                system_prompt=system_prompt,
                asking=asking,
                until=until,
                on_wait=lease.waits,
            )
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
