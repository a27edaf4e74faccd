"""Fits of a table of models: the floor that they start from reaches fields, curves and band."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from tests.performance.planted import World, draw, published_roster
from ttt.comparison.fits import AT_CHANCE, curve, effects, fit_of, fit_side, nothing_to_fit
from ttt.comparison.inputs import Table
from ttt.comparison.options import Options

ROSTER = published_roster()
OPTIONS = Options(n_replicates=199)
WORLD = World("late", 0.2, 23.0, 0.03, 0.03, 0.3)


def table(scores: np.ndarray, chance: float) -> Table:
    n = len(scores)
    return Table(
        names=[f"model-{i}" for i in range(n)],
        compute=10 ** ROSTER.x[:n],
        scores={"base": scores, "adjusted": scores},
        stderrs={"base": np.full(n, 0.005), "adjusted": np.full(n, 0.005)},
        newer=ROSTER.newer[:n],
        clusters=[str(label) for label in ROSTER.labels[:n]],
        chance=chance,
    )


def test_a_fitted_floor_reaches_fields_curve_and_band() -> None:
    models = table(0.359 + draw(ROSTER, WORLD, ROSTER.labels, np.random.default_rng(0)), 0.449)
    fit = fit_side(models, "base", "clustered", OPTIONS)
    fields, line = fit_of(models, "base", fit), curve(models, "base", fit, OPTIONS)
    assert fields.floor_fitted
    assert fields.floor == pytest.approx(0.359, abs=0.01)
    assert fields.set_aside == []
    assert line.older[0] == pytest.approx(fields.floor)
    assert line.older_low[0] < fields.floor < line.older_high[0]
    assert line.older_high[0] < 0.38


def test_models_that_are_set_aside_are_named() -> None:
    few = ROSTER.n_params < 2e9
    scores = np.where(few, 0.01, 0.25 + draw(ROSTER, WORLD, ROSTER.labels, np.random.default_rng(0)))
    models = table(scores, 0.25)
    fit = fit_side(models, "base", "clustered", OPTIONS)
    assert fit_of(models, "base", fit).set_aside == [f"model-{i}" for i in np.flatnonzero(few)]
    assert curve(models, "base", fit, OPTIONS).older_low[0] > 0.2


def test_models_that_are_set_aside_are_in_no_effect() -> None:
    few = ROSTER.n_params < 2e9
    sound = 0.25 + draw(ROSTER, WORLD, ROSTER.labels, np.random.default_rng(0))
    adjusted = sound - 0.03 * ROSTER.newer + 0.001 * np.sin(np.arange(53))
    models = table(adjusted, 0.25)
    models = replace(models, scores={"base": np.where(few, 0.01, sound), "adjusted": adjusted})
    fits = {side: fit_side(models, side, "clustered", OPTIONS) for side in models.scores}
    direct, indirect = effects(models, fits, OPTIONS)
    assert (
        direct
        == effects(replace(models, scores={"base": sound, "adjusted": adjusted}), fits | {"base": None}, OPTIONS)[0]
    )
    assert indirect.estimate == pytest.approx(0.03, abs=0.002)
    others = replace(models, scores={"base": np.where(~few, 0.01, sound), "adjusted": np.where(few, 0.01, sound)})
    apart = {
        side: replace(fits["base"], aside=tuple(np.flatnonzero(of))) for side, of in (("base", ~few), ("adjusted", few))
    }
    assert effects(others, apart, OPTIONS)[1].note == "too few models give answers before adjusting and after"


def test_scores_below_chance_are_not_scores_at_chance() -> None:
    rng = np.random.default_rng(0)
    assert nothing_to_fit(table(0.25 + 0.004 * rng.standard_normal(53), 0.25), "base") == AT_CHANCE
    assert nothing_to_fit(table(0.16 + 0.004 * rng.standard_normal(53), 0.25), "base") == ""
