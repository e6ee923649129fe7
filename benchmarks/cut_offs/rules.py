"""What rules for the end of a turn do with the evidence: how many holds they cut off, and the wait.

Pure. A rule is compared at equal waits. The simple rule of the public end-of-turn benchmarks has
three numbers, chosen in hindsight on the set itself, which flatters it: from `threshold` on, the
turn ends at `delay`, else at `timeout`.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cache, partial
from statistics import fmean, median

import numpy as np
from voice_gateway.conversation.end_of_turn import Evidence, Signs, likelihood
from voice_gateway.conversation.policy import TurnPolicy
from voice_gateway.hearing.end_of_turn import ASKED_S
from voice_gateway.language import language_of, only_begun, sounds_finished, sounds_open

from cut_offs.evidence import LOOKED_AT_S, Silence

MEAN_WAITS_S = (0.3, 0.45, 0.6, 0.75)
_ANSWERS_S = 0.06  # the network's answer, after it was asked
_LONGEST_S = 4.0
_FORMERLY_LIKELY = 0.8  # of the sound alone
_SHORTEST_S = 0.1  # when a silence is known
_LONG_HOLD_S = 0.3
_VOICE_KNOWN_S = 0.064  # two frames until the detector tells of a voice

SilenceAfter = Callable[[str, float | None], float]
"""The silence that ends a turn, by its words and by the end-of-turn probability of its sound."""
Waits = Callable[[Silence], float]
"""Seconds of a silence after which the turn is taken, if it lasts so long."""
Score = Callable[[Silence, float], float]
"""How much speaks for the end, from 0 to 1, at so many seconds of a silence."""


@dataclass(frozen=True, slots=True)
class Outcome:
    holds: int
    cut: int
    """The holds that were taken for the end."""
    long_holds: int
    long_cut: int
    """Those of 0.3 s and more."""
    mean_s: float
    median_s: float

    @property
    def rate(self) -> float:
        return self.cut / self.holds if self.holds else 0.0


@dataclass(frozen=True, slots=True)
class Point:
    """The simple rule's best numbers for a mean wait that is allowed."""

    allowed_s: float
    rate: float
    cut: int
    delay: float
    threshold: float
    timeout: float


def judged(found: Sequence[Silence], waits: Waits) -> Outcome:
    holds = [each for each in found if each.kind == "hold"]
    ends = [waits(each) for each in found if each.kind == "end"]
    cut = [each for each in holds if waits(each) < lasting(each)]
    long = [each for each in holds if is_long(each)]
    return Outcome(
        len(holds), len(cut), len(long), sum(map(is_long, cut)), fmean(ends), median(ends)
    )


def lasting(hold: Silence) -> float:
    assert hold.lasts is not None
    return hold.lasts


def is_long(hold: Silence) -> bool:
    return lasting(hold) - _VOICE_KNOWN_S >= _LONG_HOLD_S


def taken_after(silence: Silence, silence_after: SilenceAfter, asks: Sequence[float]) -> float:
    """When the gateway takes the turn, as evidence comes; without words it takes none."""
    answers = [asked + _ANSWERS_S for asked in asks]
    spoken = [known for known, _ in silence.words if known > _SHORTEST_S]
    times = sorted({_SHORTEST_S, *answers, *spoken})
    for now, following in zip(times, [*times[1:], _LONGEST_S], strict=True):
        text = silence.text(now)
        if not text:
            continue
        due = max(now, silence_after(text, _heard(silence, asks, now)))
        if due < following:
            return due
    return _LONGEST_S


def _heard(silence: Silence, asks: Sequence[float], now: float) -> float | None:
    asked = [each for each in asks if each + _ANSWERS_S <= now + 1e-9]
    return silence.probability(asked[-1]) if asked else None


def by_gateway(
    found: Sequence[Silence], weights_of: Callable[[str], Signs], policy: TurnPolicy
) -> Waits:
    """The gateway's way, with the weights that are for a speaker."""
    weights = {speaker: weights_of(speaker) for speaker in {each.speaker for each in found}}
    language = language_of(policy.language)

    def waits(silence: Silence) -> float:
        def silence_after(text: str, sound: float | None) -> float:
            evidence = Evidence(text, sound)
            likely = likelihood(evidence, language, weights[silence.speaker])
            return policy.silence_for(likely, evidence)

        return taken_after(silence, silence_after, ASKED_S)

    return waits


