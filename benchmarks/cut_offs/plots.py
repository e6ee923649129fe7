"""Draws false cut-offs against the mean wait, once for light pages and once for dark ones.

It needs matplotlib, which is not locked with the project: its types are unknown here.
"""
# pyright: reportMissingImports=false, reportUnknownMemberType=false
# pyright: reportUnknownVariableType=false, reportUnknownArgumentType=false

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from matplotlib import pyplot

from cut_offs.end_report import Found
from shared.plot_theme import THEMES, Theme, save

_DASHES = ("-", "-", "-", "--", "--")


def draw(sets: Sequence[Found], folder: Path) -> None:
    """Write the plot as `cut-offs-light.svg` and `cut-offs-dark.svg`."""
    for theme in THEMES:
        theme.use()
        figure, panels = pyplot.subplots(1, len(sets), figsize=(11.0, 4.2), sharey=True)
        for axes, found in zip(panels, sets, strict=True):
            _curves(axes, found, theme)
        panels[0].set_ylabel("pauses taken for the end, %")
        panels[0].legend(fontsize=9)
        save(figure, folder / f"cut-offs-{theme.name}.svg")


def _colours(theme: Theme) -> tuple[str, ...]:
    return theme.plain, theme.first, theme.second, theme.first, theme.second


def _curves(axes: Any, found: Found, theme: Theme) -> None:
    for (way, curve), colour, dashes in zip(
        found.curves.items(), _colours(theme), _DASHES, strict=True
    ):
        waits = [point.allowed_s for point in curve]
        rates = [100 * point.rate for point in curve]
        axes.plot(waits, rates, dashes, color=colour, linewidth=2, label=way)
    for way, marker in (("the gateway by rules", "o"), ("the gateway as shipped", "D")):
        of = found.shipped[way]
        colour = theme.first if marker == "o" else theme.second
        axes.plot(of.mean_s, 100 * of.rate, marker, color=colour, markersize=8)
    holds = sum(each.kind == "hold" for each in found.silences)
    axes.set_title(f"{found.name}: {holds} pauses within turns", pad=10)
    axes.set_xlabel("mean wait after the true ends, s")
    axes.set_xlim(0.28, 1.02)
    axes.set_ylim(0, 70)
