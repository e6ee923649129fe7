"""Owns what a client must know to go on with its call: what arrived, what was sent, what is owed.

Pure: it is told of every message, both ways. A call that begins anew has one of its own.
"""

from collections import deque
from collections.abc import Iterator

from voice_proto import voice_workflow_pb2 as wire

MOST_BYTES = 2 * 1024 * 1024
"""So much of what was sent is kept: a minute of s16le at 16 kHz."""


class Resumption:
    """One call's, whatever its connection."""

    def __init__(self, owed: str = "", most_bytes: int = MOST_BYTES) -> None:
        """`owed` is the turn that the gateway was told to ask again, as the call begins anew."""
        self._most_bytes = most_bytes
        self._sent: deque[tuple[int, wire.ClientMessage]] = deque()
        self._sent_bytes = 0
        self._count = 0
        self._open_from = 1
        """The first message that no taken turn has."""
        self._typed: deque[tuple[int, str]] = deque()
        self._finals: list[str] = []
        self._interim = ""
        self.token = ""
        """What the gateway gave to go on with the call; empty: nothing."""
        self.window_s = 0.0
        self.received = 0
        self._owed = owed
        self.under_way = owed
        """The words of the turn that is being answered, or is to be."""
        self.moves = False
        """The gateway goes, and ends the connection when nobody speaks."""

    def anew(self, owed: str) -> "Resumption":
        """Return that of a call that begins anew, whose connection may break before it has a token.

        The token of the call before it gets it another new call then.
        """
        fresh = Resumption(owed, self._most_bytes)
        fresh.token, fresh.window_s = self.token, self.window_s
        return fresh

    @property
    def is_full(self) -> bool:
        """Tell whether one more message would cost the oldest."""
        return self._sent_bytes >= self._most_bytes

    def send(self, message: wire.ClientMessage) -> None:
        """Note that this is sent next, and acknowledge with it what arrived."""
        message.acknowledged = self.received
        self._count += 1
        self._sent.append((self._count, message))
        self._sent_bytes += len(message.audio_chunk)
        while self._sent_bytes > self._most_bytes:
            self._sent_bytes -= len(self._sent.popleft()[1].audio_chunk)
        if message.text_input:
            self._typed.append((self._count, message.text_input))

    def see(self, message: wire.ServerMessage) -> None:
        """Take note of a message of the gateway."""
        self.received = max(self.received, message.sequence)
        match message.WhichOneof("content"):
            case "transcript_chunk":
                self._hear(message.transcript_chunk, message.transcript)
            case "event":
                self._follow(message.event)
            case _:
                pass

    def unsent(self, taken: int) -> list[wire.ClientMessage]:
        """Return what is to be sent again where the gateway goes on, and has taken so many."""
        return [message for number, message in self._sent if number > taken]

    def open_turn(self) -> list[wire.ClientMessage]:
        """Return what belongs to no turn that was taken, to be said again in a new call."""
        return [message for number, message in self._sent if number >= self._open_from]

    def _hear(self, text: str, detail: wire.Transcript) -> None:
        if detail.replaces_reply_id:
            self._finals, self._interim = [], detail.turn_text
        elif detail.is_final:
            self._finals, self._interim = [*self._finals, text.strip()], ""
        else:
            self._interim = text.strip()

    def _follow(self, event: wire.ServerEvent) -> None:
        if event.HasField("resumption"):
            self.token = event.resumption.token
            self.window_s = event.resumption.window_ms / 1000
        match event.type:
            case wire.PROCESSING:
                self._turn_taken()
            case wire.END_OF_TURN:
                self.under_way = ""
            case wire.LISTENING if event.HasField("interruption"):
                self.under_way = ""
            case wire.MOVE:
                self.moves = True
            case _:
                pass

    def _turn_taken(self) -> None:
        if self._owed:
            self.under_way, self._owed = self._owed, ""
            return
        words = " ".join(self._words())
        self._finals, self._interim = [], ""
        if self._typed:
            number, words = self._typed.popleft()
            self._open_from = number + 1
        else:
            self._open_from = self._count + 1
        self.under_way = words

    def _words(self) -> Iterator[str]:
        yield from self._finals
        if self._interim:
            yield self._interim
