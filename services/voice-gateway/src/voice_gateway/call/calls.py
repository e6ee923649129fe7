"""The running calls of all fronts: admits them, counts them and drains them."""

import asyncio
import logging
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import count

from voice_gateway.call.admission import Admission, AdmissionLimits
from voice_gateway.call.allowance import Allowance, MessageLimits, Principals, Rush
from voice_gateway.call.counted import CountedCaller
from voice_gateway.call.guarded import GuardedMetrics
from voice_gateway.call.headroom import Headroom
from voice_gateway.call.out_of_band import OutOfBandResponse
from voice_gateway.call.session import CallOptions, Session
from voice_gateway.conversation import Message
from voice_gateway.conversation.history import as_turns, remembered
from voice_gateway.errors import (
    BadMessage,
    CallerElsewhere,
    CallerGone,
    CallError,
    CallerSilent,
    CallerSlow,
    CallLost,
    GatewayFull,
    NotPermitted,
    OverLimit,
    ServiceError,
    TooManyCalls,
    Unauthenticated,
)
from voice_gateway.hearing.clip import transcribed
from voice_gateway.messages import CallConfig
from voice_gateway.ports import Caller, CallMetrics, GatewayMetrics, Services
from voice_gateway.principals import ANYONE, Lapsed, Principal, never_lapsed

log = logging.getLogger(__name__)

_OUTCOMES: dict[type[BaseException], str] = {
    BadMessage: "bad_message",
    CallerElsewhere: "elsewhere",
    CallerGone: "hung_up",
    CallerSilent: "silent",
    CallerSlow: "slow",
    CallLost: "lost",
    NotPermitted: "not_permitted",
    Unauthenticated: "key_gone",
    GatewayFull: "let_go",
    asyncio.CancelledError: "hung_up",
}


_SILENT_GRACE_S = 5.0
"""So long a call may take over its first word before it has to make room for another."""
_MOVES_APART_S, _ALL_MOVE_S = 0.02, 2.0
_LOOK_AT_KEYS_S = 1.0
_LEAST_CLIP_S = 10.0  # for the recogniser's first words, beside what the length of a clip adds


@dataclass(frozen=True, slots=True)
class CallLimits:
    """What the calls may cost, all of them and each."""

    admission: AdmissionLimits = field(default_factory=AdmissionLimits)
    messages: MessageLimits = field(default_factory=MessageLimits)
    silent_s: float = 300.0
    """How long a call may go on in which the caller has said nothing yet."""
    by_headroom: bool = True
    """Calls are also refused where what is measured leaves no room for them."""


