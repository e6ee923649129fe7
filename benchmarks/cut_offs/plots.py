"""Draws false cut-offs against the mean wait, once for light pages and once for dark ones.

It needs matplotlib, which is not locked with the project: its types are unknown here.
"""
# pyright: reportMissingImports=false, reportUnknownMemberType=false
# pyright: reportUnknownVariableType=false, reportUnknownArgumentType=false

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import matplotlib

from cut_offs.end_report import Found

matplotlib.use("svg")
from matplotlib import pyplot


@dataclass(frozen=True, slots=True)
class Theme:
    name: str
    text: str
    faint: str
    lines: tuple[str, ...]


_DASHES = ("-", "-", "-", "--", "--")
THEMES = (
    Theme("light", "#24292f", "#d0d7de", ("#8c959f", "#0a66c2", "#c2410c", "#0a66c2", "#c2410c")),
    Theme("dark", "#e6edf3", "#3d444d", ("#8b949e", "#6cb6ff", "#ff9f5a", "#6cb6ff", "#ff9f5a")),
)


def draw(sets: Sequence[Found], folder: Path) -> None:
    """Write the plot as `cut-offs-light.svg` and `cut-offs-dark.svg`."""
    for theme in THEMES:
        pyplot.rcParams.update(_style(theme))
        figure, panels = pyplot.subplots(1, len(sets), figsize=(11.0, 4.2), sharey=True)
        for axes, found in zip(panels, sets, strict=True):
            _curves(axes, found, theme)
        panels[0].set_ylabel("pauses taken for the end, %")
        panels[0].legend(fontsize=9)
        file = folder / f"cut-offs-{theme.name}.svg"
        figure.savefig(file, metadata={"Date": None, "Creator": None}, bbox_inches="tight")
        lines = (line.rstrip() for line in file.read_text().splitlines())
        file.write_text("\n".join(lines) + "\n")
        pyplot.close(figure)


def _curves(axes: Any, found: Found, theme: Theme) -> None:
    for (way, curve), colour, dashes in zip(
        found.curves.items(), theme.lines, _DASHES, strict=True
    ):
        waits = [point.allowed_s for point in curve]
        rates = [100 * point.rate for point in curve]
        axes.plot(waits, rates, dashes, color=colour, linewidth=2, label=way)
    for way, marker in (("the gateway before", "o"), ("the gateway as shipped", "D")):
        of = found.shipped[way]
        colour = theme.lines[3 if marker == "o" else 4]
        axes.plot(of.mean_s, 100 * of.rate, marker, color=colour, markersize=8)
    holds = sum(each.kind == "hold" for each in found.silences)
    axes.set_title(f"{found.name}: {holds} pauses within turns", pad=10)
    axes.set_xlabel("mean wait after the true ends, s")
    axes.set_xlim(0.28, 1.02)
    axes.set_ylim(0, 70)


def _style(theme: Theme) -> dict[str, Any]:
    text = ("axes.labelcolor", "text.color", "xtick.color", "ytick.color")
    clear = ("axes.facecolor", "figure.facecolor", "savefig.facecolor")
    return {
        **dict.fromkeys(text, theme.text),
        **dict.fromkeys(clear, "none"),
        "axes.edgecolor": theme.faint,
        "grid.color": theme.faint,
        "grid.linewidth": 0.7,
        "axes.grid": True,
        "axes.axisbelow": True,
        "axes.spines.top": False,
        "axes.spines.right": False,
        "xtick.major.size": 0,
        "ytick.major.size": 0,
        "font.family": "DejaVu Sans",
        "font.size": 10,
        "axes.titlesize": 11,
        "axes.titleweight": "bold",
        "axes.titlelocation": "left",
        "legend.frameon": False,
        "svg.fonttype": "path",
        "svg.hashsalt": "voice-gateway",
    }
