"""Tries each setting's values over all utterances, while the others keep their defaults."""

import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from statistics import median, quantiles

from voice_gateway.conversation.policy import TurnPolicy

from settings_sweep.one_call import Setup, say
from settings_sweep.stored_speech import Utterance

MODEL, WORDS = "words and sound", "words alone"
OBEYS, IGNORES = "gives final words when asked", "ends utterances by itself"
_BOTH = {MODEL: Setup(), WORDS: Setup(model=False)}
_SOUND = {MODEL: Setup()}
_ASKED = {OBEYS: Setup(), IGNORES: Setup(obeys=False)}
_DEFAULT = {"default": Setup()}


@dataclass(frozen=True, slots=True)
class Figures:
    """The figures of one setup over all utterances."""

    decided_ms: float
    answered_ms: float
    answered_p90_ms: float
    early: float
    talked_into: float
    pieces: float
    requests: float
    prepared: float
    used: float
    wasted: float
    unanswered: float


@dataclass(frozen=True, slots=True)
class Sweep:
    """One setting's values, and the figures of each, for each kind of call."""

    setting: str
    unit: str
    values: Sequence[float]
    default: float
    lines: dict[str, list[Figures]]


@dataclass(frozen=True, slots=True)
class _Setting:
    name: str
    rule: str
    """The policy's field for it; the policy's durations are in seconds."""
    values: Sequence[float]
    kinds: dict[str, Setup]

    @property
    def unit(self) -> str:
        return "ms" if self.rule.endswith("_s") else ""

    @property
    def default(self) -> float:
        value = getattr(TurnPolicy(), self.rule)
        return value * 1000 if self.unit else value

    def policy(self, value: float) -> TurnPolicy:
        rule = value / 1000 if self.unit else int(value)
        return replace(TurnPolicy(), **{self.rule: rule})


_SETTINGS = (
    _Setting("TURN_SILENCE_MS", "silence_s", (0, 100, 200, 300, 450, 600, 800), _BOTH),
    _Setting("TURN_UNSURE_SILENCE_MS", "unsure_silence_s", (200, 400, 600, 800, 1000, 1400), _BOTH),
    _Setting("TURN_OPEN_SILENCE_MS", "open_silence_s", (300, 600, 900, 1200, 1600, 2000), _BOTH),
    _Setting("TURN_HALTING_SILENCE_MS", "halting_silence_s", (600, 1200, 1600, 2000, 2600), _SOUND),
    _Setting("TURN_FINAL_WAIT_MS", "final_wait_s", (0, 100, 200, 400, 700, 1200), _ASKED),
    _Setting("TURN_REOPEN_MS", "reopen_s", (0, 250, 500, 1000, 2000), _DEFAULT),
    _Setting("TURN_GUESSES", "drafts", (0, 1, 2, 3, 5), _DEFAULT),
)
_ALL_SILENCES = "all silences"
_SILENCES = ("silence_s", "unsure_silence_s", "open_silence_s", "halting_silence_s")
_FACTORS = (0.25, 0.5, 0.75, 1.0, 1.25, 1.5, 2.0)


def sweeps(said: Sequence[Utterance]) -> Iterator[Sweep]:
    """Sweep every setting, the others at their defaults."""
    for setting in _SETTINGS:
        policies = [setting.policy(value) for value in setting.values]
        lines = _lines(setting.name, setting.kinds, policies, said)
        yield Sweep(setting.name, setting.unit, setting.values, setting.default, lines)


def trade_off(said: Sequence[Utterance]) -> Sweep:
    """Scale all silences together, shorter and longer."""
    usual = TurnPolicy()
    policies = [
        replace(usual, **{name: getattr(usual, name) * factor for name in _SILENCES})
        for factor in _FACTORS
    ]
    lines = _lines(_ALL_SILENCES, _BOTH, policies, said)
    return Sweep(_ALL_SILENCES, "times", _FACTORS, 1.0, lines)


def _lines(
    name: str,
    kinds: dict[str, Setup],
    policies: Sequence[TurnPolicy],
    said: Sequence[Utterance],
) -> dict[str, list[Figures]]:
    lines: dict[str, list[Figures]] = {}
    for kind, setup in kinds.items():
        lines[kind] = [figures(replace(setup, policy=policy), said) for policy in policies]
        sys.stderr.write(f"{name}, {kind}\n")
    return lines


def figures(setup: Setup, said: Sequence[Utterance]) -> Figures:
    results = [say(of, setup) for of in said]
    decided = [one.decided_s * 1000 for one in results if one.decided_s is not None]
    answered = [one.answered_s * 1000 for one in results if one.answered_s is not None]
    count = len(results)
    made = sum(one.prepared.used + one.prepared.dropped for one in results)
    return Figures(
        round(median(decided)),
        round(median(answered)),
        round(quantiles(answered, n=10)[-1]),
        sum(one.early for one in results) / count,
        sum(one.talked_into for one in results) / count,
        sum(one.pieces for one in results) / count,
        sum(one.requests for one in results) / count,
        made / count,
        sum(one.prepared.used for one in results) / max(1, made),
        sum(one.prepared.wasted for one in results) / count,
        (count - len(answered)) / count,
    )
