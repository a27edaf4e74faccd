"""What a process does that is not rank zero: hold the model that it is given, score with it, and train it along."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from transformers import PreTrainedModel, PreTrainedTokenizerBase

from ttt.engine import distributed
from ttt.engine.batches import Tokens
from ttt.engine.scoring.module import predict
from ttt.engine.training.data import ExampleSampler
from ttt.engine.training.loop import Keeping, Training
from ttt.engine.training.schedule import LearningRateAt
from ttt.spec import Adjustment, Trainer


class Follower:
    def __init__(self) -> None:
        self.model: PreTrainedModel
        self.tokenizer: PreTrainedTokenizerBase
        self.does: dict[str, Callable[..., None]] = {"hold": self.hold, "predict": self.predict, "train": self.train}

    def hold(self, model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase) -> None:
        self.model, self.tokenizer = model, tokenizer

    def predict(self, batches: Sequence[Any], trainer: Trainer) -> None:
        predict(self.model, self.tokenizer, batches, trainer)

    def train(
        self,
        rows: Mapping[int, Tokens],
        sampler: ExampleSampler,
        recipe: Adjustment,
        learning_rate_at: LearningRateAt,
        trainer: Trainer,
        keeping: Keeping,
        stops: Sequence[int],
    ) -> None:
        trainer = trainer.model_copy(update={"progress": False})
        training = Training(self.model, rows, sampler, recipe, learning_rate_at, trainer, keeping)
        for _ in training.run(stops):
            distributed.follow(self.does, until="go on")
