"""Draws the figures of a sweep, once for light pages and once for dark ones.

It needs matplotlib, which is not locked with the project: its types are unknown here.
"""
# pyright: reportMissingImports=false, reportUnknownMemberType=false
# pyright: reportUnknownVariableType=false, reportUnknownArgumentType=false

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from matplotlib import pyplot

from settings_sweep.sweeps import Figures, Sweep
from shared.plot_theme import THEMES, Theme, save


def draw(sweeps: Sequence[Sweep], folder: Path) -> None:
    """Write each plot as `NAME-light.svg` and `NAME-dark.svg`."""
    folder.mkdir(parents=True, exist_ok=True)
    by_name = {sweep.setting: sweep for sweep in sweeps}
    for theme in THEMES:
        theme.use()
        ending = f"{theme.name}.svg"
        save(_trade_off(by_name["all silences"], theme), folder / f"trade-off-{ending}")
        save(_silences(by_name, theme), folder / f"silences-{ending}")
        save(_others(by_name, theme), folder / f"others-{ending}")


def _trade_off(sweep: Sweep, theme: Theme) -> Any:
    figure, axes = pyplot.subplots(figsize=(7.2, 4.2))
    beside = (((-8, -12), "right"), ((6, 5), "left"))
    kinds = zip(sweep.lines.items(), (theme.first, theme.second), beside, strict=True)
    for (kind, line), colour, (offset, side) in kinds:
        x = [of.answered_ms for of in line]
        y = [100 * of.talked_into for of in line]
        axes.plot(x, y, color=colour, marker="o", markersize=5, linewidth=2, label=kind)
        for value, left, bottom in zip(sweep.values, x, y, strict=True):
            usual = value == sweep.default
            axes.annotate(
                f"×{value:g}" + (" default" if usual else ""),
                (left, bottom),
                xytext=offset,
                ha=side,
                textcoords="offset points",
                color=colour,
                fontsize=9,
                fontweight="bold" if usual else "normal",
            )
            if usual:
                axes.plot(left, bottom, "o", color=colour, markersize=10, alpha=0.35)
    axes.set_title("Waiting longer, talking into fewer pauses", pad=14)
    axes.set_xlabel("end of speech to the answer's first audio, median, ms")
    axes.set_ylabel("utterances talked into, %")
    axes.set_xlim(left=200)
    axes.set_ylim(bottom=0)
    axes.legend(loc="upper right", title="how a turn's end is told", alignment="left")
    return figure


def _silences(by_name: dict[str, Sweep], theme: Theme) -> Any:
    kinds = ("SILENCE", "UNSURE_SILENCE", "OPEN_SILENCE", "HALTING_SILENCE")
    names = [f"TURN_{kind}_MS" for kind in kinds]
    figure, rows = pyplot.subplots(2, 4, figsize=(12.4, 5.2), sharex="col", sharey="row")
    for column, name in enumerate(names):
        sweep = by_name[name]
        _panel(rows[0][column], sweep, theme, _answered)
        _panel(rows[1][column], sweep, theme, _talked_into)
        rows[0][column].set_title(name, fontsize=10)
        rows[1][column].set_xlabel("ms")
        rows[0][column].set_ylim(0, 1500)
        rows[1][column].set_ylim(0, 70)
    rows[0][0].set_ylabel("speech end to answer,\nmedian, ms")
    rows[1][0].set_ylabel("utterances talked into, %")
    _legend(figure, rows[0][0], "how a turn's end is told")
    return figure


def _others(by_name: dict[str, Sweep], theme: Theme) -> Any:
    figure, panels = pyplot.subplots(1, 3, figsize=(10.4, 3.1))
    wait, reopen, drafts = panels
    _panel(wait, by_name["TURN_FINAL_WAIT_MS"], theme, _answered)
    _titled(wait, "TURN_FINAL_WAIT_MS", "ms", "speech end to answer,\nmedian, ms", 1000)
    wait.legend(fontsize=8, title="the recogniser", alignment="left", loc="lower right")
    _panel(reopen, by_name["TURN_REOPEN_MS"], theme, _pieces)
    _titled(reopen, "TURN_REOPEN_MS", "ms", "questions answered\nin pieces, %", 30)
    _panel(drafts, by_name["TURN_GUESSES"], theme, _answered)
    _titled(
        drafts,
        "TURN_GUESSES",
        "answers prepared at most",
        "speech end to answer,\nmedian, ms",
        800,
    )
    requests = drafts.twinx()
    requests.grid(visible=False)
    requests.spines["right"].set_visible(False)
    values = by_name["TURN_GUESSES"]
    heights = [of.requests for of in next(iter(values.lines.values()))]
    requests.bar(values.values, heights, width=0.5, color=theme.second, alpha=0.45)
    requests.set_ylim(0, 8)
    requests.set_yticks([0, 1, 2, 3])
    requests.set_ylabel("requests to the model\nper utterance (bars)", color=theme.second)
    requests.tick_params(axis="y", colors=theme.second)
    figure.tight_layout(w_pad=2.5)
    return figure


def _panel(axes: Any, sweep: Sweep, theme: Theme, height: Any) -> None:
    colours = (theme.first, theme.second)
    for (kind, line), colour in zip(sweep.lines.items(), colours, strict=False):
        y = [height(of) for of in line]
        axes.plot(sweep.values, y, color=colour, marker="o", markersize=4, linewidth=2, label=kind)
    axes.axvline(sweep.default, color=theme.text, linewidth=1, linestyle=(0, (2, 3)), alpha=0.7)


def _titled(axes: Any, title: str, below: str, beside: str, top: float) -> None:
    axes.set_title(title, fontsize=10)
    axes.set_xlabel(below)
    axes.set_ylabel(beside)
    axes.set_ylim(0, top)


def _legend(figure: Any, axes: Any, title: str) -> None:
    handles, labels = axes.get_legend_handles_labels()
    figure.tight_layout(rect=(0, 0.07, 1, 1))
    figure.legend(handles, labels, loc="lower center", ncols=2, title=title)


def _answered(of: Figures) -> float:
    return of.answered_ms


def _talked_into(of: Figures) -> float:
    return 100 * of.talked_into


def _pieces(of: Figures) -> float:
    return 100 * of.pieces
