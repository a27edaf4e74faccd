"""What a process does that is not rank zero: hold the model that it is given, score with it, and train it along."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from transformers import PreTrainedModel, PreTrainedTokenizerBase

from ttt.engine import distributed
from ttt.engine.batches import Tokens
from ttt.engine.scoring.module import predict
from ttt.engine.training.loop import fit
from ttt.engine.training.module import Plan
from ttt.spec import Adjustment, Trainer


class Follower:
    def __init__(self) -> None:
        self.model: PreTrainedModel
        self.tokenizer: PreTrainedTokenizerBase
        self.does: dict[str, Callable[..., None]] = {"hold": self.hold, "predict": self.predict, "fit": self.fit}

    def hold(self, model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase) -> None:
        self.model, self.tokenizer = model, tokenizer

    def predict(self, batches: Sequence[Any], trainer: Trainer) -> None:
        predict(self.model, self.tokenizer, batches, trainer)

    def fit(
        self,
        rows: Mapping[int, Tokens],
        plan: Plan,
        recipe: Adjustment,
        learning_rate: float,
        trainer: Trainer,
        begin_from: Path | None,
    ) -> None:
        trainer = trainer.model_copy(update={"progress": False})
        fit(self.model, rows, plan, recipe, learning_rate, trainer, None, begin_from=begin_from,
            on_checkpoint=lambda step: distributed.follow(self.does, until="go on"))  # fmt: skip
