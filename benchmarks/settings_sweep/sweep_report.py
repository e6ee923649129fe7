"""Reports the figures of a sweep as tables in Markdown. Pure."""

from collections.abc import Iterator, Sequence

from settings_sweep.sweeps import Sweep

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


def report(sweeps: Sequence[Sweep]) -> str:
    return "\n".join([_ABOUT, *(line for sweep in sweeps for line in _table(sweep))])


def _table(sweep: Sweep) -> Iterator[str]:
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
