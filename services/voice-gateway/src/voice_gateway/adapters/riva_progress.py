"""Follows how far Riva has come in the audio of one stream, by its responses.

Riva says in each result how much audio it has processed. A response without results says nothing;
it answers one more chunk of audio. A server that gives results without a position has come no
further than the audio that was sent before its last response, if it answers silence, too; nothing
is known of one that answers words alone. Word times tell where words end, and not how far it is.

The gateway sends silence of its own between the caller's audio; positions in the caller's audio are
corrected for it (`Inserted`).
"""

from collections import deque
from typing import Any

_CHUNK_S = 0.16  # audio per response in Riva's low-latency profile
_CLOSEST_RATIO = 1.5  # a server that catches up answers faster than its audio came, but not twice
_MOST_INSERTED = 64  # stretches of silence that are remembered one by one


class Progress:
    """The position in one stream, in seconds; None: the server does not tell it."""

    def __init__(self) -> None:
        self._at_s = 0.0
        self._lag_s: float | None = None
        self._chunk_s = _CHUNK_S
        self._said_last = False
        self._tells = True

    def take(self, response: Any, sent_s: float, *, answers_silence: bool = False) -> float | None:
        """Take a response that came when so much was sent; return the position it answers."""
        said_s = max((result.audio_processed for result in response.results), default=0.0)
        if said_s > 0:
            if self._said_last and said_s > self._at_s:
                self._chunk_s = max(_CHUNK_S, said_s - self._at_s)
            self._at_s, self._lag_s, self._tells = said_s, max(0.0, sent_s - said_s), True
        elif response.results:
            self._tells = False
        else:
            delay_s = self._lag_s or 0.0
            self._at_s = min(self._furthest_s(sent_s), max(self._at_s, sent_s - delay_s))
        self._said_last = said_s > 0
        if self._tells:
            return self._at_s
        return sent_s if answers_silence else None

    def _furthest_s(self, sent_s: float) -> float:
        ratio = 1.0 if self._lag_s is None else _CLOSEST_RATIO
        return min(sent_s, self._at_s + ratio * self._chunk_s)


class Inserted:
    """The silence that was sent between the caller's audio; it stays small however long a call."""

    def __init__(self) -> None:
        self._stretches: deque[tuple[float, float]] = deque()
        self._before_s = 0.0
        """All silence before the stretches that are remembered one by one."""

    def add(self, at_s: float, length_s: float) -> None:
        """So much silence was sent at this position of the stream."""
        self._stretches.append((at_s, length_s))
        if len(self._stretches) > _MOST_INSERTED:
            self._before_s += self._stretches.popleft()[1]

    def caller_s(self, stream_s: float) -> float:
        """The position in the caller's own audio of a position in the stream."""
        inserted = (min(length, max(0.0, stream_s - at)) for at, length in self._stretches)
        return max(0.0, stream_s - self._before_s - sum(inserted))
