"""Bad input: one clear message, or a result that says it is not identified; never a confident number."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.stores import CHANCE, Made, adjustment, ask, bench, made_models, planted, write
from ttt.comparison.conclude import conclude
from ttt.comparison.conclusions import BenchConclusions
from ttt.comparison.inputs import read_inputs
from ttt.comparison.options import Options
from ttt.spec import SpecError
from ttt.tracking import Tracker

Change = Callable[[list[Made]], list[Made]]


def first(**changes: Any) -> Change:
    return lambda cells: [replace(cells[0], **changes), *cells[1:]]


def all_(**changes: Any) -> Change:
    return lambda cells: [replace(cell, **changes) for cell in cells]


def and_also(**changes: Any) -> Change:
    return lambda cells: [*cells, replace(cells[0], **changes)]


def model(**changes: Any) -> Change:
    return lambda cells: [replace(cell, model=cell.model.model_copy(update=changes)) for cell in cells]


OTHER_BENCH = bench(version=2)
BAD: dict[str, tuple[Change, str]] = {
    "few": (lambda cells: cells[:1], "model-000 is the only one with a score on 'sums': at least 2 models are needed"),
    "one-group": (model(trained="2024-01"), "one group is empty: 6 trained before 2025-01, 0 trained 2025-01 or later"),
    "above-one": (first(metrics={"adjusted/score": 1.2}), "model-000 full s0 .*adjusted score 1.2"),
    "nan": (first(metrics={"base/score": float("nan")}), "model-000 full s0 .*base score nan"),
    "negative": (first(metrics={"base/score": -0.1}), "base score -0.1"),
    "versions": (
        first(bench=OTHER_BENCH),
        r"mixed benches: bench.version is 1 in 5 cells \(.*\); 2 in 1 \(model-000\)",
    ),
    "limits": (first(bench=bench(limit=10)), r"mixed benches: bench.limit is null in 5 cells \(.*\); 10 in 1 \("),
    "budgets": (first(adjustment=adjustment(examples=9)), "mixed cells: budget is 1000 examples in 5 cells"),
    "adjustments": (and_also(adjustment=adjustment("lora")), r"full \(6 cells\), lora \(1 cells\)"),
    "duplicates": (and_also(), "duplicates: model-000, seed 0, has 2 finished cells"),
    "lower-is-better": (all_(bench=bench(higher_is_better=False)), "better when lower"),
    "no-languages": (all_(params={"languages": ""}), "have no 'languages'"),
}
QUICK = {"n_replicates": 99, "n_permutations": 1}


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Tracker:
    """One suite for each kind of bad input, of six models."""
    cells = list(planted(made_models(6, n_families=6), theta=0.1))

    def changed() -> Iterator[Made]:
        for suite, (change, _) in BAD.items():
            for cell in change(cells):
                yield replace(cell, suite=suite)

    return write(tmp_path_factory.mktemp("store"), list(changed()))


def compared(store: Tracker, suite: str, **asked: Any) -> BenchConclusions:
    options = Options(**{**QUICK, "suite": suite, **asked})
    return conclude(store, read_inputs(store, "sums", options), options)


@pytest.mark.parametrize("suite", sorted(BAD))
def test_what_cannot_be_compared_is_refused_by_name(store: Tracker, suite: str) -> None:
    asked: dict[str, Any] = {"no-languages": {"split": "languages"}, "one-group": {"cutoff": "2025-01"}}.get(suite, {})
    with pytest.raises(SpecError, match=BAD[suite][1]):
        compared(store, suite, **asked)


@pytest.mark.parametrize("suite", ["nan", "versions"])
def test_what_is_refused_can_be_left_out(store: Tracker, suite: str) -> None:
    assert compared(store, suite, exclude=("model-000",)).n_models == 5


def test_a_duplicate_can_be_left_out_by_its_run(store: Tracker) -> None:
    runs = [run for run in store.runs("duplicates/sums", "cell") if run.data.tags["ttt.model"] == "model-000"]
    found = compared(store, "duplicates", exclude=(runs[0].info.run_id,))
    assert found.n_models == 6
    assert runs[0].info.run_id in found.excluded[0].reason
    assert runs[1].info.run_id in found.provenance.run_ids


def test_of_several_adjustments_one_can_be_chosen(store: Tracker) -> None:
    assert compared(store, "adjustments", adjustment="full").adjustment == "full"


def test_the_papers_score_is_the_benchs_own_unless_its_definition_says_otherwise(tmp_path: Path) -> None:
    cells = list(planted(made_models(6, n_families=6), theta=0.1))
    paper = {"base/score_paper": 0.3, "adjusted/score_paper": 0.4}
    means = bench(paper_score="mean_of_entries")
    some = [replace(cell, metrics=paper if i else {}, suite="some", bench=means) for i, cell in enumerate(cells)]
    every = [replace(cell, metrics=paper, suite="every", bench=means) for cell in cells]
    own = [replace(cell, metrics=paper, suite="own") for cell in cells]
    store = write(tmp_path, [*some, *every, *own])
    with pytest.raises(SpecError, match=r"score_rule: the paper's score of bench 'sums' is a mean .* model-000"):
        compared(store, "some", score_rule="paper")
    rows = read_inputs(store, "sums", Options(suite="every", score_rule="paper")).models
    assert {(row.base, row.adjusted) for row in rows} == {(0.3, 0.4)}
    for asked in (Options(suite="every"), Options(suite="own", score_rule="paper")):
        assert {row.base for row in read_inputs(store, "sums", asked).models} == {made.base for made in cells}


def test_models_at_chance_identify_nothing(tmp_path: Path) -> None:
    cells = list(planted(made_models(8), theta=0.1))
    lost = [
        replace(cell, base=CHANCE + 0.001 * (i % 3), adjusted=CHANCE, checkpoints=()) for i, cell in enumerate(cells)
    ]
    found = compared(write(tmp_path, [replace(cell, suite="lost") for cell in lost]), "lost")
    numbers = ("theta", "theta_se", "theta_low", "theta_high", "theta_p", "alpha", "c_e", "r2")
    for side in ("base", "adjusted"):
        assert [getattr(getattr(found, side), name) for name in numbers] == [None] * len(numbers)
        assert "no model's score can be told from chance" in getattr(found, side).note
        assert getattr(found.curves, side) is None
        assert getattr(found.other_inference, side).theta is None
    assert found.direct_effect.estimate is found.indirect_effect.estimate is None
    assert all(row.c_e is None for row in found.emergence if row.measure == "score")
    assert "not identified" in found.summary


def test_identical_scores_are_no_certainty(tmp_path: Path) -> None:
    cells = [replace(cell, base=0.5, adjusted=0.5, checkpoints=()) for cell in planted(made_models(8), theta=0.1)]
    found = compared(write(tmp_path, cells), "made")
    for inference in (found, found.other_inference):
        assert inference.base.theta_low is inference.base.theta_p is None
        assert inference.base.c_e is None
    assert {row.tie_group for row in found.models} == {1}
    assert found.ranking_agreement.tau_before_after is None
    assert "not identified" in found.summary


def test_the_best_is_apart_from_every_other_only_where_each_is_tested_apart(tmp_path: Path) -> None:
    """A tie group is tested against its first model alone, and a later one with a wide error may be tied with the best.

    Of two others the second scores less, and what is known of its score is far less."""
    errors = {"adjusted/score_stderr": 0.2}
    cells = [
        replace(cell, base=score, adjusted=score, metrics=more)
        for cell, score, more in zip(planted(made_models(3), 0.1), (0.9, 0.7, 0.6), ({}, {}, errors), strict=True)
    ]
    found = compared(write(tmp_path, cells), "made")
    assert [row.tie_group for row in found.models] == [1, 2, 2]
    assert [row.tied_with_best for row in found.models] == [True, False, True]
    assert "model-000 scores highest after adjusting (0.900), and is not distinguished from model-002." in found.summary


def test_a_split_along_compute_identifies_no_theta(tmp_path: Path) -> None:
    cells = sorted(planted(made_models(10), theta=0.1), key=lambda made: made.model.compute)
    dated = [
        replace(made, model=made.model.model_copy(update={"trained": "2024-01" if i > 8 else "2023-01"}))
        for i, made in enumerate(cells)
    ]
    found = compared(write(tmp_path, dated), "made")
    assert found.split.n_newer == 1
    assert found.base.theta_low is None
    assert found.discriminator is None


def test_items_of_cells_without_items_are_refused(store: Tracker) -> None:
    with pytest.raises(SpecError, match="has kept no items"):
        ask(store, "items", ["sums"], Options(suite="versions"), ["model-001", "model-002"])
