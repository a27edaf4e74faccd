"""Chosen models on the documents that all of them answered."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from ttt.cell.result import SIDES
from ttt.comparison.alike import BENCH, OF_MODEL, reasons_of, refuse_mixed
from ttt.comparison.cells import NONE, choose_adjustment, finished_cells
from ttt.comparison.conclusions import ItemConclusions
from ttt.comparison.contenders import ModelScore, Pair
from ttt.comparison.current import corrected_facts
from ttt.comparison.findings import of_fields
from ttt.comparison.gate import provisional_reasons, refuse_unless_final
from ttt.comparison.halves import read_halves
from ttt.comparison.inputs import MIN_COMPARED, exclusions, is_excluded, provenance
from ttt.comparison.models import model_rows
from ttt.comparison.options import Options
from ttt.comparison.pairs import paired_tests, read_side, score_of, ties
from ttt.spec import SpecError, nearest
from ttt.tracking import Tracker


def item_conclusions(tracker: Tracker, bench: str, models: Sequence[str], options: Options) -> ItemConclusions:
    """Models on the same documents, pair by pair, before and after adjusting."""
    runs = finished_cells(tracker, bench, options)
    there = {run.data.tags["ttt.model"] for run in runs}
    if missing := [model for model in models if model not in there]:
        raise SpecError(f"items: there are no cells of {missing[0]!r}; there are: {nearest(missing[0], there, 8)}")
    excluded = exclusions(runs, options)
    runs = [run for run in runs if run.data.tags["ttt.model"] in models and not is_excluded(run, options)]
    adjustment = choose_adjustment(runs, options)
    halves = read_halves(runs, adjustment, lambda _: "score")
    if halves.left_out:
        raise SpecError("\n".join(f"items: {line.model}: {line.reason}" for line in halves.left_out))
    chosen = [cell.run for cell in halves.cells]
    is_base = halves.sides == ("base",)
    refuse_mixed(tracker, chosen, *(([BENCH], ["precision"], OF_MODEL) if is_base else ()))
    rows = model_rows(halves.cells, "raw")
    ids = {row.model: row.run_ids for row in rows}
    if len(ids) < MIN_COMPARED:
        raise SpecError(f"items: {', '.join(ids) or 'no model'} is all that is left; two models or more are needed")
    reasons = [*reasons_of(chosen), *halves.missing(SIDES), *halves.reasons]
    judged = [] if is_base else rows
    if options.final:
        refuse_unless_final(judged, reasons)
    reasons = provisional_reasons(judged, reasons)
    scores: list[ModelScore] = []
    pairs: list[Pair] = []
    for side in halves.sides:
        contenders = [read_side(tracker, ids[model], side, model) for model in models if model in ids]
        tested = paired_tests(contenders)
        pairs += [replace(pair, scores=side) for pair in tested]
        for one, group in zip(contenders, ties(contenders, tested), strict=True):
            scores.append(of_fields(ModelScore, score_of(one), scores=side, model=one.label, tie_group=group))
    return ItemConclusions(
        suite=options.suite,
        bench=bench,
        adjustment=NONE if is_base else adjustment,
        provisional=bool(reasons),
        provisional_reasons=reasons,
        excluded=excluded,
        models=scores,
        pairs=pairs,
        provenance=provenance(tracker, [run_id for of in ids.values() for run_id in of], corrected_facts(chosen)),
    )
