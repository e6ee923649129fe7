"""Asks an OpenAI-style streaming chat endpoint, a NIM or any other, for the reply's text."""

import asyncio
import logging
import re
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from contextlib import aclosing, suppress
from dataclasses import dataclass
from typing import Any, cast

import httpx2
import openai
from openai import AsyncOpenAI, AsyncStream, DefaultAsyncHttpxClient
from openai.types import Model

from voice_gateway.adapters.addresses import Refused
from voice_gateway.adapters.chat_answer import Answer, Habits
from voice_gateway.adapters.chat_context import ChatContext, Sent
from voice_gateway.adapters.chat_stream import BadAnswer
from voice_gateway.conversation import Message
from voice_gateway.errors import Misconfigured, ServiceError, TimedOut, Unavailable
from voice_gateway.messages import ModelOptions, Usage
from voice_gateway.ports import ModelPiece

log = logging.getLogger(__name__)

_CHECK_TIMEOUT_S = 3.0
_AFTER_FINISH_S = 2.0  # how long the counts and the end of a finished answer may take
_DRAIN_S = 0.1
_FIRST_SERVER_ERROR = 500
# Models that think aloud, unless their server is told not to pass it on.
_THINKS = re.compile(r"(?i)(?<![a-z])(r1|qwq|nemotron|magistral|gpt-oss)(?![a-z])|think|reason")
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


class Repeated(Unavailable):
    """The same request would bring the same again."""


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
    """The model's context size; 0: found out from the endpoint."""
    connect_timeout_s: float = 3.0
    first_token_timeout_s: float = 15.0
    token_timeout_s: float = 10.0


class ChatEndpoint:
    """One endpoint. It asks once: who waits for a caller decides whether and where to ask again."""

    def __init__(self, options: ChatOptions) -> None:
        self._options = options
        self._context = ChatContext(options.model, options.context_tokens)
        self._warmed_up = False
        self._answered = False
        self._habits = Habits(thinks=bool(_THINKS.search(options.model)))
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
        until: float | None = None,
        on_wait: Callable[[asyncio.Timeout], None] = lambda _: None,
    ) -> AsyncGenerator[ModelPiece, None]:
        """Ask for the answer; once more so that it fits, where its length or roles are refused.

        `until` is when the first text must have come; None: the options' time from now on. Each
        wait for it is told to `on_wait`, which may end it early.
        """
        seconds = self._options.first_token_timeout_s
        limit = _within(seconds) if until is None else _Limit(seconds, until, on_wait)
        longest = int(_or_default(asking.max_tokens, self._options.max_tokens))
        for again in (False, True):
            sent = self._context.fit(history, system_prompt, asking, longest, again=again)
            begun = False
            try:
                async with aclosing(self._answer(sent, asking, limit)) as pieces:
                    async for piece in pieces:
                        begun = True
                        yield piece
            except ServiceError as fault:
                if begun or again or not self._context.refused(sent, *_told_by(fault)):
                    raise
            else:
                return

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
                listed = [_named(model) async for model in models]
        except openai.APIError as error:
            self._warmed_up = False
            raise self._fault(error) from None
        except TimeoutError:
            self._warmed_up = False
            raise TimedOut("llm", f"{self._options.base_url} did not answer") from None
        except (ValueError, AttributeError, TypeError, LookupError):  # a page, or other JSON
            self._warmed_up = False
            raise Unavailable("llm", f"{self._options.base_url} lists no models") from None
        self._answered = True
        self._context.listed(listed)
        served = [model["id"] for model in listed]
        if served and self._options.model not in served:
            return f"serves {', '.join(served)}, not LLM_MODEL {self._options.model}"
        return f"model {self._options.model}"

    async def close(self) -> None:
        await self._client.close()

    async def _answer(
        self, sent: Sent, asking: ModelOptions, limit: "_Limit"
    ) -> AsyncGenerator[ModelPiece, None]:
        """Ask once. What came before a failure is yielded, too."""
        answer, fault = Answer(asking, self._habits), None
        body = sent.body | {
            "temperature": _or_default(asking.temperature, self._options.temperature)
        }
        async with aclosing(self._received(body)) as received:
            try:
                while (pieces := await self._next(answer, received, limit)) is not None:
                    for piece in pieces:
                        self._count(sent, piece)
                        yield piece
                    limit = self._limit_after(answer, limit)
            except ServiceError as error:
                fault = error
            for piece in answer.end(whole=fault is None):
                self._count(sent, piece)
                yield piece
            if answer.fault and answer.shown:
                log.warning("%s: %s", answer.fault, answer.shown)
            if fault and not answer.finished:
                raise fault
            if answer.fault:
                kind = Repeated if answer.finished else Unavailable
                said = f"{answer.fault[0].upper()}{answer.fault[1:]}."
                raise kind("llm", answer.fault, said) from BadAnswer(answer.fault, answer.shown)
            await _drain(received)

    def _count(self, sent: Sent, piece: ModelPiece) -> None:
        if isinstance(piece, Usage):
            self._context.counted(sent, piece.input_tokens)

    async def _next(
        self, answer: Answer, received: AsyncGenerator[bytes, None], limit: "_Limit"
    ) -> list[ModelPiece] | None:
        """The pieces in what is received next, perhaps none; None at the end."""
        if answer.done:
            return None
        try:
            async with asyncio.timeout_at(limit.until) as wait:
                limit.on_wait(wait)
                data = await anext(received, None)
        except (openai.APIError, httpx2.HTTPError, httpx2.StreamError) as error:
            raise self._fault(error) from error
        except TimeoutError:
            said = f"{self._options.base_url} sent no text for {limit.seconds:g} s"
            raise TimedOut("llm", said) from None
        return None if data is None else answer.feed(data)

    def _limit_after(self, answer: Answer, limit: "_Limit") -> "_Limit":
        """The limit for what follows: thoughts, comments and empty chunks do not move it on."""
        if answer.finished:
            return _within(_AFTER_FINISH_S)
        if answer.advanced:
            return _within(self._options.token_timeout_s)
        return limit

    async def _received(self, body: Mapping[str, Any]) -> AsyncGenerator[bytes, None]:
        """The answer's body as it comes."""
        # The SDK's own reading of the stream takes a page, or a whole completion, for no answer.
        stream = await self._client.post(
            "/chat/completions",
            body=body,
            cast_to=object,
            stream=True,
            stream_cls=AsyncStream[object],
        )
        try:
            async for data in stream.response.aiter_bytes():
                yield data
        finally:
            await stream.close()  # without this, the model would go on writing

    def _fault(self, error: Exception) -> ServiceError:
        where = self._options.base_url
        if isinstance(error, openai.APITimeoutError | httpx2.TimeoutException):
            return TimedOut("llm", f"{where} did not answer in time")
        if isinstance(error, openai.APIStatusError):
            said = f"{where} answered {error.status_code}: {_reason(error)}"
            if hint := _HINT_BY_STATUS.get(error.status_code):
                return Misconfigured("llm", f"{said}; {hint}")
            refuses = error.status_code < _FIRST_SERVER_ERROR
            return Repeated("llm", said) if refuses else Unavailable("llm", said)
        kind = Refused if isinstance(error.__cause__, httpx2.ConnectError) else Unavailable
        return kind("llm", f"{where} cannot be reached: {_reason(error)}")


