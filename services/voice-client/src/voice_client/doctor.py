"""`voice doctor`: it checks what lies between the caller's voice and an answer, and advises."""

import asyncio
import json
from collections.abc import AsyncGenerator, Awaitable, Callable
from dataclasses import asdict, dataclass
from enum import StrEnum

from voice_client.failures import Exit


class Verdict(StrEnum):
    """How a check went."""

    OK = "ok"
    WARNING = "warning"
    FAILED = "failed"
    SKIPPED = "skipped"


@dataclass(frozen=True, slots=True)
class Finding:
    """What one check found, and what to do about it where something is wrong."""

    verdict: Verdict
    found: str
    advice: str = ""


@dataclass(frozen=True, slots=True)
class Check:
    """One check of the doctor."""

    name: str
    look: Callable[[], Awaitable[Finding]]
    status: Exit
    """What the command returns where this is the first check that fails."""
    needs: str = ""
    """The name of the check that must pass before this one."""


@dataclass(frozen=True, slots=True)
class Result:
    """A check and its finding."""

    check: Check
    finding: Finding


LONGEST_CHECK_S = 60.0


def fine(found: str) -> Finding:
    return Finding(Verdict.OK, found)


def warning(found: str, advice: str) -> Finding:
    return Finding(Verdict.WARNING, found, advice)


def failed(found: str, advice: str) -> Finding:
    return Finding(Verdict.FAILED, found, advice)


async def examine(checks: list[Check]) -> AsyncGenerator[Result]:
    """Do the checks in order; what needs a failed one is skipped."""
    out_of_order: set[str] = set()
    for check in checks:
        finding = await _look(check, out_of_order)
        if finding.verdict in (Verdict.FAILED, Verdict.SKIPPED):
            out_of_order.add(check.name)
        yield Result(check, finding)


async def _look(check: Check, out_of_order: set[str]) -> Finding:
    if check.needs in out_of_order:
        return Finding(Verdict.SKIPPED, f"not without: {check.needs}")
    try:
        async with asyncio.timeout(LONGEST_CHECK_S):
            return await check.look()
    except TimeoutError:
        return failed(f"no end within {LONGEST_CHECK_S:g} s", "is the line or the device blocked?")


def line(result: Result) -> str:
    """Return the finding as it is shown: verdict, name, what was found, and advice below it."""
    finding = result.finding
    told = f"{finding.verdict:<8} {result.check.name:<12} {finding.found}"
    advice = finding.advice.splitlines()
    return "\n".join([told, *(f"{'':22}{row}" for row in advice)])


def status_of(results: list[Result]) -> Exit:
    """Return the exit status of the first failed check."""
    for result in results:
        if result.finding.verdict is Verdict.FAILED:
            return result.check.status
    return Exit.ANSWERED


def as_json(results: list[Result]) -> str:
    """Return the findings as `--json` prints them."""
    status = status_of(results)
    checks = [{"check": result.check.name, **asdict(result.finding)} for result in results]
    return json.dumps({"status": int(status), "checks": checks}, indent=1, ensure_ascii=False)
