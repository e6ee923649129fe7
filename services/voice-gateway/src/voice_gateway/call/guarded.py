"""Keeps what only watches a call, its metrics and its event log, from ending it."""

import logging
from collections.abc import Callable, Sequence
from typing import TypeVar

from voice_gateway.conversation import Command, Event
from voice_gateway.errors import ServiceError
from voice_gateway.latency import TurnStages
from voice_gateway.messages import CallConfig
from voice_gateway.ports import CallMetrics, CallRecord, GatewayMetrics, Resumption, Uncounted

log = logging.getLogger(__name__)

_T = TypeVar("_T")


class Guard:
    """Calls what must not end a call; a failure is logged once, until it works again."""

    def __init__(self) -> None:
        self._failing: set[str] = set()

    def __call__(self, name: str, do: Callable[[], _T], otherwise: _T) -> _T:
        try:
            result = do()
        except Exception:  # the boundary: what only watches must not end what it watches
            if name not in self._failing:
                log.exception("%s failed; calls go on without it", name)
            self._failing.add(name)
            return otherwise
        self._failing.discard(name)
        return result


class GuardedMetrics(GatewayMetrics):
    """The metrics of all calls, none of whose failures reaches a call."""

    def __init__(self, metrics: GatewayMetrics) -> None:
        self._metrics = metrics
        self._guard = Guard()

    def began(self, front: str, on_lag: Callable[[float], None] = lambda _: None) -> CallMetrics:
        """`on_lag` is told of the recogniser's lag, too."""
        begun = self._guard("metric began", lambda: self._metrics.began(front), Uncounted())
        return _GuardedCallMetrics(begun, self._guard, on_lag)

    def ended(self, front: str, outcome: str, lasted_s: float) -> None:
        self._guard("metric ended", lambda: self._metrics.ended(front, outcome, lasted_s), None)

    def refused(self, front: str, outcome: str) -> None:
        self._guard("metric refused", lambda: self._metrics.refused(front, outcome), None)

    def resumption(self, outcome: Resumption) -> None:
        self._guard("metric resumption", lambda: self._metrics.resumption(outcome), None)


class _GuardedCallMetrics(CallMetrics):
    def __init__(self, metrics: CallMetrics, guard: Guard, on_lag: Callable[[float], None]) -> None:
        self._metrics = metrics
        self._guard = guard
        self._on_lag = on_lag

    def took_in(self, seconds: float) -> None:
        self._guard("metric took_in", lambda: self._metrics.took_in(seconds), None)

    def gave_out(self, seconds: float) -> None:
        self._guard("metric gave_out", lambda: self._metrics.gave_out(seconds), None)

    def answered(self, stages: TurnStages) -> None:
        self._guard("metric answered", lambda: self._metrics.answered(stages), None)

    def interrupted(self) -> None:
        self._guard("metric interrupted", self._metrics.interrupted, None)

    def prepared(self, *, used: bool, pieces: int = 0) -> None:
        def count() -> None:
            self._metrics.prepared(used=used, pieces=pieces)

        self._guard("metric prepared", count, None)

    def failed(self, error: ServiceError) -> None:
        self._guard("metric failed", lambda: self._metrics.failed(error), None)

    def words_dropped(self, reason: str) -> None:
        self._guard("metric words_dropped", lambda: self._metrics.words_dropped(reason), None)

    def recogniser_lag(self, seconds: float) -> None:
        self._on_lag(seconds)
        self._guard("metric recogniser_lag", lambda: self._metrics.recogniser_lag(seconds), None)


_records = Guard()


class GuardedRecord(CallRecord):
    """One call's event log, or none where it cannot be begun."""

    def __init__(
        self, begin: Callable[[CallConfig], CallRecord] | None, config: CallConfig
    ) -> None:
        self._record = _records("event log begin", lambda: begin(config), None) if begin else None

    def note(self, event: Event, commands: Sequence[Command]) -> None:
        if record := self._record:
            _records("event log note", lambda: record.note(event, commands), None)

    def dropped(self, at: float, text: str, reason: str) -> None:
        if record := self._record:
            _records("event log dropped", lambda: record.dropped(at, text, reason), None)

    def close(self) -> None:
        if record := self._record:
            _records("event log close", record.close, None)
