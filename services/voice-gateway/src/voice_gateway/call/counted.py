"""One call's messages on their way between its caller and its session: counted, cut and paced."""

import asyncio
from collections import deque
from collections.abc import Callable

from voice_gateway.audio import pcm
from voice_gateway.call.allowance import Allowance
from voice_gateway.errors import OverLimit
from voice_gateway.messages import Audio, FromCaller, ReplyAudio, ToCaller, Typed
from voice_gateway.ports import Caller, CallMetrics

_PIECE_S = 0.4
"""Longer audio is cut before anything is done with it, so that none stops the event loop."""


class CountedCaller(Caller):
    """The caller as the session sees it; what is over a limit never reaches the session."""

    def __init__(
        self,
        caller: Caller,
        rate_hz: int,
        metrics: CallMetrics,
        allowance: Allowance,
        on_refused: Callable[[OverLimit], None],
    ) -> None:
        self._caller = caller
        self._rate_hz = rate_hz
        self._metrics = metrics
        self._allowance = allowance
        self._on_refused = on_refused
        self._pieces: deque[bytes] = deque()

    async def receive(self) -> FromCaller | None:
        while not self._pieces:
            message = await self._caller.receive()
            if isinstance(message, Audio):
                self._pieces.extend(pcm.pieces(message.pcm, _PIECE_S, self._rate_hz))
            elif self._allows(message):
                return message
        return await self._next_piece()

    async def send(self, message: ToCaller) -> None:
        await self._caller.send(message)
        if isinstance(message, ReplyAudio):
            self._metrics.gave_out(pcm.seconds(message.pcm, self._rate_hz))

    async def _next_piece(self) -> Audio:
        piece = self._pieces.popleft()
        seconds = pcm.seconds(piece, self._rate_hz)
        await self._allowance.audio(seconds)
        if self._pieces:  # the next one comes at once, and must not delay other calls
            await asyncio.sleep(0)
        self._metrics.took_in(seconds)
        return Audio(piece)

    def _allows(self, message: FromCaller | None) -> bool:
        """Whether a typed turn is within the limits; the client is told where it is not."""
        if not isinstance(message, Typed):
            return True
        try:
            self._allowance.turn(len(message.text))
        except OverLimit as refusal:
            self._on_refused(refusal)
            return False
        return True
