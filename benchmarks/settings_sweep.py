"""What each setting of the turn-taking costs in latency, and saves in false starts.

uv run --with matplotlib python benchmarks/settings_sweep.py     about two minutes

Real recorded speech, the gateway's own session, voice detector and end-of-turn model, a recogniser
whose words and delays were stored from a real one; on a virtual clock. Prints the tables, and
writes them and the pictures into docs/architecture/plots.
"""

import argparse
import logging
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from statistics import median, quantiles
from typing import Any

from sweep_clips import (
    FRAME_S,
    RATE_HZ,
    StoredActivity,
    StoredRecogniser,
    StoredSound,
    Utterance,
    utterances,
)
from sweep_listen import STEP_S
from voice_gateway.call.session import CallOptions, Session
from voice_gateway.conversation.policy import TurnPolicy
from voice_gateway.messages import Audio, CallConfig, Processing, ReplyAudio
from voice_gateway.ports import Services, Uncounted
from voice_gateway.speaking.reply import ReplyOptions
from voice_gateway.testing import virtual_time
from voice_gateway.testing.scripted import ScriptedCaller, ScriptedModel, ScriptedVoice, Sends

ANSWER = "It is sunny and warm there, with some wind from the west."
_OWN_S = 0.48  # ASR_STOP_HISTORY_MS
_WHOLE = 0.8  # of an utterance's words


@dataclass(frozen=True, slots=True)
class Setup:
    """One point of a sweep."""

    policy: TurnPolicy = field(default_factory=TurnPolicy)
    model: bool = True
    """The end-of-turn model listens."""
    obeys: bool = True
    """The recogniser gives its final words when it is asked (Riva 2.19 and later)."""


@dataclass(frozen=True, slots=True)
class Answered:
    """What came of one utterance. Seconds from the end of the speech."""

    decided_s: float | None
    answered_s: float | None
    early: bool
    """A turn was taken before the speech had ended."""
    talked_into: bool
    """Audio was sent before the speech had ended."""
    pieces: bool
    """The answer that stood in the end was not to the whole question."""
    requests: int
    prepared: "Prepared"


@dataclass(slots=True)
class Prepared(Uncounted):
    """Answers made before their turn was over; counts nothing else."""

    used: int = 0
    dropped: int = 0
    wasted: int = 0
    """Pieces of text, about a token each, of those that were dropped."""

    def prepared(self, *, used: bool, pieces: int = 0) -> None:
        self.used += used
        self.dropped += not used
        self.wasted += pieces


@dataclass(frozen=True, slots=True)
class Figures:
    """A setup over all utterances."""

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


def _call(of: Utterance, setup: Setup) -> Answered:
    return virtual_time.run(_talk(of, setup))


async def _talk(of: Utterance, setup: Setup) -> Answered:
    frames = [Sends((n + 1) * FRAME_S, Audio(frame)) for n, frame in enumerate(of.frames())]
    caller = ScriptedCaller(frames, of.seconds)
    model = ScriptedModel([ANSWER] * 40, first_s=0.12, word_s=0.01)
    services = Services(
        StoredRecogniser(of, obeys=setup.obeys, own_s=_OWN_S, step_s=STEP_S),
        model,
        ScriptedVoice(first_s=0.06),
        lambda _: StoredActivity(of),
        turn_sound=(lambda _: StoredSound()) if setup.model else None,
    )
    rules = CallOptions(policy=setup.policy, reply=ReplyOptions())
    config = CallConfig("sweep", "en-US", RATE_HZ, "", "Be brief.")
    prepared = Prepared()
    await Session(caller, services, config, rules, metrics=prepared).run()
    return _result(of, caller.received, model.asked, prepared)


def _result(
    of: Utterance,
    received: Sequence[tuple[float, Any]],
    asked: Sequence[Any],
    prepared: Prepared,
) -> Answered:
    end_s = of.speech_end_s
    taken = [(at, m.reply) for at, m in received if isinstance(m, Processing)]
    audio = [(at, m.reply) for at, m in received if isinstance(m, ReplyAudio)]
    last = taken[-1] if taken else None
    first_audio = next((at for at, reply in audio if last and reply == last[1]), None)
    words = len(of.heard_at(of.seconds).split())
    question = asked[-1][-1].text if asked else ""
    return Answered(
        None if last is None else last[0] - end_s,
        None if first_audio is None else first_audio - end_s,
        any(at < end_s for at, _ in taken),
        any(at < end_s for at, _ in audio),
        len(question.split()) < _WHOLE * words,
        len(asked),
        prepared,
    )


def figures(setup: Setup, said: Sequence[Utterance]) -> Figures:
    results = [_call(of, setup) for of in said]
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


def _swept(
    name: str, unit: str, rule: str, values: Sequence[float], said: Sequence[Utterance],
    kinds: dict[str, Setup],
) -> Sweep:  # fmt: skip
    scale = 1000 if unit == "ms" else 1
    default = getattr(TurnPolicy(), rule) * scale
    lines: dict[str, list[Figures]] = {kind: [] for kind in kinds}
    for kind, setup in kinds.items():
        for value in values:
            changed = value / scale if unit == "ms" else int(value)
            policy = replace(setup.policy, **{rule: changed})
            lines[kind].append(figures(replace(setup, policy=policy), said))
        sys.stderr.write(f"{name}, {kind}\n")
    return Sweep(name, unit, values, default, lines)


