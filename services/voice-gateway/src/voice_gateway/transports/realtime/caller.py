"""Owns both directions of one call on a Realtime WebSocket."""

import asyncio
import json
from collections import deque
from collections.abc import Iterator
from typing import Protocol

from voice_gateway.call.allowance import Allowance
from voice_gateway.errors import CallerGone, CallerSlow, OverLimit
from voice_gateway.messages import Audio, Away, Back, FromCaller, Played, ReplyAudio, ToCaller
from voice_gateway.ports import Caller
from voice_gateway.transports.realtime import frames, inbound, outbound
from voice_gateway.transports.realtime.clips import Clips
from voice_gateway.transports.realtime.fields import BadEvent, Json
from voice_gateway.transports.realtime.out_of_band import OutOfBandResponses
from voice_gateway.transports.realtime.state import Events, State

_SEND_TIMEOUT_S = 30.0  # a client that takes longer for one event does not read


class Socket(Protocol):
    """The parts of a WebSocket that a caller needs."""

    async def receive(self) -> str | bytes | Played | Away | Back | None:
        """Wait for the next frame; None when the client has gone.

        One that outlives its connections also says what became of them.
        """
        ...

    async def send(self, frame: str, audio: Played | None) -> None:
        """Send a frame; raises ConnectionError if the client has gone.

        `audio` says where the audio in it begins in its reply; None: it has none.
        """
        ...

    def acknowledge(self, sequence: int) -> None:
        """The client has everything up to this frame."""
        ...


class RealtimeCaller(Caller):
    """The caller as a Realtime client; direct answers to its events go out in order, too."""

    def __init__(self, socket: Socket, state: State) -> None:
        self._socket = socket
        self._state = state
        self._for_call: deque[FromCaller] = deque()
        self._waiting: deque[tuple[Json, Played | None]] = deque()
        self._wait(outbound.opening(state))
        self._writing = asyncio.Lock()
        self.out_of_band: OutOfBandResponses | None = None
        """Makes the out-of-band responses, once the call runs."""
        self.clips: Clips | None = None
        """Finds the words of items that have audio, once the call runs."""
        self.allowance: Allowance | None = None
        """What the client may still send, once the call is admitted."""
        self._events: Iterator[Json] = iter(())
        """What is left of the last frame."""

    async def receive(self) -> FromCaller | None:
        await self._flush()
        while not self._for_call:
            if event := next(self._events, None):
                self._follow(event)
            else:
                await self._next_frame()
            if self.allowance and not self._has_audio():
                await self.allowance.message()
            await self._flush()
        return self._for_call.popleft()

    async def _next_frame(self) -> None:
        frame = await self._socket.receive()
        if frame is None:
            raise CallerGone("the client closed the socket")
        if isinstance(frame, Played | Away | Back):
            self._for_call.append(frame)
            return
        try:
            self._events = frames.opened(frame)
        except BadEvent as why:
            self._wait([outbound.refused(self._state, why, None)])
        else:
            event = next(self._events)
            if self.clips and event.get("type") == "response.create":
                await self.clips.settled()  # an answer knows the words of all that came before it
            self._follow(event, len(frame))

    def _has_audio(self) -> bool:
        """Whether the event was audio, which has limits of its own."""
        return bool(self._for_call) and isinstance(self._for_call[-1], Audio)

    async def send(self, message: ToCaller) -> None:
        events = outbound.told(self._state, message)
        self._for_call.extend(self._state.for_call)
        self._state.for_call.clear()
        self._wait(events, _audio_in(message))
        await self._flush()

    async def say(self, events: Events) -> None:
        self._wait(events)
        await self._flush()

    def _wait(self, events: Events, audio: Played | None = None) -> None:
        self._waiting.extend((event, audio) for event in events)

    def _follow(self, event: Json, size: int = 0) -> None:
        try:
            self._allow(event, size)
            taken = inbound.followed(self._state, event)
        except BadEvent as why:
            self._events = iter(())  # the rest of the audio whose beginning was no audio
            self._refuse(why, event)
        else:
            self._for_call.extend(taken.for_call)
            self._wait(taken.events)
            if taken.acknowledged:
                self._socket.acknowledge(taken.acknowledged)
            for why in taken.refused:
                self._refuse(why, event)
            self._steer_out_of_band(taken)
            if self.clips and taken.clips:
                self.clips.begin(*taken.clips)

    def _refuse(self, why: BadEvent, event: Json) -> None:
        given = event.get("event_id")
        event_id = given if isinstance(given, str) else None
        self._wait([outbound.refused(self._state, why, event_id)])

    def _allow(self, event: Json, size: int) -> None:
        """Raise BadEvent where the client sends more than it may."""
        if not self.allowance:
            return
        try:
            match event.get("type"):
                case "response.create":
                    self.allowance.request()
                case "conversation.item.create":
                    audio = (part["audio"] for part in frames.parts_with_audio(event))
                    self.allowance.text(size - sum(map(len, audio)))
                case _:
                    pass
        except OverLimit as refusal:
            raise BadEvent("rate_limit_exceeded", refusal.sentence) from None

    @property
    def state(self) -> State:
        return self._state

    def note(self, message: FromCaller) -> None:
        """Hand a message of the front itself to the call, before what the client sends next."""
        self._for_call.append(message)

    def _steer_out_of_band(self, taken: inbound.Taken) -> None:
        if self.out_of_band and taken.begins:
            self.out_of_band.begin(taken.begins, self.send)
        if self.out_of_band and taken.stops:
            self.out_of_band.stop(taken.stops)

    async def _flush(self) -> None:
        """Send the waiting events in order; a second flush waits for the first."""
        if not self._waiting:
            return
        try:
            async with asyncio.timeout(_SEND_TIMEOUT_S), self._writing:
                while self._waiting:
                    event, audio = self._waiting.popleft()
                    frame = json.dumps(event, separators=(",", ":"))
                    await self._socket.send(frame, audio)
        except TimeoutError:
            raise CallerSlow(f"the client did not read for {_SEND_TIMEOUT_S:g} s") from None
        except ConnectionError:
            raise CallerGone("the client closed the socket") from None


def _audio_in(message: ToCaller) -> Played | None:
    """Where the message's audio begins in its reply; out of band there is no place to report."""
    if isinstance(message, ReplyAudio) and message.reply > 0:
        return Played(message.reply, message.offset_s)
    return None
