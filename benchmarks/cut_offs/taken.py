"""Which turns the gateway took of what was said to it, and whether the caller was done. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean, median

from cut_offs.labelled_turns import Turn
from cut_offs.real_time import Step

_TAKES = ("StartReply", "ReleaseReply", "KeepTurn")
_LONG_S = 0.3
_WITHIN_S = 0.15


@dataclass(frozen=True, slots=True)
class Taken:
    turn: str
    set: str
    holds: int
    long_holds: int
    cut: int
    """Turns taken before the speech had ended."""
    long_cut: int
    """Holds of 0.3 s and more that were taken for the end."""
    wait_s: float | None
    """From the end of the speech to the turn; None: it was never taken."""


def taken(turn: Turn, steps: Sequence[Step]) -> Taken:
    times = [step["event"]["at"] for step in steps if _takes(step)]
    doubtful = [at for at in times if any(a < at < b + _WITHIN_S for a, b in turn.doubtful)]
    early = [at for at in times if at < turn.ends_s and at not in doubtful]
    after = [at - turn.ends_s for at in times if at >= turn.ends_s]
    long = [(a, b) for a, b in turn.holds if b - a >= _LONG_S]
    return Taken(
        turn.name,
        turn.set,
        len(turn.holds),
        len(long),
        len(early),
        sum(any(a < at < b + _WITHIN_S for at in early) for a, b in long),
        after[0] if after else None,
    )


def _takes(step: Step) -> bool:
    return any(command["is"] in _TAKES for command in step["commands"])


def as_text(found: Sequence[Taken]) -> str:
    lines = [f"  {'':<24}{'cut off':>10}{'of 0.3 s':>12}{'mean wait':>12}{'median':>10}"]
    for name in sorted({each.set for each in found}):
        of = [each for each in found if each.set == name]
        waits = [each.wait_s for each in of if each.wait_s is not None]
        cut, long = sum(each.cut for each in of), sum(each.long_cut for each in of)
        all_ = f"{cut} of {sum(each.holds for each in of)}"
        longer = f"{long} of {sum(each.long_holds for each in of)}"
        mean, middle = f"{fmean(waits):.2f} s", f"{median(waits):.2f} s"
        lines.append(f"  {name:<24}{all_:>10}{longer:>12}{mean:>12}{middle:>10}")
    lines += [f"  never taken: {each.turn}" for each in found if each.wait_s is None]
    return "\n".join(lines)
