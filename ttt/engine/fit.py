"""The training loop: a plan of steps carried out by Lightning, with checkpoints to go on from."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
import torch
from pytorch_lightning.callbacks import ModelCheckpoint
from transformers import PreTrainedModel

from ttt.engine.adjustment import AdjustmentModule, Plan, Steps
from ttt.engine.batches import Tokens
from ttt.engine.device import lightning_trainer
from ttt.engine.forward import n_scored_at_once
from ttt.spec import Adjustment, Trainer


@dataclass(frozen=True)
class Step:
    """What is known after a step. Losses are nats an answer token."""

    step: int
    n_examples: int
    loss: float
    learning_rate: float


@dataclass(frozen=True)
class Fitted:
    """What training took. Tokens are those that passed the model in this process, padding not counted."""

    n_tokens: int
    seconds: float


def fit(
    model: PreTrainedModel,
    rows: Mapping[int, Tokens],
    plan: Plan,
    recipe: Adjustment,
    learning_rate: float,
    trainer: Trainer,
    folder: Path,
    on_step: Callable[[Step], None],
    on_checkpoint: Callable[[Step], None] = lambda step: None,
) -> Fitted:
    """Train the model in place on the rows that the plan names; a checkpoint in `folder` is continued.

    `on_step` hears of every step, `on_checkpoint` of the steps of `recipe.evaluate_at`, with the model as it is then.
    Raises NonFiniteLossError before a step that would spoil the weights.
    """
    start = time.perf_counter()
    pl.seed_everything(plan.seed, verbose=False)  # dropout; the order of the examples has its own generator
    model.train()
    module = AdjustmentModule(model, recipe, learning_rate, plan.n_steps)
    listener = _Listener(plan, recipe.evaluate_at, on_step, on_checkpoint)
    checkpoints = ModelCheckpoint(
        dirpath=folder / "checkpoints",
        filename="last",
        train_time_interval=timedelta(minutes=trainer.checkpoint_minutes),
    )
    lightning = lightning_trainer(
        trainer,
        max_steps=plan.n_steps,
        max_epochs=-1,
        enable_checkpointing=True,
        callbacks=[listener, checkpoints],
        use_distributed_sampler=False,
    )
    n_scored = max(1, n_scored_at_once(model) // 4)  # logits, their softmax and gradient are in memory at once
    steps = Steps(rows, plan, trainer.train_tokens, n_scored, lambda: lightning.global_step)
    last = folder / "checkpoints" / "last.ckpt"
    lightning.fit(module, steps, ckpt_path=str(last) if last.exists() else None, weights_only=True)
    if lightning.global_step < plan.n_steps:
        raise KeyboardInterrupt(f"training stopped after step {lightning.global_step} of {plan.n_steps}")
    model.eval()
    return Fitted(module.n_tokens, time.perf_counter() - start - listener.seconds)


class _Listener(pl.Callback):
    """Tells the pipeline of steps, and of those after which it wants to score the model."""

    def __init__(
        self,
        plan: Plan,
        evaluate_at: Sequence[int],
        on_step: Callable[[Step], None],
        on_checkpoint: Callable[[Step], None],
    ):
        self.plan, self.evaluate_at, self.on_step, self.on_checkpoint = plan, set(evaluate_at), on_step, on_checkpoint
        self.seconds = 0.0
        """Spent in `on_checkpoint`, which is not adjusting."""

    def on_train_batch_end(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        assert isinstance(pl_module, AdjustmentModule)
        done = trainer.global_step
        seen = min(done * self.plan.batch_size, self.plan.n_examples)
        share = pl_module.rate_at(done - 1)
        step = Step(done, seen, pl_module.last_loss, share * pl_module.learning_rate)
        self.on_step(step)
        if done in self.evaluate_at and done < self.plan.n_steps:
            start, state = time.perf_counter(), torch.get_rng_state()
            self.on_checkpoint(step)
            torch.set_rng_state(state)
            self.seconds += time.perf_counter() - start
