"""Verdicts on a suite, where most single models are left open."""

import numpy as np
import pytest
from scipy import stats
from statsmodels.stats.multitest import multipletests

from tests.stats.test_plateau import items
from ttt.stats.plateau import judge_items
from ttt.stats.suite_plateau import judge_suite_items, judge_suite_scores

N_MODELS, N_ITEMS = 40, 2000
FAMILIES = [f"family-{i % 10}" for i in range(N_MODELS)]
NEWER = np.array([float(i % 10 >= 5) for i in range(N_MODELS)])
COMPUTE = 10 ** np.random.default_rng(3).uniform(21, 24, N_MODELS)


def gains(truth, n_items=N_ITEMS, seed=0):
    """Item gains of models whose score truly changes by these amounts, shape (n_models, n_items)."""
    rng = np.random.default_rng(seed)
    curves = [items([score, score + change], n_items, rng.integers(2**32), shared=0.8)
              for score, change in zip(rng.uniform(0.4, 0.7, len(truth)), truth, strict=True)]  # fmt: skip
    return np.stack([later - before for before, later in curves])


def judged(truth, **changes):
    return judge_suite_items(gains(truth, changes.pop("n_items", N_ITEMS)), FAMILIES, NEWER, COMPUTE, **changes)


def test_a_flat_suite_is_saturated_where_its_models_are_not_decided():
    made = gains(np.zeros(N_MODELS))
    suite = judge_suite_items(made, FAMILIES, NEWER, COMPUTE)
    assert suite.verdict == "saturated"
    alone = [judge_items([1, 2], np.stack([np.zeros(N_ITEMS), gain])).rungs[0].verdict for gain in made]
    assert alone.count("undecided") > N_MODELS / 2
    older, newer = suite.gains
    assert (older.n_models, older.n_clusters, newer.n_models) == (20, 5, 20)
    assert suite.theta_change.n_clusters == 10
    assert suite.theta_change.estimate == pytest.approx(newer.estimate - older.estimate, abs=0.003)


def test_a_group_that_still_rises_is_not_saturated():
    suite = judged(0.03 * NEWER)
    assert suite.verdict == "not saturated"
    assert [gain.verdict for gain in suite.gains] == ["saturated", "not saturated"]
    assert suite.theta_change.low < 0.03 < suite.theta_change.high


def test_groups_that_part_within_the_tolerance_of_either_change_theta():
    suite = judged(0.018 * NEWER - 0.018 * (1 - NEWER), n_items=6000, tolerance=0.025)
    assert [gain.verdict for gain in suite.gains] == ["saturated", "saturated"]
    assert suite.theta_change.verdict == "not saturated"
    assert suite.verdict == "not saturated"


def test_a_gain_that_follows_compute_is_no_change_of_theta():
    x = np.log10(COMPUTE) - np.log10(COMPUTE).mean()
    tilted = judge_suite_items(np.tile(0.01 * x[:, None], (1, 50)), FAMILIES, NEWER, COMPUTE)
    assert tilted.theta_change.estimate == pytest.approx(0, abs=1e-12)


def test_one_model_that_still_rises_is_seen_by_name():
    suite = judged(0.1 * (np.arange(N_MODELS) == 7))
    assert (suite.verdict, suite.rising) == ("not saturated", (7,))
    assert suite.p[7] < 0.001


def test_families_that_gain_alike_widen_the_intervals():
    of_family = 0.02 * np.array([1, -1, 1, -1, 1, 1, -1, 1, -1, 1])
    alike = judged(of_family[np.arange(N_MODELS) % 10])
    flat = judged(np.zeros(N_MODELS))
    for with_spread, without in zip(alike.gains, flat.gains, strict=True):
        assert with_spread.high - with_spread.low > 1.5 * (without.high - without.low)


