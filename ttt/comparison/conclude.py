"""One bench's inputs to its conclusions, the plain dict that is written, logged and drawn."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from importlib.metadata import version
from typing import Any

import numpy as np

from ttt.comparison.budgets import Budgets, emergence_rows, read_budgets
from ttt.comparison.confound import confound_of
from ttt.comparison.discriminator import discriminator_of
from ttt.comparison.fits import curve, effects, fit_side, frontiers, told
from ttt.comparison.gate import provisional_reasons, refuse_unless_final, treatment
from ttt.comparison.inputs import MIN_MODELS, Inputs
from ttt.comparison.models import Split, model_rows, split_models
from ttt.comparison.options import Options
from ttt.comparison.ranking import agreement, model_list
from ttt.comparison.summary import verdict, what_changes
from ttt.comparison.table import SIDES, Table, json_able, table_of
from ttt.comparison.ties import told_apart
from ttt.masking import shown_uri
from ttt.stats.scaling import Inference
from ttt.tracking import Tracker, commit


def conclude(tracker: Tracker, inputs: Inputs, options: Options) -> dict[str, Any]:
    """All conclusions of one bench in JSON's types; null stands for what the data do not identify.

    Raises SpecError for a split that leaves a group empty, and with `final` for cells that are not saturated.
    """
    split = split_models(inputs.models, options)
    if options.final:
        refuse_unless_final(inputs.models, inputs.reasons)
    table = table_of(inputs, split, options)
    older = [int(i) for i in np.flatnonzero(table.newer == 0)]
    # Of the older models only, as in the paper: the newer ones may have trained on the task before any budget.
    budgets = read_budgets(tracker, inputs, [table.names[i] for i in older])
    # Hundreds of small fits, mostly outside the interpreter's lock: a second core does them beside the bootstrap.
    with ThreadPoolExecutor(1) as beside:
        discriminator = beside.submit(discriminator_of, inputs, table, budgets, options)
        conclusions = _conclusions(tracker, inputs, split, table, budgets, options)
    conclusions = json_able({**conclusions, "discriminator": discriminator.result()})
    conclusions["other_inference"]["note"] = what_changes(conclusions)
    return {**conclusions, "verdict": verdict(conclusions)}


def _conclusions(
    tracker: Tracker, inputs: Inputs, split: Split, table: Table, budgets: Budgets, options: Options
) -> dict[str, Any]:
    """All but the discriminator and the words, numbers as the statistics have them."""
    older = [int(i) for i in np.flatnonzero(table.newer == 0)]
    other: Inference = "paper" if options.inference == "clustered" else "clustered"
    fits = {side: fit_side(table, side, options.inference, options) for side in SIDES}
    others = {side: fit_side(table, side, other, options) for side in SIDES}
    reasons = provisional_reasons(inputs.models, inputs.reasons)
    apart, tie_test = told_apart(tracker, inputs, table)
    return {
        "kind": "comparison",
        "suite": inputs.suite,
        "bench": inputs.bench,
        "bench_version": inputs.bench_version,
        "metric": inputs.metric,
        "chance": inputs.chance,
        "n_models": len(inputs.models),
        "adjustment": inputs.adjustment,
        "policy": options.policy,
        "score_rule": options.score_rule,
        "inference": options.inference,
        "cluster": options.cluster,
        "split": {
            **{name: getattr(split, name) for name in ("field", "cutoff", "older", "newer")},
            "n_older": len(older),
            "n_newer": int(table.newer.sum()),
        },
        "provisional": bool(reasons),
        "provisional_reasons": reasons,
        "treatment": treatment(tracker, inputs),
        "n_kept_base": sum(model.kept_base for model in inputs.models),
        "n_lose": sum(row.adjusted < row.base for row in model_rows(inputs.cells, "raw")),
        **{side: told(table, side, fits[side]) for side in SIDES},
        "other_inference": {"name": other, **{side: told(table, side, others[side]) for side in SIDES}},
        "curves": {side: curve(table, side, fits[side], options) for side in SIDES},
        **effects(table, options),
        **frontiers(table),
        "emergence": emergence_rows(budgets, inputs, table, older, options) if len(older) >= MIN_MODELS else [],
        "confound": confound_of(tracker, inputs, table, options),
        "models": model_list(inputs, table, apart),
        "tie_test": tie_test,
        "ranking_agreement": agreement(table, options),
        "excluded": inputs.excluded,
        "provenance": provenance(tracker, [cell.run_id for cell in inputs.cells]),
    }


def provenance(tracker: Tracker, run_ids: list[str]) -> dict[str, Any]:
    return {
        "run_ids": run_ids,
        "ttt_version": version("ttt"),
        "commit": commit(),
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
        "tracking": shown_uri(tracker.uri),
    }
