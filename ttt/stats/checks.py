"""What every fit asks of its input: one row a model, sound numbers, models on both sides of a split."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]
Labels = Sequence[object] | npt.NDArray[np.generic]
NAN = float("nan")
MIN_MODELS = 4  # three parameters and one degree of freedom


def checked_inputs(
    compute: npt.ArrayLike, score: npt.ArrayLike, newer: npt.ArrayLike | None
) -> tuple[Array, Array, Array]:
    """log10 of compute (FLOPs), score and group (0 or 1; all 0 for newer=None), each of shape (n_models,).

    Raises ValueError for fewer than MIN_MODELS models, unequal lengths, an empty group, or a value that is not finite.
    """
    flops, y = np.asarray(compute, float), np.asarray(score, float)
    group = np.zeros(len(flops)) if newer is None else np.asarray(newer, float)
    if not len(flops) == len(y) == len(group):
        raise ValueError(f"compute, score and newer have {len(flops)}, {len(y)} and {len(group)} entries; one a model")
    if len(flops) < MIN_MODELS:
        raise ValueError(f"n_models: {len(flops)} models cannot carry a fit of three parameters; at least {MIN_MODELS}")
    for name, values, sound, wanted in (
        ("compute", flops, np.isfinite(flops) & (flops > 0), "a positive number of FLOPs"),
        ("score", y, np.isfinite(y), "a finite number"),
        ("newer", group, np.isin(group, (0.0, 1.0)), "0 or 1"),
    ):
        if not sound.all():
            first = int(np.flatnonzero(~sound)[0])
            raise ValueError(f"{name}: {values[first]} at position {first}; {wanted} is needed")
    if newer is not None and len(np.unique(group)) < 2:
        raise ValueError(f"newer: all {len(group)} models are on one side of the split; both sides need models")
    return np.log10(flops), y, group
