"""How every figure looks: one palette that colour-blind readers can tell apart (Okabe and Ito), quiet axes."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

import matplotlib
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, NullLocator

from ttt.formatting import power

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


def quiet(axes: Axes) -> None:
    """Axes that stay behind the data."""
    axes.grid(color=GRID, linewidth=0.8)
    axes.set_axisbelow(True)
    axes.tick_params(color=MUTED, labelcolor=INK, labelsize=9)
    for spine in axes.spines.values():
        spine.set_color(MUTED)


def log_axis(axes: Axes, which: str, values: Iterable[float], label: str) -> None:
    """A log axis whose ticks are plain text (10²²), and that has ticks even where the values span under a decade."""
    axis = axes.xaxis if which == "x" else axes.yaxis
    (axes.set_xscale if which == "x" else axes.set_yscale)("log")
    positive = [value for value in values if value > 0]
    decades = math.log10(max(positive) / min(positive)) if positive else 2.0
    axis.set_major_locator(LogLocator(subs=(1.0,) if decades > 1.6 else (1.0, 2.0, 5.0), numticks=9))
    axis.set_minor_locator(NullLocator())
    axis.set_major_formatter(FuncFormatter(lambda value, _: _tick(value)))
    axis.set_label_text(label)


def _tick(value: float) -> str:
    if value <= 0:
        return ""
    exponent = math.floor(math.log10(value) + 1e-9)
    mantissa = value / 10.0**exponent
    return power(exponent) if abs(mantissa - 1) < 1e-6 else f"{mantissa:.2g}·{power(exponent)}"
