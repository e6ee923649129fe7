"""What a rush does: three times as many calls as a core carries, all wanting a line at once.

    uv run python benchmarks/rush.py [--calls 200] [--seconds 60] [--json FILE]

First a few callers, alone; then all of them within a second, of whom the gateway admits those that
it can carry by what it measures (MAX_CALLS is out of reach); then the few again, from 5 s after all
have hung up. Each sends the noise of its room in real time and types every 4 s. The exit status is
0 where the p95 of the answers to those admitted stayed within 1.3 times the unloaded one, 95 in 100
refusals came within 100 ms to a caller beside them, whose own process is idle, and the few are
answered as before. The callers and the scripted
services need a core of their own, and the machine is to be otherwise idle.
"""

import argparse
import asyncio
import json
import sys
from dataclasses import asdict, dataclass

from rush.rush_callers import Waits, first_call_at, hold_calls
from shared.clock import now
from shared.command import Options, status_after, status_of, write_figures
from shared.figures import Cost, spread
from shared.gateways import ADMITS_ALL, gateway, scripted_settings
from shared.processes import Child, helper
from shared.table import counted_row, machine, row

_FEW, _FEW_S = 5, 16.0
_WITHIN_S = 1.0
_LONE_S = 3.0
"""For so long one caller after the other calls beside them, from their beginning on."""
_MOST_RATIO, _MOST_REFUSAL_S, _MOST_RECOVERY_S = 1.3, 0.1, 5.0


@dataclass(frozen=True, slots=True)
class Rush:
    few: Waits
    all: Waits
    after: Waits
    lone_refusals_s: list[float]
    busy: float
    """The share of a core that the gateway used during the rush."""

    @property
    def ratio(self) -> float:
        return spread(self.all.answers_s).p95 / spread(self.few.answers_s).p95


async def _measured(calls: int, seconds: int) -> Rush:
    async with helper("upstreams", "rush.steady_upstreams") as upstreams:
        usual = dict.fromkeys(ADMITS_ALL, "")  # an empty setting is its default
        address = {"NEW_CALLS_PER_S": "0"}  # all of them have one address
        settings = scripted_settings(await upstreams.ready(), 500) | usual | address
        async with gateway("gateway", settings) as (process, at):
            uri = at["grpc"]
            await hold_calls(uri, 1, 4, 0)
            few = await hold_calls(uri, _FEW, _FEW_S, 0.2)
            everybody, lone, busy = await _in_a_rush(uri, process, calls, seconds)
            await asyncio.sleep(_MOST_RECOVERY_S)
            after = await hold_calls(uri, _FEW, _FEW_S, 0.2)
            return Rush(few, everybody, after, lone, busy)


async def _in_a_rush(
    uri: str, process: Child, calls: int, seconds: int
) -> tuple[Waits, list[float], float]:
    began, before_s, first_at = now(), process.cpu_s(), first_call_at(calls)
    lone = helper("lone caller", "rush.lone_caller", uri, str(first_at), str(_LONE_S))
    async with lone as caller:
        waits = await hold_calls(uri, calls, seconds, _WITHIN_S, first_at)
        refusals_s = json.loads(await caller.whole_output())["refusals_s"]
    busy = Cost(process.cpu_s() - before_s, now() - began).cpu_ms_per_call_s / 1000
    return waits, refusals_s, busy


def _report(rush: Rush, calls: int) -> str:
    lines = [
        row("milliseconds", ("p50", "p95", "p99", "n")),
        counted_row("typed turn to first audio, a few calls", rush.few.answers_s),
        counted_row("the same, admitted in the rush", rush.all.answers_s),
        counted_row("the same, 5 s after it", rush.after.answers_s),
        counted_row("call to its refusal", rush.all.refusals_s or [0.0]),
        counted_row("the same, of the caller beside them", rush.lone_refusals_s or [0.0]),
        counted_row("the callers themselves late", rush.all.late_s),
        f"  of {calls} callers {rush.all.admitted} were admitted; the gateway used "
        f"{rush.busy:.0%} of a core; p95 is {rush.ratio:.2f} times the unloaded one",
    ]
    lines += [f"  {count} times: {reason}" for reason, count in rush.all.reasons.items()]
    return "\n".join(lines)


def _problems(rush: Rush) -> list[str]:
    found = [*rush.few.problems, *rush.all.problems, *rush.after.problems]
    if rush.ratio > _MOST_RATIO:
        found.append(f"p95 in the rush is {rush.ratio:.2f} times the unloaded one")
    lone_s = rush.lone_refusals_s
    if lone_s and spread(lone_s).p95 > _MOST_REFUSAL_S * 1000:
        found.append("refusals took longer than 100 ms")
    if spread(rush.after.answers_s).p95 > _MOST_RATIO * spread(rush.few.answers_s).p95:
        found.append("5 s after the rush answers were late")
    if rush.after.refusals_s:
        found.append("5 s after the rush a call was refused")
    return found


def _arguments() -> argparse.Namespace:
    options = Options(__doc__)
    options.count("--calls", 200, 20, 1000, "callers who want a line")
    options.count("--seconds", 60, 10, 3600, "of the rush")
    options.figures_file()
    return options.parse_args()


async def _main(given: argparse.Namespace) -> int:
    rush = await _measured(given.calls, given.seconds)
    print(_report(rush, given.calls))
    write_figures({"machine": machine(), "calls": given.calls, **asdict(rush)}, given.json)
    return status_after(_problems(rush))


if __name__ == "__main__":
    sys.exit(status_of(_main(_arguments())))
