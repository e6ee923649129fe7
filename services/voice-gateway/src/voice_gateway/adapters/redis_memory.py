"""Keeps conversations in Redis, so that any gateway a client reaches can go on with its own.

Each conversation is one hash. Its key is `voice:conversation:` and a digest of the id, so that the
keys do not show the ids; a digest of the principal stands before it, unless anyone may call. The
field `call` names the call that recalled it last; `said` has the messages. Both scripts touch
that one key only.
"""

# pyright: reportUnknownMemberType=false

import hashlib
import json
import secrets
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from itertools import chain, repeat
from typing import Any, cast

from redis.asyncio import BlockingConnectionPool, Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import (
    AuthenticationError,
    AuthorizationError,
    NoPermissionError,
    RedisError,
)
from redis.exceptions import TimeoutError as RedisTimeout

from voice_gateway.conversation import Message, ToolCall
from voice_gateway.errors import Misconfigured, TimedOut, Unavailable
from voice_gateway.ports import Memory
from voice_gateway.principals import ANYONE

FORMAT = 1
_APART = ("name", "language")  # what is not kept in a message: an older gateway reads it, too
_MOST_CONNECTIONS = 16  # all calls share them: an answer takes a millisecond
_STEP_TIMEOUT_S = 2.0  # for each step on the wire; the calls themselves wait for less

_TAKE_OVER = """
redis.call('HSET', KEYS[1], 'call', ARGV[1])
redis.call('PEXPIRE', KEYS[1], ARGV[2])
return redis.call('HGET', KEYS[1], 'said')
"""
_KEEP = """
local call = redis.call('HGET', KEYS[1], 'call')
if call and call ~= ARGV[1] then return 0 end
redis.call('HSET', KEYS[1], 'call', ARGV[1], 'said', ARGV[3])
redis.call('PEXPIRE', KEYS[1], ARGV[2])
return 1
"""


class RedisMemories:
    """Owns the connections. Remembers each conversation for `keep_s` after it was last touched."""

    def __init__(self, url: str, keep_s: float) -> None:
        self._keep_ms = round(keep_s * 1000)
        pool = BlockingConnectionPool.from_url(
            url,
            max_connections=_MOST_CONNECTIONS,
            timeout=_STEP_TIMEOUT_S,
            socket_connect_timeout=_STEP_TIMEOUT_S,
            socket_timeout=_STEP_TIMEOUT_S,
            retry=Retry(NoBackoff(), 1),  # a connection may have been closed while it was idle
            decode_responses=True,
        )
        self._redis = Redis.from_pool(pool)

    def open(self, conversation_id: str, principal: str = ANYONE.name) -> Memory:
        """Implements `ports.Services.memory`."""
        return _RedisMemory(self, _key(conversation_id, principal))

    async def close(self) -> None:
        await self._redis.aclose()

    async def run(self, script: str, key: str, call: str, *values: str) -> Any:
        """Run one of the scripts for a call. Raises ServiceError."""
        with _own_errors():
            return await self._redis.eval(script, 1, key, call, str(self._keep_ms), *values)


class _RedisMemory(Memory):
    def __init__(self, memories: RedisMemories, key: str) -> None:
        self._memories = memories
        self._key = key
        self._call = secrets.token_hex(8)
        self._taken_over = False

    async def recall(self) -> tuple[Message, ...]:
        said = await self._memories.run(_TAKE_OVER, self._key, self._call)
        self._taken_over = True
        return decoded(said) if said else ()

    async def keep(self, messages: Sequence[Message]) -> None:
        if not self._taken_over:  # Redis could not be reached when the call began
            await self._memories.run(_TAKE_OVER, self._key, self._call)
            self._taken_over = True
        await self._memories.run(_KEEP, self._key, self._call, encoded(messages))


def _key(conversation_id: str, principal: str) -> str:
    """Anyone's keys are as they were before there were principals, so that they stay readable."""
    named = [conversation_id] if principal == ANYONE.name else [principal, conversation_id]
    return ":".join(
        ["voice:conversation", *(hashlib.sha256(name.encode()).hexdigest() for name in named)]
    )


def encoded(messages: Sequence[Message]) -> str:
    """Messages as JSON, without their names, which only their own call uses."""
    kept = [{k: v for k, v in asdict(m).items() if k not in _APART and v} for m in messages]
    languages = [m.language for m in messages]
    whole = {"format": FORMAT, "messages": kept, "languages": languages}
    return json.dumps(whole, ensure_ascii=False)


def decoded(text: str) -> tuple[Message, ...]:
    """Read messages from JSON; raises Unavailable for a format this version cannot read."""
    try:
        kept = cast(dict[str, Any], json.loads(text))
        if kept["format"] != FORMAT:
            raise Unavailable("memory", f"kept in format {kept['format']}, not {FORMAT}")
        languages = chain(kept.get("languages", ()), repeat(""))
        return tuple(map(_message, kept["messages"], languages))
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise Unavailable("memory", f"what was kept cannot be read: {error!r}") from None


def _message(kept: dict[str, Any], language: str) -> Message:
    calls = tuple(ToolCall(**call) for call in kept.pop("calls", ()))
    role, text = kept.pop("role"), kept.pop("text", "")
    return Message(role, text, calls=calls, language=language, **kept)


@contextmanager
def _own_errors() -> Generator[None]:
    """Turn Redis' errors into ours, without their texts, which may contain the password."""
    try:
        yield
    except (AuthenticationError, AuthorizationError, NoPermissionError):
        raise Misconfigured("memory", "Redis refuses the gateway: see CALL_STATE_URL") from None
    except (RedisTimeout, TimeoutError):
        raise TimedOut("memory", "Redis does not answer") from None
    except (RedisError, OSError) as error:
        raise Unavailable("memory", f"Redis cannot be used: {type(error).__name__}") from None
