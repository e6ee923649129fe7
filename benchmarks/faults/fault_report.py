"""Reports what became of the turns, how long recovery took, and what was left over. Pure."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field

from faults.fault_rounds import Happened, Load, Measured
from faults.heard_turns import Turn
from faults.turn_outcomes import (
    GOOD,
    OUTCOMES,
    WORDS,
    Asked,
    Outcome,
    Recovery,
    Words,
    outcome_of,
    recovery_of,
    words_of,
)
from shared.figures import spread
from shared.lines import Json
from shared.table import machine

BETWEEN = "between faults"
_TIMES = {
    "told_s": "to the first message of it",
    "heard_s": "to the first thing said, where it spoiled a turn",
    "answered_s": "to the next whole answer, all calls",
}


@dataclass(slots=True)
class Tally:
    """The turns of one kind of fault at one service, and how its calls recovered."""

    faults: int = 0
    outcomes: Counter[Outcome] = field(default_factory=Counter[Outcome])
    words: Counter[Words] = field(default_factory=Counter[Words])
    unheard: int = 0
    """Turns whose words were not asked about whole, once, and whose caller heard no apology."""
    recoveries: list[Recovery] = field(default_factory=list[Recovery])

    def note(self, turn: Turn, asked: Asked, limit_s: float) -> None:
        outcome, words = outcome_of(turn, asked, limit_s), words_of(turn, asked)
        self.outcomes[outcome] += 1
        self.words[words] += 1
        self.unheard += words != "whole" and outcome != "apologised"

    @property
    def turns(self) -> int:
        return self.outcomes.total()

    def seconds(self, which: str) -> list[float]:
        """The times of all calls to which there is one."""
        times = (getattr(one, which) for one in self.recoveries)
        return [at for at in times if at is not None]


def tallies_of(measured: Measured, limit_s: float) -> dict[str, Tally]:
    """By service and kind, and of the turns that met no fault."""
    tallies: dict[str, Tally] = defaultdict(Tally)
    asked = Asked(measured.requests)
    for turn in measured.turns:
        tallies[_met(turn, measured.happened)].note(turn, asked, limit_s)
    for ordinal, one in enumerate(measured.happened):
        following = measured.happened[ordinal + 1 : ordinal + 2]
        until = following[0].at if following else float("inf")
        tally = tallies[_title(one)]
        tally.faults += 1
        for caller in measured.callers:
            tally.recoveries.append(recovery_of(caller.turns, asked, one.at, until))
    return dict(tallies)


def _met(turn: Turn, happened: Iterable[Happened]) -> str:
    """The last fault between whose beginning and recovery the turn ran."""
    met = (one for one in happened if turn.over_at > one.at and turn.began_at < one.recovered_at)
    *_, last = None, *met
    return _title(last) if last else BETWEEN


def _title(happened: Happened) -> str:
    return f"{happened.fault.service} {happened.fault.kind}"


def all_tallies(load: Load, measured: Sequence[Measured]) -> dict[str, Tally]:
    """Of all gateways together."""
    together: dict[str, Tally] = {}
    for one in measured:
        for title, tally in tallies_of(one, load.limit_s).items():
            whole = together.setdefault(title, Tally())
            whole.faults += tally.faults
            whole.outcomes += tally.outcomes
            whole.words += tally.words
            whole.unheard += tally.unheard
            whole.recoveries += tally.recoveries
    return dict(sorted(together.items(), key=lambda item: (item[0] == BETWEEN, item[0])))


def report(load: Load, measured: Sequence[Measured]) -> str:
    tallies = all_tallies(load, measured)
    addresses = "one address" if load.addresses == 1 else f"{load.addresses} addresses"
    lines = [f"{load.calls} calls, {addresses} of each service, limit {load.limit_s:g} s", ""]
    lines += [_row("turns", ("faults", "turns", *OUTCOMES))]
    for title, tally in tallies.items():
        counts = (tally.faults, tally.turns, *(tally.outcomes[name] for name in OUTCOMES))
        lines.append(_row(title, map(str, counts)))
    lines += ["", _row("what the model was asked of a question", (*WORDS, "unheard"))]
    for title, tally in tallies.items():
        counts = (*(tally.words[name] for name in WORDS), tally.unheard)
        lines.append(_row(title, map(str, counts)))
    for which, name in _TIMES.items():
        lines += ["", _row(f"s {name}", ("p50", "p99", "most", "samples"))]
        lines += [
            _time_row(title, one.seconds(which)) for title, one in tallies.items() if one.faults
        ]
    lines += ["", *_left_lines(measured), _late_line(measured)]
    return "\n".join(lines)


def _row(name: str, cells: Iterable[str]) -> str:
    return f"  {name:<48}" + "".join(f"{cell:>14}" for cell in cells)


def _time_row(title: str, seconds: Sequence[float]) -> str:
    if not seconds:
        return _row(title, ("-", "-", "-", "0"))
    of = spread(seconds)
    cells = (of.p50 / 1000, of.p99 / 1000, max(seconds))
    return _row(title, (*(f"{cell:.2f}" for cell in cells), str(of.count)))


def _left_lines(measured: Sequence[Measured]) -> list[str]:
    lines = list[str]()
    for one in measured:
        assert one.before
        assert one.after
        before, after = asdict(one.before), asdict(one.after)
        lines.append(_row("held by the gateway", (name.replace("_", " ") for name in before)))
        lines.append(_row("before the calls", map(str, before.values())))
        lines.append(_row("after them", map(str, after.values())))
    return [*lines, f"  calls that ended by themselves: {len(_ended(measured))}"]


def _late_line(measured: Sequence[Measured]) -> str:
    late = spread([late for one in measured for caller in one.callers for late in caller.late_s])
    return f"  callers' own lateness, ms: p50 {late.p50:.1f}, p99 {late.p99:.1f}"


def problems(load: Load, measured: Sequence[Measured]) -> list[str]:
    """What was not as it should be, once for each time."""
    found = list[str]()
    for title, tally in all_tallies(load, measured).items():
        for outcome, times in tally.outcomes.items():
            if outcome not in GOOD:
                found += [f"{title}: a turn was not answered: {outcome}"] * times
    found += [f"a call ended: {how}" for how in _ended(measured)]
    return found + [f"left over: {n} {name}" for name, n in _left_over(load, measured).items()]


def _ended(measured: Sequence[Measured]) -> list[str]:
    return [how for one in measured for caller in one.callers for how in caller.ended]


def _left_over(load: Load, measured: Sequence[Measured]) -> Counter[str]:
    left = Counter[str]()
    for one in measured:
        if one.before and one.after:
            left.update(one.after.more_than(one.before, load.calls))
    return left


def spoiled_turns(load: Load, measured: Measured) -> list[Json]:
    """The turns that were not as they should be: what was asked, what the model got, what came."""
    asked = Asked(measured.requests)
    return [
        {
            "met": _met(turn, measured.happened),
            "outcome": outcome,
            "question": " ".join(turn.question.words),
            "requests": [" ".join(words) for words in asked.about(turn.question)],
            "began_at": turn.began_at,
            "ended_at": turn.ended_at,
            "came": [asdict(one) for one in turn.came],
        }
        for turn in measured.turns
        if (outcome := outcome_of(turn, asked, load.limit_s)) not in GOOD
    ]


def as_json(load: Load, measured: Sequence[Measured]) -> Json:
    tallies = all_tallies(load, measured)
    return {
        "load": asdict(load),
        "machine": machine(),
        "faults": {title: _tally(tally) for title, tally in tallies.items()},
        "held": [
            {"before": asdict(one.before), "after": asdict(one.after)}
            for one in measured
            if one.before and one.after
        ],
        "calls_ended": _ended(measured),
        "left_over": dict(_left_over(load, measured)),
        "happened": [asdict(happened) for one in measured for happened in one.happened],
        "spoiled_turns": [turn for one in measured for turn in spoiled_turns(load, one)],
        "problems": problems(load, measured),
    }


def _tally(tally: Tally) -> Json:
    return {
        "faults": tally.faults,
        "outcomes": dict(tally.outcomes),
        "words": dict(tally.words),
        "unheard": tally.unheard,
        "seconds": {which: tally.seconds(which) for which in _TIMES},
    }
