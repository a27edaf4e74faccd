"""Where abilities emerge and how well compute predicts the score, against the budget of adjusting."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator

from ttt.formatting import clean, known
from ttt.plotting import ADJUSTED, INK, MUTED, NEWER, NEWER_EDGE, OLDER, OLDER_EDGE, log_axis, new_figure, quiet
from ttt.report.axes import NARROW, WIDE, legend, mark_provisional

Row = Mapping[str, Any]
MEASURES = {"score": "score", "brier": "Brier score", "gold_logprob": "log-probability of the right answer"}
LOOKS = {"older": (OLDER, OLDER_EDGE, "o"), "newer": (NEWER, NEWER_EDGE, "D"), "all": ("#009E73", "#00614A", "s")}
OTHERS = ((ADJUSTED, "#8A3C00", "^"), ("#CC79A7", "#8A3A65", "v"), ("#F0E442", "#7A7300", "P"), (MUTED, INK, "X"))


def emergence(conclusions: Mapping[str, Any], narrow: bool = False) -> Figure | None:
    """A row of panels a measure: point of emergence, and R2; None where there are no budgets to compare."""
    rows = [row for row in conclusions["emergence"] if known(row.get("examples")) is not None]
    if len({row["examples"] for row in rows}) < 2:
        return None
    measures = list(dict.fromkeys(row.get("measure") for row in rows))
    groups = list(dict.fromkeys(row.get("group") for row in rows))
    if narrow:
        figure, axes = new_figure(NARROW, 5.6 * len(measures), rows=2 * len(measures), squeeze=False)
        pairs = [(axes[2 * i][0], axes[2 * i + 1][0]) for i in range(len(measures))]
    else:
        figure, axes = new_figure(WIDE, 3.2 * len(measures) + 0.5, columns=2, rows=len(measures), squeeze=False)
        pairs = [(row[0], row[1]) for row in axes]
    handles: dict[str, Any] = {}
    for measure, pair in zip(measures, pairs, strict=True):
        ours = [row for row in rows if row.get("measure") == measure]
        name = MEASURES.get(measure, clean(measure)) if measure and len(measures) > 1 else ""
        for one, field, title in zip(pair, ("c_e", "r2"), ("Point of emergence", "R² on compute"), strict=True):
            quiet(one)
            _budget_axis(one, sorted({row["examples"] for row in rows}))
            if field == "r2":
                one.set_ylim(-0.03, 1.03)
                one.set_ylabel("R²")
            elif reach := [bound for row in ours for bound in _reach(row)]:
                log_axis(one, "y", reach, "c_e (FLOPs)")
                one.set_ylim(min(reach) / 2, max(reach) * 2)
            else:
                one.set_yticks([])
                one.text(0.5, 0.5, "not identified at any budget", transform=one.transAxes, ha="center", color=MUTED)
            for place, group in enumerate(groups):
                look = LOOKS.get(str(group)) or OTHERS[place % len(OTHERS)]
                shift = 0.045 * (place - (len(groups) - 1) / 2)
                line = _draw(one, [row for row in ours if row.get("group") == group], field, look, shift)
                handles.setdefault(_group_name(conclusions["split"], group), line)
            if field == "c_e" and reach:
                _draw_unidentified(one, ours, handles)
            one.set_title(f"{title}: {name}" if name else title, loc="left", fontsize=10.5, color=INK)
    shown = {label: line for label, line in handles.items() if line is not None}
    if len(groups) > 1 or len(shown) > 1:
        legend(figure, list(shown.values()), list(shown), narrow)
    mark_provisional(figure, conclusions["provisional"])
    return figure


def _group_name(split: Row, group: Any) -> str:
    return clean(split.get(group) or f"{group} models") if group else "models"


def _reach(row: Row) -> list[float]:
    return [value for key in ("c_e", "c_e_low", "c_e_high") if (value := known(row.get(key)) or 0.0) > 0]


def _budget_axis(axes: Axes, budgets: Sequence[float]) -> None:
    """Examples on a log axis that also has a place for 0, the base model; a tick at every budget with room for one."""
    smallest = min([budget for budget in budgets if budget > 0], default=1.0)
    axes.set_xscale("symlog", linthresh=smallest, linscale=0.6)
    axes.set_xlim(-0.25 * smallest, 1.6 * max(budgets))
    places = axes.xaxis.get_transform().transform([*axes.get_xlim(), *budgets])
    width = places[1] - places[0]
    ticks, last = [], float("inf")
    for budget, place in sorted(zip(budgets, places[2:], strict=True), reverse=True):
        if last - place > 0.1 * width:
            ticks.append(budget)
            last = place
    axes.xaxis.set_major_locator(FixedLocator(ticks))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: _short(value)))
    axes.set_xlabel("examples of task data")


def _short(value: float) -> str:
    """`0`, `640`, `6.4k`, `256k`, `1.6M`."""
    for size, unit in ((1e6, "M"), (1e3, "k")):
        if value >= size:
            return f"{value / size:.3g}{unit}"
    return f"{value:g}"


def _draw(axes: Axes, rows: Sequence[Row], field: str, look: tuple[str, str, str], shift: float) -> Any:
    """One group's line with whiskers; a bound that is open becomes a whisker to the edge of the panel."""
    fill, edge, marker = look
    found = sorted((row for row in rows if known(row.get(field)) is not None), key=lambda row: row["examples"])
    if not found:
        return None
    smallest = min((row["examples"] for row in rows if row["examples"] > 0), default=1.0)
    x = [row["examples"] * (1 + shift) if row["examples"] > 0 else shift * smallest for row in found]
    (line,) = axes.plot(
        x,
        [row[field] for row in found],
        marker=marker,
        color=edge,
        markerfacecolor=fill,
        markeredgecolor=edge,
        markersize=5.5,
        linewidth=1.3,
        zorder=3,
    )
    bottom, top = axes.get_ylim()
    for place, row in zip(x, found, strict=True):
        low, high = known(row.get(f"{field}_low")), known(row.get(f"{field}_high"))
        if low is None and high is None:
            continue
        axes.plot(
            [place, place], [bottom if low is None else low, top if high is None else high], color=edge, linewidth=1
        )
    return line


def _draw_unidentified(axes: Axes, rows: Sequence[Row], handles: dict[str, Any]) -> None:
    """Crosses at the foot of the panel, at the budgets where no number is to be had."""
    missing = sorted({row["examples"] for row in rows if known(row.get("c_e")) is None})
    if missing:
        (line,) = axes.plot(
            missing,
            [0.04] * len(missing),
            "x",
            color=MUTED,
            markersize=6.5,
            transform=axes.get_xaxis_transform(),
            clip_on=False,
        )
        handles["c_e not identified"] = line
