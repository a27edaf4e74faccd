"""The training loop: a plan of steps carried out by Lightning, with checkpoints to go on from.

A rerun after a kill takes the steps that were not taken yet; on one CPU thread it ends with the very weights that it
would have had.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
from transformers import PreTrainedModel

from ttt.engine import distributed
from ttt.engine.batches import Tokens
from ttt.engine.logits import n_scored_at_once
from ttt.engine.precision import lightning_trainer
from ttt.engine.shards import sharded, write_back
from ttt.engine.training.checkpoints import CheckpointFiles, last_checkpoint
from ttt.engine.training.module import AdjustmentModule, Plan, Steps
from ttt.spec import Adjustment, Trainer
from ttt.stopping import asked, deferred, stop_if_asked


@dataclass(frozen=True)
class Step:
    """What is known after a step. Losses are nats an answer token."""

    step: int
    n_examples: int
    loss: float
    learning_rate: float


@dataclass(frozen=True)
class Fitted:
    """What training took, interrupted attempts included. Tokens passed the model; padding is not counted."""

    n_tokens: int
    seconds: float


def fit(
    model: PreTrainedModel,
    rows: Mapping[int, Tokens],
    plan: Plan,
    recipe: Adjustment,
    learning_rate: float,
    trainer: Trainer,
    folder: Path | None,
    on_step: Callable[[Step], None] = lambda step: None,
    on_checkpoint: Callable[[Step], None] = lambda step: None,
    *,
    before_saving: Callable[[], None] = lambda: None,
    schedule: Callable[[int], float] | None = None,
    begin_from: Path | None = None,
    save_last: bool = False,
) -> Fitted:
    """Train the model in place on the rows that the plan names; a checkpoint in `folder` is continued.

    `on_step` hears of every step, `on_checkpoint` of the steps of `recipe.evaluate_at`, with the model as it is then.
    Checkpoints are written every `trainer.checkpoint_minutes`, at the steps of `recipe.evaluate_at`, on SIGTERM, and
    after the last step with `save_last`; `before_saving` is called first, so that what it keeps is never behind them.
    `schedule` (step from 0 to a share of the learning rate) replaces the recipe's. `begin_from` is a checkpoint of
    another folder to begin from where this one has none. Without a folder nothing is kept. Where several processes
    share the work, those that follow rank zero take the same steps. Raises NonFiniteLossError before a step that would
    spoil the weights, and `Stopped` after a checkpoint when SIGTERM came.
    """
    start = time.perf_counter()
    checkpoints = folder and folder / "checkpoints"
    last = (checkpoints and last_checkpoint(checkpoints)) or begin_from
    distributed.tell("fit", rows, plan, recipe, learning_rate, trainer, last)
    model.train()
    if trainer.gradient_checkpointing:
        model.gradient_checkpointing_enable()
    trained = sharded(model, trainer) if trainer.shard else model
    module = AdjustmentModule(trained, recipe, learning_rate, plan.n_steps, plan.seed)
    if schedule:
        module.rate_at = schedule  # type: ignore[method-assign, assignment]
    save_at = {*recipe.evaluate_at, *([plan.n_steps] if save_last else [])}
    saving = _Saving(checkpoints, trainer.checkpoint_minutes, save_at, before_saving)
    give_back = (lambda: write_back(model)) if trainer.shard else (lambda: None)
    listener = _Listener(plan, recipe.evaluate_at, on_step, on_checkpoint, saving, give_back)
    lightning = lightning_trainer(
        trainer,
        max_steps=plan.n_steps,
        max_epochs=-1,
        callbacks=[listener],
        plugins=[CheckpointFiles()],
        use_distributed_sampler=False,
    )
    n_scored = max(1, n_scored_at_once(model) // 4)  # logits, their softmax and gradient are in memory at once
    steps = Steps(rows, plan, trainer.train_tokens, n_scored, lambda: lightning.global_step)
    with deferred():
        lightning.fit(module, steps, ckpt_path=str(last) if last else None, weights_only=True)
    stop_if_asked()
    if lightning.global_step < plan.n_steps:
        raise KeyboardInterrupt(f"training stopped after step {lightning.global_step} of {plan.n_steps}")
    model.eval()
    return Fitted(listener.n_tokens, time.perf_counter() - start - listener.seconds + listener.seconds_before)


@dataclass
class _Saving:
    """When a checkpoint is due."""

    folder: Path | None
    minutes: float
    at: set[int]
    before: Callable[[], None]
    saved: float = field(default_factory=time.monotonic)

    def save_if_due(self, trainer: pl.Trainer) -> None:
        late = time.monotonic() - self.saved > 60 * self.minutes
        if not distributed.as_at_zero(self.folder is not None and (asked() or trainer.global_step in self.at or late)):
            return
        self.before()
        trainer.save_checkpoint(self.folder or "", weights_only=False)
        self.saved = time.monotonic()


class _Listener(pl.Callback):
    """Tells the pipeline of steps, and of those after which it wants to score the model; sees to the checkpoints."""

    def __init__(
        self,
        plan: Plan,
        evaluate_at: Sequence[int],
        on_step: Callable[[Step], None],
        on_checkpoint: Callable[[Step], None],
        saving: _Saving,
        give_back: Callable[[], None],
    ):
        self.plan, self.evaluate_at, self.on_step, self.on_checkpoint = plan, set(evaluate_at), on_step, on_checkpoint
        self.saving, self.give_back = saving, give_back
        self.start = time.perf_counter()
        self.seconds = 0.0
        """Spent in `on_checkpoint`, which is not adjusting."""
        self.seconds_before = 0.0
        """Spent adjusting by earlier attempts, up to the checkpoint that is gone on from."""
        self.n_tokens = 0
        self.last: Step | None = None

    def state_dict(self) -> dict[str, Any]:
        assert self.last is not None
        spent = self.seconds_before + time.perf_counter() - self.start - self.seconds
        return {"seconds": spent, "n_tokens": self.n_tokens, "last": asdict(self.last)}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self.seconds_before, self.n_tokens = state_dict["seconds"], state_dict["n_tokens"]
        self.last = Step(**state_dict["last"])

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        assert isinstance(pl_module, AdjustmentModule)
        pl_module.n_tokens = self.n_tokens
        if self.last is not None:
            self._score(self.last)  # it may have been stopped between its checkpoint and its scores

    def on_train_batch_end(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        assert isinstance(pl_module, AdjustmentModule)
        done = trainer.global_step
        seen = min(done * self.plan.batch_size, self.plan.n_examples)
        rate = pl_module.rate_at(done - 1) * pl_module.learning_rate
        self.last, self.n_tokens = Step(done, seen, pl_module.last_loss, rate), pl_module.n_tokens
        self.on_step(self.last)
        self.saving.save_if_due(trainer)
        stop_if_asked()
        self._score(self.last)

    def on_train_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        self.give_back()

    def _score(self, step: Step) -> None:
        if step.step in self.evaluate_at and step.step < self.plan.n_steps:
            start = time.perf_counter()
            self.give_back()
            self.on_checkpoint(step)
            distributed.tell("go on")
            self.seconds += time.perf_counter() - start
