"""The recreated confound: exact where there is nothing to find, whatever the scores look like, and able to find."""

import numpy as np
import pytest

from ttt.stats.confound import MIN_UNITS, Units, recreate_confound
from ttt.stats.released_confound import SMALL, never_trained, split_as_released


def world(n_models=32, n_families=10, seed=0):
    """Compute, families and scores whose spread grows with compute and is shared within families, below chance too."""
    rng = np.random.default_rng(seed)
    x = np.sort(rng.uniform(20.5, 24.0, n_models))
    family = rng.integers(0, n_families, n_models)
    noise = rng.normal(0, 0.05, n_families)[family] + rng.normal(0, 0.02, n_models)
    return 10**x, family, 0.2 + 0.15 * np.maximum(0.0, x - 22.0) + noise * np.maximum(0.2, x - 21.0)


@pytest.mark.parametrize("by_family", [True, False])
def test_random_halves_that_were_treated_alike_are_found_to_differ_as_often_as_the_test_says(by_family):
    compute, family, y = world()
    found = recreate_confound(
        compute, y, y + 0.05, y, y, chance=0.25, clusters=family if by_family else None, n_splits=20
    )
    for state in (found.untouched, found.both_trained, found.all_adjusted):
        assert 0.035 < state.share_significant < 0.065  # 2,000 splits against 1,999 draws: 5 % within 0.7 points each


def test_a_half_that_trained_is_found_and_gone_when_all_are_adjusted():
    compute, family, y = world()
    y = 0.2 * (y - y.mean()) + 0.4
    found = recreate_confound(compute, y, y + 0.1, y + 0.12, y + 0.12, chance=0.25, clusters=family, n_splits=60)
    assert (found.level, found.n_units) == ("clusters", len(np.unique(family)))
    assert found.half_trained.share_significant > 0.8
    assert found.half_trained.mean == pytest.approx(0.1, abs=0.02)
    assert found.all_adjusted.share_significant < 0.1
    assert found.half_trained.thetas.shape == (60,)


def test_families_go_to_one_half_as_a_whole():
    family = np.array([str(name) for name in np.arange(30) % 9])
    units = Units.choose(family, np.ones(30, bool))
    halves = units.halves(50, np.random.default_rng(0))
    for name in np.unique(family):
        assert (np.ptp(halves[:, family == name], axis=1) == 0).all()
    assert {len(np.unique(family[half > 0])) for half in halves} == {4}
    assert len(np.unique(halves, axis=0)) > 30


def test_too_few_families_are_divided_by_models_and_too_few_models_are_not_tested():
    compute, _, y = world(16)
    few = recreate_confound(compute, y, y, y, y, clusters=np.arange(16) % (MIN_UNITS - 1), n_splits=5)
    assert (few.level, few.n_units) == ("models", 16)
    assert few.untouched.share_significant >= 0
    fewer = recreate_confound(*(column[: MIN_UNITS - 1] for column in (compute, y, y, y, y)), n_splits=5)
    assert np.isnan(fewer.untouched.share_significant)
    assert np.isnan(fewer.half_trained.share_significant)


def test_models_that_never_train_are_in_no_half_that_does():
    compute, _, y = world()
    small = np.arange(32) < 8
    halves = Units.choose(None, ~small).halves(200, np.random.default_rng(0))
    assert (halves[:, small] == 0).all()
    assert set(halves.sum(1)) == {12.0}
    found = recreate_confound(compute, y, y, y, y, untrained=small, n_splits=20)
    assert 0.035 < found.untouched.share_significant < 0.065


def test_the_releases_split_depends_on_names_and_compute_alone():
    names = [f"model-{i:02d}" for i in range(12)]
    compute = np.where(np.arange(12) < 4, 0.5 * SMALL, 2.0 * SMALL)
    trained = split_as_released(names, compute)
    assert trained.sum() == 4
    assert not trained[never_trained(compute)].any()
    turned = split_as_released(names[::-1], compute[::-1])
    assert (turned[::-1] == trained).all()
