"""The figures of a study of budgets: the curve with its verdicts, and Optuna's own."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ttt.cell.study_result import StudyResult
from ttt.formatting import count
from ttt.plotting import ADJUSTED, ALERT, BASE, MUTED, new_figure
from ttt.stats.plateau import Verdict

if TYPE_CHECKING:
    from optuna import Study

COLORS: dict[Verdict, str] = {"saturated": BASE, "not saturated": ALERT, "undecided": MUTED}
OPTUNAS = ("optimization_history", "param_importances", "slice", "intermediate_values", "timeline")


def curve_figure(result: StudyResult) -> Figure:
    """Score by budget with its 95 % band, and the gain that each budget leaves, with its paired interval."""
    figure, (left, right) = new_figure(10, 4, columns=2)
    _draw_scores(left, result)
    _draw_gains(right, result)
    figure.suptitle(f"{result.model} {result.adjustment} on {result.bench}: {result.verdict}")
    return figure


def _draw_scores(axes: Axes, result: StudyResult) -> None:
    budgets, scores = [rung.budget for rung in result.rungs], [rung.score for rung in result.rungs]
    half = [1.96 * rung.stderr for rung in result.rungs]
    low, high = ([s + sign * h for s, h in zip(scores, half, strict=True)] for sign in (-1, 1))
    axes.fill_between(budgets, low, high, color=ADJUSTED, alpha=0.2, linewidth=0, label="95 % interval")
    axes.plot(budgets, scores, color=ADJUSTED, marker="o", linewidth=1.4, label="best of the trials")
    for trial in result.trials:
        points = sorted(trial.scores.items())
        if points:
            axes.plot(*zip(*points, strict=True), color=MUTED, linewidth=0.7, alpha=0.7, zorder=1)
    if result.smallest_budget is not None:
        axes.axvline(result.smallest_budget, color=BASE, linestyle="--", linewidth=1, label="smallest sufficient")
    axes.axvline(result.budget, color=MUTED, linestyle=":", linewidth=1, label="the adjustment's own")
    axes.set_xscale("symlog", base=2, linthresh=max(1, min([b for b in budgets if b] or [result.budget])))
    axes.set_xticks(budgets, [count(budget) for budget in budgets])
    axes.set(xlabel="budget (examples)", ylabel="validation score", title=f"Score ({result.measure})")
    axes.legend(frameon=False, fontsize=8)


def _draw_gains(axes: Axes, result: StudyResult) -> None:
    for place, rung in enumerate(result.judged):
        errors = [[rung.gain - rung.low], [rung.high - rung.gain]]
        color = COLORS[rung.verdict]
        axes.errorbar(place, rung.gain, yerr=errors, fmt="o", color=color, capsize=3)
        axes.annotate(rung.verdict, (place, rung.high), (0, 4), textcoords="offset points", ha="center", color=color,
                      fontsize=8)  # fmt: skip
    axes.axhline(result.tolerance, color=ALERT, linestyle="--", linewidth=1, label=f"tolerance {result.tolerance:g}")
    axes.axhline(0, color=MUTED, linewidth=0.8)
    axes.margins(x=0.15, y=0.15)
    axes.set_xticks(range(len(result.judged)), [f"{count(r.budget)}\nto {count(r.later)}" for r in result.judged])
    axes.set(xlabel="budgets (examples)", ylabel="gain in score", title="What a larger budget adds (95 %, paired)")
    axes.legend(frameon=False, fontsize=8)


def study_figures(study: Study) -> dict[str, Figure]:
    """Optuna's own plots that the study has enough trials for: several finished ones, and something that was varied.

    Of one trial they show nothing that the curve of budgets does not, and take longer to draw than it takes to train a
    small model.
    """
    import matplotlib
    from optuna.trial import TrialState

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt
    import optuna.visualization.matplotlib as plots

    complete = study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))
    ended = study.get_trials(deepcopy=False, states=(TrialState.COMPLETE, TrialState.PRUNED))
    if not complete or len(ended) < 2:
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
