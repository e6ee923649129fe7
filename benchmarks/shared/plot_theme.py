"""How the plots of all benchmarks look: one theme for light pages and one for dark ones.

It needs matplotlib, which is not locked with the project: its types are unknown here.
"""
# pyright: reportMissingImports=false, reportUnknownMemberType=false
# pyright: reportUnknownVariableType=false

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import matplotlib

matplotlib.use("svg")
from matplotlib import pyplot


@dataclass(frozen=True, slots=True)
class Theme:
    name: str
    text: str
    faint: str
    plain: str
    first: str
    second: str

    def use(self) -> None:
        """Draw all figures from now on like this."""
        pyplot.rcParams.update(_style(self))


THEMES = (
    Theme("light", "#24292f", "#d0d7de", "#8c959f", "#0a66c2", "#c2410c"),
    Theme("dark", "#e6edf3", "#3d444d", "#8b949e", "#6cb6ff", "#ff9f5a"),
)


def save(figure: Any, file: Path) -> None:
    """Write the figure so that the same figures make the same file."""
    figure.savefig(file, metadata={"Date": None, "Creator": None}, bbox_inches="tight")
    file.write_text("\n".join(line.rstrip() for line in file.read_text().splitlines()) + "\n")
    pyplot.close(figure)


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
