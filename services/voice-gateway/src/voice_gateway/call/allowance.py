"""What one call may send: paces what it sends too quickly, and refuses what costs the upstreams.

Audio and control messages are paced: they are read later, so that nothing is lost and the client
feels it as a slow network. Text and requests to the model are refused in band, as to answer them
late would help nobody; the call goes on.
"""

import asyncio
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import ceil

from voice_gateway.call.admission import Bucket
from voice_gateway.errors import OverLimit
from voice_gateway.principals import ANYONE, Principal

_MESSAGES_PER_S, _MESSAGES_AT_ONCE = 50.0, 200.0
"""Messages that are no audio: a page that restores a conversation sends a hundred at once."""
_AUDIO_PER_S = 1.05
"""Clients' clocks run a little faster than ours; such a call never falls behind."""
_AHEAD_S = 10.0
"""Audio that is ahead of real time by more is a recording, and waits for its turn."""
_TURN_AUDIO_S, _TURN_S = 0.4, 0.003
"""All recordings together: so much audio, which takes a millisecond or two of the event loop, and
then a pause, so that most of the loop's time stays for the calls that are live."""
_MOST_PRINCIPALS = 1024


@dataclass(frozen=True, slots=True)
class MessageLimits:
    """What each call may send; a principal's own limits hold for all its calls together."""

    requests_per_min: float = 120.0
    """Requests to the model that the client asks for: typed turns, and responses."""
    typed_chars_per_min: float = 240_000.0
    audio_lead_s: float = 120.0
    """Audio that a call may send faster than real time; what follows it is read as it would be
    spoken."""


class Rush:
    """Gives the calls that send recordings one turn after the other."""

    def __init__(self) -> None:
        self._turn = asyncio.Lock()

    async def turn(self) -> None:
        async with self._turn:
            await asyncio.sleep(_TURN_S)


@dataclass(frozen=True, slots=True)
class _Rate:
    """One limit of a minute: its bucket, and who shares it."""

    bucket: Bucket
    whose: str
    what: str

    def check(self, tokens: float, now: float) -> None:
        """Raise OverLimit where the tokens are not there."""
        room = self.bucket.room
        if (missing := min(tokens, room) - self.bucket.left(now)) > 0:
            wait_s = max(1, ceil(missing / self.bucket.per_s))
            raise OverLimit(
                f"{self.whose} sends too many {self.what}; allowed: {room:g} a minute. "
                f"This was not followed; try again in {wait_s} s.",
                wait_s,
            )


@dataclass(frozen=True, slots=True)
class Rates:
    """The limits that a text, or a request to the model, is counted against."""

    requests: Sequence[_Rate] = ()
    typed: Sequence[_Rate] = ()

    def check(self, requests: int, chars: int, now: float) -> None:
        """Raise OverLimit for the first limit that this exceeds."""
        for rate in self.requests:
            rate.check(requests, now)
        for rate in self.typed:
            rate.check(chars, now)

    def take(self, requests: int, chars: int, now: float) -> None:
        for rate in self.requests:
            rate.bucket.owe(requests, now)
        for rate in self.typed:
            rate.bucket.owe(chars, now)


def rates(requests: float | None, chars: float | None, whose: str, now: float) -> Rates:
    """The rates of these numbers a minute; None or 0: no limit."""

    def made(per_min: float | None, what: str) -> list[_Rate]:
        if not per_min:
            return []
        return [_Rate(Bucket(per_min, per_min / 60, now), whose, what)]

    return Rates(made(requests, "requests for an answer"), made(chars, "characters of text"))


class Principals:
    """The rates that all calls of one principal share; they outlive its calls."""

    def __init__(self) -> None:
        self._rates: OrderedDict[Principal, Rates] = OrderedDict()

    def __call__(self, who: Principal, now: float) -> Rates:
        limits = who.limits
        if who == ANYONE or not (limits.requests_per_min or limits.typed_chars_per_min):
            return Rates()
        if who not in self._rates:
            whose = f"principal {who.name!r}"
            self._rates[who] = rates(
                limits.requests_per_min, limits.typed_chars_per_min, whose, now
            )
        self._rates.move_to_end(who)
        if len(self._rates) > _MOST_PRINCIPALS:
            self._rates.popitem(last=False)
        return self._rates[who]


class Allowance:
    """One call's."""

    def __init__(
        self,
        limits: MessageLimits,
        clock: Callable[[], float],
        *,
        rush: Rush | None = None,
        shared: Rates | None = None,
    ) -> None:
        """`shared`: the rates that the principal's other calls count against, too."""
        now = clock()
        self._clock = clock
        self._rush = rush or Rush()
        own = rates(limits.requests_per_min, limits.typed_chars_per_min, "this call", now)
        self._rates = [own, shared or Rates()]
        self._messages = Bucket(_MESSAGES_AT_ONCE, _MESSAGES_PER_S, now)
        self._audio = Bucket(limits.audio_lead_s, _AUDIO_PER_S, now)
        self._unyielded_s = 0.0
        self.spoke = False
        """Whether anything came that is said: audio, text, or a request for an answer."""

    @property
    def ahead_s(self) -> float:
        """How far the audio is ahead of real time."""
        return self._audio.room - self._audio.left(self._clock())

    def request(self) -> None:
        """Count a request for an answer; raises OverLimit."""
        self._take(1, 0)

    def text(self, chars: int) -> None:
        """Count text that asks for no answer; raises OverLimit."""
        self._take(0, chars)

    def turn(self, chars: int) -> None:
        """Count a typed turn; raises OverLimit."""
        self._take(1, chars)

    def _take(self, requests: int, chars: int) -> None:
        now = self._clock()
        self.spoke = True
        for one in self._rates:
            one.check(requests, chars, now)
        for one in self._rates:
            one.take(requests, chars, now)

    def clip(self, seconds: float) -> None:
        """Count audio that comes whole; raises OverLimit, so that what is said never waits."""
        now = self._clock()
        self.spoke = True
        owed_s = min(seconds, self._audio.room)
        if (missing_s := owed_s - self._audio.left(now)) > 0:
            wait_s = max(1, ceil(missing_s / _AUDIO_PER_S))
            raise OverLimit(
                f"this call sends audio too far ahead of real time; allowed: "
                f"{self._audio.room:g} s. This was not followed; try again in {wait_s} s.",
                wait_s,
            )
        self._audio.owe(owed_s, now)

    async def clip_piece(self) -> None:
        """Wait until the next piece of a clip may be recognised: calls are heard meanwhile."""
        await self._rush.turn()

    async def message(self) -> None:
        """Count a message that is no audio; waits where they come too quickly.

        Other calls get a turn of the event loop in any case.
        """
        await asyncio.sleep(self._messages.owe(1, self._clock()))

    async def audio(self, seconds: float) -> None:
        """Count audio; waits where it is too far ahead of real time, or for its turn."""
        self.spoke = True
        if wait_s := self._audio.owe(seconds, self._clock()):
            await asyncio.sleep(wait_s)
            return
        self._unyielded_s += seconds
        if self._unyielded_s < _TURN_AUDIO_S:
            return
        self._unyielded_s = 0.0
        if self.ahead_s < _AHEAD_S:
            await asyncio.sleep(0)
        else:
            await self._rush.turn()