def by_former_gateway(policy: TurnPolicy) -> Waits:
    """The gateway's way before the evidence was fused: asked once, and a table of rules."""
    return lambda silence: taken_after(silence, partial(_by_table, policy), (0.1,))


def _by_table(policy: TurnPolicy, text: str, sound: float | None) -> float:
    language = language_of(policy.language)
    goes_on = sound is not None and sound < policy.unlikely
    finished = sounds_finished(text, language)
    if (only_begun(text, language) and not finished) or sounds_open(text, language):
        return policy.halting_silence_s if goes_on else policy.open_silence_s
    if goes_on:
        return policy.open_silence_s
    done = sound is not None and sound >= _FORMERLY_LIKELY
    return policy.silence_s if done or finished else policy.unsure_silence_s


def more_patient(policy: TurnPolicy, by: float) -> TurnPolicy:
    """The policy with all its silences longer by a factor."""
    return replace(
        policy,
        silence_s=policy.silence_s * by,
        unsure_silence_s=policy.unsure_silence_s * by,
        open_silence_s=policy.open_silence_s * by,
        halting_silence_s=policy.halting_silence_s * by,
    )


def scaled(found: Sequence[Silence], way: Callable[[TurnPolicy], Waits]) -> list[Point]:
    """A gateway's cut-offs where only all of its silences are scaled, for each mean wait."""
    best: dict[float, Point] = {}
    for factor in _FACTORS:
        outcome = judged(found, way(more_patient(TurnPolicy(), factor)))
        point = Point(0.0, outcome.rate, outcome.cut, 0.0, 0.0, float(factor))
        _keep_better(best, outcome.mean_s, point)
    return [best[allowed] for allowed in sorted(best)]


def by_silence(_: Silence, __: float) -> float:
    """The score that knows nothing: only the timeout ends a turn."""
    return 0.0


def by_sound(silence: Silence, at: float) -> float:
    """Smart-turn alone, which is asked so early that its answer is there."""
    known = silence.probability(at - _ANSWERS_S)
    return silence.sound[0][1] if known is None else known


def in_hindsight(found: Sequence[Silence], score: Score) -> list[Point]:
    """The simple rule at its best for each mean wait."""
    holds = [each for each in found if each.kind == "hold"]
    ends = [each for each in found if each.kind == "end"]
    lasts = np.array([lasting(each) for each in holds])
    best: dict[float, Point] = {}
    for delay in (each for each in LOOKED_AT_S if each <= _DELAYS_TO_S):
        of_holds = np.array([score(each, delay) for each in holds])
        of_ends = np.array([score(each, delay) for each in ends])
        for threshold in _THRESHOLDS:
            for timeout in (each for each in _TIMEOUTS_S if each >= delay):
                mean = float(np.where(of_ends >= threshold, delay, timeout).mean())
                cut = int((np.where(of_holds >= threshold, delay, timeout) < lasts).sum())
                point = Point(0.0, cut / len(holds), cut, delay, float(threshold), float(timeout))
                _keep_better(best, mean, point)
    return [best[allowed] for allowed in sorted(best)]


def by_weights(weights_of: Callable[[str], Signs]) -> Score:
    """The fused score, with the weights that are for a speaker."""
    cached = cache(weights_of)

    def score(silence: Silence, at: float) -> float:
        evidence = Evidence(silence.text(at), by_sound(silence, at))
        return likelihood(evidence, language_of("en-US"), cached(silence.speaker))

    return score


_FACTORS = np.arange(8, 61) * 0.05
_DELAYS_TO_S = 0.6
_THRESHOLDS = np.linspace(0.02, 0.98, 49)
_TIMEOUTS_S = np.arange(6, 52) * 0.05
CURVE_S = tuple(float(each) for each in np.round(np.arange(0.3, 1.01, 0.05), 2))


def _keep_better(best: dict[float, Point], mean: float, point: Point) -> None:
    for allowed in CURVE_S:
        fits = mean <= allowed + 1e-9
        if fits and (allowed not in best or point.cut < best[allowed].cut):
            best[allowed] = replace(point, allowed_s=allowed)
