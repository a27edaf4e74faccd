"""The level that scores start from below c_e: chance as it is stated, or where the data rule that out, a fitted one.

The rule, simulated in docs/coverage.md: models below half of chance are set aside where they are a group of their own;
then the floor is fitted if chance is rejected for the older models at FLOOR_LEVEL, and is chance otherwise. It is asked
of the older models alone: theta is counted from their level, which a newer group of another slope must not bend.
"""

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from ttt.stats.checks import MIN_MODELS, NAN, Array, Labels
from ttt.stats.clusters import MAX_JACKKNIFE, choose_clusters
from ttt.stats.hinge import fit_hinge
from ttt.stats.theta_interval import WildTable

FLOOR_LEVEL = 0.02  # larger levels hold the coverage no better, and leave chance without need more often
MIN_MODELS_OF_FLOOR = MIN_MODELS + 2  # floor, slope and c_e, and as many degrees of freedom


@dataclass(frozen=True)
class Floor:
    """What scores start from: `fitted` or else at chance, with chance's p value (NaN with too few models to test it).

    `aside` of shape (n_models,) are the models that give no answers, and are in no fit.
    """

    fitted: bool
    p: float
    aside: npt.NDArray[np.bool_]


def choose_floor(
    x: Array, group: Array, score: Array, *, chance: float, clusters: Labels | None, n_replicates: int, seed: int
) -> Floor:
    """The floor by the rule above; x is log10 compute, all arrays of shape (n_models,)."""
    aside = without_answers(x, group, score, chance)
    older = (group == 0) & ~aside
    none = np.zeros(int(older.sum()))
    labels = None if clusters is None else np.asarray(clusters)[older]
    if len(none) < MIN_MODELS_OF_FLOOR:
        return Floor(False, NAN, aside)
    own = choose_clusters(labels, none)
    rng = np.random.default_rng([seed, 1])  # draws of its own: the choice leaves those of the intervals as they are
    p = floor_test(WildTable.draw(x[older], none, score[older] - chance, own, n_replicates, rng))
    return Floor(p <= FLOOR_LEVEL, p, aside)


def draw_table(
    x: Array,
    group: Array,
    score: Array,
    floor: Floor,
    *,
    chance: float,
    clusters: Labels | None,
    n_replicates: int,
    seed: int,
) -> WildTable:
    """The table of the models that give answers, to be fitted with the floor that was chosen; arguments as above."""
    fitted = ~floor.aside
    labels = None if clusters is None else np.asarray(clusters)[fitted]
    chosen = choose_clusters(labels, group[fitted])
    table = WildTable.draw(
        x[fitted], group[fitted], score[fitted] - chance, chosen, n_replicates, np.random.default_rng(seed)
    )
    return replace(table, free_floor=floor.fitted)


def floor_test(table: WildTable) -> float:
    """P value of the hypothesis that scores below c_e lie at chance.

    Wild cluster bootstrap of the likelihood ratio of a fitted floor to one at chance, slope and c_e being fitted anew
    in every replicate. Scores are made under chance, from what each cluster leaves over when the fit with a free floor
    is made without it: residuals of the fit at chance would hold the very shift that is tested, and hide it; residuals
    of the free fit itself are too small where few clusters lie below c_e (as in the jackknifed bootstraps of
    MacKinnon, Nielsen and Webb 2023, Journal of Applied Econometrics 38, 671).
    """
    stated, free = replace(table, free_floor=False), replace(table, free_floor=True)

    def ratios(y: Array) -> Array:
        rss = free.fit(y).rss
        return np.asarray((stated.fit(y).rss - rss) / np.maximum(rss, 1e-300))

    if table.clusters.n_clusters <= MAX_JACKKNIFE:
        members = table.clusters.indicator.T
        without = (members * free.fit(weights=1.0 - members).predict(table.x, table.group)).sum(0)
    else:
        without = free.fit().predict(table.x, table.group)[0]
    draws = ratios(stated.fit().predict(table.x, table.group)[0] + (table.y - without) * table.signs)
    return float((1 + np.sum(draws >= ratios(table.y)[0])) / (1 + len(draws)))


def without_answers(x: Array, group: Array, score: Array, chance: float) -> npt.NDArray[np.bool_]:
    """Models that score so far below chance that they cannot be guessing, where that sets them apart; (n_models,).

    A model that answers in no valid format scores near 0, and says nothing of how scores rise with compute. Models
    below half of chance are such a group if no others are within a quarter of chance of them, and if a level of their
    own beside a floor at chance fits better than one floor for all: as many parameters, so the smaller residual sum of
    squares decides. x is log10 compute. On a scale that does not begin at 0 (log-probabilities, Brier scores turned
    round) half of chance means nothing, and no model is set aside.
    """
    low = score < chance / 2
    rest, nobody = ~low, np.zeros(len(score), bool)
    if chance <= 0 or not low.any() or rest.sum() < MIN_MODELS or len(np.unique(group[rest])) < len(np.unique(group)):
        return nobody
    if score[rest].min() - score[low].max() < chance / 4:
        return nobody
    y = score - chance
    one_floor = float(fit_hinge(x, group, y, free_floor=True).rss[0])
    apart = float(fit_hinge(x[rest], group[rest], y[rest]).rss[0]) + float(((y[low] - y[low].mean()) ** 2).sum())
    return low if apart < one_floor else nobody
