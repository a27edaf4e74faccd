"""The models in order: ranks before and after, and the groups within which no two can be distinguished.

Two models are tested on the same items where those are kept.
"""

from __future__ import annotations

from typing import Literal

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy import stats

from ttt.comparison.findings import ModelLine, RankingAgreement, of_fields
from ttt.comparison.inputs import Array, Inputs, Table
from ttt.comparison.options import MANY_MODELS, Options
from ttt.comparison.pairs import UnpairedError, read_side
from ttt.stats.items import benjamini_hochberg
from ttt.stats.ranking import kendall, rank_changes, ranks, tie_groups
from ttt.tracking import Tracker

Apart = npt.NDArray[np.bool_]


def model_lines(inputs: Inputs, table: Table, apart: Apart) -> list[ModelLine]:
    """The best adjusted score first; `apart` says which two are distinguished (n_models, n_models)."""
    base, adjusted = table.scores["base"], table.scores["adjusted"]
    numbers = {
        "rank_base": ranks(base),
        "rank_adjusted": ranks(adjusted),
        "rank_change": rank_changes(base, adjusted),
        "tie_group": tie_groups(adjusted, apart),
    }
    lines = [
        of_fields(
            ModelLine,
            model,
            compute=model.compute,
            gain=model.gain,
            saturated=model.saturated == "yes",
            saturation=model.saturated,
            n_seeds=len(model.run_ids),
            newer=bool(table.newer[i]),
            **{name: int(of[i]) for name, of in numbers.items()},
        )
        for i, model in enumerate(inputs.models)
    ]
    return sorted(lines, key=lambda line: (line.rank_adjusted, line.model))


def agreement(table: Table, options: Options) -> RankingAgreement:
    """Kendall's tau between the scores before and after, with bounds."""
    tau = kendall(
        table.scores["base"],
        table.scores["adjusted"],
        clusters=table.clusters,
        n_replicates=options.replicates(len(table.names)),
        seed=options.seed,
    )
    return of_fields(RankingAgreement, {**vars(tau), "tau_before_after": tau.estimate})


def distinguishable(tracker: Tracker, inputs: Inputs, table: Table) -> tuple[Apart, Literal["paired", "unpaired"]]:
    """Pairs that differ at 5 % false discoveries over all pairs, shape (n_models, n_models), and how they were tested.

    Paired on the same items where every model has them; else a z test that takes the items of two models as different,
    too cautious, never too bold: ties can only be too many. Models without a standard error are tied with all others.
    """
    items = _items(tracker, inputs) if len(inputs.models) <= MANY_MODELS else None
    upper = np.triu_indices(len(table.names), 1)
    if items is not None:
        p = paired_p(items)[upper]
    else:
        scores, stderrs = table.scores["adjusted"], table.stderrs["adjusted"]
        difference = np.abs(scores[:, None] - scores)[upper]
        spread = np.hypot(stderrs[:, None], stderrs)[upper]
        p = 2 * stats.norm.sf(np.divide(difference, spread, out=np.zeros_like(difference), where=spread > 0))
    apart = np.zeros((len(table.names), len(table.names)), bool)
    apart[upper] = benjamini_hochberg(p) < 0.05
    return apart | apart.T, "unpaired" if items is None else "paired"


def _items(tracker: Tracker, inputs: Inputs) -> Array | None:
    """Item scores that count as adjusted, shape (n_models, n_items); None unless all models answered the same items."""
    columns: list[pd.Series] = []
    for model in inputs.models:
        side = "base" if model.kept_base else "adjusted"
        try:
            read = read_side(tracker, model.run_ids, side, model.model)
        except UnpairedError:
            return None
        columns.append(read.correct)
        if not columns[0].index.equals(read.correct.index):
            return None
    return np.array([column.to_numpy() for column in columns])


def paired_p(items: Array) -> Array:
    """P values of all pairs over shared items of shape (n_models, n_items); shape (n_models, n_models).

    Exact McNemar for scores of 0 and 1; for others (averaged over seeds, say) Student's t of the paired differences.
    """
    n_items = items.shape[1]
    if np.isin(items, (0.0, 1.0)).all():
        only = items @ (1.0 - items).T  # right where the other is wrong
        fewer, differing = np.minimum(only, only.T), only + only.T
        return np.asarray(np.minimum(1.0, 2 * stats.binom.cdf(fewer, differing, 0.5)))
    covariance = np.cov(items)
    variance = np.diag(covariance)
    spread = np.sqrt(np.maximum(variance[:, None] + variance - 2 * covariance, 0.0) / n_items)
    difference = np.abs(items.mean(1)[:, None] - items.mean(1))
    t = np.divide(difference, spread, out=np.where(difference > 0, np.inf, 0.0), where=spread > 0)
    return np.asarray(2 * stats.t.sf(t, n_items - 1))
