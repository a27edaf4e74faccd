"""One bench's inputs to its conclusions, which are written, logged, shown and drawn."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np

from ttt.cell.result import SIDES
from ttt.comparison.conclusions import BenchConclusions
from ttt.comparison.confound import confound_of
from ttt.comparison.discriminator import discriminator_of
from ttt.comparison.emergence import Budgets, Emergence, emergence_of, read_budgets
from ttt.comparison.findings import Curves, Groups, OtherInference, SuiteSaturation, of_fields
from ttt.comparison.fits import curve, effects, fit_of, fit_side, frontiers
from ttt.comparison.gate import final_by, provisional_reasons, refuse_unless_final, treatment
from ttt.comparison.inputs import MIN_MODELS, Inputs, Table, provenance, table_of
from ttt.comparison.models import Split, model_rows, split_models
from ttt.comparison.options import Options
from ttt.comparison.ranking import agreement, distinguishable, model_lines
from ttt.comparison.sentences import say
from ttt.comparison.suite import judge_suite
from ttt.stats.scaling import Inference, ScalingFit
from ttt.tracking import Tracker


def conclude(tracker: Tracker, inputs: Inputs, options: Options) -> BenchConclusions:
    """All conclusions of one bench; None stands for what the data do not identify.

    Raises SpecError for a split that leaves a group empty, and with `final` for cells that are not saturated.
    """
    split = split_models(inputs.models, options)
    suite = judge_suite(tracker, inputs, split, options)
    if options.final:
        refuse_unless_final(inputs.models, inputs.reasons, suite)
    table = table_of(inputs, split, options)
    older = [int(i) for i in np.flatnonzero(table.newer == 0)]
    # Of the older models only, as in the paper: the newer ones may have trained on the task before any budget.
    budgets = read_budgets(tracker, inputs, [table.names[i] for i in older])
    # Hundreds of small fits, mostly outside the interpreter's lock: a second core does them beside the bootstrap.
    with ThreadPoolExecutor(1) as beside:
        discriminator = beside.submit(discriminator_of, inputs, table, budgets, options)
        conclusions = _conclusions(tracker, inputs, split, suite, table, budgets, options)
    conclusions = replace(conclusions, discriminator=discriminator.result())
    other = replace(conclusions.other_inference, note=say(conclusions, "inferences"))
    conclusions = replace(conclusions, other_inference=other)
    return replace(conclusions, summary=say(conclusions, "summary"))


def _conclusions(
    tracker: Tracker,
    inputs: Inputs,
    split: Split,
    suite: SuiteSaturation,
    table: Table,
    budgets: Budgets,
    options: Options,
) -> BenchConclusions:
    """All but the discriminator and the words."""
    older = [int(i) for i in np.flatnonzero(table.newer == 0)]
    other: Inference = "paper" if options.inference == "clustered" else "clustered"
    fits = {side: fit_side(table, side, options.inference, options) for side in SIDES}
    others = {side: fit_side(table, side, other, options) for side in SIDES}
    reasons = provisional_reasons(inputs.models, inputs.reasons, suite)
    apart, tie_test = distinguishable(tracker, inputs, table)
    direct, indirect = effects(table, options)
    area, frontier = frontiers(table)
    enough = len(older) >= MIN_MODELS
    emergence = emergence_of(budgets, inputs, table, older, options) if enough else Emergence([], [])
    return BenchConclusions(
        suite=inputs.suite,
        bench=inputs.bench,
        bench_version=inputs.bench_version,
        metric=inputs.metric,
        chance=inputs.chance,
        n_models=len(inputs.models),
        adjustment=inputs.adjustment,
        policy=options.policy,
        score_rule=options.score_rule,
        inference=options.inference,
        cluster=options.cluster,
        split=of_fields(Groups, split, n_older=len(older), n_newer=int(table.newer.sum())),
        provisional=bool(reasons),
        provisional_reasons=reasons,
        treatment=treatment(tracker, inputs),
        suite_saturation=suite,
        final_by=final_by(inputs.models, inputs.reasons, suite),
        n_kept_base=sum(model.kept_base for model in inputs.models),
        n_lose=sum(row.adjusted < row.base for row in model_rows(inputs.cells, "raw")),
        base=fit_of(table, "base", fits["base"]),
        adjusted=fit_of(table, "adjusted", fits["adjusted"]),
        other_inference=OtherInference(
            other, fit_of(table, "base", others["base"]), fit_of(table, "adjusted", others["adjusted"])
        ),
        curves=Curves(*(curve(table, side, fits[side], options) for side in SIDES)),
        direct_effect=direct,
        indirect_effect=indirect,
        pareto_area=area,
        frontier=frontier,
        emergence=emergence.rows,
        budgets_left_out=emergence.budgets_left_out,
        discriminator=None,
        confound=confound_of(tracker, inputs, table, options, (_free(fits["base"]), _free(fits["adjusted"]))),
        models=model_lines(inputs, table, apart),
        tie_test=tie_test,
        ranking_agreement=agreement(table, options),
        excluded=inputs.excluded,
        provenance=provenance(tracker, [cell.run_id for cell in inputs.cells], inputs.corrected),
    )


def _free(fit: ScalingFit | None) -> bool:
    """Whether a fit has its floor as a parameter."""
    return fit is not None and fit.floor_fitted
