"""Metrics, filters and chance levels that a bench's tasks cannot have."""

from __future__ import annotations

from typing import Any

import pytest

from tests.conftest import sums
from tests.tasks.benches import CLOZE, GENERATE, LETTER_TASK, RAIN, Benches
from ttt.spec import SpecError

FILTERS = [
    {"name": "strict-match", "filter": [{"function": "take_first"}]},
    {"name": "flexible-extract", "filter": [{"function": "take_first"}]},
]


@pytest.mark.parametrize(
    ("metric", "aggregation", "task", "expected"),
    [
        ("f1", "f1", {}, "Target is multiclass"),
        ("likelihood", "mean", {}, "unsupported operand"),
        ("f1", "f1", CLOZE, "Target is multiclass"),
    ],
)
def test_a_metric_that_only_fails_when_all_is_scored_is_refused(
    benches: Benches, metric: str, aggregation: str, task: dict[str, Any], expected: str
) -> None:
    one = {"metric": metric, "aggregation": aggregation, "higher_is_better": True}
    with pytest.raises(SpecError, match=rf"bench\.metric: '{metric}' cannot be computed .*task 'quiz'.*{expected}"):
        benches.load(sums(12, seed=1), {**task, "metric_list": [one]})
    both = [*LETTER_TASK["metric_list"], one]
    with pytest.raises(SpecError, match=rf"bench 'b', metric_list: '{metric}' cannot be computed .*{expected}"):
        benches.load(sums(12, seed=1), {**task, "metric_list": both})


@pytest.mark.parametrize("metric", ["f1", "mcc", "acc", "acc_norm", "acc_bytes", "brier_score", "acc_mutual_info"])
def test_metrics_that_suit_their_choices_are_taken(benches: Benches, metric: str) -> None:
    aggregation = {"f1": "f1", "mcc": "matthews_corrcoef", "brier_score": "brier_score"}.get(metric, "mean")
    one = {"metric": metric, "aggregation": aggregation, "higher_is_better": True}
    task = {"doc_to_text": "{{question}}", "doc_to_choice": ["no", "yes"], "metric_list": [one]}
    assert benches.load(RAIN, task, chance=0.5)["warnings"] == []


def test_a_metric_that_one_task_lacks_is_refused(benches: Benches) -> None:
    other = {**GENERATE, "task": "open"}
    with pytest.raises(
        SpecError, match=r"'acc,none' would score a part of 'b' alone.*task 'open', which has exact_match"
    ):
        benches.load(RAIN, CLOZE, {**other, "doc_to_target": "{{answer}}"}, chance=0.5)


def test_a_metric_that_lm_eval_does_not_compute_for_the_output_is_refused(benches: Benches) -> None:
    metrics = [*LETTER_TASK["metric_list"], {"metric": "perplexity", "aggregation": "mean", "higher_is_better": True}]
    with pytest.raises(SpecError, match="'perplexity,none' is none of the metrics of 'b': acc"):
        benches.load(sums(4, 1), {"metric_list": metrics}, metric="perplexity,none")


def test_a_filter_that_a_task_lacks_is_refused_with_those_it_has(benches: Benches) -> None:
    rows = [{"question": f"{i}?", "answer": str(i)} for i in range(4)]
    first, second = {**GENERATE, "filter_list": FILTERS}, {**GENERATE, "task": "plain"}
    assert benches.load(rows, first, metric="exact_match,flexible-extract")["warnings"] == []
    expected = "task 'quiz' has no filter 'flexible-extrct'; it has: flexible-extract, strict-match"
    with pytest.raises(SpecError, match=expected):
        benches.load(rows, first, metric="exact_match,flexible-extrct")
    with pytest.raises(SpecError, match="task 'plain' has no filter 'strict-match'; it has: none"):
        benches.load(rows, first, second, metric="exact_match,strict-match")


def test_the_direction_of_the_metric_is_not_contradicted(benches: Benches) -> None:
    with pytest.raises(SpecError, match=r"higher_is_better: .* 'acc' is better .*: the bench: false, quiz: true"):
        benches.load(sums(4, 1), higher_is_better=False)
    brier = {"metric": "brier_score", "aggregation": "brier_score", "higher_is_better": False}
    assert benches.load(sums(4, 1), {"metric_list": [brier]})["warnings"] == [], "a bench that does not say it"
    other = {"task": "other", "metric_list": [{**brier, "higher_is_better": True}]}
    with pytest.raises(SpecError, match=r"'brier_score' is better .*: quiz: false, other: true"):
        benches.load(sums(4, 1), {"metric_list": [brier]}, other)


def test_a_chance_that_the_choices_rule_out_is_said(benches: Benches) -> None:
    assert benches.load(sums(4, 1), chance=0.5)["warnings"] == [
        "bench.chance: 0.5, but the questions of 'b' have 4 choices"
    ]
