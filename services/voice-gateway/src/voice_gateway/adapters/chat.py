"""Asks an OpenAI-style streaming chat endpoint, a NIM or any other, for the reply's text."""

import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from dataclasses import dataclass

import httpx2
import openai
from openai import AsyncOpenAI, AsyncStream, DefaultAsyncHttpxClient

from voice_gateway.adapters.chat_context import ChatContext, Sent
from voice_gateway.adapters.chat_wire import AnswerReader
from voice_gateway.conversation import Message
from voice_gateway.errors import Misconfigured, ServiceError, TimedOut, Unavailable
from voice_gateway.messages import ModelOptions, Usage
from voice_gateway.ports import ModelPiece

_CHECK_TIMEOUT_S = 3.0
# Idle connections are kept until the caller's next question, so that no turn waits for a handshake.
_CONNECTION_LIMITS = httpx2.Limits(
    max_connections=1000, max_keepalive_connections=200, keepalive_expiry=60.0
)
_WARM_UP_HISTORY = (Message("user", "Hello."),)
_DEFAULT_OPTIONS = ModelOptions()
_HINT_BY_STATUS = {
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
    """The system prompt most calls start with, which the model reads in advance; empty: none."""
    temperature: float = 0.6
    max_tokens: int = 256
    context_tokens: int = 0
    """The model's context size; 0: it is found out."""
    connect_timeout_s: float = 3.0
    first_token_timeout_s: float = 15.0
    token_timeout_s: float = 10.0


class ChatEndpoint:
    """Implements `ports.ChatModel`."""

    def __init__(self, options: ChatOptions) -> None:
        self._options = options
        self._context = ChatContext(options.model, options.context_tokens)
        self._warmed_up = False
        self._answered = False
        # The client does not retry: the caller is waiting, and is told of a failure at once.
        self._client = AsyncOpenAI(
            base_url=options.base_url,
            api_key=options.api_key or "none",
            max_retries=0,
            http_client=DefaultAsyncHttpxClient(limits=_CONNECTION_LIMITS),
            timeout=openai.Timeout(
                options.first_token_timeout_s + options.token_timeout_s,
                connect=options.connect_timeout_s,
            ),
        )

    async def complete(
        self,
        history: Sequence[Message],
        *,
        system_prompt: str,
        asking: ModelOptions = _DEFAULT_OPTIONS,
    ) -> AsyncGenerator[ModelPiece, None]:
        timeout_s = self._options.first_token_timeout_s
        deltas = self._deltas(history, system_prompt, asking)
        async with aclosing(deltas):
            while (pieces := await self._next(deltas, timeout_s)) is not None:
                for piece in pieces:
                    timeout_s = self._options.token_timeout_s
                    yield piece

    async def check(self) -> str:
        """Say which model is served, and have it read the prompt that calls start with.

        A model server that caches prompts reads it here, and not while the first caller waits.
        Raises ServiceError.
        """
        said = await self._served()
        if self._options.warm_up and not self._warmed_up:
            answer = self.complete(_WARM_UP_HISTORY, system_prompt=self._options.warm_up)
            async with aclosing(answer) as text:
                await anext(text, None)
            self._warmed_up = True
        return said

    async def _served(self) -> str:
        # A kept connection might still lead to another server that had this address before.
        headers = {} if self._answered else {"Connection": "close"}
        self._answered = False
        try:
            async with asyncio.timeout(_CHECK_TIMEOUT_S):
                models = self._client.models.list(extra_headers=headers)
                listed = [model.to_dict() async for model in models]
        except openai.APIError as error:
            self._warmed_up = False
            raise self._fault(error) from None
        except TimeoutError:
            self._warmed_up = False
            raise TimedOut("llm", f"{self._options.base_url} did not answer") from None
        self._answered = True
        self._context.listed(listed)
        served = [str(model.get("id")) for model in listed]
        if served and self._options.model not in served:
            return f"serves {', '.join(served)}, not LLM_MODEL {self._options.model}"
        return f"model {self._options.model}"

    async def close(self) -> None:
        await self._client.close()

    async def _next(
        self, deltas: AsyncGenerator[list[ModelPiece], None], timeout_s: float
    ) -> list[ModelPiece] | None:
        """The pieces in the next chunk, perhaps none; None at the end."""
        try:
            async with asyncio.timeout(timeout_s):
                return await anext(deltas, None)
        except openai.APIError as error:
            raise self._fault(error) from None
        except (ValueError, AttributeError, TypeError, LookupError) as error:  # not a chat chunk
            raise Unavailable("llm", f"{self._options.base_url} sent nonsense: {error}") from None
        except TimeoutError:
            said = f"{self._options.base_url} sent no text for {timeout_s:g} s"
            raise TimedOut("llm", said) from None

    async def _deltas(
        self, history: Sequence[Message], system_prompt: str, asking: ModelOptions
    ) -> AsyncGenerator[list[ModelPiece], None]:
        """Ask; where that is refused for its length or its roles, ask once more so that it fits."""
        longest = int(_or_default(asking.max_tokens, self._options.max_tokens))
        for again in (False, True):
            sent = self._context.fit(history, system_prompt, asking, longest, again=again)
            began = False
            try:
                async with aclosing(self._answer(sent, asking)) as answer:
                    async for pieces in answer:
                        began = began or bool(pieces)
                        yield pieces
            except openai.APIError as error:
                if again or began or not self._refused(sent, error):
                    raise
            else:
                return

    def _refused(self, sent: Sent, error: openai.APIError) -> bool:
        """Whether the request was refused for something that can be told in another way."""
        status: int | None = getattr(error, "status_code", None)
        return self._context.refused(sent, status, f"{error.message} {error.body}")

    async def _answer(
        self, sent: Sent, asking: ModelOptions
    ) -> AsyncGenerator[list[ModelPiece], None]:
        answer = AnswerReader()
        temperature = _or_default(asking.temperature, self._options.temperature)
        # Plain dictionaries are used, because the SDK's typed chunks cost 5 ms of CPU a turn.
        stream = await self._client.post(
            "/chat/completions",
            body=sent.body | {"temperature": temperature},
            cast_to=object,
            stream=True,
            stream_cls=AsyncStream[object],
        )
        try:
            async for chunk in stream:
                pieces = answer.take(chunk)
                for used in pieces:
                    if isinstance(used, Usage):
                        self._context.counted(sent, used.input_tokens)
                yield pieces
            yield answer.calls()
        finally:
            await stream.close()  # without this, the model would go on writing

    def _fault(self, error: openai.APIError) -> ServiceError:
        where = self._options.base_url
        if isinstance(error, openai.APITimeoutError):
            return TimedOut("llm", f"{where} did not answer in time")
        if isinstance(error, openai.APIStatusError):
            said = f"{where} answered {error.status_code}: {_reason(error)}"
            if hint := _HINT_BY_STATUS.get(error.status_code):
                return Misconfigured("llm", f"{said}; {hint}")
            return Unavailable("llm", said)
        return Unavailable("llm", f"{where} cannot be reached: {_reason(error)}")


def _or_default(asked: float | None, default: float) -> float:
    return default if asked is None else asked


def _reason(error: openai.APIError) -> str:
    """The endpoint's own text, short enough for one log line."""
    return " ".join(str(error.message).split())[:200]
