"""Finds the end of speech in a recording, and shows where the time of a turn went."""

import array
import math
import sys

from voice_client.messages import StageLatency

FRAME_S = 0.01
LOUD_FRAMES = 4
"""The frames of LOUD_WINDOW that must be loud: a click is not speech."""
LOUD_WINDOW = 8
BELOW_LOUDEST_DB = 22.0
ABOVE_NOISE_DB = 8.0
FAINTEST_DB = -60.0
"""The softest speech, where full scale is 0 dB."""

_STAGES = (
    ("end of turn", "endpoint_ms", "last word to the decision that the turn is over"),
    ("model", "model_ms", "to the first piece of the reply's text"),
    ("clause", "clause_ms", "to the first clause that can be spoken"),
    ("voice", "voice_ms", "to that clause's first audio"),
    ("total", "total_ms", "last word to first audio, as the gateway sees it"),
)


def speech_end(pcm: bytes, rate_hz: int) -> int | None:
    """Return the sample after the last speech in `pcm` (s16le mono); None for silence.

    Speech is what is loud beside both the recording's loudest part and its noise floor.
    """
    levels = _levels_db(pcm, rate_hz)
    if not levels:
        return None
    ranked = sorted(levels)
    loudest, noise = ranked[len(ranked) * 98 // 100], ranked[len(ranked) // 10]
    # The floor is never above the middle: a recording that is all speech shows no noise floor.
    threshold = min(max(loudest - BELOW_LOUDEST_DB, noise + ABOVE_NOISE_DB), (loudest + noise) / 2)
    if loudest < FAINTEST_DB:
        return None
    loud = [level >= threshold for level in levels]
    for last in range(len(loud) - 1, -1, -1):
        if loud[last] and sum(loud[max(0, last - LOUD_WINDOW + 1) : last + 1]) >= LOUD_FRAMES:
            return min(int((last + 1) * FRAME_S * rate_hz), len(pcm) // 2)
    return None


def _levels_db(pcm: bytes, rate_hz: int) -> list[float]:
    samples = array.array("h", pcm[: len(pcm) // 2 * 2])
    if sys.byteorder == "big":
        samples.byteswap()
    size = int(FRAME_S * rate_hz)
    return [_level_db(samples[start : start + size]) for start in range(0, len(samples), size)]


def _level_db(frame: "array.array[int]") -> float:
    power = sum(sample * sample for sample in frame) / len(frame)
    return 10 * math.log10(max(power, 1e-3) / 32768**2)


def latency_lines(stages: StageLatency | None, measured_ms: int | None) -> list[str]:
    """Return the turn's latency as a small table, one line a stage that took place."""
    rows: list[tuple[str, int, str]] = []
    for name, field, meaning in _STAGES:
        value: int | None = getattr(stages, field, None)
        if value is not None:
            rows.append((name, value, meaning))
    if measured_ms is not None:
        rows.append(("measured", measured_ms, "end of speech sent to first audio received here"))
    return [f"  {name:<12}{value:>6} ms  {meaning}" for name, value, meaning in rows]
