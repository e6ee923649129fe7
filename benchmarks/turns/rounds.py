"""Runs rounds of calls to the compared gateways, which share their scripted upstreams."""

import asyncio
import json
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import asdict, dataclass, field

from voice_proto import voice_workflow_pb2 as pb

from shared.clock import now
from shared.connection import START_S
from shared.delays import Delays
from shared.figures import Cost
from shared.gateways import gateway, scripted_settings
from shared.lines import Json
from shared.processes import Child, helper
from turns.talk_plans import Plan, answered, interrupted, interrupted_at_once
from turns.talkers import Talk, hold_talks
from turns.turn_figures import Tally, note_answers, note_cuts

PREPARED, UNPREPARED, RECOGNISER, CUTS = "prepared", "unprepared", "recogniser", "interruptions"
ARMS: Mapping[str, Mapping[str, str]] = {
    PREPARED: {},
    UNPREPARED: {"TURN_GUESSES": "0"},
    RECOGNISER: {"TURN_DETECTION": "asr"},
    CUTS: {},
}
FIRSTS: "Mapping[str, tuple[pb.LineEcho, float]]" = {
    "the client says nothing": (pb.LINE_ECHO_UNSPECIFIED, 0.0),
    "the client says nothing, a caller 12 dB softer": (pb.LINE_ECHO_UNSPECIFIED, -12.0),
    "the client says NO_ECHO": (pb.NO_ECHO, 0.0),
    "the client says NO_ECHO, a caller 12 dB softer": (pb.NO_ECHO, -12.0),
}
"""What callers who interrupt a first answer say of their line, and how loud they are."""
_FIRST_BATCHES = 3
_ALONE_TURNS, _ALONE_CUTS = 14, 14
_TURNS, _CUTS = 3, 4
_SPREAD_S = 4.0  # many callers begin within it, so that their turns end independently


@dataclass(frozen=True, slots=True)
class Gateway:
    process: Child
    uri: str


@dataclass(slots=True)
class Bench:
    """The running processes, and what has been measured so far, by arm and number of callers."""

    calls: int
    delays: Delays
    upstreams: Child
    gateways: Mapping[str, Gateway]
    first_answers_alone: bool = False
    tallies: dict[tuple[str, int], Tally] = field(default_factory=dict[tuple[str, int], Tally])
    firsts: dict[str, Tally] = field(default_factory=dict[str, Tally])
    """The interruptions of first answers."""
    late_s: list[float] = field(default_factory=list[float])
    problems: list[str] = field(default_factory=list[str])
    calls_held: int = 0

    async def warm_up(self) -> None:
        """Hold one turn through each gateway, so that connections are made and code is loaded."""
        await self._hold({arm: [answered(self._ordinal(), 1, 0.0)] for arm in ARMS})

    async def round(self) -> None:
        """Measure all, or the interruptions of first answers alone."""
        if not self.first_answers_alone:
            await self._turns()
        for first in FIRSTS:
            _say(f"{_FIRST_BATCHES} times {self.calls} calls: first answers, {first}")
            for _ in range(_FIRST_BATCHES):
                await self._measure_first(first)

    async def _turns(self) -> None:
        """Measure one caller at each gateway, then many at one gateway after the other."""
        plans = {arm: [answered(self._ordinal(), _ALONE_TURNS, 0.0)] for arm in ARMS}
        plans[CUTS] = [interrupted(self._ordinal(), _ALONE_CUTS, 0.0)]
        await self._measure(1, plans)
        for arm in ARMS:
            _say(f"{self.calls} calls: {arm}")
            many = [self._plan(arm, call / self.calls * _SPREAD_S) for call in range(self.calls)]
            await self._measure(self.calls, {arm: many})

    async def _measure_first(self, first: str) -> None:
        """Measure callers who interrupt the first answer, when the line is not known yet."""
        plans = [
            interrupted_at_once(self._ordinal(), call / self.calls * _SPREAD_S, *FIRSTS[first])
            for call in range(self.calls)
        ]
        talks, seen = await self._hold({CUTS: plans})
        self._note(self.firsts.setdefault(first, Tally()), note_cuts, talks[CUTS], seen)

    async def _measure(self, calls: int, plans: Mapping[str, Sequence[Plan]]) -> None:
        before_s = {arm: self.gateways[arm].process.cpu_s() for arm in plans}
        talks, seen = await self._hold(plans)
        for arm, of_arm in plans.items():
            cpu_s = self.gateways[arm].process.cpu_s() - before_s[arm]
            costs = self.tallies.setdefault((arm, calls), Tally()).costs
            costs.append(Cost(cpu_s, sum(plan.seconds for plan in of_arm)))
            self._note(
                self.tallies[arm, calls],
                note_cuts if arm == CUTS else note_answers,
                talks[arm],
                seen,
            )

    def _plan(self, arm: str, late_s: float) -> Plan:
        if arm == CUTS:
            return interrupted(self._ordinal(), _CUTS, late_s)
        return answered(self._ordinal(), _TURNS, late_s)

    def _ordinal(self) -> int:
        self.calls_held += 1
        return self.calls_held

    async def _hold(
        self, plans: Mapping[str, Sequence[Plan]]
    ) -> tuple[dict[str, list[Talk]], Json]:
        await self.upstreams.ask(_script(plans))
        start_at = now() + START_S
        async with asyncio.TaskGroup() as tasks:
            held = {
                arm: tasks.create_task(hold_talks(self.gateways[arm].uri, of_arm, start_at))
                for arm, of_arm in plans.items()
            }
        seen = json.loads(await self.upstreams.ask(json.dumps({"take": True})))
        return {arm: task.result() for arm, task in held.items()}, seen

    def _note(
        self,
        tally: Tally,
        note: Callable[[Tally, Talk, Json], None],
        talks: Sequence[Talk],
        seen: Json,
    ) -> None:
        for talk in talks:
            self.late_s += talk.late_s
            self.problems += talk.problems
            note(tally, talk, seen)


def _script(plans: Mapping[str, Sequence[Plan]]) -> str:
    """What the scripted upstreams have to know of these calls."""
    calls = [plan for of_arm in plans.values() for plan in of_arm]
    said = {plan.ordinal: [said for one in plan.questions for said in one.says] for plan in calls}
    answers = {one.tag: one.answer for plan in calls for one in plan.questions}
    return json.dumps({"calls": said, "answers": answers})


def _say(text: str) -> None:
    print(text, file=sys.stderr)


async def start(
    stack: AsyncExitStack, calls: int, delays: Delays, *, first_answers_alone: bool = False
) -> Bench:
    upstreams = await stack.enter_async_context(
        helper("upstreams", "turns.scripted_upstreams", json.dumps(asdict(delays)))
    )
    own = scripted_settings(await upstreams.ready(), calls) | {"TTS_TRIM_MS": "300"}
    gateways: dict[str, Gateway] = {}
    for arm, settings in ARMS.items():
        started = gateway(arm, own | dict(settings))
        process, at = await stack.enter_async_context(started)
        gateways[arm] = Gateway(process, at["grpc"])
    return Bench(calls, delays, upstreams, gateways, first_answers_alone)