class Calls:
    """Admits calls up to their limits; after `drain` it admits no more."""

    def __init__(
        self,
        services: Services,
        options: CallOptions,
        *,
        most: int,
        metrics: GatewayMetrics,
        limits: CallLimits | None = None,
    ) -> None:
        """`limits`: None leaves `most` as the only limit of admission."""
        self._services = services
        self._options = options
        self._limits = limits or CallLimits(
            AdmissionLimits(most, new_calls_per_s=0), by_headroom=False
        )
        self._admission = Admission(self._limits.admission)
        self._headroom = Headroom(most)
        self._rush = Rush()
        self._principals = Principals()
        self._metrics = GuardedMetrics(metrics)
        self._running: set[Call] = set()
        self._numbers = count(1)
        self._closing = ""
        self._empty = asyncio.Event()
        self._empty.set()

    def __len__(self) -> int:
        return len(self._running)

    @contextmanager
    def admitted(
        self,
        front: str,
        who: Principal = ANYONE,
        address: str = "",
        lapsed: Lapsed = never_lapsed,
    ) -> Generator["Call"]:
        """Admit one call; raises CallLost where the gateway stops, GatewayFull where it is full,
        TooManyCalls where this caller has enough.

        `address` is the caller's own, without its port; empty: it is not known. The call ends
        with Unauthenticated once `lapsed` says why.

        The exception that leaves the block, if any, is the outcome that is counted. Where the call
        has to go, the block is cancelled, and leaves with the reason.
        """
        self._check_room(front, who, address)
        call = self._begin(front, who)
        call.renew(lapsed)
        self._admission.enter(who, address)
        began_s = _now()
        outcome = ""
        try:
            yield call
        except BaseException as error:
            reason = call.reason_for(error)
            outcome = _OUTCOMES.get(type(reason), "broken")
            if reason is error:
                raise
            raise reason from None
        finally:
            self._admission.leave(who, address)
            self._end(call)
            self._metrics.ended(front, outcome or call.outcome, _now() - began_s)

    def check(self) -> None:
        """Raise what `admitted` would raise, whoever calls; nothing is counted."""
        if self._closing:
            raise CallLost(self._closing)
        if self._longest_silent() is None:
            self._admission.check_room()
        if self._limits.by_headroom:
            self._headroom.check(len(self._running), _now())

    def measured(self, lag_s: float, busy: float) -> float:
        """Note how late and how busy the event loop is; return the headroom, 0 to 1."""
        self._headroom.loop(busy=busy, lag_s=lag_s)
        return self._headroom.left(len(self._running), _now())

    def predicted(self, outcome: str) -> None:
        """Note an end-of-turn prediction; "refused": there was no time for it."""
        self._headroom.opinion(refused=outcome == "refused", now=_now())

    def _check_room(self, front: str, who: Principal, address: str) -> None:
        try:
            self._admission.check(who, address, _now())
            self.check()
        except CallLost:
            self._metrics.refused(front, "stopping")
            raise
        except TooManyCalls:
            self._metrics.refused(front, "limited")
            raise
        except GatewayFull:
            self._metrics.refused(front, "full" if self._admission.full else "busy")
            raise
        if self._admission.full and (silent := self._longest_silent()):
            silent.let_go(GatewayFull("another caller needs the line, and nothing was said on it"))

    def _longest_silent(self) -> "Call | None":
        """The call that has said nothing for the longest, if it has had time enough."""
        until = _now() - _SILENT_GRACE_S
        silent = (call for call in self._running if call.silent and call.began_s <= until)
        return min(silent, key=lambda call: call.began_s, default=None)

    def _begin(self, front: str, who: Principal) -> "Call":
        number, now = next(self._numbers), _now()
        shared = self._principals(who, now)
        allowance = Allowance(self._limits.messages, _now, rush=self._rush, shared=shared)

        def lags(lag_s: float) -> None:
            late_s = max(0.0, lag_s - allowance.ahead_s)  # a recording comes faster than it is said
            self._headroom.recogniser(number, late_s, _now())

        metrics = self._metrics.began(front, lags)
        call = Call(self._services, self._options, metrics, who, allowance, number)
        call.watch_silence(self._limits.silent_s)
        self._headroom.began(now)
        self._running.add(call)
        self._empty.clear()
        return call

    def _end(self, call: "Call") -> None:
        call.close()
        self._headroom.over(call.number)
        self._running.discard(call)
        if not self._running:
            self._empty.set()

    async def end_lapsed(self) -> None:
        """Let calls go by whose keys none may begin any more, until cancelled."""
        while True:
            await asyncio.sleep(_LOOK_AT_KEYS_S)
            for call in tuple(self._running):
                call.check_lapsed()

    def turned_away(self, front: str) -> None:
        """Count a call that came without a key that is accepted."""
        self._metrics.refused(front, "unauthenticated")

    def drain(self, why: str) -> None:
        """Admit no more calls; each running one ends with its turn.

        Those that go on elsewhere do so one after the other, as the next gateway has to begin them.
        """
        self._closing = why
        running = tuple(self._running)
        for call in running:
            if not call.goes_on_elsewhere:
                call.drain(why)
        moving = [call for call in running if call.goes_on_elsewhere]
        apart_s = min(_MOVES_APART_S, _ALL_MOVE_S / max(len(moving), 1))
        for place, call in enumerate(moving):
            asyncio.get_running_loop().call_later(place * apart_s, call.drain, why)

    async def over(self) -> None:
        """Wait until no call runs."""
        await self._empty.wait()


