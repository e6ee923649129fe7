"""Owns the calls that outlive their connections: finds them by token, and ends who stays away."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

from voice_gateway.call.guarded import GuardedMetrics
from voice_gateway.call.resumable import Channel, Line
from voice_gateway.call.resume_tokens import ResumeTokens, handle_of
from voice_gateway.errors import CallBroke, CallerGone, CallError, CallLost
from voice_gateway.ports import GatewayMetrics
from voice_gateway.principals import Lapsed

log = logging.getLogger(__name__)

_MOST_ENDED = 100  # calls that are over, and whose last messages a client may still ask for
_END_S = 5.0  # for a call whose client begins anew, so that its memory is kept before that


C = TypeVar("C", bound=Channel[Any, Any])
"""The channel of a call, of which each front has its own."""


@dataclass(slots=True)
class ResumableCall(Generic[C]):
    """One call that its client can go on with."""

    caller: C
    principal: str
    """Whose call it is; nobody else goes on with it."""
    tokens: ResumeTokens = field(default_factory=ResumeTokens)
    running: asyncio.Task[None] | None = None
    expiry: asyncio.TimerHandle | None = None
    renew: Callable[[Lapsed], None] = lambda _lapsed: None
    """Takes what a client showed that comes back."""

    async def over(self) -> None:
        """Wait until the call is over, whoever waits is cancelled or not."""
        if self.running:
            await asyncio.wait([self.running])


class Resumptions:
    """Keeps each call for `window_s` after its connection broke; 0: no call outlives one."""

    def __init__(self, window_s: float, metrics: GatewayMetrics) -> None:
        self.window_s = window_s
        self._metrics = GuardedMetrics(metrics)
        self._calls: dict[str, ResumableCall[Any]] = {}
        self._tasks: asyncio.TaskGroup | None = None

    async def run(self) -> None:
        """Own the calls until cancelled, which ends them."""
        try:
            async with asyncio.TaskGroup() as self._tasks:
                await asyncio.Event().wait()
        finally:
            self._tasks = None
            for call in tuple(self._calls.values()):
                self._forget(call)

    @property
    def offered(self) -> bool:
        """Whether a call that begins now may outlive its connection."""
        return self.window_s > 0 and self._tasks is not None

    @property
    def anybody_away(self) -> bool:
        """Whether a call that goes on has no connection now."""
        return any(not call.caller.attached for call in self._calls.values())

    def begin(
        self, caller: C, principal: str, run: Callable[[], Awaitable[None]]
    ) -> tuple[ResumableCall[C], Line]:
        """Run a call that outlives its connections; return its first one."""
        call = ResumableCall(caller, principal)
        self._calls[call.tokens.handle] = call
        line = caller.attach(0)
        assert self._tasks
        call.running = self._tasks.create_task(self._run(call, run), name="resumable call")
        return call, line

    async def resume(
        self, token: str, principal: str, received: int, of: type[C]
    ) -> tuple[ResumableCall[C], Line] | None:
        """Go on with a call of this front over a new connection; None: its client begins anew."""
        call = self._calls.get(handle_of(token))
        may = call and _is_of(call, principal, of) and call.tokens.use(token)
        if call and may and call.caller.reaches(received):
            self._cancel_expiry(call)
            self._metrics.resumption("resumed")
            return call, call.caller.attach(received)
        if call and may:
            await self._end_now(call)
        self._metrics.resumption("resynced")
        return None

    def detach(self, call: ResumableCall[Any], line: Line) -> None:
        """The connection is over: wait for the next one, or for nothing more of the call."""
        if not call.caller.detach(line):
            return
        if call.caller.delivered:
            self._forget(call)
        elif not call.caller.taken:
            self._expire(call)  # nobody waits for a client that has said nothing
        else:
            self._cancel_expiry(call)
            loop = asyncio.get_running_loop()
            call.expiry = loop.call_later(self.window_s, self._expire, call)

    async def _run(self, call: ResumableCall[Any], run: Callable[[], Awaitable[None]]) -> None:
        """Run the call, and keep what its client may not have got of it for a while."""
        error: CallError | None = CallLost("the gateway is stopping; call again")
        try:
            await run()
            error = None
        except CallError as ended:
            error = ended
        except Exception:  # a bug ends this call only
            log.exception("a call broke")
            error = CallBroke("the gateway failed; see its log")
        finally:
            call.caller.end(error)
            if error:
                self._forget(call)
            self._bound_ended()

    def _bound_ended(self) -> None:
        ended = [call for call in self._calls.values() if call.caller.over.is_set()]
        for call in ended[:-_MOST_ENDED]:
            self._forget(call)

    async def _end_now(self, call: ResumableCall[Any]) -> None:
        """End a call whose client begins anew, so that its memory is kept before it does."""
        self._forget(call)
        call.caller.give_up(CallerGone("the client begins anew"))
        try:
            async with asyncio.timeout(_END_S):
                await call.over()
        except TimeoutError:
            log.warning("a call that its client left did not end within %g s", _END_S)

    def _expire(self, call: ResumableCall[Any]) -> None:
        self._forget(call)
        if not call.caller.over.is_set():
            self._metrics.resumption("expired")
            call.caller.give_up(CallerGone(f"nobody resumed the call for {self.window_s:g} s"))

    def _forget(self, call: ResumableCall[Any]) -> None:
        self._cancel_expiry(call)
        self._calls.pop(call.tokens.handle, None)

    def _cancel_expiry(self, call: ResumableCall[Any]) -> None:
        if call.expiry:
            call.expiry.cancel()
            call.expiry = None


def _is_of(call: ResumableCall[Any], principal: str, front: type[Channel[Any, Any]]) -> bool:
    return call.principal == principal and isinstance(call.caller, front)
