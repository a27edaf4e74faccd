"""Several benches of a suite on the models that all of them have: how much they agree, and what a format does."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import combinations
from typing import Any

import numpy as np

from ttt.cell.result import SIDES
from ttt.comparison.alike import OF_MODEL, refuse_mixed
from ttt.comparison.cells import choose_adjustment, finished_cells
from ttt.comparison.conclusions import AgreementConclusions, FormatConclusions
from ttt.comparison.contenders import Agreement, BenchPair, FirstComponent, ModelOnBenches
from ttt.comparison.findings import Division, Excluded, FormatFit, of_fields
from ttt.comparison.fits import fit_of, fit_side
from ttt.comparison.gate import provisional_reasons, refuse_unless_final
from ttt.comparison.inputs import (
    MIN_MODELS,
    Inputs,
    exclusions,
    is_excluded,
    provenance,
    read_inputs,
    table_of,
)
from ttt.comparison.models import split_models
from ttt.comparison.options import Options
from ttt.comparison.sentences import say
from ttt.comparison.suite import suite_of
from ttt.spec import SpecError
from ttt.stats.ranking import first_component_share, kendall
from ttt.tracking import Tracker


def read_common(tracker: Tracker, benches: Sequence[str], options: Options) -> tuple[list[Inputs], list[Excluded]]:
    """The inputs of each bench, of the models that all of them have, in the same order; and what was left out, and why.

    A model of which a bench has no cell at all is left out before anything is asked of its cells.
    """
    cells = {bench: finished_cells(tracker, bench, options) for bench in benches}
    excluded = exclusions([run for of in cells.values() for run in of], options)
    kept: dict[str, list[Any]] = {}
    there: dict[str, set[str]] = {}
    for bench, runs in cells.items():
        stay = [run for run in runs if not is_excluded(run, options)]
        if not stay:
            raise SpecError(f"exclude: nothing is left to compare on bench '{bench}'")
        adjustment = choose_adjustment(stay, options)
        kept[bench] = [run for run in stay if run.data.tags["ttt.adjustment"] in ("none", adjustment)]
        there[bench] = {run.data.tags["ttt.model"] for run in kept[bench]}
    common = set.intersection(*there.values())
    excluded += [
        Excluded(model, f"no cells on {', '.join(bench for bench in benches if model not in there[bench])}")
        for model in sorted(set.union(*there.values()) - common)
    ]
    if len(common) < MIN_MODELS:
        left_out = "; ".join(f"{line.model}: {line.reason}" for line in excluded)
        raise SpecError(
            f"{len(common)} models have cells on all the benches: at least {MIN_MODELS} are needed"
            + (f"\nleft out: {left_out}" if left_out else "")
        )
    asked = options.model_copy(update={"exclude": ()})
    inputs = [
        read_inputs(tracker, bench, asked, [run for run in kept[bench] if run.data.tags["ttt.model"] in common])
        for bench in benches
    ]
    refuse_mixed(tracker, [cell.run for of in inputs for cell in of.cells], [], [], OF_MODEL)
    if options.final:
        for of in inputs:
            reasons = [f"{of.bench}: {reason}" for reason in of.reasons]
            refuse_unless_final(of.models, reasons, suite_of(tracker, of, options))
    return inputs, excluded


def bench_conclusions(tracker: Tracker, benches: Sequence[str], options: Options) -> AgreementConclusions:
    """Kendall's tau of every two benches and what one component explains of all, before and after adjusting."""
    inputs, excluded = read_common(tracker, benches, options)
    models = inputs[0].models
    scores = {side: np.array([[getattr(m, side) for m in of.models] for of in inputs]).T for side in SIDES}
    how: dict[str, Any] = {
        "clusters": [model.family for model in models] if options.cluster == "family" else None,
        "n_replicates": options.n_replicates,
        "seed": options.seed,
    }
    pairs = [
        BenchPair(
            benches[i],
            benches[j],
            *(of_fields(Agreement, kendall(scores[side][:, i], scores[side][:, j], **how)) for side in SIDES),
        )
        for i, j in combinations(range(len(benches)), 2)
    ]
    component = (of_fields(Agreement, first_component_share(scores[side], **how)) for side in SIDES)
    conclusions = AgreementConclusions(
        **_several(tracker, inputs, excluded, options),
        pairs=pairs,
        first_component=FirstComponent(*component),
        models=[
            ModelOnBenches(
                model.model,
                model.family,
                *({bench: float(scores[side][i, k]) for k, bench in enumerate(benches)} for side in SIDES),
            )
            for i, model in enumerate(models)
        ],
    )
    return replace(conclusions, summary=say(conclusions, "summary"))


def format_conclusions(tracker: Tracker, benches: Sequence[str], options: Options) -> FormatConclusions:
    """The same questions as cloze, as multiple choice, and as multiple choice adjusted: a fit of each."""
    inputs, excluded = read_common(tracker, benches, options)
    refuse_mixed(tracker, [cell.run for of in inputs for cell in of.cells], [], ["limit", "precision"], [])
    fits = []
    for of, side in ((inputs[0], "base"), (inputs[1], "base"), (inputs[1], "adjusted")):
        table = table_of(of, split_models(of.models, options), options)
        fit = fit_of(table, side, fit_side(table, side, options.inference, options))
        fits.append(of_fields(FormatFit, fit, bench=of.bench, format=of.cells[0].params["format"], scores=side))
    conclusions = FormatConclusions(
        **_several(tracker, inputs, excluded, options),
        split=of_fields(Division, split_models(inputs[0].models, options)),
        fits=fits,
    )
    return replace(conclusions, summary=say(conclusions, "summary"))


def _several(tracker: Tracker, inputs: Sequence[Inputs], excluded: list[Excluded], options: Options) -> dict[str, Any]:
    """The fields of `SeveralBenches`."""
    reasons = [
        f"{of.bench}: {reason}"
        for of in inputs
        for reason in provisional_reasons(of.models, of.reasons, suite_of(tracker, of, options))
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
