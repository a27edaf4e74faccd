"""The one split on which the paper's release recreates the confound, for reproducing its figures."""

import random
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from ttt.stats.checks import checked_inputs
from ttt.stats.paper import fit_as_released

SEED = 42
SMALL = 0.9 * 6.0 * 0.5e9 * 2.4e12
"""FLOPs up to which a model is never in the half that trains: nine tenths of Qwen 1.5 0.5B's."""

Mask = npt.NDArray[np.bool_]


def never_trained(compute: npt.ArrayLike) -> Mask:
    """The models that the release leaves untrained in every split, by compute in FLOPs; shape (n_models,)."""
    return np.asarray(np.asarray(compute, float) <= SMALL)


def split_as_released(names: Sequence[str], compute: npt.ArrayLike) -> Mask:
    """Which models train in the release's split (arXiv 2407.07890, section 3); shape (n_models,).

    The names, sorted, are shuffled by Python's generator with the seed of the release; of those that are not too small
    the second half trains.
    """
    small = {name for name, is_small in zip(names, never_trained(compute), strict=True) if is_small}
    shuffled = sorted(names)
    random.Random(SEED).shuffle(shuffled)
    large = [name for name in shuffled if name not in small]
    trained = set(large[len(large) // 2 :])
    return np.array([name in trained for name in names])


def released_theta(
    compute: npt.ArrayLike, score: npt.ArrayLike, trained: npt.ArrayLike, *, chance: float = 0.0
) -> float:
    """Theta of the trained half over the other by the release's own fit; all shapes (n_models,), compute in FLOPs."""
    x, y, group = checked_inputs(compute, score, trained)
    return fit_as_released(x, y - chance, group).theta
