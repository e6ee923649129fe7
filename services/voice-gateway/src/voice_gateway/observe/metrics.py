"""Owns what the gateway counts and times for Prometheus.

It implements `ports.GatewayMetrics` and `ports.CallMetrics`. Labels are few and come from the code,
never from a caller.
"""

import asyncio
import time
from collections.abc import Callable, Iterable
from functools import partial
from typing import get_args

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.exposition import choose_encoder
from prometheus_client.process_collector import ProcessCollector

from voice_gateway.conversation import DropReason
from voice_gateway.errors import ServiceError
from voice_gateway.latency import TurnStages
from voice_gateway.ports import CallMetrics, GatewayMetrics, Resumption

# Upper bounds of histogram buckets.
_STAGE_S = (0.02, 0.05, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.65, 0.8, 1.0, 1.25, 1.6, 2.0, 3.0, 5.0)
_CALL_S = (5, 15, 30, 60, 120, 300, 600, 1800, 3600)
_LAG_S = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0)
_RECOGNISER_LAG_S = (0.1, 0.2, 0.3, 0.5, 0.8, 1.2, 2.0, 3.0, 5.0, 10.0)
_LAG_INTERVAL_S = 0.25  # between measurements of the event loop's lag
_HEADROOM_HELP = (
    "What is left for more calls, 1 (all) to 0 (none is admitted), by what is shortest."
)
FRONTS = ("grpc", "realtime")


class Metrics(GatewayMetrics):
    """One gateway's metrics, in a registry of their own."""

    def __init__(self) -> None:
        registry = self._registry = CollectorRegistry()
        counter, gauge = partial(Counter, registry=registry), partial(Gauge, registry=registry)
        histogram = partial(Histogram, registry=registry)
        self.active = gauge("voice_calls_active", "Calls that run now.", ["front"])
        for front in FRONTS:
            self.active.labels(front)  # set before the first call, so that scalers read 0
        self.calls = counter("voice_calls", "Calls that have ended, by how.", ["front", "outcome"])
        self.call_s = histogram(
            "voice_call_seconds", "How long calls last.", ["front"], buckets=_CALL_S
        )
        self.turns = counter("voice_turns", "Turns answered to the end.", ["front"])
        self.stages = histogram(
            "voice_turn_stage_seconds",
            "Where a turn's time goes, up to the first audio; total is what the caller waits.",
            ["stage"],
            buckets=_STAGE_S,
        )
        self.interruptions = counter(
            "voice_interruptions", "Replies the caller cut off.", ["front"]
        )
        self.prepared = counter(
            "voice_prepared_replies",
            "Replies made before their turn was over: used, or dropped.",
            ["outcome"],
        )
        self.wasted = counter(
            "voice_prepared_pieces_wasted",
            "Pieces of text (about a token each) the model wrote for replies that were dropped.",
        )
        self.resumptions = _resumption_counter(registry)
        self.dropped = _dropped_counter(registry)
        self.predictions = _prediction_counter(registry)
        self.errors = counter(
            "voice_upstream_errors",
            "Failures of an upstream that a call met.",
            ["stage", "code"],
        )
        self.upstreams = gauge("voice_upstream_up", "Whether an upstream answers.", ["stage"])
        self.upstream_addresses = _address_gauge(registry)
        self.audio_s = counter(
            "voice_audio_seconds",
            "Audio taken from callers (in) and sent to them (out).",
            ["direction"],
        )
        self.lag_s = histogram(
            "voice_event_loop_lag_seconds",
            "How late the event loop is for a timer.",
            buckets=_LAG_S,
        )
        self.headroom = gauge("voice_gateway_headroom", _HEADROOM_HELP)
        self.load = gauge("voice_gateway_load", "1 less voice_gateway_headroom, for scalers.")
        self.recogniser_lag_s = histogram(
            "voice_recogniser_lag_seconds",
            "How far the recogniser is behind the audio it was sent, once a second.",
            buckets=_RECOGNISER_LAG_S,
        )
        self._judged(1.0)
        ProcessCollector(registry=registry)

    def began(self, front: str) -> "OneCall":
        self.active.labels(front).inc()
        return OneCall(self, front)

    def ended(self, front: str, outcome: str, lasted_s: float) -> None:
        self.active.labels(front).dec()
        self.refused(front, outcome)
        self.call_s.labels(front).observe(lasted_s)

    def refused(self, front: str, outcome: str) -> None:
        self.calls.labels(front, outcome).inc()

    def resumption(self, outcome: Resumption) -> None:
        self.resumptions.labels(outcome).inc()

    def upstream(self, stage: str, up: bool) -> None:
        self.upstreams.labels(stage).set(up)

    def addresses(self, stage: str, configured: str, *, up: int, down: int) -> None:
        """Set how many addresses a configured one stands for: a name may have many."""
        self.upstream_addresses.labels(stage, configured, "up").set(up)
        self.upstream_addresses.labels(stage, configured, "down").set(down)

    def predicted(self, outcome: str) -> None:
        """Count an end-of-turn prediction; `outcome` is "given", "refused" or "failed"."""
        self.predictions.labels(outcome).inc()

    def exposition(self, accept: str) -> tuple[bytes, str]:
        """All metrics in a format the reader accepts, and that format's content type."""
        encode, content_type = choose_encoder(accept)
        return encode(self._registry), content_type

    async def watch_loop(self, judge: Callable[[float, float], float] | None = None) -> None:
        """Measure how late the event loop is, until cancelled.

        `judge` is told this and the share of a core that was used, and returns the headroom.
        """
        loop = asyncio.get_running_loop()
        began, worked_s = loop.time(), time.process_time()
        while True:
            due = loop.time() + _LAG_INTERVAL_S
            await asyncio.sleep(_LAG_INTERVAL_S)
            now, total_s = loop.time(), time.process_time()
            lag_s = max(0.0, now - due)
            self.lag_s.observe(lag_s)
            if judge:
                self._judged(judge(lag_s, (total_s - worked_s) / max(now - began, 1e-6)))
            began, worked_s = now, total_s

    def _judged(self, headroom: float) -> None:
        self.headroom.set(headroom)
        self.load.set(1 - headroom)


