"""Decides whether a call may begin: counts calls and paces new ones, per principal and address.

Pure: each question says what time it is. One who is not admitted is told which limit, and when to
come back.
"""

from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, ip_address
from math import ceil

from voice_gateway.errors import GatewayFull, TooManyCalls
from voice_gateway.principals import ANYONE, Principal

_BURST_S = 2.0
"""New calls of so many seconds may come at once."""
_FULL_RETRY_S = 5
_MOST_PACED = 4096
"""Callers whose pace is remembered; one who comes too seldom to be among them is never too fast."""
_IPV6_HOST_BITS = 64
"""One IPv6 caller has as many addresses as it likes below these."""


@dataclass(frozen=True, slots=True)
class AdmissionLimits:
    """The gateway's own limits; a number of 0 is no limit."""

    calls: int = 100
    calls_per_principal: int = 0
    calls_per_address: int = 0
    new_calls_per_s: float = 50.0
    """Of one address, and of one principal."""


class Bucket:
    """Holds up to `room` tokens, and gets `per_s` of them each second."""

    __slots__ = ("_at", "_left", "per_s", "room")

    def __init__(self, room: float, per_s: float, now: float) -> None:
        self.room = room
        self.per_s = per_s
        self._left = room
        self._at = now

    def left(self, now: float) -> float:
        self._left = min(self.room, self._left + max(0.0, now - self._at) * self.per_s)
        self._at = now
        return self._left

    def take(self, tokens: float, now: float) -> float:
        """Take tokens if they are there; return the seconds until they will be: 0: they were."""
        missing = tokens - self.left(now)
        if missing > 0:
            return missing / self.per_s
        self._left -= tokens
        return 0.0

    def owe(self, tokens: float, now: float) -> float:
        """Take tokens, there or not; return the seconds until none are owed."""
        self._left = self.left(now) - tokens
        return max(0.0, -self._left / self.per_s)


class Admission:
    """The calls that run, and how quickly new ones come."""

    def __init__(self, limits: AdmissionLimits) -> None:
        self._limits = limits
        self._calls = 0
        self._of: dict[str, int] = {}
        self._paces: OrderedDict[str, Bucket] = OrderedDict()

    @property
    def calls(self) -> int:
        return self._calls

    @property
    def full(self) -> bool:
        return self._calls >= self._limits.calls

    def check(self, who: Principal, address: str, now: float) -> None:
        """Raise TooManyCalls unless this caller may begin another call; it counts as one try."""
        for name, most, pace in self._bounds(who, address):
            self._check_count(name, most)
            self._check_pace(name, pace, now)

    def check_room(self) -> None:
        """Raise GatewayFull where as many calls run as may."""
        if self.full:
            said = f"{self._calls} calls are running; allowed: at most that many (MAX_CALLS)"
            raise GatewayFull(said, retry_after_s=_FULL_RETRY_S)

    def enter(self, who: Principal, address: str) -> None:
        self._calls += 1
        for name, *_ in self._bounds(who, address):
            self._of[name] = self._of.get(name, 0) + 1

    def leave(self, who: Principal, address: str) -> None:
        self._calls -= 1
        for name, *_ in self._bounds(who, address):
            self._of[name] -= 1
            if not self._of[name]:
                del self._of[name]

    def counted(self) -> Mapping[str, int]:
        """The calls of each principal and address that has any."""
        return self._of

    def _bounds(self, who: Principal, address: str) -> list[tuple[str, int, float]]:
        """Whose calls are counted together, how many there may be, and how many new ones a second.

        Where no key is asked for everybody is the same principal, so that it has no bound.
        """
        bounds: list[tuple[str, int, float]] = []
        if who != ANYONE:
            calls, pace = who.limits.calls, who.limits.new_calls_per_s
            bounds.append(
                (
                    f"principal {who.name!r}",
                    self._limits.calls_per_principal if calls is None else calls,
                    self._limits.new_calls_per_s if pace is None else pace,
                )
            )
        if address:
            limits = self._limits
            name = f"address {caller_of(address)}"
            bounds.append((name, limits.calls_per_address, limits.new_calls_per_s))
        return bounds

    def _check_count(self, name: str, most: int) -> None:
        if most and self._of.get(name, 0) >= most:
            raise TooManyCalls(
                f"{self._of[name]} calls of {name} are running; allowed: {most} at once",
                retry_after_s=_FULL_RETRY_S,
            )

    def _check_pace(self, name: str, per_s: float, now: float) -> None:
        if per_s <= 0:
            return
        pace = self._paces.get(name)
        if pace is None or pace.per_s != per_s:
            pace = self._paces[name] = Bucket(max(1.0, per_s * _BURST_S), per_s, now)
        self._paces.move_to_end(name)
        if len(self._paces) > _MOST_PACED:
            self._paces.popitem(last=False)
        if wait_s := pace.take(1, now):
            raise TooManyCalls(
                f"new calls of {name} come faster than allowed: {per_s:g} a second",
                retry_after_s=max(1, ceil(wait_s)),
            )


def caller_of(address: str) -> str:
    """The address that stands for a caller: an IPv6 network is one caller's."""
    try:
        parsed = ip_address(address.partition("%")[0])
    except ValueError:
        return address
    if isinstance(parsed, IPv4Address):
        return str(parsed)
    if parsed.ipv4_mapped:
        return str(parsed.ipv4_mapped)
    network = int(parsed) >> _IPV6_HOST_BITS << _IPV6_HOST_BITS
    return f"{IPv6Address(network)}/{128 - _IPV6_HOST_BITS}"
