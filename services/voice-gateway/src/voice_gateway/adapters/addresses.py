"""Chooses among the addresses of one service: spreads its streams, and avoids what fails.

Everything here is pure: the clock is given, and nothing waits or connects. An address is closed to
streams by its circuit breaker, which opens after a few faults in a row or a refused connection, and
lets one stream through, a probe, after a wait that grows. An address that failed lately, or did not
answer its last look, is chosen only where no other is fit. Something is chosen in any case: to try
is never worse than to refuse.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Literal

from voice_gateway.errors import Misconfigured, Rejected, ServiceError, Unavailable

_FAULTS_THAT_OPEN = 3  # in a row
_FIRST_WAIT_S, _LONGEST_WAIT_S = 1.0, 30.0  # until an open address is probed
_PROBE_S = 10.0  # how long a probe may stay without an answer before there is another
_SHUNNED_S = 5.0  # how long the next attempt of a call that failed goes elsewhere
_FRESH_S = 10.0  # an answer to a call this fresh outweighs a look that fails
_MISSES_THAT_COUNT = 2  # one slow look is no news

_NEVER = float("-inf")

State = Literal["closed", "shunned", "open"]
_ORDER: dict[State, int] = {"closed": 0, "shunned": 1, "open": 2}


class Refused(Unavailable):
    """No connection could be made."""


@dataclass(frozen=True, slots=True)
class Target:
    """What is dialled, and the item of the setting that it comes from."""

    dialled: str
    configured: str


@dataclass(eq=False, slots=True)
class Address:
    """One address and what is known about it."""

    target: Target
    streams: int = 0
    """How many streams it has now."""
    up: bool | None = None
    """Whether it answers; None: not known yet."""
    gone: bool = False
    """It is no longer listed: its streams may end, and no more begin."""
    _chosen: int = 0
    _faults: int = 0
    _misses: int = 0
    _failed_at: float = _NEVER
    _answered_at: float = _NEVER
    _looked_at: float = _NEVER
    _seen_at: float = _NEVER
    _shunned_until: float = _NEVER
    _opened: Literal["", "refused", "faults"] = ""
    """Why the breaker is open; empty: it is closed."""
    _open_until: float = _NEVER
    _wait_s: float = 0.0
    _probed_until: float = _NEVER

    @property
    def doubted(self) -> bool:
        """Whether its last look failed, and counted."""
        return self._misses > 0

    def state(self, now: float) -> State:
        if self._opened and now < max(self._open_until, self._probed_until):
            return "open"
        shunned = now < self._shunned_until or self.doubted or not self.up
        return "shunned" if shunned else "closed"

    def rank(self, now: float) -> tuple[int, float, int, int]:
        """The address with the least rank is chosen."""
        state = self.state(now)
        failed_at = _NEVER if state == "closed" else self._failed_at
        return _ORDER[state], failed_at, self.streams, self._chosen

    def take(self, ordinal: int, now: float) -> bool:
        """Begin a stream; whether it is the probe of an open breaker."""
        self.streams += 1
        self._chosen = ordinal
        probes = bool(self._opened) and now >= self._probed_until
        if probes:
            self._probed_until = now + _PROBE_S
        return probes

    def release(self, *, probe: bool) -> None:
        self.streams -= 1
        if probe:
            self._probed_until = _NEVER

    def answered(self, now: float) -> None:
        """A stream was answered: whatever was held against the address is over."""
        self._answered_at = now
        self._faults = self._misses = 0
        self._shunned_until = _NEVER
        self._close()
        self.up = True

    def failed(self, fault: ServiceError, now: float, *, probe: bool) -> None:
        """A stream failed; what only its caller or the operator can mend opens nothing."""
        if isinstance(fault, Rejected):
            return
        self._failed_at, self._shunned_until = now, now + _SHUNNED_S
        if isinstance(fault, Misconfigured):
            return
        self._faults += 1
        refused = isinstance(fault, Refused)
        waits = bool(self._opened) and now < self._open_until
        if not waits and (refused or probe or self._faults >= _FAULTS_THAT_OPEN):
            self._opened = "refused" if refused else "faults"
            self._wait_s = min(max(2 * self._wait_s, _FIRST_WAIT_S), _LONGEST_WAIT_S)
            self._open_until = now + self._wait_s

    def looked(self, now: float) -> None:
        """A look begins."""
        self._looked_at = now

    def seen(self, now: float) -> None:
        """A look was answered. It proves that there is a connection, and not that streams work."""
        self._seen_at = now
        self._misses = 0
        if self._opened == "refused":
            self._faults = 0
            self._close()
        self.up = True

    def missed(self, now: float) -> None:
        """A look failed, which is news where it happens again and no call was answered lately."""
        if self.up and now - self._answered_at < _FRESH_S:
            return
        self._misses += 1
        self._failed_at = now
        if self.up is None or self._misses >= _MISSES_THAT_COUNT:
            self.up = False

    def heard_since(self, at: float) -> bool:
        """Whether it has answered a stream or a look since then."""
        return max(self._answered_at, self._seen_at) >= at

    def looked_since(self, at: float, for_s: float, now: float) -> bool:
        """Whether a look began after `at`, so long ago that its answer is due."""
        return at <= self._looked_at <= now - for_s

    def left(self, now: float) -> None:
        """Neither a stream nor a look was answered: it is down until one is."""
        self._failed_at, self._misses, self.up = now, _MISSES_THAT_COUNT, False

    def _close(self) -> None:
        self._opened, self._wait_s = "", 0.0
        self._open_until = self._probed_until = _NEVER


@dataclass(eq=False, slots=True)
class Turn:
    """One stream's turn at an address, from its choice to its end."""

    address: Address
    _addresses: "Addresses"
    _probe: bool
    _answered: bool = field(default=False)

    @property
    def waits(self) -> bool:
        """Whether the stream was not answered yet."""
        return not self._answered

    def answered(self) -> None:
        """The stream was answered. It is cheap to say so with every answer."""
        if not self._answered:
            self._answered, self._probe = True, False
            self._addresses.note(self.address, lambda now: self.address.answered(now))

    def failed(self, fault: ServiceError) -> None:
        address, probe = self.address, self._probe
        self._addresses.note(address, lambda now: address.failed(fault, now, probe=probe))

    def end(self) -> None:
        self.address.release(probe=self._probe)


