"""One half, few models, one era, no facts, another scale: what is there is compared, and what is missing is said."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.stores import Made, adjustment, ask, bench, item_table, made_models, planted, write
from ttt.comparison.conclude import conclude
from ttt.comparison.conclusions import BenchConclusions, as_json, from_json
from ttt.comparison.inputs import read_inputs
from ttt.comparison.options import Options
from ttt.report.comparison import render
from ttt.spec import SpecError
from ttt.tracking import Tracker

QUICK = {"n_replicates": 99, "n_permutations": 1}
SATURATED = {"ttt.saturated": "yes"}


def base_only(cells: Iterable[Made]) -> list[Made]:
    """As a leaderboard has them; half of them as `ttt.ingest` writes them, with the base scores on both sides."""
    missing = {"adjusted/score": None, "adjusted/score_stderr": None, "gain/score": None}
    none = adjustment("none")
    return [
        replace(cell, adjustment=none, adjusted=cell.base, metrics=missing if i % 2 else {})
        for i, cell in enumerate(cells)
    ]


def adjusted_only(cells: Iterable[Made]) -> list[Made]:
    return [
        replace(cell, metrics={"base/score": None, "base/score_stderr": None, "gain/score": None}) for cell in cells
    ]


def without(cells: Iterable[Made], *params: str) -> list[Made]:
    return [replace(cell, params=dict.fromkeys(params, "None")) for cell in cells]


def suite(cells: Iterable[Made], name: str, **changes: Any) -> list[Made]:
    return [replace(cell, suite=name, **changes) for cell in cells]


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Tracker:
    """A suite for each kind of what may be missing."""
    full = [replace(cell, tags=SATURATED) for cell in planted(made_models(12), theta=0.1)]
    old = [replace(cell, model=cell.model.model_copy(update={"trained": "2022-01"})) for cell in full]
    rng = np.random.default_rng(0)
    two = [
        replace(
            cell,
            items={side: item_table(list((rng.random(400) < share).astype(float))) for side in ("base", "adjusted")},
        )
        for cell, share in zip(full[:2], (0.4, 0.6), strict=True)
    ]
    mcc = bench("cola", metric="mcc,none", chance=0.0)
    return write(
        tmp_path_factory.mktemp("store"),
        [
            *suite(base_only(full), "bases"),
            *suite(adjusted_only(full), "adjusteds"),
            *suite([*full[:8], *base_only(full[8:])], "some"),
            *suite([full[0], *base_only(full[1:])], "one"),
            *suite([*adjusted_only(full), *base_only(full[:5])], "apart"),
            *suite([*full[:8], *adjusted_only(full[8:]), *base_only(full[8:10])], "some-apart"),
            *suite(two, "two"),
            *suite(full[:3], "three"),
            *suite(full[:1], "alone"),
            *suite(old, "era"),
            *suite(without(full, "trained"), "undated"),
            *suite(without(full, "n_tokens"), "unmeasured"),
            *suite([*without(full[:1], "n_tokens"), *full[1:]], "one-unmeasured"),
            *suite(
                [replace(cell, base=cell.base - 0.5, adjusted=cell.adjusted - 0.4, bench=mcc) for cell in full], "scale"
            ),
            *suite(
                [replace(cell, base=100 * cell.base, adjusted=100 * cell.adjusted, bench=mcc) for cell in full], "large"
            ),
        ],
    )


def concluded(store: Tracker, name: str, on: str = "sums", **asked: Any) -> BenchConclusions:
    options = Options(**{**QUICK, "suite": name, **asked})
    found = conclude(store, read_inputs(store, on, options), options)
    assert from_json(as_json(found)) == found
    return found


def reported(found: BenchConclusions, folder: Path) -> str:
    return render(found, folder)[0].read_text(encoding="utf-8")


def test_base_scores_alone_have_theta_emergence_frontier_and_ranking(store: Tracker, tmp_path: Path) -> None:
    found, full = concluded(store, "bases"), concluded(store, "bases", adjustment="none")
    assert found.sides == full.sides == ["base"]
    assert found.base == full.base
    assert found.base is not None
    assert found.base.theta == pytest.approx(0.1, abs=0.03)
    assert found.base.c_e == pytest.approx(1e22, rel=0.6)
    assert found.pareto_area.base is not None
    assert found.frontier.base
    assert [row.rank for row in found.models] == [row.rank_base for row in found.models] == list(range(1, 13))
    absent = (found.adjusted, found.direct_effect, found.indirect_effect, found.discriminator, found.confound)
    assert absent == (None,) * 5
    assert found.ranking_agreement is found.frontier.adjusted is found.pareto_area.adjusted is found.n_lose is None
    assert found.adjustment == "none"
    assert found.provisional_reasons == ["the adjusted half of all 12 models is missing"]
    page = reported(found, tmp_path)
    assert "The adjusted half" in page
    assert "before any training on the test task" in page


def test_adjusted_scores_alone_have_the_direct_effect_too(store: Tracker, tmp_path: Path) -> None:
    found = concluded(store, "adjusteds")
    assert found.sides == ["adjusted"]
    assert found.base is found.indirect_effect is None
    assert found.adjusted is not None
    assert found.adjusted.theta is not None
    assert found.direct_effect is not None
    assert found.direct_effect.estimate == pytest.approx(0.0, abs=0.03)
    assert {row.examples for row in found.emergence} == {500, 1000}
    assert [row.rank for row in found.models] == [row.rank_adjusted for row in found.models]
    assert found.provisional_reasons == ["the base half of all 12 models is missing"]
    assert "The base half" in reported(found, tmp_path)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("bases", "the adjusted half of all 12 models is missing"),
        ("adjusteds", "the base half of all 12 models is missing"),
        ("some", r"the adjusted half \(full\) is missing of 4 models, which are left out: model-008"),
    ],
)
def test_nothing_is_final_without_a_half(store: Tracker, name: str, message: str) -> None:
    with pytest.raises(SpecError, match=f"final: {message}"):
        concluded(store, name, final=True)


def test_a_half_that_was_not_asked_for_is_not_called_missing(store: Tracker) -> None:
    said = "adjustment=none asks for base scores; a final comparison is of both halves"
    with pytest.raises(SpecError, match=f"final: {said}"):
        concluded(store, "three", final=True, adjustment="none")
    found = concluded(store, "three", adjustment="none")
    assert found.provisional_reasons == [said]
    assert "missing" not in found.summary
    never_made = concluded(store, "bases", adjustment="none").provisional_reasons
    assert never_made == ["the adjusted half of all 12 models is missing"]


def test_a_half_that_is_missing_by_request_hinders_no_final_word(store: Tracker) -> None:
    rest = tuple(f"model-{i:03d}" for i in range(8, 12))
    assert not concluded(store, "some", final=True, exclude=rest).provisional


def test_models_with_one_half_are_left_out_by_name_where_others_have_both(store: Tracker) -> None:
    found = concluded(store, "some")
    assert (found.n_models, found.n_without_half, found.sides) == (8, 4, ["base", "adjusted"])
    assert {(line.model, line.reason) for line in found.excluded} == {
        (f"model-{i:03d}", "the adjusted half (full) is missing") for i in range(8, 12)
    }
    assert "All of this is of the 8 models with base and adjusted scores" in found.summary
    bases = concluded(store, "some", adjustment="none")
    assert (bases.n_models, bases.sides, bases.excluded) == (12, ["base"], [])


def test_one_adjusted_model_among_base_models_leaves_the_base_scores(store: Tracker) -> None:
    found = concluded(store, "one")
    assert (found.n_models, found.sides, found.adjustment) == (12, ["base"], "none")


def test_halves_in_two_cells_are_not_called_missing(store: Tracker) -> None:
    two_cells = "base and adjusted scores are in two cells, so that they are not compared with each other (ingest the "
    two_cells += "results of both in one folder)"
    found = concluded(store, "apart")
    assert found.sides == ["adjusted"]
    names = ", ".join(f"model-{i:03d}" for i in range(5))
    assert found.provisional_reasons == ["the base half of 7 of 12 models is missing", f"{two_cells}: {names}"]
    some = concluded(store, "some-apart")
    assert {line.model: line.reason for line in some.excluded} == {
        **{f"model-{i:03d}": two_cells for i in (8, 9)},
        **{f"model-{i:03d}": "the base half is missing" for i in (10, 11)},
    }
    assert f"{two_cells} of 2 models, which are left out: model-008, model-009" in some.provisional_reasons


def test_two_models_are_ranked_and_tested_on_their_items(store: Tracker, tmp_path: Path) -> None:
    found = concluded(store, "two")
    assert found.no_theta[0] == "at least 4 models (there are 2)"
    assert found.base is not None
    assert found.base.theta is found.base.c_e is None
    assert found.pairs is not None
    assert [(pair.scores, pair.n_items) for pair in found.pairs] == [("base", 400), ("adjusted", 400)]
    assert all(pair.p is not None and pair.p < 0.001 and abs(pair.difference) > 0.1 for pair in found.pairs)
    assert all(pair.n_items_to_decide is not None and pair.n_items_to_decide < 400 for pair in found.pairs)
    assert found.models[0].tie_group != found.models[1].tie_group
    assert "is distinguished from every other" in found.summary
    page = reported(found, tmp_path)
    assert "Every pair of models" in page
    assert "Cost against score" in page
    kept = ask(store, "bench", ["sums"], Options(**{**QUICK, "suite": "two"}))
    assert store.artifact(kept.run_id, "tables/pairs.csv")


def test_three_models_without_items_are_tested_by_their_errors(store: Tracker) -> None:
    found = concluded(store, "three")
    assert found.pairs is not None
    assert len(found.pairs) == 6
    assert all(pair.p is not None and pair.n_items is None for pair in found.pairs)
    assert "standard errors" in found.pairs[0].note


def test_no_model_with_the_half_that_is_of_use_is_not_called_the_only_one(store: Tracker) -> None:
    with pytest.raises(SpecError, match="no model has the half that is asked for on 'sums': at least 2 models"):
        read_inputs(store, "sums", Options(**{**QUICK, "suite": "adjusteds"}), sides=("base",))


def test_one_model_is_no_comparison(store: Tracker) -> None:
    with pytest.raises(SpecError, match="model-000 is the only one with a score on 'sums': at least 2 models"):
        concluded(store, "alone")


@pytest.mark.parametrize(
    ("name", "lacks", "has_curve"),
    [
        ("era", "two groups of models (all whose 'trained' is known are one: trained before 2023-11)", True),
        ("undated", "'trained' of the models", True),
        ("unmeasured", "at least 4 models whose compute is known (there are 0)", False),
    ],
)
def test_what_theta_lacks_is_said_and_the_rest_is_there(
    store: Tracker, tmp_path: Path, name: str, lacks: str, has_curve: bool
) -> None:
    found = concluded(store, name)
    assert lacks in found.summary
    assert found.split is None
    for fit in (found.base, found.adjusted):
        assert fit is not None
        assert fit.theta is fit.theta_p is None
        assert (fit.c_e is not None) == has_curve
    assert found.ranking_agreement is not None
    assert found.ranking_agreement.tau_before_after is not None
    assert (found.frontier.base is not None) == has_curve
    assert (found.curves.base is not None) == has_curve
    page = reported(found, tmp_path)
    assert ("Score against compute, and the frontier" in page) != has_curve


def test_a_model_without_compute_is_ranked_and_named_as_left_out_of_the_fits(store: Tracker) -> None:
    found = concluded(store, "one-unmeasured")
    assert found.n_models == len(found.models) == 12
    assert [(line.model, line.reason) for line in found.excluded] == [
        ("model-000", "ranked, and left out of the fits: its n_params, n_tokens is not known")
    ]
    assert found.split is not None
    assert found.split.n_older + found.split.n_newer == 11
    assert next(row for row in found.models if row.model == "model-000").newer is None


@pytest.mark.parametrize(("name", "span"), [("scale", "from −0."), ("large", "to ")])
def test_scores_of_another_scale_are_ranked_and_correlated_without_chance(
    store: Tracker, tmp_path: Path, name: str, span: str
) -> None:
    found = concluded(store, name, on="cola")
    assert found.chance is None
    assert "a chance level between 0 and 1, which scores by 'mcc,none' have not: they are " in found.no_theta[0]
    assert span in found.no_theta[0]
    assert found.base is not None
    assert found.base.theta is found.base.c_e is None
    assert found.emergence == []
    assert [row.rank for row in found.models] == list(range(1, 13))
    assert found.ranking_agreement is not None
    assert found.ranking_agreement.tau_before_after is not None
    assert found.direct_effect is not None
    assert found.direct_effect.estimate is not None
    assert found.pareto_area.base is not None
    assert "chance</text>" not in reported(found, tmp_path)
