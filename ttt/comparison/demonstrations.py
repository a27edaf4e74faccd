"""What shows the confound itself: that newer models can be told from older ones, and that training makes a difference.

Fields are keys of the JSON, as in `ttt.comparison.findings`.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from ttt.comparison.findings import Number


@dataclass(frozen=True)
class Accuracy:
    """How well a classifier tells newer base models from older ones, with its null from permuted labels."""

    accuracy: Number
    folded_accuracy: Number
    null_mean: Number
    null_high: Number
    p: Number
    n_older: int
    n_newer: int


@dataclass(frozen=True)
class Discriminator:
    examples: int | None
    n_permutations: int
    base: Accuracy
    adjusted: Accuracy
    set_aside: list[str] = field(default_factory=list)
    """Models that give no answers, before adjusting or after."""


@dataclass(frozen=True)
class HalvesThetas:
    """Theta between random halves of the older models, over many splits."""

    thetas: list[Number]
    mean: Number
    low: Number
    high: Number
    share_significant: Number


@dataclass(frozen=True)
class ReleasedSplit:
    """Thetas of the one split that the paper's release made, which is drawn by the models' names."""

    untouched: Number
    half_trained: Number
    all_adjusted: Number


@dataclass(frozen=True)
class RecreatedConfound:
    """`untouched` and `both_trained` are placebos: their significant splits are the test's false positives."""

    untouched: HalvesThetas
    both_trained: HalvesThetas
    half_trained: HalvesThetas
    all_adjusted: HalvesThetas
    n_models: int
    n_splits: int
    n_permutations: int
    level: str
    """What is divided as a whole: `clusters` (families) or `models`."""
    n_units: int
    design: str
    """`auto`, or `paper`: the release's."""
    policy: str
    adjustments: dict[str, str]
    untrained: list[str]
    """Models that are never in the half that trains."""
    left_out: list[str]
    """Older models that lack one of the adjustments."""
    released_split: ReleasedSplit | None
    set_aside: list[str] = field(default_factory=list)
    """Older models that give no answers, and are in no half."""
