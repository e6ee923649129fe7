"""Computes the stages of each turn from records of when things happened. Pure."""

from collections.abc import Mapping, Sequence
from statistics import mean
from typing import Any

from latency.callers import Call, Turn
from latency.scenario import DELAYS
from shared.figures import Cost
from shared.lines import Json

ADDED = "added by the gateway, in total"
STAGES = (
    "caller's audio to the recogniser",
    "final words to the model's request",
    "clause to the voice's request",
    "voice's audio to the caller",
)
"""Together they are ADDED, what lies between one upstream's end and the next one's start, network
and everybody's scheduling included."""
BESIDE = ("final words to the caller", "model's text to the caller")
LATENESS = "upstreams later than scripted"
WIRE = "speech end to reply audio, less script"
"""ADDED and LATENESS together, as the caller's wire alone shows them."""


def stages_of(turn: Turn, upstream: Mapping[str, Any]) -> dict[str, float] | None:
    """Seconds of each stage of one turn, or None where the turn was not answered in full."""
    if turn.audio_at is None or turn.text_at is None or turn.words_at is None:
        return None
    if upstream.get("voice_audio_at") is None or not upstream.get("pieces_at"):
        return None
    certain, certain_at = _clause_certain(upstream)
    model_s = DELAYS.first_token_s + certain * DELAYS.token_s
    scripted_s = DELAYS.asr_s + model_s + DELAYS.voice_s
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


def figures_of(calls: Sequence[Call], upstream: Mapping[str, Json]) -> list[dict[str, float]]:
    """The stages of every turn that was answered in full."""
    turns = [(tag, turn) for call in calls for tag, turn in call.turns.items()]
    figures = [stages_of(turn, upstream.get(tag, {})) for tag, turn in turns]
    return [figure for figure in figures if figure is not None]


def round_trips(calls: Sequence[Call], mirrored: Mapping[str, Json]) -> list[float]:
    """Seconds through the pass-through and back, from each message down and the last one up."""
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
