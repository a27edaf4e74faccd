"""Models or versions on the same documents: each one's score with its interval, and all pairs of them tested.

Models whose items are not kept are tested by their standard errors instead.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from itertools import combinations

import numpy as np
import pandas as pd
from scipy import stats

from ttt.cell.read import items_file
from ttt.comparison.contenders import ItemsScore, Pair
from ttt.comparison.findings import of_fields, plain
from ttt.comparison.inputs import Inputs
from ttt.comparison.models import ModelRow
from ttt.spec import SpecError
from ttt.stats.items import (
    benjamini_hochberg,
    item_mean,
    items_to_decide,
    minimum_detectable_difference,
    paired_difference,
)
from ttt.stats.ranking import tie_groups
from ttt.tracking import Tracker


@dataclass(frozen=True)
class ItemScores:
    """One contender's items: `correct`, indexed by task and document, and the documents' hashes in the same order."""

    label: str
    correct: pd.Series
    documents: pd.Series

    @property
    def groups(self) -> pd.Series | None:
        """What goes together: a document that is asked more than once is one group. None where there is none such."""
        return self.documents if self.documents.duplicated().any() else None


class UnpairedError(SpecError):
    """A run has no items by which a higher score could be recognised."""


def read_side(tracker: Tracker, run_ids: Sequence[str], side: str, label: str) -> ItemScores:
    """The items of a side, averaged over the runs (seeds).

    UnpairedError where a run has kept none, its score is no mean over them, or a lower one is better.
    """
    tables = []
    for run_id in run_ids:
        file = items_file(tracker, run_id, side)
        if file is None:
            raise UnpairedError(
                f"{label}: run {run_id} has kept no items of the {side} model, so nothing can be paired"
            )
        tables.append(pd.read_parquet(file, columns=["task", "doc_id", "doc_hash", "correct"]))
        if tables[-1]["correct"].isna().any():
            raise UnpairedError(f"{label}: the score of run {run_id} is no mean over its items: nothing can be paired")
        if not _is_better_when_higher(tracker, run_id):
            raise UnpairedError(
                f"{label}: the score of run {run_id} is better when lower, and pairs are ranked by more"
            )
    joined = pd.concat(tables).groupby(["task", "doc_id"], sort=True)
    if (joined["doc_hash"].nunique() > 1).any():
        raise SpecError(f"{label}: its runs were asked different documents")
    return ItemScores(label, joined["correct"].mean().astype(float), joined["doc_hash"].first())


def _is_better_when_higher(tracker: Tracker, run_id: str) -> bool:
    if tracker.artifact(run_id, "config.json") is None:
        return True
    config = tracker.read_json(run_id, "config.json")
    try:
        return bool(config["bench"].get("higher_is_better", True))
    except (KeyError, TypeError, AttributeError) as error:
        raise SpecError(f"run {run_id}: its config.json is damaged ({error!r})") from error


def score_of(items: ItemScores) -> ItemsScore:
    """Mean over the items with its 95 % interval: Wilson's below 300 items, by document where some are repeated."""
    mean = item_mean(items.correct.to_numpy(), None if items.groups is None else items.groups.to_numpy())
    return of_fields(ItemsScore, mean, score=float(mean.mean))


def paired_tests(contenders: Sequence[ItemScores]) -> list[Pair]:
    """Every pair on its shared documents, second minus first; `p_adjusted` is Benjamini-Hochberg's over all pairs.

    A pair that was not asked the same documents has nulls and a `note`.
    """
    return _adjusted_for_many([_pair(first, second) for first, second in combinations(contenders, 2)])


def _adjusted_for_many(pairs: list[Pair]) -> list[Pair]:
    tested = {i: pair.p for i, pair in enumerate(pairs) if pair.p is not None}
    if tested:
        for i, p in zip(tested, benjamini_hochberg(list(tested.values())), strict=True):
            pairs[i] = replace(pairs[i], p_adjusted=float(p))
    return pairs


def _pair(first: ItemScores, second: ItemScores) -> Pair:
    shared = first.correct.index.intersection(second.correct.index)
    if not len(shared) or not first.documents[shared].equals(second.documents[shared]):
        nothing = dict.fromkeys(one.name for one in fields(Pair))
        named = {"first": first.label, "second": second.label, "note": "not asked the same documents"}
        return Pair(**{**nothing, **named})  # type: ignore[arg-type]
    before, after = (one.correct[shared].to_numpy() for one in (first, second))
    groups = first.documents[shared].to_numpy() if first.groups is not None else None
    left_out = max(len(first.correct), len(second.correct)) - len(shared)
    return of_fields(
        Pair,
        paired_difference(before, after, groups),
        first=first.label,
        second=second.label,
        minimum_detectable_difference=plain(float(minimum_detectable_difference(after - before))),
        p_adjusted=None,
        note=f"{left_out} items that only one of them has are left out" if left_out else "",
        n_items_to_decide=items_to_decide(after - before),
    )


FEW_MODELS = 8
"""Up to which every pair of models is in the report."""
NO_ITEMS = "no items kept: tested by standard errors, as if the questions were different, which is cautious"


def pairs_of(tracker: Tracker, inputs: Inputs) -> list[Pair] | None:
    """Every two models tested on each side that there is; None where they are more than FEW_MODELS.

    On the items that both answered, where all models have kept theirs; else by standard errors.
    """
    if len(inputs.models) > FEW_MODELS:
        return None
    pairs: list[Pair] = []
    for side in inputs.sides:
        try:
            of = [read_side(tracker, one.run_ids, _kept_side(one, side), one.model) for one in inputs.models]
            tested = paired_tests(of)
        except UnpairedError:
            tested = _by_errors(inputs.models, side)
        pairs += [replace(pair, scores=side) for pair in tested]
    return pairs


def _kept_side(model: ModelRow, side: str) -> str:
    return "base" if model.kept_base else side


def _by_errors(models: Sequence[ModelRow], side: str) -> list[Pair]:
    """By a z test of the scores' standard errors, which takes the items of two models as different."""
    pairs = []
    for first, second in combinations(models, 2):
        scores = [getattr(model, side) for model in (first, second)]
        errors = [getattr(model, f"{side}_stderr") for model in (first, second)]
        difference = scores[1] - scores[0]
        nothing = dict.fromkeys(one.name for one in fields(Pair))
        pair = Pair(**{**nothing, "first": first.model, "second": second.model, "difference": difference})
        if None in errors or not (se := math.hypot(*errors)) > 0:
            pairs.append(replace(pair, note="no items kept and no standard error known: nothing can be tested"))
            continue
        half, p = float(stats.norm.ppf(0.975)) * se, float(2 * stats.norm.sf(abs(difference) / se))
        pairs.append(replace(pair, se=se, low=difference - half, high=difference + half, p=p, note=NO_ITEMS))
    return _adjusted_for_many(pairs)


def ties(contenders: Sequence[ItemScores], pairs: Sequence[Pair]) -> list[int]:
    """Group of each contender, 1 the best, within which none is distinguished from the first of the group."""
    place = {one.label: i for i, one in enumerate(contenders)}
    apart = np.zeros((len(contenders), len(contenders)), bool)
    for pair in pairs:
        if pair.p_adjusted is not None and pair.p_adjusted < 0.05:
            i, j = place[pair.first], place[pair.second]
            apart[i, j] = apart[j, i] = True
    return [int(group) for group in tie_groups([one.correct.mean() for one in contenders], apart)]
