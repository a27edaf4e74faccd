"""One bench's inputs to its conclusions, which are written, logged, shown and drawn."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np

from ttt.cell.result import SIDES
from ttt.cell.suite_result import SuiteSaturation
from ttt.comparison.conclusions import BenchConclusions
from ttt.comparison.confound import confound_of
from ttt.comparison.discriminator import discriminator_of
from ttt.comparison.emergence import Budgets, emergence_of, read_budgets
from ttt.comparison.findings import Curves, Groups, OtherInference, of_fields
from ttt.comparison.fits import curve, effects, fit_of, fit_side, frontiers
from ttt.comparison.gate import final_by, provisional_reasons, refuse_unless_final, treatment
from ttt.comparison.inputs import Inputs, Table, judged, provenance, ranking_table, table_of
from ttt.comparison.models import Fitted, fitted_models, model_rows
from ttt.comparison.options import Options
from ttt.comparison.pairs import pairs_of
from ttt.comparison.ranking import agreement, distinguishable, model_lines
from ttt.comparison.sentences import say
from ttt.comparison.suite import judge_suite
from ttt.stats.scaling import Inference, ScalingFit
from ttt.tracking import Tracker


def conclude(tracker: Tracker, inputs: Inputs, options: Options) -> BenchConclusions:
    """All conclusions of one bench; None stands for what the data do not identify, and for what needs a half or a
    group of models that is missing.

    Raises SpecError for a split that was asked for and leaves a group empty, and with `final` for cells that are not
    saturated and for a missing half.
    """
    fitted = fitted_models(inputs.models, options)
    suite = judge_suite(tracker, inputs, fitted, options)
    if options.final:
        refuse_unless_final(judged(inputs), inputs.reasons, suite)
    table = table_of(inputs, fitted, options)
    older = [int(i) for i in np.flatnonzero(table.newer == 0)]
    # Of the older models only, as in the paper: the newer ones may have trained on the task before any budget.
    budgets = read_budgets(tracker, inputs, [table.names[i] for i in older])
    # Hundreds of small fits, mostly outside the interpreter's lock: a second core does them beside the bootstrap.
    with ThreadPoolExecutor(1) as beside:
        discriminator = beside.submit(discriminator_of, inputs, table, budgets, options)
        conclusions = _conclusions(tracker, inputs, fitted, suite, table, budgets, options)
    conclusions = replace(conclusions, discriminator=discriminator.result())
    other = replace(conclusions.other_inference, note=say(conclusions, "inferences"))
    conclusions = replace(conclusions, other_inference=other)
    return replace(conclusions, summary=say(conclusions, "summary"))


def _groups(fitted: Fitted) -> Groups | None:
    if fitted.split is None:
        return None
    n_newer = int(fitted.split.is_newer.sum())
    return of_fields(Groups, fitted.split, n_older=len(fitted.models) - n_newer, n_newer=n_newer)


def _conclusions(
    tracker: Tracker,
    inputs: Inputs,
    fitted: Fitted,
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
    reasons = provisional_reasons(judged(inputs), inputs.reasons, suite)
    ranked = ranking_table(inputs, options)
    apart, tie_test = distinguishable(tracker, inputs, ranked)
    direct, indirect = effects(table, fits, options)
    area, frontier = frontiers(table)
    has_both = inputs.sides == SIDES
    emergence = emergence_of(budgets, inputs, table, older, options)
    return BenchConclusions(
        suite=inputs.suite,
        bench=inputs.bench,
        bench_version=inputs.bench_version,
        metric=inputs.metric,
        chance=inputs.chance,
        n_models=len(inputs.models),
        adjustment=inputs.adjustment,
        sides=list(inputs.sides),
        policy=options.policy,
        score_rule=options.score_rule,
        inference=options.inference,
        cluster=options.cluster,
        split=_groups(fitted),
        no_theta=[text for text in (inputs.no_chance, fitted.too_few, fitted.no_groups) if text],
        provisional=bool(reasons),
        provisional_reasons=reasons,
        treatment=treatment(tracker, inputs),
        suite_saturation=suite,
        final_by=final_by(judged(inputs), inputs.reasons, suite),
        n_kept_base=sum(model.kept_base for model in inputs.models),
        n_without_half=inputs.n_without_half,
        n_lose=sum((row.gain or 0.0) < 0 for row in model_rows(inputs.cells, "raw")) if has_both else None,
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
        models=model_lines(inputs, ranked, fitted, apart),
        tie_test=tie_test,
        ranking_agreement=agreement(ranked, options) if has_both else None,
        pairs=pairs_of(tracker, inputs),
        excluded=inputs.excluded + fitted.left_out,
        provenance=provenance(tracker, [cell.run_id for cell in inputs.cells], inputs.corrected),
    )


def _free(fit: ScalingFit | None) -> bool:
    """Whether a fit has its floor as a parameter."""
    return fit is not None and fit.floor_fitted
