"""Clusters of models that share data, recipe and makers, and the random draws that respect them."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from ttt.stats.checks import Array

MAX_JACKKNIFE = 200  # clusters; with more, what one of them weighs in a fit is too little to fit anew without it
MIN_CLUSTERS = 3  # on either side of the split; simulated coverage holds from here on (docs/coverage.md)
WEBB = np.array([-np.sqrt(1.5), -1.0, -np.sqrt(0.5), np.sqrt(0.5), 1.0, np.sqrt(1.5)])


@dataclass(frozen=True)
class Clusters:
    """Cluster of every model: `codes` of shape (n_models,) in 0..n_clusters-1.

    `level` is "clusters" where the given labels are used and "models" where every model stands for itself, because no
    labels were given or too few of them lie on one side of the split. `note` says so in words; empty otherwise.
    """

    codes: npt.NDArray[np.intp]
    n_clusters: int
    level: Literal["clusters", "models"]
    note: str

    @property
    def indicator(self) -> Array:
        """Membership as 0 and 1, shape (n_models, n_clusters)."""
        return np.asarray(self.codes[:, None] == np.arange(self.n_clusters), float)

    def sums(self, values: Array) -> Array:
        """Sums over each cluster: (n_rows, n_models) to (n_rows, n_clusters)."""
        if self.n_clusters == len(self.codes):  # every model its own cluster: no need of a large product
            return values
        return values @ self.indicator


def choose_clusters(labels: Sequence[object] | npt.NDArray[np.generic] | None, group: Array) -> Clusters:
    """Clusters of the given labels, or the models themselves where inference by cluster cannot be defended.

    labels and group have shape (n_models,); group is 0 or 1, or constant where nothing is compared. Fewer than
    MIN_CLUSTERS clusters on one side leave next to nothing to learn the variation between clusters from.
    """
    n_models = len(group)
    own = np.arange(n_models)
    if labels is None:
        return Clusters(own, n_models, "models", "no clusters given: models are taken as independent")
    if len(labels) != n_models:
        raise ValueError(f"clusters: {len(labels)} labels for {n_models} models; give one label a model")
    codes = np.unique([str(label) for label in labels], return_inverse=True)[1]
    sides = [len(np.unique(codes[group == value])) for value in np.unique(group)]
    if min(sides) < MIN_CLUSTERS:
        note = (
            f"only {min(sides)} cluster(s) on one side of the split, {MIN_CLUSTERS} are needed: models are taken as "
            "independent, so intervals leave out what the models of a cluster share"
        )
        return Clusters(own, n_models, "models", note)
    return Clusters(codes, int(codes.max()) + 1, "clusters", "")


def resample_clusters(clusters: Clusters, group: Array, n_replicates: int, rng: np.random.Generator) -> Array:
    """Weights of a bootstrap over whole clusters, drawn within each side of the split; shape (n_replicates, n_models).

    Drawing within sides keeps both groups in every replicate. A cluster with models on both sides belongs to the side
    that holds most of it.
    """
    size = np.bincount(clusters.codes, minlength=clusters.n_clusters)
    share = np.bincount(clusters.codes, weights=group > group.min(), minlength=clusters.n_clusters) / size
    counts = np.zeros((n_replicates, clusters.n_clusters))
    for members in (np.flatnonzero(share <= 0.5), np.flatnonzero(share > 0.5)):
        if len(members):
            draws = rng.multinomial(len(members), np.full(len(members), 1 / len(members)), size=n_replicates)
            counts[:, members] = draws
    return counts[:, clusters.codes]


def webb_signs(clusters: Clusters, n_replicates: int, rng: np.random.Generator) -> Array:
    """Webb's six-point weights, one a cluster, spread over its models; shape (n_replicates, n_models).

    Mean 0 and variance 1; six points instead of two keep the number of distinct draws large with few clusters
    (Webb 2023, Canadian Journal of Economics 56, 839).
    """
    return np.asarray(rng.choice(WEBB, size=(n_replicates, clusters.n_clusters))[:, clusters.codes])
