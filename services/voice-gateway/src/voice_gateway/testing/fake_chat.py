"""Serves a scripted chat model in process: OpenAI's chat completions on a free HTTP port.

    async with FakeChat(replies=["It is sunny."], first_token_s=0.2) as chat:
        ...  # point the gateway at chat.base_url
        asked = await chat.request(0)
        assert asked.messages[-1]["content"] == "what is the weather"

Faults may be changed while it runs: `chat.fault = HttpError(429)`; a request keeps the fault that
was set when it came.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Collection, Sequence
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Self

from aiohttp import web

from voice_gateway.testing.fake_chat_limits import Limits
from voice_gateway.testing.fake_chat_wire import (
    DONE,
    Json,
    chunk,
    completion,
    error_body,
    event,
    model_list,
    pieces_of,
    tool_call_parts,
    usage_chunk,
)
from voice_gateway.testing.fake_faults import WAIT_S, Changes, Log


@dataclass(frozen=True, slots=True)
class UsesTool:
    """A reply that calls a tool, after some text or none; its arguments come in two parts."""

    name: str
    arguments: str = "{}"
    text: str = ""


Reply = str | UsesTool
Replies = Sequence[Reply] | Callable[[Sequence[Json], int], Reply]
"""The replies in turn, the last one for ever, or a function of the messages and the ordinal."""

_MODEL = "meta/llama-3.1-8b-instruct"
_MAX_BODY_BYTES = 4 * 2**20


@dataclass(frozen=True, slots=True)
class HttpError:
    """The request is answered at once with this status and an OpenAI-style error body."""

    status: int
    message: str = "scripted error"


@dataclass(frozen=True, slots=True)
class Silent:
    """The request is read and never answered, not even with headers."""


@dataclass(frozen=True, slots=True)
class StallAfter:
    """After so many pieces nothing follows, and the connection stays open."""

    pieces: int


@dataclass(frozen=True, slots=True)
class DropAfter:
    """After so many pieces the connection breaks."""

    pieces: int


@dataclass(frozen=True, slots=True)
class Empty:
    """The reply is well-formed and has no text."""


@dataclass(frozen=True, slots=True)
class Malformed:
    """After so many pieces an event comes that is not JSON."""

    pieces: int = 0


@dataclass(frozen=True, slots=True)
class Sends:
    """The answer is a 200 with these parts as its body, whatever they are."""

    parts: Sequence[bytes]
    kind: str = "text/event-stream"
    apart_s: float = 0.0
    """Seconds before each part."""
    stays_open: bool = False
    """The body does not end after its last part."""


ChatFault = HttpError | Silent | StallAfter | DropAfter | Empty | Malformed | Sends
ChatFaultScript = ChatFault | Callable[[int], ChatFault | None] | None
"""One fault for every request, or the fault of the n-th request (from 0), or none."""


@dataclass(slots=True)
class ChatRequest:
    """One chat request as the server saw it; all times are the loop's."""

    ordinal: int
    headers: dict[str, str] = field(repr=False)
    """By lower-case name; they hold the client's key, so they never show in a repr."""
    body: Json
    asked_at: float
    peer: object = None
    """The address of the client's end of the connection."""
    pieces_sent: list[str] = field(default_factory=list[str])
    pieces_at: list[float] = field(default_factory=list[float])
    cancelled: bool = False
    """The client closed the connection before the reply was complete."""
    refused: bool = False
    """The model does not take the request: it is too long, or has roles in the wrong order."""
    ended_at: float | None = None
    ended: asyncio.Event = field(default_factory=asyncio.Event)
    _changes: Changes = field(default_factory=Changes, repr=False)

    @property
    def messages(self) -> list[Json]:
        return self.body.get("messages", [])

    @property
    def model(self) -> str:
        return self.body.get("model", "")

    @property
    def first_piece_at(self) -> float | None:
        return self.pieces_at[0] if self.pieces_at else None

    def sent(self, piece: str) -> None:
        self.pieces_sent.append(piece)
        self.pieces_at.append(_now())
        self._changes.notify()

    async def until_sent(self, pieces: int, timeout_s: float = WAIT_S) -> None:
        """Return once so many pieces were sent."""
        await self._changes.until(lambda: len(self.pieces_sent) >= pieces, timeout_s)


