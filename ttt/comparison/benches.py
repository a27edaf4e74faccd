"""Several benches of a suite on the models that all of them have: how much they agree, and what a format does."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import combinations
from typing import Any

import numpy as np

from ttt.cell.result import SIDES
from ttt.comparison.alike import OF_MODEL, refuse_mixed
from ttt.comparison.cells import NONE, choose_adjustment, finished_cells
from ttt.comparison.conclusions import AgreementConclusions, FormatConclusions
from ttt.comparison.contenders import Agreement, BenchPair, FirstComponent, ModelOnBenches
from ttt.comparison.findings import Division, Excluded, FormatFit, of_fields
from ttt.comparison.fits import fit_of, fit_side
from ttt.comparison.gate import provisional_reasons, refuse_unless_final
from ttt.comparison.inputs import (
    MIN_COMPARED,
    Inputs,
    exclusions,
    is_excluded,
    judged,
    provenance,
    read_inputs,
    table_of,
)
from ttt.comparison.models import fitted_models
from ttt.comparison.options import Options
from ttt.comparison.sentences import say
from ttt.comparison.suite import suite_of
from ttt.spec import SpecError
from ttt.stats.ranking import first_component_share, kendall
from ttt.tracking import Tracker


def read_common(
    tracker: Tracker, benches: Sequence[str], options: Options, sides: Sequence[tuple[str, ...]]
) -> tuple[list[Inputs], list[Excluded]]:
    """The inputs of each bench, of the models that all of them have, in the same order; and what was left out, and why.

    `sides` are those that are of use of each bench. A model of which a bench has no cell at all is left out before
    anything is asked of its cells, and one that lacks a half which a bench's others have, of all benches.
    """
    cells = {bench: finished_cells(tracker, bench, options) for bench in benches}
    excluded = exclusions([run for of in cells.values() for run in of], options)
    kept: dict[str, list[Any]] = {}
    there: dict[str, set[str]] = {}
    for bench, useful in zip(benches, sides, strict=True):
        runs = cells[bench]
        stay = [run for run in runs if not is_excluded(run, options)]
        if not stay:
            raise SpecError(f"exclude: nothing is left to compare on bench '{bench}'")
        if "adjusted" in useful:
            adjustment = choose_adjustment(stay, options)
            counted = (NONE, adjustment)  # where base scores alone are there or asked for, those of any cell count
            stay = [run for run in stay if adjustment == NONE or run.data.tags["ttt.adjustment"] in counted]
        kept[bench] = stay
        there[bench] = {run.data.tags["ttt.model"] for run in kept[bench]}
    common = set.intersection(*there.values())
    excluded += [
        Excluded(model, f"no cells on {', '.join(bench for bench in benches if model not in there[bench])}")
        for model in sorted(set.union(*there.values()) - common)
    ]
    asked = options.model_copy(update={"exclude": ()})
    while True:
        _refuse_too_few(common, excluded)
        inputs = [
            read_inputs(
                tracker, bench, asked, [run for run in kept[bench] if run.data.tags["ttt.model"] in common], useful
            )
            for bench, useful in zip(benches, sides, strict=True)
        ]
        left_out = [Excluded(line.model, f"{of.bench}: {line.reason}") for of in inputs for line in of.excluded]
        if not left_out:
            break
        excluded += left_out
        common -= {line.model for line in left_out}
    refuse_mixed(tracker, [cell.run for of in inputs for cell in of.cells], [], [], OF_MODEL)
    order = [model.model for model in inputs[0].models]
    inputs = [replace(of, models=sorted(of.models, key=lambda model: order.index(model.model))) for of in inputs]
    if options.final:
        for of in inputs:
            reasons = [f"{of.bench}: {reason}" for reason in of.reasons]
            refuse_unless_final(judged(of), reasons, suite_of(tracker, of, options))
    return inputs, excluded


def _refuse_too_few(common: set[str], excluded: Sequence[Excluded]) -> None:
    if len(common) < MIN_COMPARED:
        left_out = "; ".join(f"{line.model}: {line.reason}" for line in excluded)
        raise SpecError(
            f"{len(common)} models have cells on all the benches: at least {MIN_COMPARED} are needed"
            + (f"\nleft out: {left_out}" if left_out else "")
        )


def bench_conclusions(tracker: Tracker, benches: Sequence[str], options: Options) -> AgreementConclusions:
    """Kendall's tau of every two benches and what one component explains of all, before and after adjusting."""
    inputs, excluded = read_common(tracker, benches, options, [SIDES] * len(benches))
    models = inputs[0].models
    sides = [side for side in SIDES if all(side in of.sides for of in inputs)]
    if not sides:
        there = "; ".join(f"{of.bench}: {' and '.join(of.sides)}" for of in inputs)
        raise SpecError(f"benches: no half is there on all of them, so that nothing can be compared: {there}")
    scores = {side: np.array([[getattr(m, side) for m in of.models] for of in inputs]).T for side in sides}
    how: dict[str, Any] = {
        "clusters": [model.family for model in models] if options.cluster == "family" else None,
        "n_replicates": options.n_replicates,
        "seed": options.seed,
    }

    def tau(i: int, j: int, side: str) -> Agreement | None:
        of = scores.get(side)
        return None if of is None else of_fields(Agreement, kendall(of[:, i], of[:, j], **how))

    component = {side: of_fields(Agreement, first_component_share(of, **how)) for side, of in scores.items()}
    conclusions = AgreementConclusions(
        **_several(tracker, inputs, excluded, options),
        pairs=[
            BenchPair(benches[i], benches[j], *(tau(i, j, side) for side in SIDES))
            for i, j in combinations(range(len(benches)), 2)
        ],
        first_component=FirstComponent(*(component.get(side) for side in SIDES)),
        models=[
            ModelOnBenches(
                model.model,
                model.family,
                *(
                    {bench: float(scores[side][i, k]) for k, bench in enumerate(benches)} if side in scores else {}
                    for side in SIDES
                ),
            )
            for i, model in enumerate(models)
        ],
    )
    return replace(conclusions, summary=say(conclusions, "summary"))


