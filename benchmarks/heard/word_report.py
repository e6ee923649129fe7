"""Reports how many words the gateway is off, as a table and as JSON. Pure."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict

from heard.interruptions import Arm, Counted
from shared.lines import Json
from shared.table import machine, row

_SLOW_FACTOR = 0.5  # seconds that a slow voice takes for a second of audio
_TELLS = {
    "early": "word times with the audio",
    "late": "word times behind the audio",
    "never": "no word times: estimated",
}


def report(kinds: Sequence[tuple[Arm, Counted]]) -> str:
    head = ("exact", "within 1", "least", "most", "samples")
    lines = [row("words too many (+) or too few", head)]
    tells = ""
    for arm, counted in kinds:
        if arm.tells != tells:
            lines.append(f" {_TELLS[arm.tells]}")
            tells = arm.tells
        lines.append(row(_caller(arm), _cells(counted.off)))
    return "\n".join(lines)


def as_json(kinds: Sequence[tuple[Arm, Counted]], calls: int) -> Json:
    return {
        "calls": calls,
        "machine": machine(),
        "heard": [_kind(arm, counted) for arm, counted in kinds],
        "problems": problems(kinds),
    }


def _kind(arm: Arm, counted: Counted) -> Json:
    off = Counter(counted.off)
    return {
        **asdict(arm),
        "calls": len(counted.off),
        "words_off": {str(words): count for words, count in sorted(off.items())},
        "exact": _share(counted.off, 0),
        "within_1": _share(counted.off, 1),
    }


def problems(kinds: Sequence[tuple[Arm, Counted]]) -> list[str]:
    return [f"{_caller(arm)}: {each}" for arm, counted in kinds for each in counted.problems]


def _caller(arm: Arm) -> str:
    plays = f"plays {arm.buffer_s * 1000:.0f} ms late" if arm.buffer_s else "plays at once"
    voice = "" if arm.real_time_factor < _SLOW_FACTOR else "; slow voice"
    return f"{plays}, {'reports' if arm.reports else 'says nothing'}{voice}"


def _cells(off: Sequence[int]) -> tuple[str, ...]:
    if not off:
        return ("-", "-", "-", "-", "0")
    shares = (f"{_share(off, 0):.1%}", f"{_share(off, 1):.1%}")
    return (*shares, f"{min(off):+d}", f"{max(off):+d}", str(len(off)))


def _share(off: Sequence[int], within: int) -> float:
    return sum(abs(each) <= within for each in off) / max(1, len(off))
