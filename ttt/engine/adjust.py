"""Adjusting a model: the task data as tokens, the plan of steps, checkpoints, and scores on the way."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
import torch
from peft import LoraConfig, get_peft_model
from pytorch_lightning.callbacks import ModelCheckpoint

from transformers import PreTrainedModel

from ttt.engine.adjustment import AdjustmentModule, Plan, Steps
from ttt.engine.backend import LOGITS_IN_MEMORY, Backend
from ttt.engine.batches import Tokens
from ttt.engine.device import lightning_trainer
from ttt.spec import Cell, SpecError, Trainer
from ttt.tasks.task_data import Example

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Step:
    """What is known after a step. Losses are nats an answer token."""

    step: int
    n_examples: int
    loss: float
    learning_rate: float


@dataclass(frozen=True)
class Adjusted:
    """What adjusting took."""

    n_steps: int
    n_examples: int
    n_tokens: int
    """Tokens that passed the model in this process, padding not counted."""
    n_cut: int
    """Examples that were cut to `max_tokens`."""
    seconds: float


def encode(backend: Backend, example: Example, index: int, max_tokens: int, chat: bool) -> tuple[Tokens, bool]:
    """An example as tokens, prompt and answer split as in scoring, the answer ended by the end-of-sequence token.

    A longer one keeps its last `max_tokens` tokens, as in the paper's release; returned with whether it was cut.
    """
    prompt, answer = example.prompt, example.answer
    if chat:
        prompt, answer = backend.apply_chat_template([{"role": "user", "content": prompt}]), answer.lstrip()
    context, continuation = backend.encode_pair(prompt, answer)
    ids = [*context, *continuation, backend.eot_token_id]
    n_targets = min(len(continuation) + 1, max_tokens - 1)
    return Tokens(index, tuple(ids[-max_tokens:]), n_targets), len(ids) > max_tokens


def adjust(
    backend: Backend,
    cell: Cell,
    examples: Sequence[Example],
    trainer: Trainer,
    folder: Path,
    on_step: Callable[[Step], None],
    on_checkpoint: Callable[[Step], None],
) -> Adjusted:
    """Fine-tune the backend's model in place by the cell's adjustment; a checkpoint in `folder` is continued.

    `on_step` hears of every step, `on_checkpoint` of the steps of `evaluate_at`, with the model as it is then.
    Raises NonFiniteLossError before a step that would spoil the weights.
    """
    start = time.perf_counter()
    adjustment = cell.adjustment
    plan = Plan(len(examples), adjustment.n_examples(len(examples)), adjustment.batch_size, cell.seed)
    encoded = {i: encode(backend, examples[i], i, adjustment.max_tokens, cell.bench.chat_template) for i in plan.used()}
    rows = {index: row for index, (row, _) in encoded.items()}
    pl.seed_everything(cell.seed, verbose=False)  # dropout; the order of the examples has its own generator
    model = backend.model
    if adjustment.method == "lora":
        model = _with_lora(model, cell)
    if trainer.gradient_checkpointing:
        model.gradient_checkpointing_enable()
    model.train()
    module = AdjustmentModule(model, adjustment, adjustment.rate(cell.model), plan.n_steps)
    listener = _Listener(plan, adjustment.evaluate_at, on_step, on_checkpoint)
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
    vocabulary = model.get_input_embeddings().weight.shape[0]
    n_scored = max(1, LOGITS_IN_MEMORY // (4 * vocabulary))  # logits, their gradient and softmax are in memory at once
    steps = Steps(rows, plan, trainer.train_tokens, n_scored, lambda: lightning.global_step)
    last = folder / "checkpoints" / "last.ckpt"
    lightning.fit(module, steps, ckpt_path=str(last) if last.exists() else None, weights_only=True)
    if lightning.global_step < plan.n_steps:
        raise KeyboardInterrupt(f"adjusting stopped after step {lightning.global_step} of {plan.n_steps}")
    if adjustment.method == "lora":
        model = model.merge_and_unload()
    backend.model = model.eval()
    return Adjusted(
        n_steps=plan.n_steps,
        n_examples=plan.n_examples,
        n_tokens=module.n_tokens,
        n_cut=sum(cut for _, cut in encoded.values()),
        seconds=time.perf_counter() - start - listener.seconds,
    )


def _with_lora(model: PreTrainedModel, cell: Cell) -> Any:
    lora, targets = cell.adjustment.lora, cell.model.lora_targets
    config = LoraConfig(
        r=lora.r,
        lora_alpha=lora.alpha,
        lora_dropout=lora.dropout,
        target_modules=list(targets) if targets else "all-linear",
        task_type="CAUSAL_LM",
    )
    try:
        return get_peft_model(model, config)
    except ValueError as error:
        raise SpecError(f"model.lora_targets: {targets or 'all-linear'}: {error}") from error


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