def format_conclusions(tracker: Tracker, benches: Sequence[str], options: Options) -> FormatConclusions:
    """The same questions as cloze, as multiple choice, and as multiple choice adjusted: a fit of each.

    Of the cloze bench the base scores are enough, and of the other where it was adjusted nowhere.
    """
    inputs, excluded = read_common(tracker, benches, options, [("base",), SIDES])
    refuse_mixed(tracker, [cell.run for of in inputs for cell in of.cells], [], ["limit", "precision"], [])
    fits = []
    for of, side in ((inputs[0], "base"), (inputs[1], "base"), (inputs[1], "adjusted")):
        fitted = fitted_models(of.models, options)
        table = table_of(of, fitted, options)
        fit = fit_of(table, side, fit_side(table, side, options.inference, options))
        if fit is not None:
            fits.append(of_fields(FormatFit, fit, bench=of.bench, format=of.cells[0].params["format"], scores=side))
    fitted = fitted_models(inputs[0].models, options)
    conclusions = FormatConclusions(
        **_several(tracker, inputs, excluded + fitted.left_out, options),
        split=None if fitted.split is None else of_fields(Division, fitted.split),
        fits=fits,
    )
    return replace(conclusions, summary=say(conclusions, "summary"))


def _several(tracker: Tracker, inputs: Sequence[Inputs], excluded: list[Excluded], options: Options) -> dict[str, Any]:
    """The fields of `SeveralBenches`."""
    reasons = [
        f"{of.bench}: {reason}"
        for of in inputs
        for reason in provisional_reasons(judged(of), of.reasons, suite_of(tracker, of, options))
    ]
    return {
        "suite": options.suite,
        "benches": [of.bench for of in inputs],
        "adjustments": {of.bench: of.adjustment for of in inputs},
        "n_models": len(inputs[0].models),
        **{name: getattr(options, name) for name in ("policy", "score_rule", "inference", "cluster")},
        "excluded": excluded,
        "provisional": bool(reasons),
        "provisional_reasons": reasons,
        "provenance": provenance(
            tracker,
            [run for of in inputs for model in of.models for run in model.run_ids],
            list(dict.fromkeys(line for of in inputs for line in of.corrected)),
        ),
    }
