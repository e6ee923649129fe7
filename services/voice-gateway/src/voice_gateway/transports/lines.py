"""Carries a call that outlives its connection over one connection after the other.

`ConnectionLine` is what every connection does; `StreamLine` is a gRPC stream.
"""

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable
from typing import Any, Generic, TypeVar

import grpc.aio
from voice_proto import voice_workflow_pb2 as pb

from voice_gateway.call.resumable import Channel, Encoding, Line, Resumable
from voice_gateway.call.resumptions import ResumableCall, Resumptions
from voice_gateway.errors import BadMessage, CallerGone, CallError, CallerSlow
from voice_gateway.messages import Goodbye, Listening, ToCaller
from voice_gateway.transports import wire
from voice_gateway.transports.codec import Codec

Context = grpc.aio.ServicerContext[pb.ClientMessage, pb.ServerMessage]

_BREAKS_WITHIN_S = 0.05
"""A stream that breaks looks half-closed at first; so soon after it is known to be broken."""
_LAST_MESSAGES_S = 5.0  # how long the last messages of a call may take
HALF_CLOSE_S = 2.0  # for the caller's half-close after the goodbye


C = TypeVar("C", bound=Channel[Any, Any])


class WireEncoding(Encoding):
    """A call's codec, without the messages that only programs get."""

    def __init__(self, codec: Codec, *, asked: bool) -> None:
        self.codec = codec
        self.asked = asked
        """The config asked for an encoding, and is to be told which it is."""

    def decode(self, chunk: bytes) -> bytes:
        return self.codec.decode(chunk)

    def encode(self, message: ToCaller) -> tuple[ToCaller, ...]:
        return () if wire.is_for_programs(message) else tuple(self.codec.encode(message))


class ConnectionLine(ABC, Generic[C]):
    """One connection of a call."""

    def __init__(self, resumptions: Resumptions, call: ResumableCall[C], line: Line) -> None:
        self._resumptions = resumptions
        self._call = call
        self._line = line
        self._over = asyncio.Event()
        self._error: CallError | None = None

    async def serve(self, *, resumed: bool) -> None:
        """Return or raise CallError as the call is over, or goes on without this connection."""
        try:
            async with asyncio.TaskGroup() as tasks:
                reading = tasks.create_task(self._receive(), name="read line")
                parts = (self._write(resumed=resumed), self._give_up(), self._be_late())
                running = [reading, *map(tasks.create_task, parts)]
                await self._over.wait()
                await self._part(reading)
                for part in running:
                    part.cancel()
        finally:
            self._resumptions.detach(self._call, self._line)
        if self._error:
            raise self._error

    @abstractmethod
    async def _receive(self) -> None:
        """Hand the client's messages to the call, up to the last."""

    @abstractmethod
    async def _write_all(self, *, resumed: bool) -> None:
        """Send the call's messages, up to the last; raises CallerGone."""

    async def _part(self, reading: asyncio.Task[None]) -> None:
        """Wait for what the client still has to say when all was sent."""

    def _end(self, error: CallError | None) -> None:
        """End the connection; the first reason counts."""
        if not self._over.is_set():
            self._error = error
            self._over.set()

    async def _give_up(self) -> None:
        await self._line.given_up.wait()
        self._end(self._line.error)

    async def _be_late(self) -> None:
        await self._call.caller.over.wait()
        await asyncio.sleep(_LAST_MESSAGES_S)
        self._end(CallerSlow(f"the caller did not read for {_LAST_MESSAGES_S:g} s"))

    async def _write(self, *, resumed: bool) -> None:
        try:
            await self._write_all(resumed=resumed)
        except CallerGone as gone:
            self._end(gone)
        else:
            self._end(self._call.caller.error)


class StreamLine(ConnectionLine[Resumable]):
    """One gRPC stream of a call."""

    def __init__(
        self,
        resumptions: Resumptions,
        call: ResumableCall[Resumable],
        line: Line,
        context: Context,
        read: Callable[[Context], Awaitable[pb.ClientMessage | None]],
    ) -> None:
        super().__init__(resumptions, call, line)
        self._context = context
        self._read = read
        self._said_goodbye = False

    async def _part(self, reading: asyncio.Task[None]) -> None:
        if self._said_goodbye:
            await asyncio.wait((reading,), timeout=HALF_CLOSE_S)

    async def _write_all(self, *, resumed: bool) -> None:
        caller = self._call.caller
        if resumed:
            token = self._call.tokens.issue()
            await self._put(wire.resumed(token, self._resumptions.window_s, caller.taken))
        while (message := await caller.next_for(self._line)) is not None:
            await self._put(self._written(*message))

    def _written(self, sequence: int, message: ToCaller) -> pb.ServerMessage:
        written = wire.to_server(message, sequence)
        self._said_goodbye = isinstance(message, Goodbye)
        if isinstance(message, Listening):
            encoding = self._call.caller.encoding
            if isinstance(encoding, WireEncoding) and encoding.asked:
                wire.say_encoding(written, encoding.codec.encoding)
            token = self._call.tokens.issue()
            wire.say_resumption(written, token, self._resumptions.window_s)
        return written

    async def _put(self, message: pb.ServerMessage) -> None:
        try:
            await self._context.write(message)
        except grpc.aio.BaseError:  # the stream is closed, and its cancellation will follow
            raise CallerGone("the caller's connection broke") from None

    async def _receive(self) -> None:
        caller = self._call.caller
        try:
            while (message := await self._read(self._context)) is not None:
                content = wire.from_client(message)
                await caller.take_in(self._line, content, message.acknowledged)
                if caller.confirmed:
                    self._call.tokens.arrived()
        except BadMessage as error:
            caller.give_up(error)
            return
        await asyncio.sleep(_BREAKS_WITHIN_S)
        caller.hang_up(self._line)
