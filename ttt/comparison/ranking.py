"""The models in order: ranks before and after, and the groups within which no two can be told apart."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from ttt.comparison.inputs import Inputs
from ttt.comparison.models import ModelRow
from ttt.comparison.options import Options
from ttt.comparison.table import Table
from ttt.stats.ranking import kendall, rank_changes, ranks, tie_groups

ROW_FIELDS = ("base", "base_stderr", "adjusted", "adjusted_stderr", "gain", "gain_stderr")


def model_list(inputs: Inputs, table: Table, apart: npt.NDArray[np.bool_]) -> list[dict[str, Any]]:
    """One row a model, the best adjusted score first; `apart` says which two are told apart (n_models, n_models)."""
    base, adjusted = table.scores["base"], table.scores["adjusted"]
    numbers = {
        "rank_base": ranks(base),
        "rank_adjusted": ranks(adjusted),
        "rank_change": rank_changes(base, adjusted),
        "tie_group": tie_groups(adjusted, apart),
    }
    rows = [
        {**_facts(model), "newer": bool(table.newer[i]), **{name: int(of[i]) for name, of in numbers.items()}}
        for i, model in enumerate(inputs.models)
    ]
    return sorted(rows, key=lambda row: (row["rank_adjusted"], row["model"]))


def _facts(model: ModelRow) -> dict[str, Any]:
    return {
        "model": model.model,
        "family": model.family,
        "kind": model.kind,
        "languages": list(model.languages),
        "trained": model.trained,
        "compute": model.compute,
        "n_params": model.n_params,
        "n_tokens": model.n_tokens,
        **{name: getattr(model, name) for name in ROW_FIELDS},
        "kept_base": model.kept_base,
        "saturated": model.saturated == "yes",
        "saturation": model.saturated,
        "seconds": model.seconds,
        "n_seeds": len(model.run_ids),
        "run_ids": list(model.run_ids),
        "facts": dict(model.facts),
    }


def agreement(table: Table, options: Options) -> dict[str, Any]:
    """Kendall's tau between the scores before and after, with bounds."""
    tau = kendall(
        table.scores["base"],
        table.scores["adjusted"],
        clusters=table.clusters,
        n_replicates=options.replicates(len(table.names)),
        seed=options.seed,
    )
    return {"tau_before_after": tau.estimate, "low": tau.low, "high": tau.high, "p": tau.p, "n_models": tau.n_models}
