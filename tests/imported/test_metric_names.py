"""lm-eval's names of metrics as the names under which MLflow keeps them."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from mlflow.utils.validation import _validate_metric_name

from tests.imported.made_results import results
from tests.ingested import cell, ingest, write
from ttt.tasks.metrics import metric_name


def test_metrics_of_any_name_are_tracked(folder: Path, conf: Path) -> None:
    told = results()
    odd = {"pass@1,create_test": 0.25, "pass@1_stderr,create_test": 0.1, "exact_match,maj@8": 0.75, "score,none": 0.9}
    odd |= {"a" * 5000 + ",none": 0.1, "a" * 5000 + "b,none": 0.2, "über/всё 'x'\n,none": 0.3, "../..,none": 0.4}
    told["results"]["letters"] |= odd
    write(folder / "tiny" / "results_1.json", told)
    report, tracker = ingest(folder, conf=[str(conf)])
    assert report["n_new"] == 1
    metrics = cell(tracker, "letters", "tiny none s0").data.metrics
    assert metrics["base/pass:at:1.create_test"] == 0.25
    assert metrics["base/pass:at:1.create_test_stderr"] == 0.1
    assert metrics["base/exact_match.maj:at:8"] == 0.75
    assert metrics["base/score"] == 0.5, "a metric that is called score is not the score"
    assert metrics["base/score.none"] == 0.9
    assert {0.1, 0.2, 0.3, 0.4} <= set(metrics.values())


part = st.text(st.sampled_from("ab1_@.:,-/ é\n\ud800"), min_size=1, max_size=8) | st.sampled_from(
    ["acc", "score", "stderr", "acc_stderr", "none", "_stderr", "brier", "x" * 300, "x" * 299]
)
key = st.builds("{},{}".format, part.filter(lambda text: "," not in text), part)


@given(key, key)
@settings(max_examples=500, deadline=None)
def test_no_two_metrics_have_one_name(one: str, other: str) -> None:
    for side in ("base", "adjusted"):
        _validate_metric_name(f"{side}/{metric_name(one)}")
        assert len(f"{side}/{metric_name(one)}") <= 250
    assert (metric_name(one) == metric_name(other)) == (one == other)


@pytest.mark.parametrize(
    ("lm_evals", "ours"),
    [
        ("acc,none", "acc"),
        ("acc_stderr,none", "acc_stderr"),
        ("exact_match,strict-match", "exact_match.strict-match"),
        ("exact_match_stderr,strict-match", "exact_match.strict-match_stderr"),
    ],
)
def test_plain_names_stay(lm_evals: str, ours: str) -> None:
    assert metric_name(lm_evals) == ours
