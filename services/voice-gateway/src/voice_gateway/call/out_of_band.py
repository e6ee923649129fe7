"""One out-of-band response: made like a reply, without the floor, and kept in no history."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence

from voice_gateway.conversation import Message
from voice_gateway.errors import CallError, ServiceError, Unavailable
from voice_gateway.latency import TurnMoments
from voice_gateway.messages import CallConfig, CutOff, Failed, ToCaller, TurnOver
from voice_gateway.ports import CallMetrics, Services
from voice_gateway.speaking.outbox import Outbox
from voice_gateway.speaking.reply import Reply, ReplyOptions

log = logging.getLogger(__name__)

_AUDIO_AHEAD_S = 10.0  # audio made ahead of the loudspeaker


class OutOfBandResponse:
    """One response to `messages`; no reply of the call has its `number`.

    The client gets it as it gets a reply: text, audio at the pace of playback, tool calls, then
    `TurnOver`, or `CutOff` where it was stopped.
    """

    def __init__(
        self,
        number: int,
        messages: Sequence[Message],
        *,
        services: Services,
        config: CallConfig,
        reply_options: ReplyOptions,
        lead_s: float,
        metrics: CallMetrics,
    ) -> None:
        self.number = number
        self._messages = messages
        self._call_id = config.call_id
        self._metrics = metrics
        self._clock = asyncio.get_running_loop().time
        self._outbox = Outbox(
            rate_hz=config.rate_hz,
            lead_s=lead_s,
            room_s=_AUDIO_AHEAD_S,
            clock=self._clock,
            on_full=self.stop,
        )
        self._reply = Reply(
            number,
            services=services,
            config=config,
            outbox=self._outbox,
            moments=TurnMoments(turn_end=self._clock()),
            clock=self._clock,
            options=reply_options,
        )
        self._making: asyncio.Task[None] | None = None

    async def run(self, send: Callable[[ToCaller], Awaitable[None]]) -> None:
        """Make the response and send it, to its end or until the client is gone."""
        self._outbox.begin(self.number)
        async with asyncio.TaskGroup() as tasks:
            self._making = tasks.create_task(self._make(), name=f"out-of-band-{-self.number}")
            try:
                await self._send_all(send)
            except CallError as error:  # the call meets the same error, and ends
                log.info("call %s: out-of-band response %d: %s", self._call_id, self.number, error)
                self._making.cancel()

    def stop(self) -> None:
        """End the response now; what was sent of it stays."""
        if self._making is None or self._making.done():
            return
        self._making.cancel()
        played_s = self._outbox.playback.played_s(self._clock())
        self._outbox.drop()
        self._outbox.post(CutOff(self.number, played_s, self._reply.heard(played_s)))

    async def _make(self) -> None:
        try:
            fault = await self._reply.run(self._messages, lambda: None)
        except Exception:  # the boundary: a bug in a response must not end the call
            log.exception("call %s: out-of-band response %d broke", self._call_id, self.number)
            fault = Unavailable("gateway", "the answer failed inside the gateway; see its log")
        if fault:
            self._report(fault)
        reply = self._reply
        over = TurnOver(self.number, reply.moments.stages(), reply.usage, reply.incomplete)
        self._outbox.post(over)

    def _report(self, fault: ServiceError) -> None:
        log.warning("call %s: out-of-band response %d: %s", self._call_id, self.number, fault.text)
        self._metrics.failed(fault)
        self._outbox.post(Failed(fault, self.number))

    async def _send_all(self, send: Callable[[ToCaller], Awaitable[None]]) -> None:
        while (message := await self._outbox.take()) is not None:
            await send(message)
            if isinstance(message, TurnOver | CutOff):
                return
