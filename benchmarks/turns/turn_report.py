"""Reports what turns and interruptions took, as a table for people and as JSON for machines."""

from collections.abc import Sequence
from dataclasses import asdict
from statistics import mean

from shared.figures import spread
from shared.lines import Json
from shared.table import counted_row, machine, row, spread_row
from turns.rounds import CUTS, PREPARED, RECOGNISER, UNPREPARED, Bench
from turns.talk_plans import answer_s
from turns.turn_figures import (
    AFTER,
    ANSWER,
    ASKED,
    CHAT_OVER,
    CUT,
    CUT_AFTER_WORD,
    DECISION,
    LAST_AUDIO,
    LAST_EARLY,
    TOLD,
    VOICE_OVER,
    WORD,
    Tally,
    ledger_mode,
)

_TITLES = {
    PREPARED: "answers prepared (as shipped)",
    UNPREPARED: "not prepared (TURN_GUESSES=0)",
    RECOGNISER: "recogniser ends turns (TURN_DETECTION=asr)",
}
_CUT_ROWS = (CUT, WORD, TOLD, CUT_AFTER_WORD, LAST_AUDIO, LAST_EARLY, CHAT_OVER, VOICE_OVER)
_LEDGER = [
    ledger_mode(reports=reports, buffer_s=buffer_s)
    for buffer_s in (0.0, 0.2)
    for reports in (False, True)
]


def report(bench: Bench) -> str:
    callers = sorted({calls for _, calls in bench.tallies})
    lines = [_scripted(bench)]
    for calls in callers:
        lines += ["", f"{calls} {'calls' if calls > 1 else 'call'} at once: voice to voice", _HEAD]
        for arm, title in _TITLES.items():
            lines += _answer_lines(title, bench.tallies[arm, calls])
        cuts = bench.tallies[CUTS, calls]
        lines += ["", f"{calls} at once: interruption by speech", _HEAD, *_cut_lines(cuts)]
    lines += ["", "interruption in the first 2 s of a call's first answer", _HEAD]
    for first, tally in bench.firsts.items():
        lines += _first_lines(first, tally)
    lines += ["", "what was heard, by the gateway and in truth", *_ledger_lines(bench)]
    lines += ["", _HEAD, spread_row("callers' own lateness", spread(bench.late_s))]
    return "\n".join(lines)


_HEAD = row("milliseconds", ("p50", "p95", "p99", "samples"))


def _scripted(bench: Bench) -> str:
    delays = bench.delays
    ms = round(answer_s(delays) * 1000)
    return (
        f"scripted: the recogniser's own final {delays.endpoint_s * 1000:.0f} ms after speech, "
        f"{ms} ms from the model's request to the first audio"
    )


def _answer_lines(title: str, tally: Tally) -> list[str]:
    counts = tally.counts
    return [
        f" {title}",
        *(counted_row(name, tally.samples[name]) for name in (ANSWER, DECISION, AFTER, ASKED)),
        f"  answered {counts['answered']} of {counts['turns']}, prepared {counts['prepared']},"
        f" used {counts['hits']}, tokens wasted {counts['tokens wasted']} of {counts['tokens']},"
        f" taken early {counts['taken early']}, taken again {counts['taken again']}",
        _cost(tally),
    ]


def _cut_lines(tally: Tally) -> list[str]:
    counts = tally.counts
    ends = ("cancelled", "completed", "over before")
    services = (
        f"  {name}: " + ", ".join(f"{end} {counts[f'{name} {end}']}" for end in ends)
        for name in ("chat", "voice")
    )
    return [
        *(counted_row(name, tally.samples[name]) for name in _CUT_ROWS),
        f"  silenced {counts['silenced']} of {counts['interruptions']},"
        f" before any audio {counts['before any audio']}, not silenced {counts['not silenced']},"
        f" stale audio messages {counts['stale audio']}",
        *services,
        _cost(tally),
    ]


def _first_lines(title: str, tally: Tally) -> list[str]:
    counts = tally.counts
    return [
        f" {title}",
        *(counted_row(name, tally.samples[name]) for name in (LAST_EARLY, CUT)),
        f"  silenced {counts['silenced']} of {counts['interruptions']},"
        f" before any audio {counts['before any audio']}, not silenced {counts['not silenced']}",
    ]


def _cost(tally: Tally) -> str:
    each = mean(cost.cpu_ms_per_call_s for cost in tally.costs)
    return f"  the gateway's CPU per second of a call: {each:.1f} ms"


def _ledger_lines(bench: Bench) -> list[str]:
    lines = [row("words too many (+) or too few", ("least", "p50", "most", "within 1", "samples"))]
    tallies = [tally for (arm, _), tally in bench.tallies.items() if arm == CUTS]
    for mode in _LEDGER:
        off = sorted(value for tally in tallies for value in tally.samples[mode])
        audio = [value for tally in tallies for value in tally.samples[f"{mode}, audio"]]
        if off:
            lines.append(row(mode, (*_off_cells(off), str(len(off)))))
            lines.append(spread_row("· audio taken for heard, less truth, ms", spread(audio)))
    joined = sum(tally.counts["taken to go on"] for tally in tallies)
    others = sum(tally.counts["other words"] for tally in tallies)
    lines.append(f"  left out, as the caller was taken to go on: {joined}; other words: {others}")
    return lines


def _off_cells(off: Sequence[float]) -> tuple[str, ...]:
    within = sum(abs(value) <= 1 for value in off) / len(off)
    return (f"{off[0]:+.0f}", f"{off[len(off) // 2]:+.0f}", f"{off[-1]:+.0f}", f"{within:.0%}")


def as_json(bench: Bench, rounds: int) -> Json:
    return {
        "calls": bench.calls,
        "rounds": rounds,
        "delays_s": asdict(bench.delays),
        "machine": machine(),
        "arms": [_arm(*key, tally) for key, tally in bench.tallies.items()],
        "firsts": [_arm(first, bench.calls, tally) for first, tally in bench.firsts.items()],
        "callers_lateness_ms": asdict(spread(bench.late_s)),
        "problems": bench.problems,
    }


def _arm(arm: str, calls: int, tally: Tally) -> Json:
    words = {name: of for name, of in tally.samples.items() if name in _LEDGER}
    times = {name: of for name, of in tally.samples.items() if name not in _LEDGER}
    return {
        "arm": arm,
        "calls": calls,
        "ms": {name: asdict(spread(of)) for name, of in times.items()},
        "words_off": words,
        "counts": dict(tally.counts),
        "gateway_cpu": [asdict(cost) for cost in tally.costs],
    }
