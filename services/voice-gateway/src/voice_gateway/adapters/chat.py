"""The reply's text from an OpenAI-style streaming chat endpoint: a NIM, or any other."""

import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from dataclasses import dataclass

import httpx2
import openai
from openai import AsyncOpenAI, AsyncStream, DefaultAsyncHttpxClient

from voice_gateway.adapters.chat_wire import AnswerReader, request
from voice_gateway.conversation import Message
from voice_gateway.errors import Misconfigured, ServiceError, TimedOut, Unavailable
from voice_gateway.messages import ModelOptions
from voice_gateway.ports import ModelPiece

_CHECK_S = 3.0
# A connection outlives the caller's next question, so that no turn waits for a handshake.
_CONNECTIONS = httpx2.Limits(
    max_connections=1000, max_keepalive_connections=200, keepalive_expiry=60.0
)
_GREETING = (Message("user", "Hello."),)
_PLAINLY = ModelOptions()
_HINTS = {
    401: "check LLM_API_KEY",
    403: "check LLM_API_KEY",
    404: "check LLM_MODEL and LLM_BASE_URL",
    400: "check LLM_MODEL and what it allows",
}


@dataclass(frozen=True, slots=True)
class ChatOptions:
    base_url: str
    model: str
    api_key: str = ""
    warm_up: str = ""
    """The system prompt most calls start with, to be read in advance; empty: nothing is."""
    temperature: float = 0.6
    max_tokens: int = 256
    connect_timeout_s: float = 3.0
    first_token_timeout_s: float = 15.0
    token_timeout_s: float = 10.0


class ChatEndpoint:
    """Implements `ports.ChatModel`."""

    def __init__(self, rules: ChatOptions) -> None:
        self._rules = rules
        self._warm = False
        self._answers = False
        # No hidden retries: the caller is waiting, and hears of a failure at once.
        self._client = AsyncOpenAI(
            base_url=rules.base_url,
            api_key=rules.api_key or "none",
            max_retries=0,
            http_client=DefaultAsyncHttpxClient(limits=_CONNECTIONS),
            timeout=openai.Timeout(
                rules.first_token_timeout_s + rules.token_timeout_s,
                connect=rules.connect_timeout_s,
            ),
        )

    async def complete(
        self, history: Sequence[Message], *, system_prompt: str, asking: ModelOptions = _PLAINLY
    ) -> AsyncGenerator[ModelPiece, None]:
        patience_s = self._rules.first_token_timeout_s
        deltas = self._deltas(history, system_prompt, asking)
        async with aclosing(deltas):
            while (pieces := await self._next(deltas, patience_s)) is not None:
                for piece in pieces:
                    patience_s = self._rules.token_timeout_s
                    yield piece

    async def check(self) -> str:
        """Say which model is served, and have it read the prompt that calls start with.

        A model server that keeps prompts reads it once, here, and not in the first caller's time.
        Raises ServiceError.
        """
        said = await self._served()
        if self._rules.warm_up and not self._warm:
            answer = self.complete(_GREETING, system_prompt=self._rules.warm_up)
            async with aclosing(answer) as text:
                await anext(text, None)
            self._warm = True
        return said

    async def _served(self) -> str:
        # A connection made while something else stood there would lead there for ever.
        headers = {} if self._answers else {"Connection": "close"}
        self._answers = False
        try:
            async with asyncio.timeout(_CHECK_S):
                models = self._client.models.list(extra_headers=headers)
                served = [model.id async for model in models]
        except openai.APIError as error:
            self._warm = False
            raise self._fault(error) from None
        except TimeoutError:
            self._warm = False
            raise TimedOut("llm", f"{self._rules.base_url} did not answer") from None
        self._answers = True
        if served and self._rules.model not in served:
            return f"serves {', '.join(served)}, not LLM_MODEL {self._rules.model}"
        return f"model {self._rules.model}"

    async def close(self) -> None:
        await self._client.close()

    async def _next(
        self, deltas: AsyncGenerator[list[ModelPiece], None], patience_s: float
    ) -> list[ModelPiece] | None:
        """What the next chunk has, which may be nothing; None at the end."""
        try:
            async with asyncio.timeout(patience_s):
                return await anext(deltas, None)
        except openai.APIError as error:
            raise self._fault(error) from None
        except (ValueError, AttributeError, TypeError, LookupError) as error:  # no chat chunks
            raise Unavailable("llm", f"{self._rules.base_url} sent nonsense: {error}") from None
        except TimeoutError:
            said = f"{self._rules.base_url} sent no text for {patience_s:g} s"
            raise TimedOut("llm", said) from None

    async def _deltas(
        self, history: Sequence[Message], system_prompt: str, asking: ModelOptions
    ) -> AsyncGenerator[list[ModelPiece], None]:
        answer = AnswerReader()
        body = request(self._rules.model, history, system_prompt, asking) | {
            "temperature": _first(asking.temperature, self._rules.temperature),
            "max_tokens": _first(asking.max_tokens, self._rules.max_tokens),
        }
        # Plain dictionaries: the SDK's typed request and chunks cost 5 ms of CPU a turn.
        stream = await self._client.post(
            "/chat/completions",
            body=body,
            cast_to=object,
            stream=True,
            stream_cls=AsyncStream[object],
        )
        try:
            async for chunk in stream:
                yield answer.take(chunk)
            yield answer.calls()
        finally:
            await stream.close()  # leaving the loop alone would let the model write on

    def _fault(self, error: openai.APIError) -> ServiceError:
        where = self._rules.base_url
        if isinstance(error, openai.APITimeoutError):
            return TimedOut("llm", f"{where} did not answer in time")
        if isinstance(error, openai.APIStatusError):
            said = f"{where} answered {error.status_code}: {_reason(error)}"
            if hint := _HINTS.get(error.status_code):
                return Misconfigured("llm", f"{said}; {hint}")
            return Unavailable("llm", said)
        return Unavailable("llm", f"{where} cannot be reached: {_reason(error)}")


def _first(asked: float | None, usual: float) -> float:
    return usual if asked is None else asked


def _reason(error: openai.APIError) -> str:
    """The endpoint's own words, short enough for one line."""
    return " ".join(str(error.message).split())[:200]
