"""How every figure looks: one palette that colour-blind readers can tell apart (Okabe and Ito), quiet axes."""

from __future__ import annotations

from typing import Any

import matplotlib
from matplotlib.figure import Figure

BASE, ADJUSTED, MUTED = "#0072B2", "#D55E00", "#8A8A8A"
OLDER, NEWER = "#0072B2", "#E69F00"
OLDER_EDGE, NEWER_EDGE = "#00486F", "#8A5A00"  # lines and outlines: orange alone is too pale for them on white
INK, GRID, ALERT = "#24292F", "#E6E8EB", "#A33B00"

matplotlib.rcParams.update(
    {
        "axes.spines.top": False,
        "axes.spines.right": False,
        "axes.titlesize": 11,
        "font.size": 10,
        "svg.fonttype": "none",
        "savefig.dpi": 160,
    }
)


def new_figure(width: float, height: float, columns: int = 1, rows: int = 1, **options: Any) -> tuple[Figure, Any]:
    """A figure of that many inches, and its axes. Made without pyplot, which would keep it in memory."""
    figure = Figure(figsize=(width, height), layout="constrained")
    return figure, figure.subplots(rows, columns, **options)
