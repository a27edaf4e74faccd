"""Several benches of a suite on the models that all of them have: how much they agree, and what a format does."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import combinations
from typing import Any

import numpy as np

from ttt.comparison.conclude import provenance
from ttt.comparison.fits import fit_side, told
from ttt.comparison.gate import provisional_reasons, refuse_unless_final
from ttt.comparison.inputs import MIN_MODELS, Inputs, finished_cells, read_inputs
from ttt.comparison.models import split_models
from ttt.comparison.options import Options
from ttt.comparison.table import SIDES, json_able, table_of
from ttt.report.numbers import signed
from ttt.spec import SpecError, nearest
from ttt.stats.ranking import Association, first_component_share, kendall
from ttt.tracking import Tracker


def read_common(tracker: Tracker, benches: Sequence[str], options: Options) -> list[Inputs]:
    """The inputs of each bench, cut to the models that all of them have, in the same order."""
    cells = {bench: finished_cells(tracker, bench, options) for bench in benches}
    names = {b: {n for run in of for n in (run.data.tags["ttt.model"], run.info.run_id)} for b, of in cells.items()}
    unknown = [name for name in options.exclude if not any(name in of for of in names.values())]
    if unknown:
        choices = {run.data.tags["ttt.model"] for of in cells.values() for run in of}
        raise SpecError(f"exclude: there are no cells of {unknown[0]!r}; there are: {nearest(unknown[0], choices, 8)}")
    inputs = []
    for bench, runs in cells.items():
        here = tuple(name for name in options.exclude if name in names[bench])
        inputs.append(read_inputs(tracker, bench, options.model_copy(update={"exclude": here}), runs))
    common = set.intersection(*({model.model for model in of.models} for of in inputs))
    if len(common) < MIN_MODELS:
        raise SpecError(f"{len(common)} models have cells on all the benches: at least {MIN_MODELS} are needed")
    if options.final:
        for of in inputs:
            refuse_unless_final(of.models)
    return [replace(of, models=[model for model in of.models if model.model in common]) for of in inputs]


def bench_conclusions(tracker: Tracker, benches: Sequence[str], options: Options) -> dict[str, Any]:
    """Kendall's tau of every two benches and the share of the first principal component, before and after adjusting."""
    inputs = read_common(tracker, benches, options)
    models = inputs[0].models
    scores = {side: np.array([[getattr(m, side) for m in of.models] for of in inputs]).T for side in SIDES}
    shared: dict[str, Any] = {
        "clusters": [model.family for model in models] if options.cluster == "family" else None,
        "n_replicates": options.n_replicates,
        "seed": options.seed,
    }
    pairs = [
        {"first": benches[i], "second": benches[j]}
        | {side: _agreement(kendall(scores[side][:, i], scores[side][:, j], **shared)) for side in SIDES}
        for i, j in combinations(range(len(benches)), 2)
    ]
    component = {side: _agreement(first_component_share(scores[side], **shared)) for side in SIDES}
    conclusions = {
        "kind": "benches",
        **_request(inputs, options),
        "pairs": pairs,
        "first_component": component,
        "models": [
            {"model": model.model, "family": model.family}
            | {side: dict(zip(benches, scores[side][i], strict=True)) for side in SIDES}
            for i, model in enumerate(models)
        ],
        "provenance": provenance(tracker, [run for of in inputs for model in of.models for run in model.run_ids]),
    }
    return json_able({**conclusions, "verdict": _verdict(len(models), pairs)})


def format_conclusions(tracker: Tracker, benches: Sequence[str], options: Options) -> dict[str, Any]:
    """The same questions as cloze, as multiple choice, and as multiple choice adjusted: a fit of each."""
    inputs = read_common(tracker, benches, options)
    fits = []
    for of, side in ((inputs[0], "base"), (inputs[1], "base"), (inputs[1], "adjusted")):
        table = table_of(of, split_models(of.models, options), options)
        fit = told(table, side, fit_side(table, side, options.inference, options))
        fits.append({"bench": of.bench, "format": of.cells[0].params["format"], "scores": side, **fit})
    split = split_models(inputs[0].models, options)
    conclusions = {
        "kind": "reformulation",
        **_request(inputs, options),
        "split": {name: getattr(split, name) for name in ("field", "cutoff", "older", "newer")},
        "fits": fits,
        "provenance": provenance(tracker, [run for of in inputs for model in of.models for run in model.run_ids]),
    }
    theta = "; ".join(
        f"{fit['format']} {fit['scores']} "
        + (signed(fit["theta"]) if fit["theta"] is not None else "not identified")
        + ("" if fit["theta_low"] is None else f" ({signed(fit['theta_low'])} to {signed(fit['theta_high'])})")
        for fit in json_able(fits)
    )
    return json_able({**conclusions, "verdict": f"What the newer group scores more at equal compute: {theta}."})


def _request(inputs: Sequence[Inputs], options: Options) -> dict[str, Any]:
    reasons = [f"{of.bench}: {reason}" for of in inputs for reason in provisional_reasons(of.models)]
    return {
        "suite": options.suite,
        "benches": [of.bench for of in inputs],
        "adjustments": {of.bench: of.adjustment for of in inputs},
        "n_models": len(inputs[0].models),
        **{name: getattr(options, name) for name in ("policy", "score_rule", "inference", "cluster")},
        "excluded": [line for of in inputs for line in of.excluded],
        "provisional": bool(reasons),
        "provisional_reasons": reasons,
    }


def _agreement(found: Association) -> dict[str, Any]:
    return {name: getattr(found, name) for name in ("estimate", "low", "high", "p", "n_models")}


def _verdict(n_models: int, pairs: Sequence[dict[str, Any]]) -> str:
    told_pairs = [
        f"{pair['first']} and {pair['second']} {pair['base']['estimate']:.2f} before and "
        f"{pair['adjusted']['estimate']:.2f} after adjusting"
        for pair in pairs
        if pair["base"]["estimate"] == pair["base"]["estimate"]
    ]
    return f"Kendall's tau over {n_models} models: {'; '.join(told_pairs) or 'not identified'}."