class FakeChat:
    """Every public attribute may be changed while it serves."""

    def __init__(
        self,
        replies: Replies = ("Very well.",),
        *,
        first_token_s: float = 0.0,
        token_s: float = 0.0,
        fault: ChatFaultScript = None,
        models: Collection[str] = (),
        api_key: str | None = None,
        limits: Limits | None = None,
        host: str = "127.0.0.1",
        port: int = 0,
    ) -> None:
        self.replies = replies
        self.first_token_s = first_token_s
        self.token_s = token_s
        self.fault = fault
        self.models = models
        """The models that are accepted, any other is 404; empty: any model."""
        self.models_page: str | None = None
        """What the list of models is answered with instead, as a 200; None: the list."""
        self.api_key = api_key
        """The key that is accepted, any other is 401; None: any key."""
        self.limits = limits or Limits()
        """What the model takes; what is beyond that is refused."""
        self._log: Log[ChatRequest] = Log()
        self._host = host
        self._port = port
        self._runner: web.AppRunner | None = None

    @property
    def base_url(self) -> str:
        return f"http://{self._host}:{self._port}/v1"

    @property
    def requests(self) -> Sequence[ChatRequest]:
        return self._log.records

    async def request(self, ordinal: int, timeout_s: float = WAIT_S) -> ChatRequest:
        """Wait for the `ordinal`-th chat request, from 0."""
        return await self._log.nth(ordinal, timeout_s)

    async def up(self) -> None:
        app = web.Application(client_max_size=_MAX_BODY_BYTES)
        app.router.add_post("/v1/chat/completions", self._complete)
        app.router.add_get("/v1/models", self._list_models)
        # With handler_cancellation, a client that goes away cancels its request at once.
        runner = web.AppRunner(
            app, handler_cancellation=True, access_log=None, shutdown_timeout=0.0
        )
        await runner.setup()
        site = web.TCPSite(runner, self._host, self._port, reuse_address=True)
        await site.start()
        self._port = runner.addresses[0][1]
        self._runner = runner

    async def down(self) -> None:
        """Break every running request and stop listening; `up` listens on the same port again."""
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = None

    async def __aenter__(self) -> Self:
        await self.up()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.down()

    async def _list_models(self, request: web.Request) -> web.Response:
        if self.models_page is not None:
            kind = "text/html" if self.models_page.startswith("<") else "application/json"
            return web.Response(text=self.models_page, content_type=kind)
        listed = model_list(list(self.models or (_MODEL,)))
        listed["data"] = [self.limits.listed(model) for model in listed["data"]]
        return web.json_response(listed)

    async def _complete(self, request: web.Request) -> web.StreamResponse:
        asked = ChatRequest(
            ordinal=len(self.requests),
            headers={name.lower(): value for name, value in request.headers.items()},
            body=await request.json(),
            asked_at=_now(),
            peer=request.transport and request.transport.get_extra_info("peername"),
        )
        self._log.add(asked)
        try:
            return await self._answer(asked, request)
        except (asyncio.CancelledError, ConnectionResetError):
            asked.cancelled = True
            raise
        finally:
            asked.ended_at = _now()
            asked.ended.set()

    async def _answer(self, asked: ChatRequest, request: web.Request) -> web.StreamResponse:
        fault = self.fault(asked.ordinal) if callable(self.fault) else self.fault
        refusal = fault if isinstance(fault, HttpError) else self._refusal(asked)
        if refusal is not None:
            body = error_body(refusal.status, refusal.message)
            return web.json_response(body, status=refusal.status)
        if isinstance(fault, Silent):
            await asyncio.Event().wait()
        if isinstance(fault, Sends):
            return await _sent(fault, asked, request)
        if refused := self.limits.refusal(asked.body):
            asked.refused = True
            if self.limits.in_stream:
                return await _only(request, refused.body)
            return web.json_response(refused.body, status=refused.status)
        reply = "" if isinstance(fault, Empty) else self._reply_to(asked)
        if asked.body.get("stream"):
            return await self._stream(asked, request, reply, fault)
        return await self._whole(asked, reply if isinstance(reply, str) else reply.text)

    def _refusal(self, asked: ChatRequest) -> HttpError | None:
        if self.api_key and asked.headers.get("authorization") != f"Bearer {self.api_key}":
            return HttpError(401, "Incorrect API key provided.")
        if self.models and asked.model not in self.models:
            return HttpError(404, f"The model `{asked.model}` does not exist.")
        if not asked.messages:
            return HttpError(400, "messages: at least one message is needed.")
        return None

    def _reply_to(self, asked: ChatRequest) -> Reply:
        if callable(self.replies):
            return self.replies(asked.messages, asked.ordinal)
        return self.replies[min(asked.ordinal, len(self.replies) - 1)]

    async def _whole(self, asked: ChatRequest, text: str) -> web.Response:
        async for piece in self._written(asked, text):
            asked.sent(piece)
        return web.json_response(completion(_head(asked), asked.messages, text))

    async def _stream(
        self, asked: ChatRequest, request: web.Request, reply: Reply, fault: ChatFault | None
    ) -> web.StreamResponse:
        text = reply if isinstance(reply, str) else reply.text
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await response.prepare(request)
        head, with_usage = _head(asked), _wants_usage(asked)
        role = {"role": "assistant", "content": ""}
        await response.write(event(chunk(head, role, with_usage=with_usage)))
        async for piece in self._written(asked, text):
            if await _stopped_by(fault, asked, request, response):
                return response
            said = chunk(head, {"content": piece}, with_usage=with_usage)
            await response.write(event(said))
            asked.sent(piece)
        if await _stopped_by(fault, asked, request, response):
            return response
        if isinstance(reply, UsesTool):
            for part in tool_call_parts(asked.ordinal, reply.name, reply.arguments):
                await response.write(event(chunk(head, part, with_usage=with_usage)))
        why = "tool_calls" if isinstance(reply, UsesTool) else "stop"
        await response.write(event(chunk(head, {}, why, with_usage=with_usage)))
        if with_usage:
            used = usage_chunk(head, asked.messages, len(asked.pieces_sent))
            await response.write(event(used))
        await response.write(DONE)
        await response.write_eof()
        return response

    async def _written(self, asked: ChatRequest, text: str) -> AsyncIterator[str]:
        due_at = asked.asked_at + self.first_token_s
        for piece in pieces_of(text):
            await asyncio.sleep(due_at - _now())
            yield piece
            due_at += self.token_s


