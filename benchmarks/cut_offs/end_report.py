"""The report on false cut-offs: every way of telling the end, at equal waits. Pure."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import partial

from voice_gateway.conversation.end_of_turn import WEIGHTS, Signs
from voice_gateway.conversation.policy import TurnPolicy

from cut_offs.evidence import Silence
from cut_offs.fit import as_text, fitted
from cut_offs.rules import (
    MEAN_WAITS_S,
    Outcome,
    Point,
    by_former_gateway,
    by_gateway,
    by_silence,
    by_sound,
    by_weights,
    in_hindsight,
    judged,
    scaled,
)
from shared.lines import Json

ORDERS = "orders"


@dataclass(frozen=True, slots=True)
class Found:
    """What was found on one set of recordings."""

    name: str
    silences: Sequence[Silence]
    curves: Mapping[str, Sequence[Point]]
    shipped: Mapping[str, Outcome]
    """What gateways do with the silences that they are shipped with."""


def examined(stored: Sequence[Silence]) -> list[Found]:
    """The calls, and the orders; weights for a speaker are fitted without its recordings."""
    calls = [each for each in stored if not each.speaker.startswith(ORDERS)]
    orders = [each for each in stored if each.speaker.startswith(ORDERS)]
    without = partial(_fitted_without, stored)
    return [_examined("two telephone calls", calls, without), _examined(ORDERS, orders, without)]


def _fitted_without(stored: Sequence[Silence], speaker: str) -> Signs:
    """Orders have one speaker each: what is left out for one of them is all of them."""
    group = ORDERS if speaker.startswith(ORDERS) else speaker
    return fitted([each for each in stored if not each.speaker.startswith(group)])


def _examined(name: str, found: Sequence[Silence], without: Callable[[str], Signs]) -> Found:
    def shipped(_: str) -> Signs:
        return WEIGHTS

    curves = {
        "silence alone": in_hindsight(found, by_silence),
        "smart-turn alone": in_hindsight(found, by_sound),
        "fused": in_hindsight(found, by_weights(without)),
        "the gateway by rules": scaled(found, by_former_gateway),
        "the gateway": scaled(found, partial(by_gateway, found, without)),
    }
    ways = {
        "the gateway by rules": by_former_gateway(TurnPolicy()),
        "the gateway, weights without the speaker": by_gateway(found, without, TurnPolicy()),
        "the gateway as shipped": by_gateway(found, shipped, TurnPolicy()),
    }
    return Found(name, found, curves, {way: judged(found, waits) for way, waits in ways.items()})


def report(stored: Sequence[Silence], sets: Sequence[Found]) -> str:
    return "\n".join([*_weights(stored), *(line for each in sets for line in _set(each))])


def _weights(stored: Sequence[Silence]) -> list[str]:
    speakers = sorted({each.speaker for each in stored if not each.speaker.startswith(ORDERS)})
    rows = {f"without {each}": _fitted_without(stored, each) for each in [*speakers, ORDERS]}
    return [
        "Weights (log odds)",
        f"  {'shipped':<28}{as_text(WEIGHTS)}",
        f"  {'fitted to all':<28}{as_text(fitted(stored))}",
        *(f"  {name:<28}{as_text(weights)}" for name, weights in rows.items()),
    ]


def _set(of: Found) -> list[str]:
    ends = sum(each.kind == "end" for each in of.silences)
    holds = sum(each.kind == "hold" for each in of.silences)
    waits = "".join(f"{f'{each:.2f} s':>16}" for each in MEAN_WAITS_S)
    outcome = f"  {'':<44}{'cut off':>10}{'of 0.3 s':>12}{'mean wait':>12}{'median':>10}"
    return [
        "",
        f"{of.name}: {holds} pauses that go on, {ends} ends",
        f"  {'cut off, at a mean wait of at most':<44}{waits}",
        *(f"  {way:<44}{_cells(curve)}" for way, curve in of.curves.items()),
        "",
        outcome,
        *(f"  {way:<44}{_outcome(each)}" for way, each in of.shipped.items()),
    ]


def _cells(curve: Sequence[Point]) -> str:
    at = {round(point.allowed_s, 2): point for point in curve}
    cells = (at.get(each) for each in MEAN_WAITS_S)
    shown = (f"{each.cut} ({each.rate:.0%})" if each else "-" for each in cells)
    return "".join(f"{each:>16}" for each in shown)


def _outcome(of: Outcome) -> str:
    all_, long = f"{of.cut} of {of.holds}", f"{of.long_cut} of {of.long_holds}"
    return f"{all_:>10}{long:>12}{f'{of.mean_s:.2f} s':>12}{f'{of.median_s:.2f} s':>10}"


def as_json(sets: Sequence[Found]) -> Json:
    return {
        "benchmark": "cut_offs",
        "sets": {
            each.name: {
                "curves": {way: [asdict(point) for point in of] for way, of in each.curves.items()},
                "shipped": {way: asdict(outcome) for way, outcome in each.shipped.items()},
            }
            for each in sets
        },
    }
