"""From records of when things happened to figures: stages, percentiles, CPU per call. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import mean
from typing import Any

from callers import Call, Turn
from lines import Json
from scenario import Delays

ADDED = "added by the gateway, in total"
STAGES = (
    "caller's audio to the recogniser",
    "final words to the model's request",
    "clause to the voice's request",
    "voice's audio to the caller",
)
"""Together they are ADDED: what lies between one upstream's end and the next one's start, network
and everybody's scheduling included."""
BESIDE = ("final words to the caller", "model's text to the caller")
LATENESS = "upstreams later than scripted"
WIRE = "speech end to reply audio, less script"
"""As the caller's wire alone shows it: ADDED and LATENESS."""


@dataclass(frozen=True, slots=True)
class Spread:
    """Milliseconds."""

    p50: float
    p95: float
    p99: float
    count: int


@dataclass(frozen=True, slots=True)
class Cost:
    """What one arm of one round used."""

    cpu_s: float
    call_s: float
    """Seconds of callers' audio, all calls together."""

    @property
    def cpu_ms_per_call_s(self) -> float:
        return self.cpu_s / self.call_s * 1000


def spread(seconds: Sequence[float]) -> Spread:
    ordered = sorted(seconds)
    p50, p95, p99 = (_percentile(ordered, part) * 1000 for part in (0.5, 0.95, 0.99))
    return Spread(p50, p95, p99, len(ordered))


def _percentile(ordered: Sequence[float], part: float) -> float:
    if not ordered:
        return float("nan")
    position = part * (len(ordered) - 1)
    below = int(position)
    above = min(below + 1, len(ordered) - 1)
    return ordered[below] + (ordered[above] - ordered[below]) * (position - below)


def stages_of(turn: Turn, upstream: Mapping[str, Any], delays: Delays) -> dict[str, float] | None:
    """Seconds of each stage of one turn, or None where the turn was not answered in full."""
    if turn.audio_at is None or turn.text_at is None or turn.words_at is None:
        return None
    if upstream.get("voice_audio_at") is None or not upstream.get("pieces_at"):
        return None
    certain, certain_at = _clause_certain(upstream)
    scripted_s = delays.asr_s + delays.first_token_s + certain * delays.token_s + delays.voice_s
    added = (
        upstream["heard_at"] - turn.asked_at,
        upstream["asked_at"] - upstream["final_at"],
        upstream["voice_at"] - certain_at,
        turn.audio_at - upstream["voice_audio_at"],
    )
    beside = (
        turn.words_at - upstream["final_at"],
        turn.text_at - upstream["pieces_at"][0],
    )
    total_s = turn.audio_at - turn.asked_at - scripted_s
    figures = dict(zip(STAGES + BESIDE, added + beside, strict=True))
    return figures | {ADDED: sum(added), LATENESS: total_s - sum(added), WIRE: total_s}


def _clause_certain(upstream: Mapping[str, Any]) -> tuple[int, float]:
    """Which piece of the model's text made the first clause certain, and when it was sent.

    It is the piece after the clause: a mark ends a clause only where a space follows, and the
    model writes the space with the next word.
    """
    pieces_at: list[float] = upstream["pieces_at"]
    piece = min(len(upstream["clause"].split()), len(pieces_at) - 1)
    return piece, pieces_at[piece]


def figures_of(
    calls: Sequence[Call], upstream: Mapping[str, Json], delays: Delays
) -> list[dict[str, float]]:
    """The stages of every turn that was answered in full."""
    turns = [(tag, turn) for call in calls for tag, turn in call.turns.items()]
    figures = [stages_of(turn, upstream.get(tag, {}), delays) for tag, turn in turns]
    return [figure for figure in figures if figure is not None]


def round_trips(calls: Sequence[Call], mirrored: Mapping[str, Json]) -> list[float]:
    """Through the pass-through and back: each message down, with the last one up before it."""
    trips: list[float] = []
    for call in calls:
        seen = mirrored.get(str(call.ordinal))
        if seen is None:
            continue
        came_at: list[float] = seen["came_at"][1:]  # the first is the config
        up_s = [came - sent for sent, came in zip(call.sent_at, came_at, strict=False)]
        down = zip(seen["went_at"], call.came_at, strict=False)
        trips += [_last_before(went, came_at, up_s) + came - went for went, came in down]
    return trips


def _last_before(at: float, came_at: Sequence[float], up_s: Sequence[float]) -> float:
    before = [up for came, up in zip(came_at, up_s, strict=False) if came <= at]
    return before[-1] if before else (up_s[0] if up_s else 0.0)


def ratios(gateway: Sequence[Cost], passthrough: Sequence[Cost]) -> tuple[float, float, float]:
    """Mean, least and greatest of the rounds' ratios."""
    each = [ours.cpu_s / bare.cpu_s for ours, bare in zip(gateway, passthrough, strict=True)]
    return mean(each), min(each), max(each)
