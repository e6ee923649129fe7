"""Reports who had the floor, as a table for people and as JSON for machines. Pure."""

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass

from echo.outcomes import Alone, Answered, Calls, Clear, TalkedOver
from shared.figures import spread
from shared.lines import Json
from shared.table import counted_row, machine, row, spread_row


@dataclass(frozen=True, slots=True)
class Found:
    echo_db: float
    asr: str
    seed: int
    ways: dict[str, Calls]
    """The calls of each way of taking turns."""
    clear: Sequence[Clear]


def report(found: Found) -> str:
    words = sum(len(each.wanted) for each in found.clear)
    wrong = sum(each.errors for each in found.clear)
    lines = [
        f"echo at {found.echo_db:+.0f} dB, 50 to 250 ms late, real speech through {found.asr}",
        f"  the same clips with nothing playing: {wrong} of {words} words wrong",
    ]
    for way, calls in found.ways.items():
        lines += ["", way, *_alone(calls.alone), *_over(calls.over), *_answered(calls.answered)]
        lines.append(spread_row("callers' own lateness", spread(calls.late_s)))
    return "\n".join(lines)


def _alone(alone: Sequence[Alone]) -> list[str]:
    return [
        row("replies that nobody talked over", (str(len(alone)),)),
        row("· cut off by their own echo", (_count(alone, lambda each: each.interrupted),)),
        row("· followed by a turn that nobody took", (_count(alone, lambda each: each.turns > 0),)),
        row("· with words shown as the caller's", (_count(alone, lambda each: bool(each.words)),)),
        row("· pauses of the voice for nothing", (str(sum(each.pauses for each in alone)),)),
    ]


def _over(over: Sequence[TalkedOver]) -> list[str]:
    fair = [each for each in over if not each.late]
    taken = [each for each in fair if each.taken]
    words = sum(len(each.wanted) for each in fair)
    share = len(taken) / len(fair) if fair else float("nan")
    return [
        row("replies that a clip was spoken over", (str(len(fair)),)),
        row("· taken: the floor was the caller's", (str(len(taken)), f"{share:.1%}")),
        row("· words of their turns wrong", (str(_sum(fair, "errors")), f"of {words}")),
        row("· words of the reply among them", (str(sum(len(each.own) for each in fair)),)),
        row("milliseconds", ("p50", "p95", "p99", "samples")),
        *(
            counted_row(title, [getattr(each, name) or 0.0 for each in taken])
            for title, name in _TIMES
        ),
    ]


def _answered(answered: Sequence[Answered]) -> list[str]:
    if not answered:
        return []
    lost = [" ".join(each.wanted) for each in answered if not each.heard]
    return [
        row("short answers in the question's own words", (str(len(answered)),)),
        row("· heard", (str(len(answered) - len(lost)),)),
        *(f"  not heard: {text}" for text in lost),
    ]


_TIMES = (
    ("clip's first sound to last audio", "last_audio_s"),
    ("clip's first sound to silence", "silent_s"),
    ("clip's first sound to LISTENING", "taken_s"),
)


def _count(alone: Sequence[Alone], met: Callable[[Alone], bool]) -> str:
    return str(sum(map(met, alone)))


def _sum(over: Sequence[TalkedOver], name: str) -> int:
    return sum(getattr(each, name) for each in over)


def as_json(found: Found) -> Json:
    return {
        "benchmark": "echo",
        "machine": machine(),
        "echo_db": found.echo_db,
        "asr": found.asr,
        "seed": found.seed,
        "clear": [asdict(each) | {"errors": each.errors} for each in found.clear],
        "ways": {way: _way(calls) for way, calls in found.ways.items()},
    }


def _way(calls: Calls) -> Json:
    return {
        "alone": [asdict(each) for each in calls.alone],
        "over": [
            asdict(each) | {"taken": each.taken, "errors": each.errors, "own": each.own}
            for each in calls.over
        ],
        "answered": [asdict(each) | {"heard": each.heard} for each in calls.answered],
        "callers_lateness_ms": asdict(spread(calls.late_s)),
        "problems": calls.problems,
    }