class Call:
    """One admitted call; its front runs it once the caller's config is known."""

    def __init__(
        self,
        services: Services,
        options: CallOptions,
        metrics: CallMetrics,
        who: Principal,
        allowance: Allowance,
        number: int,
    ) -> None:
        self.who = who
        self.number = number
        self.began_s = _now()
        self.allowance = allowance
        """What the caller may still send."""
        self._services = services
        self._options = options
        self._metrics = metrics
        self._session: Session | None = None
        self._stopping = ""
        self.outcome = "completed"
        """How the call ended, where nothing went wrong."""
        self.on_drain: Callable[[], None] = lambda: None
        """Called where the gateway stops before the call has begun."""
        self._task = asyncio.current_task()
        self._let_go: CallError | None = None
        self.lapsed: Lapsed = never_lapsed
        """Why what the caller showed opens no call any more."""
        self._silence: asyncio.TimerHandle | None = None

    @property
    def silent(self) -> bool:
        """Whether the caller has said nothing yet, and was not let go for it."""
        return not self.allowance.spoke and self._let_go is None

    def let_go(self, why: CallError) -> None:
        """End the call now, whatever it waits for."""
        if self._task and self._let_go is None:
            self._let_go = why
            self._task.cancel()

    def reason_for(self, error: BaseException) -> BaseException:
        """The error that ends the call: why it was let go, where that is what cancelled it."""
        cancelled = isinstance(error, asyncio.CancelledError)
        if self._let_go is None or self._task is None or not cancelled:
            return error
        return error if self._task.uncancel() else self._let_go

    def renew(self, lapsed: Lapsed) -> None:
        """Let the call last by this, which its caller has shown last."""
        self.lapsed = lapsed

    def check_lapsed(self) -> None:
        """Let the call go where what the caller showed holds no more."""
        if self._let_go is None and (why := self.lapsed()):
            log.info("a call is ended: %s", why)
            self.let_go(Unauthenticated(why, "what opened a call holds no more"))

    def watch_silence(self, longest_s: float) -> None:
        """Let the call go unless the caller says something within this time."""
        loop = asyncio.get_running_loop()
        self._silence = loop.call_later(longest_s, self._still_silent, longest_s)

    def _still_silent(self, longest_s: float) -> None:
        if self.silent:
            said = f"nothing was said for {longest_s:g} s (CALL_SILENT_TIMEOUT_S)"
            self.let_go(CallerSilent(said))

    def close(self) -> None:
        """The call is over."""
        if self._silence:
            self._silence.cancel()

    @property
    def goes_on_elsewhere(self) -> bool:
        """Whether its client goes on with the call at another gateway, when this one stops."""
        return self._session is not None and self._session.config.can_resume

    def check_begins(self) -> None:
        """Raise CallLost where the gateway stops, as the call has not begun."""
        if self._stopping:
            raise CallLost(self._stopping)

    async def run(self, caller: Caller, config: CallConfig) -> None:
        """Serve the caller until the call is over; raises CallError where it ended badly."""
        self.check_begins()
        self._task = asyncio.current_task()  # a call that may be resumed has one of its own
        counted = CountedCaller(caller, config.rate_hz, self._metrics, self.allowance, self._refuse)
        self._session = Session(counted, self._services, config, self._options, self._metrics)
        log.info("call %s: %s at %d Hz", config.call_id, config.language, config.rate_hz)
        try:
            await self._session.run()
        finally:
            self._session = None
            log.info("call %s is over", config.call_id)

    @property
    def asr_rate_hz(self) -> int:
        return self._options.asr_rate_hz

    async def transcribed(
        self, clip: Callable[[], Iterator[bytes]], language: str, seconds: float
    ) -> str:
        """The words of a clip at `asr_rate_hz`; raises ServiceError."""
        try:
            return await transcribed(
                self._services.recogniser,
                clip,
                language=language,
                rate_hz=self.asr_rate_hz,
                within_s=_LEAST_CLIP_S + seconds / 2,
                turn=self.allowance.clip_piece,
            )
        except ServiceError as fault:
            log.warning("a clip was not transcribed: %s: %s", fault.stage, fault.text)
            self._metrics.failed(fault)
            raise

    def out_of_band(
        self, number: int, history: Sequence[Message], config: CallConfig
    ) -> OutOfBandResponse:
        """A response to `history`, or to the messages that `config` names instead of it."""
        return OutOfBandResponse(
            number,
            as_turns(remembered(tuple(history), self._options.policy.memory_messages)),
            services=self._services,
            config=config,
            reply_options=self._options.reply,
            lead_s=self._options.playback_lead_s,
            metrics=self._metrics,
        )

    def drain(self, why: str) -> None:
        """End the call with its turn; one that has not begun does not begin any more."""
        self._stopping = why
        if self._session:
            self._session.drain(why)
        else:
            self.on_drain()

    def _refuse(self, refusal: OverLimit) -> None:
        if self._session:
            self._session.refuse(refusal)


def _now() -> float:
    return asyncio.get_running_loop().time()
