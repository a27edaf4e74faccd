"""AdjustmentModule: fine-tuning on the task data, one optimiser step a batch."""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

import numpy as np
import pytorch_lightning as pl
import torch
import torch.nn.functional as F
from torch import Tensor
from torch.distributed.fsdp import FSDPModule
from torch.distributed.tensor import DTensor
from torch.utils._pytree import tree_map_only
from transformers import PreTrainedModel

from ttt.engine import distributed
from ttt.engine.batches import IGNORED, Batch, Tokens, by_length, collate, cut
from ttt.engine.logits import last_logits
from ttt.engine.shards import part, whole
from ttt.spec import Adjustment

log = logging.getLogger(__name__)


class NonFiniteLossError(RuntimeError):
    """The loss of a step is not a number or not finite; the step was not taken."""


@dataclass(frozen=True)
class Plan:
    """Which examples each step sees: the same for every model, by the adjustment's budget and the seed alone."""

    n_available: int
    n_examples: int
    batch_size: int
    seed: int

    @property
    def n_steps(self) -> int:
        return math.ceil(self.n_examples / self.batch_size)

    def examples_at(self, step: int) -> list[int]:
        """Indices of the examples of a step (from 0): epoch after epoch, each in an order of its own."""
        first = step * self.batch_size
        places = range(first, min(first + self.batch_size, self.n_examples))
        order = {epoch: _order(self.seed, epoch, self.n_available) for epoch in {p // self.n_available for p in places}}
        return [int(order[place // self.n_available][place % self.n_available]) for place in places]

    def used(self) -> list[int]:
        """Indices of all examples that the budget reaches."""
        return sorted({index for step in range(self.n_steps) for index in self.examples_at(step)})


@lru_cache(maxsize=4)
def _order(seed: int, epoch: int, n_available: int) -> Any:
    return np.random.default_rng([seed, epoch]).permutation(n_available)


class Steps:
    """The steps' micro-batches, from the trainer's present step on, so that a resumed run sees what it has not seen."""

    def __init__(self, rows: Mapping[int, Tokens], plan: Plan, n_tokens: int, n_scored: int, done: Callable[[], int]):
        self.rows, self.plan, self.n_tokens, self.n_scored, self.done = rows, plan, n_tokens, n_scored, done

    def __len__(self) -> int:
        return self.plan.n_steps

    def __iter__(self) -> Iterator[list[Batch]]:
        for step in range(self.done(), self.plan.n_steps):
            rows = [self.rows[index] for index in self.plan.examples_at(step)]
            yield [collate(group) for group in by_length(rows, self.n_tokens, self.n_scored)]


class AdjustmentModule(pl.LightningModule):
    """Minimises the mean negative log-likelihood of the answer tokens of each step's examples.

    Every answer token of a step weighs the same, however the step is cut into micro-batches. AdamW with weight decay on
    matrices only (neither biases nor norms), warm-up, a cosine to a share of the rate (arXiv 2407.07890, appendix B).
    """

    def __init__(
        self, model: PreTrainedModel, adjustment: Adjustment, learning_rate: float, n_steps: int, seed: int = 0
    ):
        super().__init__()
        self.automatic_optimization = False
        self.model = model
        self.adjustment = adjustment
        self.learning_rate = learning_rate
        self.n_steps = n_steps
        self.seed = seed
        self.sharded = isinstance(model, FSDPModule)
        self.n_parts = 1
        """Parts that each micro-batch is cut into, for the memory's sake."""
        self.last_loss = float("nan")
        """Nats a token, of the last step."""
        self.n_tokens = 0
        """Tokens that have passed the model in training, padding not counted."""

    def training_step(self, batches: list[Batch], batch_idx: int) -> None:
        optimizer, scheduler = self.optimizers(), self.lr_schedulers()
        n_targets = sum(int((batch.targets != IGNORED).sum()) for batch in batches)
        mine = distributed.share(batches)
        if self.sharded:
            n = distributed.n_ranks()
            if len(mine) < math.ceil(len(batches) / n):  # all take as many passes
                mine = [*mine, replace(batches[0], targets=torch.full_like(batches[0].targets, IGNORED))]
            # FSDP hands each process the mean of the gradients of all.
            total = distributed.add_up(self._accumulate(mine, n_targets / n) / n, [])
        else:
            total = self._accumulate(mine, n_targets)
            total = distributed.add_up(total, [p for p in self.parameters() if p.requires_grad])
        torch.nn.utils.clip_grad_norm_(self.parameters(), self.adjustment.clip)
        optimizer.step()  # type: ignore[union-attr]
        scheduler.step()  # type: ignore[union-attr]
        self.last_loss = total
        self.n_tokens += sum(int(batch.attention_mask.sum()) for batch in batches)
        self.log("loss", total, prog_bar=True, logger=False)

    def _accumulate(self, batches: Sequence[Batch], n_targets: float) -> float:
        """Leave the gradient of the batches in the parameters; returns their share of the step's loss.

        Where the memory does not hold a batch, all are halved from then on; where it does not hold one example, its
        activations are computed a second time instead of kept. The gradient is begun anew.
        """
        batches = [part for batch in batches for part in cut(batch, self.n_parts)]
        self.zero_grad()
        total = 0.0
        try:
            for batch in batches:
                # What dropout draws is a matter of the step and the examples, so that nothing has to be kept.
                drawn = np.random.SeedSequence([self.seed, self.global_step, min(batch.indices)])
                torch.manual_seed(int(drawn.generate_state(1)[0]))
                loss = negative_log_likelihood(self.model, batch) / n_targets
                if not torch.isfinite(loss):
                    raise NonFiniteLossError(
                        f"the loss is {loss.item()} at step {self.global_step + 1} of {self.n_steps}, "
                        f"on the examples {batch.indices}; the step was not taken"
                    )
                self.manual_backward(loss)
                total += loss.item()
        except torch.OutOfMemoryError:
            largest = max(len(batch.indices) for batch in batches)
            # With shards, the others wait in the middle of a pass.
            if self.sharded or (largest == 1 and self.model.is_gradient_checkpointing):
                raise
            loss = None
        else:
            return total
        if largest == 1:
            self.model.gradient_checkpointing_enable()
            log.warning("out of memory with one example at a time: going on with gradient checkpointing")
        else:
            self.n_parts *= 2
            log.warning(f"out of memory with {largest} examples at a time: going on with micro-batches half as large")
        return self._accumulate(batches, n_targets)

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        if self.sharded:
            checkpoint |= whole({name: checkpoint[name] for name in ("state_dict", "optimizer_states")})

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        if not self.sharded:
            return
        shards = {name: shard for name, shard in self.state_dict().items() if isinstance(shard, DTensor)}
        some = next(iter(shards.values()))
        checkpoint["state_dict"] |= {
            name: part(checkpoint["state_dict"][name], shard) for name, shard in shards.items()
        }
        for state in checkpoint["optimizer_states"]:
            state["state"] = tree_map_only(Tensor, lambda t: part(t, some) if t.dim() else t, state["state"])

    def configure_optimizers(self) -> Any:
        a = self.adjustment
        trained = [p for p in self.parameters() if p.requires_grad]
        groups = [
            {"params": [p for p in trained if p.dim() >= 2], "weight_decay": a.weight_decay},
            {"params": [p for p in trained if p.dim() < 2], "weight_decay": 0.0},
        ]
        optimizer = torch.optim.AdamW(groups, lr=self.learning_rate, betas=a.betas, eps=a.eps)
        scheduler = torch.optim.lr_scheduler.LambdaLR(optimizer, self.rate_at)
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": scheduler, "interval": "step"}}

    def rate_at(self, step: int) -> float:
        """The share of the learning rate at a step (from 0): a linear warm-up, then the schedule."""
        a = self.adjustment
        n_warmup = math.ceil(a.warmup * self.n_steps)
        if step < n_warmup:
            return (step + 1) / n_warmup
        if a.schedule == "constant":
            return 1.0
        progress = (step - n_warmup) / max(1, self.n_steps - n_warmup)
        return a.final_rate + (1 - a.final_rate) * 0.5 * (1 + math.cos(math.pi * min(1.0, progress)))


def negative_log_likelihood(model: PreTrainedModel, batch: Batch) -> Tensor:
    """Summed over all targets of the batch, nats; a scalar."""
    logits = last_logits(model, batch)
    return F.cross_entropy(logits.flatten(0, 1), batch.targets.flatten(), ignore_index=IGNORED, reduction="sum")