def _dropped_counter(registry: CollectorRegistry) -> Counter:
    said = "Words of callers that nothing answers, by why: once for each transcript."
    name = "voice_gateway_words_dropped"
    return _labelled(Counter(name, said, ["reason"], registry=registry), get_args(DropReason))


def _resumption_counter(registry: CollectorRegistry) -> Counter:
    said = "Calls whose connection broke: resumed, begun anew (resynced), or waited for in vain."
    counter = Counter("voice_resumptions", said, ["outcome"], registry=registry)
    return _labelled(counter, get_args(Resumption))


def _prediction_counter(registry: CollectorRegistry) -> Counter:
    said = "End-of-turn predictions: given, failed, or refused because too many were asked for."
    counter = Counter("voice_turn_end_opinions", said, ["outcome"], registry=registry)
    return _labelled(counter, ("given", "refused", "failed"))


def _labelled(counter: Counter, values: Iterable[str]) -> Counter:
    """The counter with each of these labels from the start, so that shares are known."""
    for value in values:
        counter.labels(value)
    return counter


def _address_gauge(registry: CollectorRegistry) -> Gauge:
    return Gauge(
        "voice_upstream_addresses",
        "Addresses of an upstream that answer (up) and that do not (down), as configured.",
        ["stage", "address", "state"],
        registry=registry,
    )


class OneCall(CallMetrics):
    """Counts for one call, whose label sets are looked up once."""

    def __init__(self, metrics: Metrics, front: str) -> None:
        self._metrics = metrics
        self._in = metrics.audio_s.labels("in")
        self._out = metrics.audio_s.labels("out")
        self._turns = metrics.turns.labels(front)
        self._interruptions = metrics.interruptions.labels(front)

    def took_in(self, seconds: float) -> None:
        self._in.inc(seconds)

    def gave_out(self, seconds: float) -> None:
        self._out.inc(seconds)

    def answered(self, stages: TurnStages) -> None:
        self._turns.inc()
        for stage, seconds in _named(stages):
            if seconds is not None:
                self._metrics.stages.labels(stage).observe(seconds)

    def interrupted(self) -> None:
        self._interruptions.inc()

    def prepared(self, *, used: bool, pieces: int = 0) -> None:
        self._metrics.prepared.labels("used" if used else "dropped").inc()
        if not used:
            self._metrics.wasted.inc(pieces)

    def words_dropped(self, reason: str) -> None:
        self._metrics.dropped.labels(reason).inc()

    def failed(self, error: ServiceError) -> None:
        self._metrics.errors.labels(error.stage, error.code).inc()

    def recogniser_lag(self, seconds: float) -> None:
        self._metrics.recogniser_lag_s.observe(seconds)


def _named(stages: TurnStages) -> tuple[tuple[str, float | None], ...]:
    return (
        ("endpoint", stages.endpoint_s),
        ("model", stages.model_s),
        ("clause", stages.clause_s),
        ("voice", stages.voice_s),
        ("total", stages.total_s),
    )