class Addresses:
    """The addresses of one service. `on_change` hears of each that comes up or goes down."""

    def __init__(
        self,
        targets: Iterable[Target],
        clock: Callable[[], float],
        on_change: Callable[[Address], None] = lambda address: None,
    ) -> None:
        self._clock = clock
        self._on_change = on_change
        self._choices = 0
        self._listed = [Address(target) for target in targets]

    @property
    def listed(self) -> Sequence[Address]:
        return self._listed

    @property
    def up(self) -> Sequence[Address]:
        return [address for address in self._listed if address.up]

    def choose(self) -> Turn:
        """Begin a stream at the best address: the least loaded, else the least recently failed."""
        now = self._clock()
        address = min(self._listed, key=lambda each: each.rank(now))
        self._choices += 1
        return Turn(address, self, address.take(self._choices, now))

    def others(self, address: Address) -> bool:
        """Whether another address answers, even if a stream failed there lately."""
        now, others = self._clock(), (each for each in self._listed if each is not address)
        return any(each.up and each.state(now) != "open" for each in others)

    def keep(self, targets: Iterable[Target]) -> Sequence[Address]:
        """List these targets from now on; return the addresses that are gone."""
        wanted = dict.fromkeys(targets)
        gone = [address for address in self._listed if address.target not in wanted]
        known = {address.target: address for address in self._listed}
        self._listed = [known.get(target) or Address(target) for target in wanted]
        for address in gone:
            address.gone = True
        return gone

    def seen(self, address: Address) -> None:
        self.note(address, address.seen)

    def missed(self, address: Address) -> None:
        self.note(address, address.missed)

    def left(self, address: Address) -> None:
        self.note(address, address.left)

    def note(self, address: Address, happened: Callable[[float], None]) -> None:
        """Let the address take note of something, and tell where it came up or went down."""
        was = address.up
        happened(self._clock())
        if address.up is not was:
            self._on_change(address)


def listed(setting: str) -> tuple[str, ...]:
    """The items of a setting that lists addresses, separated by commas or spaces; each once."""
    return tuple(dict.fromkeys(setting.replace(",", " ").split()))
