"""The figures of a study of budgets: the curve with its verdicts, and Optuna's own."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from matplotlib.figure import Figure

from ttt.formatting import count
from ttt.plotting import ADJUSTED, ALERT, BASE, MUTED, new_figure

if TYPE_CHECKING:
    from optuna import Study

COLORS = {"saturated": BASE, "not saturated": ALERT, "undecided": MUTED}
OPTUNAS = ("optimization_history", "param_importances", "slice", "intermediate_values", "timeline")


def curve_figure(result: Mapping[str, Any]) -> Figure:
    """Score by budget with its 95 % band, and the gain that each budget leaves, with its paired interval."""
    figure, (left, right) = new_figure(10, 4, columns=2)
    rungs = result["rungs"]
    budgets, scores = [rung["budget"] for rung in rungs], [rung["score"] for rung in rungs]
    half = [1.96 * rung["stderr"] for rung in rungs]
    low, high = ([s + sign * h for s, h in zip(scores, half, strict=True)] for sign in (-1, 1))
    left.fill_between(budgets, low, high, color=ADJUSTED, alpha=0.2, linewidth=0, label="95 % interval")
    left.plot(budgets, scores, color=ADJUSTED, marker="o", linewidth=1.4, label="best of the trials")
    for trial in result["trials"]:
        points = sorted((int(budget), score) for budget, score in trial["scores"].items())
        left.plot(*zip(*points, strict=True), color=MUTED, linewidth=0.7, alpha=0.7, zorder=1)
    if result["smallest_budget"] is not None:
        left.axvline(result["smallest_budget"], color=BASE, linestyle="--", linewidth=1, label="smallest sufficient")
    left.axvline(result["budget"], color=MUTED, linestyle=":", linewidth=1, label="the adjustment's own")
    left.set_xscale("symlog", base=2, linthresh=max(1, budgets[1]))
    left.set_xticks(budgets, [count(budget) for budget in budgets])
    left.set(xlabel="budget (examples)", ylabel="validation score", title=f"Score ({result['measure']})")
    left.legend(frameon=False, fontsize=8)
    judged = [rung for rung in rungs if "verdict" in rung]
    for place, rung in enumerate(judged):
        errors = [[rung["gain"] - rung["low"]], [rung["high"] - rung["gain"]]]
        color = COLORS[rung["verdict"]]
        right.errorbar(place, rung["gain"], yerr=errors, fmt="o", color=color, capsize=3)
        right.annotate(rung["verdict"], (place, rung["high"]), (0, 4), textcoords="offset points", ha="center",
                       color=color, fontsize=8)  # fmt: skip
    right.axhline(
        result["tolerance"], color=ALERT, linestyle="--", linewidth=1, label=f"tolerance {result['tolerance']:g}"
    )
    right.axhline(0, color=MUTED, linewidth=0.8)
    right.margins(x=0.15, y=0.15)
    right.set_xticks(range(len(judged)), [f"{count(r['budget'])}\nto {count(r['later'])}" for r in judged])
    right.set(xlabel="budgets (examples)", ylabel="gain in score", title="What a larger budget adds (95 %, paired)")
    right.legend(frameon=False, fontsize=8)
    figure.suptitle(f"{result['model']} {result['adjustment']} on {result['bench']}: {result['verdict']}")
    return figure


def study_figures(study: Study) -> dict[str, Figure]:
    """Optuna's own plots that the study has enough trials for: several finished ones, and something that was varied."""
    import matplotlib
    from optuna.trial import TrialState

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt
    import optuna.visualization.matplotlib as plots

    complete = study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))
    if not complete:
        return {}
    names = [name for name in OPTUNAS if name != "param_importances" or len(complete) > 1]
    if not complete[0].params:
        names = [name for name in names if name not in ("param_importances", "slice")]
    figures = {}
    for name in names:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # these plots are "experimental", and widen axes of a single value
            axes = getattr(plots, f"plot_{name}")(study)
        figure = (axes.flat[0] if hasattr(axes, "flat") else axes).figure
        figure.set_size_inches(8, 5)
        figure.tight_layout()
        figures[name] = figure
    plt.close("all")
    return figures
