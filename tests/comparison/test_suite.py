"""A comparison that is final by the suite: what its studies must be, and what is said."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.stores import adjustment, ask, bench, made_models, planted, write, write_study
from ttt.cell.read import items_tag
from ttt.cell.study_result import CURVE
from ttt.cell.suite_result import SuiteSaturation
from ttt.comparison.conclude import conclude
from ttt.comparison.conclusions import BenchConclusions
from ttt.comparison.inputs import read_inputs
from ttt.comparison.models import fitted_models
from ttt.comparison.options import Options
from ttt.comparison.suite import judge_suite
from ttt.spec import SpecError
from ttt.study.record import read_back
from ttt.study.space import StudySpec
from ttt.tracking import Tracker

N_ITEMS, TOLERANCE = 3000, 0.01
MODELS = made_models(8, 8)
CELLS = [replace(cell, metrics={"train/n_examples": 1000}) for cell in planted(MODELS, theta=0.1)]
NEWER = [place for place, model in enumerate(MODELS) if model.trained >= "2023-11"]
OPEN = NEWER[0]
"""The model that its own study leaves undecided."""


def curve(place: int, gain: float = 0.0, budgets: Sequence[int] = (0, 500, 1000, 2000)) -> dict[int, np.ndarray]:
    """Item scores of a model: as many items are right at each budget, some of them others; `gain` more at the last."""
    rng, right, scores = np.random.default_rng(place), np.arange(N_ITEMS) % 2 == 0, {}
    for budget in budgets:
        more = round(gain * N_ITEMS) if budget == budgets[-1] else 0
        answers = right.copy()
        answers[rng.choice(np.flatnonzero(right), 30, replace=False)] = False
        answers[rng.choice(np.flatnonzero(~right), 30 + more, replace=False)] = True
        scores[budget] = answers.astype(float)
    return scores


def flat(place: int) -> dict[int, np.ndarray]:
    """One model gains 0.006: its own interval holds the tolerance."""
    return curve(place, 0.006 * (place == OPEN))


@pytest.fixture(scope="module")
def flat_store(tmp_path_factory: pytest.TempPathFactory) -> Tracker:
    tracker = write(tmp_path_factory.mktemp("flat"), CELLS)
    for place, cell in enumerate(CELLS):
        write_study(tracker, cell, flat(place))
    return tracker


class Store:
    """The flat suite, in which single models are studied anew."""

    def __init__(self, tracker: Tracker):
        self.tracker = tracker
        self.changed: set[int] = set()

    def study(self, place: int, scores: Mapping[int, np.ndarray], **changes: Any) -> str:
        self.changed.add(place)
        return write_study(self.tracker, CELLS[place], scores, **changes)

    def suite(self) -> SuiteSaturation:
        options = Options(suite="made")
        inputs = read_inputs(self.tracker, "sums", options)
        return judge_suite(self.tracker, inputs, fitted_models(inputs.models, options), options)

    def concluded(self, **asked: Any) -> BenchConclusions:
        options = Options(suite="made", n_replicates=29, n_permutations=1, confound="none", **asked)
        return conclude(self.tracker, read_inputs(self.tracker, "sums", options), options)


@pytest.fixture
def store(flat_store: Tracker) -> Iterator[Store]:
    made = Store(flat_store)
    yield made
    for place in made.changed:
        write_study(flat_store, CELLS[place], flat(place))


def test_a_comparison_is_final_by_the_suite_where_a_model_is_undecided(store: Store) -> None:
    states = {
        run.data.tags["ttt.model"]: run.data.tags["ttt.saturated"] for run in store.tracker.runs("made/sums", "cell")
    }
    assert {model for model, state in states.items() if state == "undecided"} == {MODELS[OPEN].name}
    made = store.concluded(final=True)
    assert (made.provisional, made.provisional_reasons, made.final_by) == (False, [], "suite")
    suite = made.suite_saturation
    assert (suite.verdict, suite.budget, suite.later) == ("saturated", 1000, 2000)
    assert (suite.n_models, suite.n_items, suite.tolerance) == (8, N_ITEMS, TOLERANCE)
    assert suite.gains["newer"].estimate == pytest.approx(0.006 / len(NEWER))
    assert suite.gains["older"].estimate == pytest.approx(0)
    assert suite.theta_change is not None
    inside = (*suite.gains.values(), suite.theta_change)
    assert all(-TOLERANCE < change.low < change.estimate < change.high < TOLERANCE for change in inside)
    assert "rovisional" not in made.summary


def test_with_every_model_saturated_it_is_final_by_its_models(store: Store) -> None:
    store.study(OPEN, curve(OPEN))
    assert store.concluded(final=True).final_by == "models"


def test_one_model_that_still_gains_is_refused_by_name(store: Store) -> None:
    store.study(3, curve(3, 0.1))
    with pytest.raises(
        SpecError, match=r"the suite is not saturated: model-003 gains more than the tolerance of 0\.01"
    ):
        store.concluded(final=True)
    made = store.concluded()
    assert (made.provisional, made.final_by, made.suite_saturation.rising) == (True, None, ["model-003"])
    assert any("the suite is not saturated: model-003" in reason for reason in made.provisional_reasons)


def test_a_group_that_still_gains_is_refused_with_its_figures(store: Store) -> None:
    for place in NEWER:
        store.study(place, curve(place, 0.013 + 0.001 * place))
    suite = store.suite()
    assert {name: gain.verdict for name, gain in suite.gains.items()} == {
        "older": "saturated",
        "newer": "not saturated",
    }
    with pytest.raises(
        SpecError, match=r"the suite is not saturated, by the interval.*mean gain of the newer group \+0\.01"
    ):
        store.concluded(final=True)


def test_a_tighter_tolerance_leaves_it_open(store: Store) -> None:
    for place in range(len(CELLS)):
        store.study(place, flat(place), tolerance=0.004)
    with pytest.raises(
        SpecError, match=r"the suite is not shown to be saturated, by the intervals? of .*change of theta, which"
    ):
        store.concluded(final=True)


def test_every_later_budget_counts(store: Store) -> None:
    """A rest at twice the budget, and a rise after it."""
    for place in range(len(CELLS)):
        store.study(place, curve(place, 0.06, (0, 1000, 2000, 4000)))
    suite = store.suite()
    assert (suite.verdict, suite.budget, suite.later) == ("not saturated", 1000, 4000)


FAULTS: dict[str, tuple[dict[str, Any], str]] = {
    "other items": ({"digest": "others"}, "differ in their validation items: model-005 from the others"),
    "another tolerance": ({"tolerance": 0.05}, "differ in their tolerances: model-005 from the others"),
    "an earlier study": ({"digest": None}, "the study of model-005 kept no items of its own"),
    "other budgets": ({"scores": curve(5, budgets=(0, 1000, 3000))}, "differ in their budgets: model-005"),
    "too short a ladder": ({"scores": curve(5, budgets=(0, 500, 1000, 1500))}, "does not reach twice its 1,000"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_studies_that_do_not_fit_together_are_no_verdict(store: Store, fault: str) -> None:
    assert store.suite().verdict == "saturated"
    changes, said = FAULTS[fault]
    store.study(5, **{"scores": curve(5), **changes})
    suite = store.suite()
    assert suite.verdict == "not judged"
    assert said in suite.reason
    with pytest.raises(SpecError, match="the suite as a whole is not judged"):
        store.concluded(final=True)


def test_a_study_of_another_recipe_or_with_changed_items_judges_nothing(store: Store) -> None:
    other = replace(CELLS[5], adjustment=adjustment(learning_rate=1e-9))
    study = write_study(store.tracker, other, curve(5, 0.1))
    assert store.suite().verdict == "saturated", "what it does not cover it does not touch"
    [cell] = [run for run in store.tracker.runs("made/sums", "cell") if run.data.tags["ttt.model"] == "model-005"]
    store.tracker.open(cell.info.run_id).tags({"ttt.saturated_by": study})
    assert store.suite() == SuiteSaturation("not judged", "no study covers model-005")
    own = store.study(5, curve(5))
    assert store.suite().verdict == "saturated"
    store.tracker.open(own).tags({items_tag(CURVE): "another"})
    assert "is not what was logged" in store.suite().reason


def test_a_model_without_a_study_is_named_once(store: Store) -> None:
    store.changed.add(0)
    [cell] = [run for run in store.tracker.runs("made/sums", "cell") if run.data.tags["ttt.model"] == "model-000"]
    store.tracker.open(cell.info.run_id).tags({"ttt.saturated_by": "", "ttt.saturated": "unknown"})
    made = store.concluded()
    assert made.suite_saturation == SuiteSaturation("not judged", "no study covers model-000")
    assert sum("model-000" in reason for reason in made.provisional_reasons) == 1
    assert not any("suite" in reason for reason in made.provisional_reasons)


def test_chosen_models_are_judged_one_by_one(store: Store) -> None:
    """What is concluded of two models hangs on each of them."""
    with pytest.raises(SpecError, match="final: these cells are not shown to be saturated"):
        ask(store.tracker, "items", ["sums"], Options(suite="made", final=True), [MODELS[0].name, MODELS[OPEN].name])


def test_theta_is_judged_on_the_models_that_it_is_fitted_to_and_the_gain_on_all(store: Store) -> None:
    options = Options(suite="made")
    inputs = read_inputs(store.tracker, "sums", options)
    whole = fitted_models(inputs.models, options)
    assert whole.split is not None
    part = replace(whole, models=whole.models[1:], split=replace(whole.split, is_newer=whole.split.is_newer[1:]))
    without_facts = whole.models[0].model
    suite = judge_suite(store.tracker, inputs, part, options)
    assert (suite.verdict, suite.n_models, suite.theta_change is not None) == ("saturated", 7, True)
    place = [model.name for model in MODELS].index(without_facts)
    store.study(place, curve(place, 0.1))
    suite = judge_suite(store.tracker, read_inputs(store.tracker, "sums", options), part, options)
    assert (suite.verdict, suite.n_models, suite.rising) == ("not saturated", 8, [without_facts])
    ungrouped = replace(whole, split=None)
    store.study(place, flat(place))
    suite = judge_suite(store.tracker, read_inputs(store.tracker, "sums", options), ungrouped, options)
    assert (suite.verdict, set(suite.gains), suite.theta_change) == ("saturated", {"all"}, None)


def test_several_benches_are_final_by_the_suite_of_each(store: Store) -> None:
    other = bench("others")
    if "made/others" not in store.tracker.experiments():
        cells = [replace(cell, bench=other, tags={"ttt.saturated": "yes"}) for cell in CELLS]
        write(store.tracker.root, cells)
    asked = Options(suite="made", n_replicates=29)
    final = ask(store.tracker, "benches", ["sums", "others"], asked.model_copy(update={"final": True}))
    assert (final.provisional, final.provisional_reasons) == (False, [])
    store.study(3, curve(3, 0.1))
    reasons = ask(store.tracker, "benches", ["sums", "others"], asked).provisional_reasons
    assert reasons[-1].startswith("sums: the suite is not saturated: model-003 gains more than the tolerance")
    assert all(reason.startswith("sums: ") for reason in reasons)


def test_a_study_without_items_of_its_own_is_not_read_back(tmp_path: Path) -> None:
    """It is concluded anew, from the trials that there are."""
    tracker, spec = write(tmp_path, CELLS[:1]), StudySpec(n_trials=3)
    write_study(tracker, CELLS[0], curve(0), digest=None)
    assert read_back(tracker, "made/sums", spec, "study of model-000") is None
    write_study(tracker, CELLS[0], curve(0))
    assert read_back(tracker, "made/sums", spec, "study of model-000") is not None