def test_items_that_change_for_all_models_widen_the_intervals():
    """A tenth of the items is gained by every model, another is lost: the spread over models shows nothing of it."""
    shared = np.zeros(N_ITEMS)
    shared[:200], shared[200:400] = 1, -1
    made = judge_suite_items(np.tile(shared, (N_MODELS, 1)), FAMILIES, NEWER, COMPUTE)
    expected = 2 * 2.776 * shared.std(ddof=1) / np.sqrt(N_ITEMS)  # t, of five families a group
    assert made.gains[0].high - made.gains[0].low == pytest.approx(expected, rel=0.01)
    assert made.verdict == "undecided"


def test_no_item_that_differs_is_not_yet_saturation():
    assert judge_suite_items(np.zeros((3, 20)), None).verdict == "undecided"
    assert judge_suite_items(np.zeros((3, 2000)), None).verdict == "saturated"


def test_few_models_and_one_group():
    suite = judge_suite_items(gains(np.zeros(8), 8000), None)
    assert (suite.verdict, suite.theta_change, len(suite.gains)) == ("saturated", None, 1)
    assert suite.gains[0].note == ""
    alone = judge_suite_items(gains(np.zeros(1), 8000), None)
    assert alone.verdict == "undecided"
    assert np.isnan(alone.gains[0].estimate)


def test_with_few_families_models_are_taken_as_independent_and_it_is_said():
    suite = judge_suite_items(gains(np.zeros(6)), ["a", "a", "b", "b", "a", "b"])
    assert suite.gains[0].n_clusters == 6
    assert "models are taken as independent" in suite.gains[0].note


def test_groups_that_follow_compute_leave_it_open():
    newer, compute = np.repeat([0.0, 1.0], 4), np.repeat([1e21, 1e22], 4)
    suite = judge_suite_items(gains(np.zeros(8), 20000), None, newer, compute)
    assert [gain.verdict for gain in suite.gains] == ["saturated", "saturated"]
    assert (suite.theta_change.verdict, suite.verdict) == ("undecided", "undecided")


def test_totals_are_less_sure_than_items():
    made = gains(np.zeros(N_MODELS))
    by_items = judge_suite_items(made, FAMILIES, NEWER, COMPUTE)
    errors = made.std(axis=1, ddof=1) / np.sqrt(N_ITEMS)
    by_totals = judge_suite_scores(made.mean(axis=1), errors, FAMILIES, NEWER, COMPUTE)
    for one, other in zip(
        (*by_items.gains, by_items.theta_change), (*by_totals.gains, by_totals.theta_change), strict=True
    ):
        assert one.estimate == pytest.approx(other.estimate)
        assert one.high < other.high


def test_the_models_are_tested_by_holm():
    errors, made = np.full(N_MODELS, 0.01), np.zeros(N_MODELS)
    made[:3] = 0.05, 0.04, 0.03
    alone = stats.norm.sf((made - 0.01) / 0.01)
    found = judge_suite_scores(made, errors, FAMILIES, NEWER, COMPUTE)
    assert found.p == pytest.approx(multipletests(alone, method="holm")[1])
    assert found.rising == (0,), "0.04 and 0.03 are significant alone, and not among forty"


def test_wrong_input_is_refused():
    with pytest.raises(ValueError, match="items: shape"):
        judge_suite_items(np.zeros(3), None)
    with pytest.raises(ValueError, match="tolerance"):
        judge_suite_items(np.zeros((3, 20)), None, tolerance=0)
    with pytest.raises(ValueError, match="for 3 models"):
        judge_suite_items(np.zeros((3, 20)), ["a"])
    with pytest.raises(ValueError, match="gains: shapes"):
        judge_suite_scores([0.1], [0.1, 0.2], None)


@pytest.mark.parametrize("rise", [0.01, 0.02])
def test_a_group_that_rises_is_hardly_ever_called_saturated(rise):
    """Gains with the error of 2,000 items, from few items for speed."""
    rng, error = np.random.default_rng(0), 0.45 / np.sqrt(2000)
    false = 0
    for _ in range(60):
        made = rise * NEWER[:, None] + np.sqrt(30) * error * rng.standard_normal((N_MODELS, 30))
        false += judge_suite_items(made, FAMILIES, NEWER, COMPUTE).verdict == "saturated"
    assert false <= 5  # 2.5 % of 60 is 1.5; the chance of more than 5 is below one in a hundred
