"""Cells to conclusions: the fits, groups, policies and ranks."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.stores import Made, adjustment, made_models, planted, write
from ttt.comparison.conclude import conclude
from ttt.comparison.conclusions import BenchConclusions, as_json, from_json
from ttt.comparison.findings import Excluded, plain
from ttt.comparison.inputs import read_inputs
from ttt.comparison.options import Options
from ttt.report.comparison import render
from ttt.spec import SpecError
from ttt.tracking import Tracker

QUICK = {"suite": "made", "n_replicates": 199, "n_permutations": 1}
pytestmark = pytest.mark.usefixtures("drawn")


def concluded(store: Tracker, **asked: Any) -> BenchConclusions:
    options = Options(**{**QUICK, **asked})
    return conclude(store, read_inputs(store, "sums", options), options)


def test_a_planted_lead_is_found_before_and_not_after(store: Tracker) -> None:
    found = concluded(store)
    base, adjusted = found.base, found.adjusted
    assert base.theta == pytest.approx(0.1, abs=0.02)
    assert base.theta_low < 0.1 < base.theta_high
    assert base.theta_p < 0.05
    assert adjusted.theta_low < 0 < adjusted.theta_high
    assert math.log10(base.c_e) == pytest.approx(22, abs=0.1)
    assert base.c_e_low < 1e22 < base.c_e_high
    assert math.log10(adjusted.c_e) == pytest.approx(21.2, abs=0.1)
    assert adjusted.c_e < base.c_e
    assert found.indirect_effect.estimate == pytest.approx(0.1, abs=0.03)
    assert found.pareto_area.base > found.pareto_area.adjusted
    assert "score higher before adjusting" in found.summary
    assert "no difference is found" in found.summary
    assert (found.n_models, found.split.n_older, found.split.n_newer) == (24, 12, 12)


def test_the_conclusions_hold_the_contracts_names_and_are_json(store: Tracker) -> None:
    conclusions = concluded(store)
    found = as_json(conclusions)
    assert json.loads(json.dumps(found, allow_nan=False)) == found
    assert from_json(found) == conclusions
    contract = (
        "suite bench n_models policy score_rule inference provisional base adjusted direct_effect indirect_effect"
    )
    assert {*contract.split(), "pareto_area", "emergence", "models"} <= set(found)
    assert set(found["pareto_area"]) == {"base", "adjusted"}
    assert {"examples", "n", "c_e", "c_e_low", "c_e_high", "r2"} <= set(found["emergence"][0])
    fit = {"theta", "theta_se", "theta_low", "theta_high", "theta_p", "alpha", "c_e", "c_e_low", "c_e_high", "r2"}
    for side in ("base", "adjusted"):
        assert fit <= set(found[side])
        assert fit <= set(found["other_inference"][side])
        curves = found["curves"][side]
        assert len(curves["compute"]) == len(curves["older"]) == len(curves["newer"]) == len(curves["older_low"])
        assert all(a <= b for a, b in zip(curves["older_low"], curves["older_high"], strict=True))
    for effect in ("direct_effect", "indirect_effect"):
        assert {"estimate", "se", "low", "high", "p", "r2"} <= set(found[effect])
    assert {"run_ids", "ttt_version", "commit", "created", "tracking"} <= set(found["provenance"])
    assert len(conclusions.provenance.run_ids) == 26
    assert conclusions.other_inference.name == "paper"
    assert conclusions.confound is None


def test_seeds_are_averaged_and_their_spread_counts(store: Tracker) -> None:
    rows = {row.model: row for row in concluded(store).models}
    several, single = rows["model-000"], rows["model-001"]
    assert (several.n_seeds, single.n_seeds) == (3, 1)
    single_error = math.sqrt(several.adjusted * (1 - several.adjusted) / 1000)
    between = 0.02**2 / 3
    assert several.adjusted_stderr == pytest.approx(math.sqrt(single_error**2 + between), rel=0.01)


def test_models_stand_in_order_and_ranks_agree(store: Tracker) -> None:
    rows = concluded(store).models
    scores = [row.adjusted for row in rows]
    assert scores == sorted(scores, reverse=True)
    assert [row.rank_adjusted for row in rows] == list(range(1, 25))
    assert all(row.rank_change == row.rank_base - row.rank_adjusted for row in rows)
    groups = [row.tie_group for row in rows]
    assert groups == sorted(groups)
    assert 1 < len(set(groups)) < 24
    assert rows[0].gain == pytest.approx(rows[0].adjusted - rows[0].base)
    assert rows[0].seconds == 10.0


def test_emergence_is_told_by_budget_and_measure_for_the_older_models(store: Tracker) -> None:
    rows = concluded(store).emergence
    scores = [row for row in rows if row.measure == "score"]
    assert [row.examples for row in scores] == [0, 500, 1000]
    assert {row.n for row in rows} == {12}
    assert scores[0].c_e > scores[-1].c_e
    assert [row.examples for row in rows if row.measure == "brier"] == [0, 1000]
    assert {row.group for row in rows} == {"older"}


def test_scores_on_the_way_count_where_most_models_have_them(tmp_path: Path) -> None:
    cells = list(planted(made_models(12), theta=0.1))
    asked = adjustment(evaluate_at=(100, 300))
    cells = [
        replace(cell, adjustment=asked, checkpoints=(), logged=[(100, 0.3), *([(300, 0.3 + i / 100)] if i < 2 else [])])
        for i, cell in enumerate(cells)
    ]
    rows = concluded(write(tmp_path, cells)).emergence
    assert [row.examples for row in rows if row.measure == "score"] == [0, 100, 1000]


def test_keep_best_takes_the_better_of_both_and_says_for_how_many(tmp_path: Path) -> None:
    cells = list(planted(made_models(12), theta=0.1))
    cells[3] = replace(cells[3], adjusted=cells[3].base - 0.05)
    store = write(tmp_path, cells)
    raw, best = concluded(store), concluded(store, policy="keep_best")
    name = cells[3].model.name
    assert best.n_kept_base == raw.n_lose >= 1
    assert raw.n_kept_base == 0
    row = next(row for row in best.models if row.model == name)
    assert row.kept_base
    assert (row.adjusted, row.gain, row.gain_stderr) == (cells[3].base, 0.0, 0.0)
    assert f"{best.n_kept_base} of 12 models lose by adjusting" in best.other_inference.note


@pytest.mark.parametrize(
    ("asked", "n_newer", "label"),
    [
        ({}, 12, "trained 2023-11 or later"),
        ({"cutoff": "2023-01"}, None, "2023-02, 2024-03"),
        ({"split": "languages"}, 12, "other languages too"),
        ({"split": "dose"}, 16, "dose above 0"),
        ({"split": "dose", "cutoff": 1.0}, 8, "dose from 1"),
        ({"split": "open"}, 9, "open"),
        ({"split": "family", "newer": ("family-1", "family-2")}, 6, "family family-1, family-2"),
        ({"split": "family"}, None, "newer="),
        ({"split": "kind"}, None, "0 instruct"),
        ({"split": "colour"}, None, "have no 'colour'"),
        ({"split": "dose", "cutoff": "2023-11"}, None, "no number"),
    ],
)
def test_any_field_splits_the_models(store: Tracker, asked: dict[str, Any], n_newer: int | None, label: str) -> None:
    if n_newer is None:
        with pytest.raises(SpecError, match=label):
            concluded(store, **asked)
    else:
        split = concluded(store, **asked).split
        assert (split.n_newer, split.newer) == (n_newer, label)


def test_clusters_are_families_or_models(store: Tracker) -> None:
    assert concluded(store).base.level == "clusters"
    assert concluded(store, cluster="model").base.level == "models"


def test_the_papers_inference_is_beside_the_clustered_one(store: Tracker) -> None:
    paper, clustered = concluded(store, inference="paper"), concluded(store)
    assert paper.base == clustered.other_inference.base
    assert paper.base.c_e_low is None
    assert paper.curves.base.older_low is None


def test_exclusions_are_told(store: Tracker) -> None:
    found = concluded(store, exclude=("model-005",))
    assert found.n_models == 23
    assert found.excluded == [Excluded("model-005", "asked for")]


def test_saturation_gates_what_is_called_final(tmp_path: Path) -> None:
    cells = [replace(cell, tags={"ttt.saturated": "yes"}) for cell in planted(made_models(10), theta=0.1)]
    states = {2: "no", 5: "undecided"}
    mixed = [replace(cell, tags={"ttt.saturated": states.get(i, "yes")}) for i, cell in enumerate(cells)]
    sound, open_ = write(tmp_path / "sound", cells), write(tmp_path / "open", mixed)
    found = concluded(sound, final=True)
    assert (found.provisional, found.provisional_reasons, found.final_by) == (False, [], "models")
    assert "Provisional" not in found.summary
    with pytest.raises(SpecError, match=r"(?s)not saturated: model-002.*undecided.*model-005"):
        concluded(open_, final=True)
    provisional = concluded(open_)
    assert provisional.provisional
    *models, suite = provisional.provisional_reasons
    assert len(models) == 2
    assert suite.startswith("the suite as a whole is not judged: no study covers model-000, ")
    assert "Provisional" in provisional.summary


def test_equal_treatment_is_told(tmp_path: Path) -> None:
    store = write(tmp_path, planted(made_models(10), theta=0.1))
    (experiment,) = [name for name in store.experiments() if "/" in name]
    for run, (trials, sufficient) in zip(
        store.runs(experiment, "cell"), [(6, 800), (4, 3200), (6, None)], strict=False
    ):
        with store.run(experiment, "study", {"ttt.kind": "saturation"}) as study:
            study.metrics({"n_trials": trials} | ({} if sufficient is None else {"smallest_budget": sufficient}))
        store.open(run.info.run_id).tags({"ttt.saturated_by": study.run_id})
    found = concluded(store).treatment
    assert (found.n_judged, found.fewest_trials, found.most_trials) == (3, 4, 6)
    assert (found.n_sufficient, found.largest_sufficient) == (2, 3200)
    report = render(concluded(store), tmp_path / "report")[0].read_text(encoding="utf-8")
    assert "3, by 4 to 6 trials each" in report
    assert "known of 2 models, the largest 3,200 examples" in report


def test_the_confound_is_recreated_where_its_adjustments_are(tmp_path: Path) -> None:
    cells = list(planted(made_models(), theta=0.0))
    steps = [
        replace(cell, adjustment=adjustment(name), adjusted=min(1.0, cell.base + gain))
        for cell in cells
        for name, gain in (("epochs_1", 0.1), ("epochs_2", 0.12), ("epochs_1_2", 0.12))
    ]
    store = write(tmp_path, [*cells, *steps])
    found = concluded(store)
    assert found.adjustment == "full"
    confound = found.confound
    assert (confound.n_models, confound.level, confound.n_units) == (12, "models", 12), "there are but four families"
    assert confound.half_trained.mean == pytest.approx(0.1, abs=0.03)
    assert abs(confound.all_adjusted.mean) < 0.02
    assert 0.03 < confound.untouched.share_significant < 0.07
    assert concluded(store, confound="none").confound is None
    best = concluded(store, policy="keep_best").confound
    assert (best.policy, best.untouched.mean) == ("keep_best", confound.untouched.mean)
    with pytest.raises(SpecError, match=r"confound=paper: the release never trains models of up to 6\.48 × 10²¹ FLOPs"):
        concluded(store, confound="paper", exclude=_large(cells))


def test_what_gives_no_answers_is_in_no_half_and_meets_no_classifier(tmp_path: Path) -> None:
    cells = list(planted(made_models(), theta=0.0))
    older = sorted((cell for cell in cells if cell.model.trained < "2023-11"), key=lambda cell: cell.model.compute)
    silent = {cell.model.name for cell in older[:3]}
    cells = [replace(cell, base=0.01) if cell.model.name in silent else cell for cell in cells]
    steps = [
        replace(cell, adjustment=adjustment(name), adjusted=cell.adjusted)
        for cell in cells
        for name in ("epochs_1", "epochs_2", "epochs_1_2")
    ]
    found = concluded(write(tmp_path, [*cells, *steps]))
    assert set(found.base.set_aside) == set(found.confound.set_aside) == set(found.discriminator.set_aside) == silent
    assert (found.confound.n_models, found.confound.left_out) == (9, [])
    assert abs(found.confound.untouched.mean) < 0.03
    assert (found.discriminator.base.n_older, found.discriminator.adjusted.n_older) == (9, 12)


def _large(cells: list[Made]) -> tuple[str, ...]:
    """Older models that the release's design would train, but for three."""
    large = [cell.model for cell in cells if cell.model.compute > 6.48e21 and cell.model.trained < "2023-11"]
    return tuple(model.name for model in large[3:])


def test_what_is_adjusted_to_less_than_before_keeps_its_score_in_the_confound_too(tmp_path: Path) -> None:
    cells = list(planted(made_models(), theta=0.0))
    steps = [
        replace(cell, adjustment=adjustment(name), adjusted=max(0.0, cell.base - 0.1))
        for cell in cells
        for name in ("epochs_1", "epochs_2", "epochs_1_2")
    ]
    store = write(tmp_path, [*cells, *steps])
    raw, best = concluded(store).confound, concluded(store, policy="keep_best").confound
    assert raw.half_trained.mean < -0.05
    assert best.half_trained.mean == pytest.approx(best.untouched.mean, abs=1e-12)


def test_numbers_that_are_not_finite_are_null() -> None:
    assert plain({"a": float("nan"), "b": [np.float64("inf"), np.int64(3)], "c": np.array([1.0, np.nan])}) == {
        "a": None,
        "b": [None, 3],
        "c": [1.0, None],
    }
