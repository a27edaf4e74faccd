"""A bench's models as arrays for the statistics, and numbers back as JSON has them."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, is_dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from ttt.comparison.inputs import Inputs
from ttt.comparison.models import Split
from ttt.comparison.options import Options

Array = npt.NDArray[np.float64]
SIDES = ("base", "adjusted")


@dataclass(frozen=True)
class Table:
    """One entry a model, all of shape (n_models,): compute in FLOPs, scores by side, standard errors (NaN: unknown)."""

    names: list[str]
    compute: Array
    scores: Mapping[str, Array]
    stderrs: Mapping[str, Array]
    newer: Array
    clusters: list[str] | None
    """Families; None where every model stands for itself."""
    chance: float


def table_of(inputs: Inputs, split: Split, options: Options) -> Table:
    models = inputs.models

    def column(name: str) -> Array:
        return np.array([np.nan if (value := getattr(model, name)) is None else value for model in models], float)

    return Table(
        names=[model.model for model in models],
        compute=column("compute"),
        scores={side: column(side) for side in SIDES},
        stderrs={side: column(f"{side}_stderr") for side in SIDES},
        newer=split.is_newer.astype(float),
        clusters=[model.family for model in models] if options.cluster == "family" else None,
        chance=inputs.chance,
    )


def json_able(value: Any) -> Any:
    """The same in JSON's types; a number that is not finite, which stands for what is not identified, is null."""
    if isinstance(value, Mapping):
        return {str(key): json_able(part) for key, part in value.items()}
    if is_dataclass(value) and not isinstance(value, type):
        return json_able(asdict(value))
    if isinstance(value, np.ndarray):
        return json_able(value.tolist())
    if isinstance(value, Sequence) and not isinstance(value, str):
        return [json_able(part) for part in value]
    if isinstance(value, np.generic):
        return json_able(value.item())
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    return value
