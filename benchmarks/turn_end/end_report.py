"""Reports what was found about ends of turns, as a table and as JSON. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from statistics import median

from shared.lines import Json
from shared.table import machine
from turn_end.prediction_price import Price
from turn_end.predictions import LATER_S, Silence
from turn_end.whole_chain import ClipTurns

COMPLETE_FROM = 0.5
"""The end-of-turn probability from which on the network means "complete"."""


@dataclass(frozen=True, slots=True)
class Found:
    silences: Sequence[Silence]
    cuts: Sequence[float]
    """The probabilities where speech was cut off by hand."""
    price: Price
    asr: str
    calls: Mapping[str, Sequence[ClipTurns]]
    """The calls of each way of taking turns, one for each clip; empty where none were made."""


def report(found: Found) -> str:
    lines = [*_sound(found), "", *_cost(found.price)]
    if found.calls:
        lines += ["", *_chain(found)]
    return "\n".join(lines)


def as_json(found: Found) -> Json:
    return {
        "benchmark": "turn_end",
        "machine": machine(),
        "silences": [asdict(each) for each in found.silences],
        "right": dict(zip(("complete", "goes on", "cut off"), _right(found), strict=True)),
        "cost": asdict(found.price),
        "asr": found.asr,
        "calls": {way: [_call(each) for each in calls] for way, calls in found.calls.items()},
    }


def _call(of: ClipTurns) -> Json:
    more = {name: getattr(of, name) for name in ("early", "early_audio", "decided_s")}
    return asdict(of) | more | {"answered_s": of.answered_s}


def _right(found: Found) -> tuple[tuple[int, int], tuple[int, int], tuple[int, int]]:
    """How many the network judged rightly, and of how many: complete, pauses, cut off."""
    ends = [each.chances[0] >= COMPLETE_FROM for each in found.silences if each.complete]
    pauses = [each.chances[0] < COMPLETE_FROM for each in found.silences if not each.complete]
    cuts = [probability < COMPLETE_FROM for probability in found.cuts]
    return (sum(ends), len(ends)), (sum(pauses), len(pauses)), (sum(cuts), len(cuts))


def _sound(found: Found) -> list[str]:
    later = "".join(f"{f'+{each:.1f} s':>8}" for each in LATER_S)
    (ends, of_ends), (pauses, of_pauses), (cuts, of_cuts) = _right(found)
    return [
        "By the sound alone: the end-of-turn probability, at once and later on",
        f"  {'clip':<18}{'silent at':>10}{'for':>8}{'speaker':>10}{'at once':>9}{later}",
        *(_silence(each) for each in found.silences),
        f"  right, at once, with {COMPLETE_FROM} as the limit: {ends} of {of_ends} complete, "
        f"{pauses} of {of_pauses} that go on; {cuts} of {of_cuts} cut off by hand",
    ]


def _silence(of: Silence) -> str:
    lasts = "end" if of.lasts_s is None else f"{of.lasts_s:.2f} s"
    speaker = "is done" if of.complete else "goes on"
    later = "".join(f"{probability:8.2f}" for probability in of.chances[1:])
    first = f"{of.chances[0]:9.2f}"
    return f"  {of.clip:<18}{of.at_s:8.2f} s{lasts:>8}{speaker:>10}{first}{later}"


def _cost(price: Price) -> list[str]:
    wall, lag, idle = price.wall, price.lag, price.idle_lag
    return [
        "Its cost",
        f"  a prediction: {wall.p50:.0f} ms (p99 {wall.p99:.0f}), {price.cpu_ms:.0f} ms of CPU",
        "  the event loop while it thinks without pause: a tick is late by "
        f"{lag.p50:.1f} ms (p99 {lag.p99:.1f}); without it {idle.p50:.1f} ms (p99 {idle.p99:.1f})",
    ]


def _chain(found: Found) -> list[str]:
    ways = list(found.calls)
    each_clip = zip(*found.calls.values(), strict=True)
    totals = "".join(f"{_total(found.calls[way]):>26}" for way in ways)
    return [
        f"Through the whole chain ({found.asr}): silence until the turn was taken, and turns taken",
        "and answers heard before the speech had ended",
        f"  {'clip':<18}" + "".join(f"{way:>26}" for way in ways),
        *(f"  {calls[0].clip:<18}" + "".join(map(_cell, calls)) for calls in each_clip),
        f"  {'median; all':<18}{totals}",
    ]


def _cell(of: ClipTurns) -> str:
    decided = "never" if of.decided_s is None else f"{of.decided_s:.2f} s"
    return f"{f'{decided}  {of.early}, {of.early_audio}':>26}"


def _total(calls: Sequence[ClipTurns]) -> str:
    decided = [each.decided_s for each in calls if each.decided_s is not None]
    early, audio = (sum(getattr(each, name) for each in calls) for name in ("early", "early_audio"))
    return f"{median(decided):.2f} s  {early}, {audio}"