async def _sent(script: Sends, asked: ChatRequest, request: web.Request) -> web.StreamResponse:
    response = web.StreamResponse(headers={"Content-Type": script.kind})
    await response.prepare(request)
    for part in script.parts:
        await asyncio.sleep(script.apart_s)
        await response.write(part)
        asked.sent(part.decode(errors="replace"))
    if script.stays_open:
        await asyncio.Event().wait()
    await response.write_eof()
    return response


async def _only(request: web.Request, body: Json) -> web.StreamResponse:
    """A stream of one event."""
    response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
    await response.prepare(request)
    await response.write(event(body))
    return response


async def _stopped_by(
    fault: ChatFault | None,
    asked: ChatRequest,
    request: web.Request,
    response: web.StreamResponse,
) -> bool:
    sent = len(asked.pieces_sent)
    match fault:
        case StallAfter(pieces) if sent >= pieces:
            await asyncio.Event().wait()
        case DropAfter(pieces) if sent >= pieces:
            if request.transport is not None:
                request.transport.abort()
            return True
        case Malformed(pieces) if sent == pieces:
            await response.write(b'data: {"choices": [{"delta"\n\n')
            return True
        case _:
            pass
    return False


def _head(asked: ChatRequest) -> dict[str, Any]:
    return {"id": f"chatcmpl-{asked.ordinal}", "created": 0, "model": asked.model}


def _wants_usage(asked: ChatRequest) -> bool:
    options: Json = asked.body.get("stream_options") or {}
    return bool(options.get("include_usage"))


def _now() -> float:
    return asyncio.get_running_loop().time()
