"""The models in order: ranks before and after, and the groups within which no two can be distinguished.

Two models are tested on the same items where those are kept.
"""

from __future__ import annotations

from typing import Literal

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy import stats

from ttt.cell.result import SIDES
from ttt.comparison.findings import ModelLine, RankingAgreement, of_fields
from ttt.comparison.inputs import Array, Inputs, Table
from ttt.comparison.models import Fitted
from ttt.comparison.options import MANY_MODELS, Options
from ttt.comparison.pairs import UnpairedError, read_side
from ttt.stats.items import benjamini_hochberg
from ttt.stats.ranking import Ranks, kendall, rank_changes, ranks, tie_groups
from ttt.tracking import Tracker

Apart = npt.NDArray[np.bool_]


def model_lines(inputs: Inputs, table: Table, fitted: Fitted, apart: Apart) -> list[ModelLine]:
    """The best score first, adjusted where there is that half; `apart` says which two are distinguished (n, n)."""
    ordering = ranking_side(table)
    numbers: dict[str, Ranks] = {f"rank_{side}": ranks(scores) for side, scores in table.scores.items()}
    numbers["tie_group"] = tie_groups(table.scores[ordering], apart)
    if len(table.scores) == len(SIDES):
        numbers["rank_change"] = rank_changes(table.scores["base"], table.scores["adjusted"])
    best = int(np.argmax(table.scores[ordering]))
    missing = dict.fromkeys({"rank_base", "rank_adjusted", "rank_change"} - numbers.keys())
    newer = (
        {}
        if fitted.split is None
        else dict(zip((model.model for model in fitted.models), map(bool, fitted.split.is_newer), strict=True))
    )
    lines = [
        of_fields(
            ModelLine,
            model,
            compute=model.compute,
            gain=model.gain,
            saturated=model.saturated == "yes",
            saturation=model.saturated,
            n_seeds=len(model.run_ids),
            newer=newer.get(model.model),
            tied_with_best=not apart[best, i],
            **missing,
            **{name: int(of[i]) for name, of in numbers.items()},
        )
        for i, model in enumerate(inputs.models)
    ]
    return sorted(lines, key=lambda line: (line.rank, line.model))


def ranking_side(table: Table) -> str:
    """The side by which models are ranked: adjusted where there is that half."""
    return "adjusted" if "adjusted" in table.scores else "base"


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
    items = _items(tracker, inputs, ranking_side(table)) if len(inputs.models) <= MANY_MODELS else None
    upper = np.triu_indices(len(table.names), 1)
    if items is not None:
        p = paired_p(items)[upper]
    else:
        scores, stderrs = (of[ranking_side(table)] for of in (table.scores, table.stderrs))
        difference = np.abs(scores[:, None] - scores)[upper]
        spread = np.nan_to_num(np.hypot(stderrs[:, None], stderrs)[upper], nan=0.0)
        p = 2 * stats.norm.sf(np.divide(difference, spread, out=np.zeros_like(difference), where=spread > 0))
    apart = np.zeros((len(table.names), len(table.names)), bool)
    apart[upper] = benjamini_hochberg(p) < 0.05
    return apart | apart.T, "unpaired" if items is None else "paired"


def _items(tracker: Tracker, inputs: Inputs, side: str) -> Array | None:
    """Item scores of a side, shape (n_models, n_items); None unless all models answered the same items."""
    columns: list[pd.Series] = []
    for model in inputs.models:
        try:
            read = read_side(tracker, model.run_ids, "base" if model.kept_base else side, model.model)
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
