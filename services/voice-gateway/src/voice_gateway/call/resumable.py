"""The caller of a call that outlives its connection: what was sent is kept, and sent again."""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from typing import Protocol

from voice_gateway.call.journal import Journal
from voice_gateway.errors import CallerElsewhere, CallerGone, CallError, CallLost
from voice_gateway.messages import Audio, Away, Back, FromCaller, Played, ReplyAudio, ToCaller
from voice_gateway.ports import Caller

MOST_BEHIND = 16
"""So many messages may wait for a connection before the call waits for it."""
_MOST_WAITING = 16  # client messages that the call has not taken yet
_MESSAGE_BYTES = 256  # what a message without audio counts for
_STUCK_S = 5.0  # a connection that takes nothing for so long is given up


class Encoding(Protocol):
    """How a call's messages go over its connections."""

    def decode(self, chunk: bytes) -> bytes: ...
    def encode(self, message: ToCaller) -> Sequence[ToCaller]:
        """The messages to send for this one, in order; none: the client has no use for it."""
        ...


class Line:
    """One connection of a call, until it breaks, a newer one comes or the call is over."""

    def __init__(self, received: int) -> None:
        self.received = received
        """The last message that had arrived when the connection began."""
        self.sent = received
        """The last message that this connection has taken."""
        self.given_up = asyncio.Event()
        """Set where the call goes on without this connection, for the reason in `error`."""
        self.error: CallError = CallerElsewhere("the call goes on over a newer connection")


class Resumable(Caller):
    """Implements the caller for the session, and serves one connection after the other.

    `Away` and `Back` tell the session when nobody hears it. `send` waits for a connection that is
    behind; where there is none, it waits for nothing.
    """

    def __init__(
        self,
        encoding: Encoding,
        journal: Journal[ToCaller] | None = None,
        *,
        pace: Callable[[], Awaitable[None]] | None = None,
    ) -> None:
        """`pace` holds up a client that sends more messages than it may."""
        self.encoding = encoding
        self._pace = pace
        self._journal: Journal[ToCaller] = journal or Journal()
        self._line: Line | None = None
        self._arrived: deque[FromCaller | CallError | None] = deque()
        self._news = asyncio.Event()  # something arrived
        self._room = asyncio.Event()  # something that arrived was taken
        self._written = asyncio.Event()  # something more is to be sent, or no more
        self._sent = asyncio.Event()  # a connection has taken something
        self._begun = self._hung_up = False
        self.taken = 0
        """How many messages of the client arrived, whatever the connection."""
        self.over = asyncio.Event()
        self.error: CallError | None = None
        """What ended the call, once it is over; None: nothing went wrong."""
        self.confirmed = False
        """The client acknowledged something that came over its newest connection."""

    # The session's side.

    async def receive(self) -> FromCaller | None:
        while not self._arrived:
            self._news.clear()
            await self._news.wait()
        message = self._arrived.popleft()
        self._room.set()
        if isinstance(message, CallError):
            raise message
        return message

    async def send(self, message: ToCaller) -> None:
        for part in self.encoding.encode(message):
            size = len(part.pcm) if isinstance(part, ReplyAudio) else 0
            self._journal.add(part, _MESSAGE_BYTES + size)
        self._written.set()
        if self._behind():
            await self._catch_up()

    # The connection's side.

    @property
    def attached(self) -> bool:
        return self._line is not None

    @property
    def delivered(self) -> bool:
        """The call is over, and its client has acknowledged all of it."""
        return self.over.is_set() and self._journal.bytes == 0

    def reaches(self, received: int) -> bool:
        """Whether everything after this message can be sent again."""
        return self._journal.reaches(received)

    def attach(self, received: int) -> Line:
        """Go on over a new connection whose client has everything up to this message."""
        if self._line:
            self._line.given_up.set()
        if self._begun:
            self._came_back(received)
        self._begun = True
        self._line = Line(received)
        self.confirmed = False
        self._written.set()
        self._sent.set()
        return self._line

    def detach(self, line: Line) -> bool:
        """The connection broke; False if it was the call's no more."""
        if line is not self._line:
            return False
        self._line = None
        self._sent.set()
        self._take(Away())
        return True

    async def take_in(self, line: Line, message: FromCaller | None, acknowledged: int) -> None:
        """Take a client's message from its connection; None: one that says nothing."""
        if self._pace and message and not isinstance(message, Audio):
            await self._pace()
        while len(self._arrived) >= _MOST_WAITING and line is self._line:
            self._room.clear()
            await self._room.wait()
        if line is not self._line:
            return  # it is sent again over the newer connection
        if acknowledged:
            self._journal.acknowledge(acknowledged)
            self.confirmed = self.confirmed or acknowledged > line.received
        if isinstance(message, Audio):
            message = Audio(self.encoding.decode(message.pcm))
        self.taken += 1
        if message is not None:
            self._take(message)

    def hang_up(self, line: Line) -> None:
        """The client half-closed."""
        if line is self._line:
            self._take(None)
            self._hung_up = True

    def give_up(self, error: CallError) -> None:
        """End the call, as its client breaks the rules or comes no more."""
        self._take(error)

    async def next_for(self, line: Line) -> tuple[int, ToCaller] | None:
        """The next message for the connection, with its sequence; None: no more come.

        Raises CallerGone where the message is not kept any more.
        """
        while line.sent >= self._journal.last:
            if self.over.is_set():
                return None
            self._written.clear()
            await self._written.wait()
        sequence = line.sent + 1
        message = self._journal.get(sequence)
        if message is None:
            raise CallerGone("the client acknowledged what it was not sent")
        line.sent = sequence
        self._sent.set()
        return sequence, message

    # The owner's side.

    def end(self, error: CallError | None) -> None:
        """The session is over; connections send what is left, and end like this."""
        self.error = error
        self.over.set()
        self._written.set()

    def _behind(self) -> bool:
        return self._line is not None and self._journal.last - self._line.sent > MOST_BEHIND

    async def _catch_up(self) -> None:
        """Wait for the connection; one that takes nothing is given up."""
        try:
            async with asyncio.timeout(_STUCK_S):
                while self._behind():
                    self._sent.clear()
                    await self._sent.wait()
        except TimeoutError:
            if line := self._line:
                line.error = CallLost(
                    f"the caller did not read for {_STUCK_S:g} s; resume the call"
                )
                line.given_up.set()

    def _take(self, message: FromCaller | CallError | None) -> None:
        if not self._hung_up:  # nobody takes anything after it
            self._arrived.append(message)
            self._news.set()

    def _came_back(self, received: int) -> None:
        """Tell the session, and before that what the client cannot have heard yet."""
        if missed := self._first_audio_after(received):
            self._take(Played(missed.reply, missed.offset_s))
        self._take(Back())

    def _first_audio_after(self, received: int) -> ReplyAudio | None:
        """The first audio after this message of the newest reply that has any there."""
        first: ReplyAudio | None = None
        for sequence in range(received + 1, self._journal.last + 1):
            message = self._journal.get(sequence)
            if isinstance(message, ReplyAudio) and (first is None or message.reply != first.reply):
                first = message
        return first
