"""Which models the lab has: sizes, two families, replicates, and a series of doses at one size."""

from __future__ import annotations

import fnmatch
from collections.abc import Sequence
from dataclasses import dataclass

from ttt.lab.words import VOCABULARY
from ttt.spec import Adjustment, SpecError, nearest

BATCH, LENGTH = 16, 64
"""Sequences a step, tokens a sequence."""
N_LAYERS, N_HEADS = 2, 2
DOSE = {"old": 0.003, "new": 0.1}
"""Share of a family's pretraining tokens that are questions in the format of the first test."""


@dataclass(frozen=True)
class ModelSize:
    """A size and a length of pretraining."""

    width: int
    n_steps: int

    @property
    def name(self) -> str:
        return f"{self.width}x{self.n_steps}"

    @property
    def n_params(self) -> int:
        """N of a GPT-NeoX of this width: untied embeddings, layers with an MLP of 4 widths, norms with biases."""
        layer = 12 * self.width**2 + 13 * self.width
        return 2 * len(VOCABULARY) * self.width + N_LAYERS * layer + 2 * self.width

    @property
    def n_tokens(self) -> int:
        """D, tokens of pretraining."""
        return self.n_steps * BATCH * LENGTH


@dataclass(frozen=True)
class LabModel:
    """A model of the ladder. Its name and the world's seed decide all that is random in it."""

    name: str
    family: str
    size: ModelSize
    dose: float
    replicate: str

    @property
    def compute(self) -> float:
        """C = 6 N D, FLOPs."""
        return 6.0 * self.size.n_params * self.size.n_tokens

    @property
    def recipe(self) -> Adjustment:
        """The same loop and the same form of recipe as for adjusting; wider models learn at a lower rate."""
        return Adjustment(
            name="pretrain",
            method="full",
            examples=self.size.n_steps * BATCH,
            batch_size=BATCH,
            max_tokens=LENGTH,
            learning_rate=0.6 / self.size.width,
            warmup=0.05,
        )


SIZES = tuple(
    ModelSize(*size)
    for size in ((16, 150), (16, 300), (24, 300), (24, 450), (32, 450), (48, 480), (64, 640), (80, 800))
)
REPLICATED_TO = 48
"""Sizes up to this width have two models a family: small models differ most by chance, and cost least."""
DOSES = (0.0, 0.02, 0.1, 0.3)
DOSE_SIZE = ModelSize(24, 300)


def _ladder() -> tuple[LabModel, ...]:
    models = []
    for family, dose in DOSE.items():
        for size in SIZES:
            for replicate in "ab" if size.width <= REPLICATED_TO else "a":
                models.append(LabModel(f"lab-{family}-{size.name}-{replicate}", family, size, dose, replicate))
    for dose in DOSES:
        for replicate in "abc":
            name = f"lab-dose-{dose:g}-{DOSE_SIZE.name}-{replicate}"
            models.append(LabModel(name, "new" if dose else "old", DOSE_SIZE, dose, replicate))
    return tuple(models)


LADDER = _ladder()


def chosen(patterns: Sequence[str], ladder: Sequence[LabModel] = LADDER) -> list[LabModel]:
    """The models whose names fit any of the patterns (`lab-old-*`), in the ladder's order."""
    names = [model.name for model in ladder]
    for pattern in patterns:
        if not fnmatch.filter(names, pattern):
            raise SpecError(f"models: {pattern!r} fits no model of the lab; they are: {nearest(pattern, names)}")
    return [model for model in ladder if any(fnmatch.fnmatch(model.name, pattern) for pattern in patterns)]
