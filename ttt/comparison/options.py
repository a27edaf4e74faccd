"""What a comparison is asked to do."""

from __future__ import annotations

from typing import Literal

from ttt.spec import Count, Name, Spec

MANY_MODELS = 200
MANY_REPLICATES = 399  # coverage was simulated with as many


class ConfoundAdjustments(Spec):
    """Adjustments from which the confound is recreated."""

    trained: Name = "epochs_1"
    """Some training on the test task."""
    base_adjusted: Name = "epochs_2"
    """An adjustment of the base model."""
    trained_adjusted: Name = "epochs_1_2"
    """The same adjustment of the model that was trained before."""

    @property
    def names(self) -> tuple[str, str, str]:
        return self.trained, self.base_adjusted, self.trained_adjusted


class Options(Spec):
    """How cells become conclusions; the fields are those of `conf/compare.yaml`."""

    suite: Name = "default"
    adjustment: Name | None = None
    """What counts as adjusted; None: the only one there is, those that recreate the confound set aside."""
    split: Name = "trained"
    """The field that splits the models: one of the model file's, or one of its `facts`."""
    cutoff: float | str | None = None
    """The newer group has this value of the field or a greater one."""
    newer: tuple[str, ...] = ()
    """The newer group has one of these values of the field."""
    cluster: Literal["family", "model"] = "family"
    score_rule: Literal["bench", "paper"] = "bench"
    policy: Literal["raw", "keep_best"] = "raw"
    inference: Literal["clustered", "paper"] = "clustered"
    exclude: tuple[str, ...] = ()
    """Names of models, or ids of runs, that are left out."""
    final: bool = False
    confound: Literal["auto", "paper", "none"] = "auto"
    """Recreate the confound where the adjustments for it are there; by the design of the paper's release; or not."""
    confound_adjustments: ConfoundAdjustments = ConfoundAdjustments()
    discriminator_examples: Count | None = None
    """The budget at which the older models meet the discriminator; None: fully adjusted."""
    n_replicates: Count = 999
    n_permutations: Count = 49
    seed: int = 0

    def replicates(self, n_models: int) -> int:
        """Bootstrap replicates for a table of this size: with many models fewer do, and each costs more."""
        return min(self.n_replicates, MANY_REPLICATES) if n_models > MANY_MODELS else self.n_replicates
