"""`voice load`: it holds many calls with recorded speech, and reports times and failures."""

import asyncio
import json
import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

from voice_client.call import Gateway, Hello, dial
from voice_client.failures import CallBrokenError, ClientError, Exit
from voice_client.screen import Nobody
from voice_client.talk import Saying, Talk, TalkOptions
from voice_client.turns import Turn, Turns

PIECE_S = 0.04
TRAILING_SILENCE_S = 5.0
AFTER_FAILURE_S = 1.0
"""The wait after a failed call: a gateway that refuses must not be dialled without pause."""
OVERTIME_S = 60.0
"""The longest that a call may go on after the time is up."""
LATENESS_TICK_S = 0.02
REPORTED_LATE_MS = 50

_ROWS = (
    ("end of turn", "endpoint_ms"),
    ("model", "model_ms"),
    ("clause", "clause_ms"),
    ("voice", "voice_ms"),
    ("total", "total_ms"),
)
_MEASURED = "measured"
_QUANTILES = (("p50", 0.5), ("p90", 0.9), ("p99", 0.99), ("max", 1.0))


@dataclass(frozen=True, slots=True)
class Plan:
    """Which gateway to call, with which recordings, how many calls at once, and how long."""

    gateway: Gateway
    hello: Hello
    sayings: Sequence[Saying]
    calls: int
    duration_s: float
    ramp_s: float
    patience_s: float


@dataclass(slots=True)
class Tally:
    """What the calls have come to so far."""

    calls: int = 0
    turns: int = 0
    failures: Counter[str] = field(default_factory=Counter[str])
    took_ms: dict[str, list[int]] = field(default_factory=dict[str, list[int]])
    late_ms: float = 0.0
    """The most by which this program itself was late: its figures are off by as much."""

    def add(self, turns: Turns) -> None:
        """Count the turns of a call."""
        for turn in turns.all:
            for fault in turn.faults:
                self.failures[f"turn: {fault.stage} {fault.code}"] += 1
            if turn.ending != "open":
                self._add(turn)

    def _add(self, turn: Turn) -> None:
        self.turns += 1
        for name, stage in _ROWS:
            self._took(name, getattr(turn.stages, stage, None))
        self._took(_MEASURED, turn.measured_ms)

    def _took(self, name: str, took_ms: int | None) -> None:
        if took_ms is not None:
            self.took_ms.setdefault(name, []).append(took_ms)

    @property
    def status(self) -> Exit:
        """The exit status: ANSWERED where every call and every turn went well."""
        return Exit.CALL_BROKE if self.failures or not self.turns else Exit.ANSWERED


async def load(plan: Plan, tally: Tally) -> None:
    """Hold the calls; `tally` has the results also where this is cancelled."""
    watch = asyncio.Event()
    async with asyncio.TaskGroup() as tasks:
        ticking = tasks.create_task(_watch_lateness(tally), name="lateness")
        tasks.create_task(_all_callers(plan, tally, watch), name="callers")
        await watch.wait()
        ticking.cancel()


async def _all_callers(plan: Plan, tally: Tally, over: asyncio.Event) -> None:
    try:
        async with asyncio.TaskGroup() as callers:
            for number in range(plan.calls):
                callers.create_task(_caller(plan, tally, number), name=f"caller {number}")
    finally:
        over.set()


async def _caller(plan: Plan, tally: Tally, number: int) -> None:
    """Call again and again until the time is up; each caller begins with another saying."""
    now = asyncio.get_running_loop().time
    end = now() + plan.duration_s
    await asyncio.sleep(plan.ramp_s * number / plan.calls)
    first = number % len(plan.sayings)
    sayings = [*plan.sayings[first:], *plan.sayings[:first]]
    while now() < end:
        failure = await _call(plan, tally, sayings, end + OVERTIME_S)
        if failure:
            tally.failures[failure] += 1
            await asyncio.sleep(AFTER_FAILURE_S)


async def _call(plan: Plan, tally: Tally, sayings: list[Saying], latest: float) -> str:
    """Hold one call; return how it failed, empty where it did not."""
    turns = Turns(plan.hello.rate_hz)
    talk_options = TalkOptions(PIECE_S, False, TRAILING_SILENCE_S, plan.patience_s)
    tally.calls += 1
    try:
        async with (
            asyncio.timeout_at(latest),
            dial(plan.gateway, plan.hello, plan.patience_s) as call,
        ):
            await Talk(call, turns, Nobody(), talk_options).run(sayings)
    except TimeoutError:
        return f"call: not over {OVERTIME_S:g} s after the end"
    except CallBrokenError as error:
        return f"call: {error.code or error}"
    except ClientError as error:
        return f"call: {error}"
    finally:
        tally.add(turns)
    outcome = turns.outcome()
    return "" if outcome is Exit.ANSWERED else f"turn: {outcome.name.lower().replace('_', ' ')}"


async def _watch_lateness(tally: Tally) -> None:
    now = asyncio.get_running_loop().time
    while True:
        due = now() + LATENESS_TICK_S
        await asyncio.sleep(LATENESS_TICK_S)
        tally.late_ms = max(tally.late_ms, (now() - due) * 1000)


def quantile(values: list[int], share: float) -> int:
    """Return the smallest value that `share` of the values do not exceed."""
    ranked = sorted(values)
    return ranked[max(math.ceil(share * len(ranked)) - 1, 0)]


def report(plan: Plan, tally: Tally) -> str:
    """Return the figures as a table."""
    heads = "".join(f"{name:>8}" for name, _ in _QUANTILES)
    lines = [
        f"{plan.calls} at once for {plan.duration_s:g} s: {tally.calls} calls, "
        f"{tally.turns} turns, {tally.failures.total()} failures",
        "",
        f"{'ms':<12}{heads}{'turns':>8}",
    ]
    for name, took_ms in tally.took_ms.items():
        figures = "".join(f"{quantile(took_ms, share):>8}" for _, share in _QUANTILES)
        lines.append(f"{name:<12}{figures}{len(took_ms):>8}")
    if tally.failures:
        lines += ["", *(f"{count:>5} x  {name}" for name, count in tally.failures.most_common())]
    if tally.late_ms > REPORTED_LATE_MS:
        late = f"this machine was up to {tally.late_ms:.0f} ms late itself: use fewer calls on it"
        lines += ["", late]
    return "\n".join(lines)


def as_json(plan: Plan, tally: Tally) -> str:
    """Return the figures as `--json` prints them."""
    took = {
        name: {q: quantile(took_ms, share) for q, share in _QUANTILES} | {"turns": len(took_ms)}
        for name, took_ms in tally.took_ms.items()
    }
    told = {
        "server": plan.gateway.address,
        "at_once": plan.calls,
        "duration_s": plan.duration_s,
        "calls": tally.calls,
        "turns": tally.turns,
        "failures": dict(tally.failures),
        "latency_ms": took,
        "own_lateness_ms": round(tally.late_ms),
        "status": int(tally.status),
    }
    return json.dumps(told, indent=1, ensure_ascii=False)
