"""The caller of a call that outlives its connection: what was sent is kept, and sent again.

`Channel` is what its client's connections share, whatever goes over them; `Resumable` is the
caller of a call whose messages go over them as they are.
"""

import asyncio
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from typing import Generic, Protocol, TypeVar

from voice_gateway.call.journal import Journal
from voice_gateway.errors import CallerElsewhere, CallerGone, CallError, CallLost
from voice_gateway.messages import Audio, Away, Back, FromCaller, Played, ReplyAudio, ToCaller
from voice_gateway.ports import Caller

MOST_BEHIND = 16
"""So many messages may wait for a connection before the call waits for it."""
_MOST_WAITING = 16  # client messages that the call has not taken yet
_MESSAGE_BYTES = 256  # what a message without audio counts for
_STUCK_S = 5.0  # a connection that takes nothing for so long is given up


Up = TypeVar("Up")
"""What a client sends."""
Down = TypeVar("Down")
"""What a client gets."""


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


class Channel(ABC, Generic[Up, Down]):
    """What goes both ways between a call and its client, over one connection after the other.

    `Away` and `Back` tell the call when nobody hears it. What it sends waits for a connection that
    is behind; where there is none, it waits for nothing.
    """

    def __init__(
        self, journal: Journal[Down] | None = None, *, most_waiting: int = _MOST_WAITING
    ) -> None:
        """`most_waiting` client messages are read before the call has taken them."""
        self._most_waiting = most_waiting
        self._journal: Journal[Down] = journal or Journal()
        self._line: Line | None = None
        self._arrived: deque[Up | Played | Away | Back | CallError | None] = deque()
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

    @abstractmethod
    def audio_in(self, message: Down) -> Played | None:
        """Where the audio in this message begins in its reply; None: it has none."""

    # The call's side.

    async def receive(self) -> Up | Played | Away | Back | None:
        """The next message, or what became of the connection; None: the client hung up."""
        while not self._arrived:
            self._news.clear()
            await self._news.wait()
        message = self._arrived.popleft()
        self._room.set()
        if isinstance(message, CallError):
            raise message
        return message

    async def put(self, messages: Sequence[Down], size: Callable[[Down], int]) -> None:
        """Send messages, each of so many bytes."""
        for message in messages:
            self._journal.add(message, size(message))
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

    async def arrive(self, line: Line, message: Up | None) -> bool:
        """Take a client's message from its connection; False: it is the call's no more.

        None is a message that says nothing to the call.
        """
        if not await self.room(line):
            return False  # it is sent again over the newer connection
        self.taken += 1
        if message is not None:
            self._take(message)
        return True

    async def room(self, line: Line) -> bool:
        """Wait until a message may arrive; False: the connection is the call's no more."""
        while len(self._arrived) >= self._most_waiting and line is self._line:
            self._room.clear()
            await self._room.wait()
        return line is self._line

    def acknowledge(self, sequence: int) -> None:
        """The client has everything up to this message."""
        self._journal.acknowledge(sequence)
        line = self._line
        self.confirmed = self.confirmed or (line is not None and sequence > line.received)

    def hang_up(self, line: Line) -> None:
        """The client half-closed."""
        if line is self._line:
            self._take(None)
            self._hung_up = True

    def give_up(self, error: CallError) -> None:
        """End the call, as its client breaks the rules or comes no more."""
        self._take(error)

    async def next_for(self, line: Line) -> tuple[int, Down] | None:
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

    def _take(self, message: Up | Played | Away | Back | CallError | None) -> None:
        if not self._hung_up:  # nobody takes anything after it
            self._arrived.append(message)
            self._news.set()

    def _came_back(self, received: int) -> None:
        """Tell the session, and before that what the client cannot have heard yet."""
        if missed := self._first_audio_after(received):
            self._take(missed)
        self._take(Back())

    def _first_audio_after(self, received: int) -> Played | None:
        """Where the first audio after this message is, of the newest reply that has any there."""
        first: Played | None = None
        for sequence in range(received + 1, self._journal.last + 1):
            message = self._journal.get(sequence)
            audio = self.audio_in(message) if message is not None else None
            if audio and (first is None or audio.reply != first.reply):
                first = audio
        return first


class Resumable(Channel[FromCaller, ToCaller], Caller):
    """Implements the caller for the session."""

    def __init__(
        self,
        encoding: Encoding,
        journal: Journal[ToCaller] | None = None,
        *,
        pace: Callable[[], Awaitable[None]] | None = None,
    ) -> None:
        """`pace` holds up a client that sends more messages than it may."""
        super().__init__(journal)
        self.encoding = encoding
        self._pace = pace

    async def send(self, message: ToCaller) -> None:
        await self.put(self.encoding.encode(message), _size)

    async def take_in(self, line: Line, message: FromCaller | None, acknowledged: int) -> None:
        """Take a client's message from its connection; None: one that says nothing."""
        if self._pace and message and not isinstance(message, Audio):
            await self._pace()
        if isinstance(message, Audio):
            if not await self.room(line):
                return
            message = Audio(self.encoding.decode(message.pcm))
        if await self.arrive(line, message) and acknowledged:
            self.acknowledge(acknowledged)

    def audio_in(self, message: ToCaller) -> Played | None:
        is_audio = isinstance(message, ReplyAudio)
        return Played(message.reply, message.offset_s) if is_audio else None


def _size(message: ToCaller) -> int:
    return _MESSAGE_BYTES + (len(message.pcm) if isinstance(message, ReplyAudio) else 0)
