"""The running calls of all fronts: admits them, counts them and drains them."""

import asyncio
import logging
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager

from voice_gateway.audio import pcm
from voice_gateway.call.guarded import GuardedMetrics
from voice_gateway.call.out_of_band import OutOfBandResponse
from voice_gateway.call.session import CallOptions, Session
from voice_gateway.conversation import Message
from voice_gateway.conversation.history import as_turns, remembered
from voice_gateway.errors import (
    BadMessage,
    CallerElsewhere,
    CallerGone,
    CallerSilent,
    CallerSlow,
    CallLost,
    GatewayFull,
)
from voice_gateway.messages import Audio, CallConfig, FromCaller, ReplyAudio, ToCaller
from voice_gateway.ports import Caller, CallMetrics, GatewayMetrics, Services
from voice_gateway.principals import ANYONE, Principal

log = logging.getLogger(__name__)

_OUTCOMES: dict[type[BaseException], str] = {
    BadMessage: "bad_message",
    CallerElsewhere: "elsewhere",
    CallerGone: "hung_up",
    CallerSilent: "silent",
    CallerSlow: "slow",
    CallLost: "lost",
    asyncio.CancelledError: "hung_up",
}


_MOVES_APART_S, _ALL_MOVE_S = 0.02, 2.0


class Calls:
    """Admits calls up to a limit; after `drain` it admits no more."""

    def __init__(
        self, services: Services, options: CallOptions, *, most: int, metrics: GatewayMetrics
    ) -> None:
        self._services = services
        self._options = options
        self._most = most
        self._metrics = GuardedMetrics(metrics)
        self._running: set[Call] = set()
        self._closing = ""
        self._empty = asyncio.Event()
        self._empty.set()

    def __len__(self) -> int:
        return len(self._running)

    @contextmanager
    def admitted(self, front: str, who: Principal = ANYONE, address: str = "") -> Generator["Call"]:
        """Admit one call; raises CallLost where the gateway stops, GatewayFull where it is full.

        `address` is the caller's own, without its port; empty: it is not known.

        The exception that leaves the block, if any, is the outcome that is counted.
        """
        self._check_room(front)
        call = Call(self._services, self._options, self._metrics.began(front), who)
        self._running.add(call)
        self._empty.clear()
        began_s = _now()
        outcome = ""
        try:
            yield call
        except BaseException as error:
            outcome = _OUTCOMES.get(type(error), "broken")
            raise
        finally:
            self._running.discard(call)
            if not self._running:
                self._empty.set()
            self._metrics.ended(front, outcome or call.outcome, _now() - began_s)

    def _check_room(self, front: str) -> None:
        if self._closing:
            self._metrics.refused(front, "stopping")
            raise CallLost(self._closing)
        if len(self._running) >= self._most:
            self._metrics.refused(front, "full")
            raise GatewayFull(f"{len(self._running)} calls are running; allowed: at most that many")

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
        who: Principal = ANYONE,
    ) -> None:
        self.who = who
        self._services = services
        self._options = options
        self._metrics = metrics
        self._session: Session | None = None
        self._stopping = ""
        self.outcome = "completed"
        """How the call ended, where nothing went wrong."""
        self.on_drain: Callable[[], None] = lambda: None
        """Called where the gateway stops before the call has begun."""

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
        counted = _CountedCaller(caller, config.rate_hz, self._metrics)
        self._session = Session(counted, self._services, config, self._options, self._metrics)
        log.info("call %s: %s at %d Hz", config.call_id, config.language, config.rate_hz)
        try:
            await self._session.run()
        finally:
            self._session = None
            log.info("call %s is over", config.call_id)

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


class _CountedCaller(Caller):
    def __init__(self, caller: Caller, rate_hz: int, metrics: CallMetrics) -> None:
        self._caller = caller
        self._rate_hz = rate_hz
        self._metrics = metrics

    async def receive(self) -> FromCaller | None:
        message = await self._caller.receive()
        if isinstance(message, Audio):
            self._metrics.took_in(pcm.seconds(message.pcm, self._rate_hz))
        return message

    async def send(self, message: ToCaller) -> None:
        await self._caller.send(message)
        if isinstance(message, ReplyAudio):
            self._metrics.gave_out(pcm.seconds(message.pcm, self._rate_hz))


def _now() -> float:
    return asyncio.get_running_loop().time()