def _named(model: Model) -> dict[str, Any]:
    """A listed model; raises TypeError where the endpoint gave it no name."""
    if not isinstance(cast(Any, model).id, str):
        raise TypeError("a model without a name")
    return cast(Any, model).to_dict()


def _or_default(asked: float | None, default: float) -> float:
    return default if asked is None else asked


def _reason(error: Exception) -> str:
    """The endpoint's own text, short enough for one log line."""
    said = error.message if isinstance(error, openai.APIError) else repr(error)
    return " ".join(said.split())[:200]


@dataclass(frozen=True, slots=True)
class _Limit:
    """How long there may be no text, and until when that is."""

    seconds: float
    until: float
    on_wait: Callable[[asyncio.Timeout], None] = lambda _: None
    """Called with the limit of each wait under it."""


def _within(seconds: float) -> _Limit:
    return _Limit(seconds, _now() + seconds)


def _told_by(fault: ServiceError) -> tuple[int | None, str]:
    """The status of the answer behind a fault, and what the endpoint wrote."""
    match fault.__cause__:
        case openai.APIError() as error:
            return getattr(error, "status_code", None), f"{error.message} {error.body}"
        case BadAnswer() as error:
            return None, error.shown
        case _:
            return None, ""


async def _drain(received: AsyncGenerator[bytes, None]) -> None:
    """Read the end of the body, which follows at once: else the connection cannot be kept."""
    with suppress(TimeoutError, httpx2.HTTPError, httpx2.StreamError):
        async with asyncio.timeout(_DRAIN_S):
            while await anext(received, None) is not None:
                pass


def _now() -> float:
    return asyncio.get_running_loop().time()
