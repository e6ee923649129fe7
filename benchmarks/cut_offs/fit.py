"""Fits the weights of the end of a turn to the evidence: a ridge-regularised logistic regression.

Few recordings allow few weights, and little trust in them: a ridge draws each to what was believed
before any was heard, and holds weigh as much as ends. `always` is not fitted: it is how patient the
gateway is. Pure.
"""

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np
from voice_gateway.conversation.end_of_turn import WEIGHTS, Evidence, Signs, signs
from voice_gateway.language import language_of

from cut_offs.evidence import Silence
from cut_offs.rules import lasting

BELIEVED = {
    "sound": (0.5, 20.0),
    "open": (-2.0, 10.0),
    "finished": (1.0, 2.0),
    "brief": (0.0, 1.0),
    "acknowledging": (0.0, 1.0),
    "length": (0.0, 1.0),
}
"""The weights for which there is evidence: what each was believed to be, and how firmly. The
network was taught by far more speech than there is here, and questions were judged before."""
_AT_S = (0.3, 0.5)
"""Seconds of a silence at which its evidence is taken: about when turns are taken."""
_ASKED_BEFORE_S = 0.06
_STEPS = 30


Floats = np.ndarray[Any, np.dtype[np.float64]]


@dataclass(frozen=True, slots=True)
class Samples:
    inputs: Floats
    ended: Floats
    weigh: Floats


def fitted(found: Sequence[Silence]) -> Signs:
    """The weights; those that are not fitted are as they are shipped."""
    samples = _samples(found)
    believed = np.array([mean for mean, _ in BELIEVED.values()])
    firm = np.array([firmness for _, firmness in BELIEVED.values()])
    weights: Floats = believed
    for _ in range(_STEPS):  # Newton's method
        likely = 1 / (1 + np.exp(-WEIGHTS.always - samples.inputs @ weights))
        wrong = samples.weigh * (likely - samples.ended)
        slope = samples.inputs.T @ wrong + firm * (weights - believed)
        bend = samples.weigh * likely * (1 - likely)
        curve = (samples.inputs.T * bend) @ samples.inputs + np.diag(firm)
        weights = weights - np.linalg.solve(curve, slope)
    rounded = [round(float(weight), 2) for weight in weights]
    return replace(WEIGHTS, **dict(zip(BELIEVED, rounded, strict=True)))


def _samples(found: Sequence[Silence]) -> Samples:
    rows: list[tuple[list[float], bool]] = []
    for each in found:
        for at in _AT_S:
            judged = each.kind == "end" or (each.kind == "hold" and at <= lasting(each))
            text = each.text(at)
            if judged and text:
                evidence = Evidence(text, each.probability(at - _ASKED_BEFORE_S))
                rows.append((_inputs(evidence), each.kind == "end"))
    ended = [end for _, end in rows]
    ends = sum(ended)
    of_end, of_hold = (len(rows) / 2 / count / len(_AT_S) for count in (ends, len(rows) - ends))
    weigh = [of_end if end else of_hold for end in ended]
    inputs = [row for row, _ in rows]
    return Samples(*(np.array(each, np.float64) for each in (inputs, ended, weigh)))


def _inputs(evidence: Evidence) -> list[float]:
    shown = signs(evidence, language_of("en-US"))
    return [float(getattr(shown, name)) for name in BELIEVED]


def as_text(weights: Signs) -> str:
    return ", ".join(f"{each.name} {getattr(weights, each.name):+.2f}" for each in fields(weights))