MODEL, WORDS = "words and sound", "words alone"
OBEYS, IGNORES = "gives final words when asked", "ends utterances by itself"
_BOTH = {MODEL: Setup(), WORDS: Setup(model=False)}


def sweeps(said: Sequence[Utterance]) -> Iterator[Sweep]:
    """Every setting, the others as they are by default."""
    silences = (0, 100, 200, 300, 450, 600, 800)
    yield _swept("TURN_SILENCE_MS", "ms", "silence_s", silences, said, _BOTH)
    unsure = (200, 400, 600, 800, 1000, 1400)
    yield _swept("TURN_UNSURE_SILENCE_MS", "ms", "unsure_silence_s", unsure, said, _BOTH)
    opens = (300, 600, 900, 1200, 1600, 2000)
    yield _swept("TURN_OPEN_SILENCE_MS", "ms", "open_silence_s", opens, said, _BOTH)
    halting = (600, 1200, 1600, 2000, 2600)
    sound = {MODEL: Setup()}
    yield _swept("TURN_HALTING_SILENCE_MS", "ms", "halting_silence_s", halting, said, sound)
    asked = {OBEYS: Setup(), IGNORES: Setup(obeys=False)}
    waits = (0, 100, 200, 400, 700, 1200)
    yield _swept("TURN_FINAL_WAIT_MS", "ms", "final_wait_s", waits, said, asked)
    one = {"default": Setup()}
    reopen = (0, 250, 500, 1000, 2000)
    yield _swept("TURN_REOPEN_MS", "ms", "reopen_s", reopen, said, one)
    yield _swept("TURN_GUESSES", "", "guesses", (0, 1, 2, 3, 5), said, one)


def trade_off(said: Sequence[Utterance]) -> Sweep:
    """All silences made shorter and longer together."""
    usual = TurnPolicy()
    names = ("silence_s", "unsure_silence_s", "open_silence_s", "halting_silence_s")
    factors = (0.25, 0.5, 0.75, 1.0, 1.25, 1.5, 2.0)
    lines: dict[str, list[Figures]] = {}
    for kind, setup in _BOTH.items():
        lines[kind] = []
        for factor in factors:
            changed = {name: getattr(usual, name) * factor for name in names}
            policy = replace(usual, **changed)
            lines[kind].append(figures(replace(setup, policy=policy), said))
        sys.stderr.write(f"all silences, {kind}\n")
    return Sweep("all silences", "times", factors, 1.0, lines)


_ABOUT = """# What each setting costs, in figures

Written by `uv run --with matplotlib python benchmarks/settings_sweep.py`; read
[turn-taking](../turn-taking.md#what-each-setting-costs) first. Bold: the default.

- *decision*: from the end of the speech to PROCESSING
- *answer's audio*: to the first audio of the answer that stood in the end
- *taken early*: a turn was taken before the speech had ended
- *talked into*: audio was sent before the speech had ended
- *in pieces*: the answer that stood in the end was to a part of the question
- *requests*: to the model, per utterance
- *prepared*: answers made before their turn was over, per utterance
- *used*: the share of them that the caller was given
- *tokens wasted*: that the model wrote for the others, per utterance
"""
_HEAD = (
    "| {} | end of speech to decision, ms | to answer's audio, ms | p90 | taken early "
    "| talked into | in pieces | requests | prepared | used | tokens wasted |"
)


def table(sweep: Sweep) -> Iterator[str]:
    for kind, line in sweep.lines.items():
        yield _HEAD.format(f"{sweep.setting}, {kind}" if len(sweep.lines) > 1 else sweep.setting)
        yield "|---|---|---|---|---|---|---|---|---|---|---|"
        for value, of in zip(sweep.values, line, strict=True):
            shown = f"**{value:g}**" if abs(value - sweep.default) < 1e-9 else f"{value:g}"
            shares = " | ".join(f"{share:.0%}" for share in (of.early, of.talked_into, of.pieces))
            times = f"{of.decided_ms:.0f} | {of.answered_ms:.0f} | {of.answered_p90_ms:.0f}"
            used = f"{of.used:.0%}" if of.prepared else "-"
            made = f"{of.requests:.1f} | {of.prepared:.1f} | {used} | {of.wasted:.1f}"
            yield f"| {shown} | {times} | {shares} | {made} |"
        yield ""


def main() -> int:
    options = _options()
    logging.disable(logging.WARNING)
    said = utterances()
    all_sweeps = [trade_off(said), *sweeps(said)]
    text = "\n".join([_ABOUT, *(line for sweep in all_sweeps for line in table(sweep))])
    sys.stdout.write(text)
    return _keep(all_sweeps, text) if options.draw else 0


def _options() -> Any:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--no-draw", dest="draw", action="store_false", help="the tables alone")
    return parser.parse_args()


def _keep(all_sweeps: Sequence[Sweep], text: str) -> int:
    try:
        import sweep_plots
    except ImportError:
        sys.stderr.write("no pictures: run with `uv run --with matplotlib`\n")
        return 1
    sweep_plots.draw(all_sweeps)
    (sweep_plots.FOLDER / "settings.md").write_text(text)
    return 0


if __name__ == "__main__":
    sys.exit(main())
