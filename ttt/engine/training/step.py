"""One optimiser step: the gradient over micro-batches, clipped, and AdamW's update."""

from __future__ import annotations

import logging
import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import torch
import torch.nn.functional as F
from lightning_fabric import Fabric
from torch import Tensor
from torch.distributed.tensor import DTensor
from transformers import PreTrainedModel

from ttt.engine import distributed
from ttt.engine.batches import IGNORED, Batch, cut
from ttt.engine.logits import last_logits
from ttt.engine.shards import is_sharded, whole
from ttt.spec import Adjustment

log = logging.getLogger(__name__)


class NonFiniteLossError(RuntimeError):
    """The loss of a step or its gradient is not a number or not finite; the step was not taken."""


class TrainingStep:
    """Minimises the mean negative log-likelihood of the answer tokens of each step's examples.

    Every answer token of a step weighs the same, however the step is cut into micro-batches. AdamW with weight decay on
    matrices only (neither biases nor norms; arXiv 2407.07890, appendix B).
    """

    def __init__(self, model: PreTrainedModel, recipe: Adjustment, fabric: Fabric, n_steps: int, seed: int = 0):
        self.model, self.recipe, self.fabric, self.n_steps, self.seed = model, recipe, fabric, n_steps, seed
        self.sharded = is_sharded(model)
        self.optimizer = optimizer(model, recipe)
        self.n_parts = 1
        """Parts that each micro-batch is cut into, for the memory's sake."""
        self.updating = False
        """The weights may be half updated: only an exception in the midst of the update leaves it so."""

    def take(self, step: int, batches: Sequence[Batch], learning_rate: float) -> float:
        """Update the weights; returns the loss, nats a token. `step` counts from 0.

        Collective: every process gives all micro-batches of the step, and passes its own part of them.
        Raises NonFiniteLossError before the update.
        """
        n_targets = sum(int((batch.targets != IGNORED).sum()) for batch in batches)
        mine = distributed.own_part(batches)
        if self.sharded:
            n = distributed.n_ranks()
            if len(mine) < math.ceil(len(batches) / n):  # all take as many passes
                mine = [*mine, replace(batches[0], targets=torch.full_like(batches[0].targets, IGNORED))]
            # FSDP hands each process the mean of the gradients of all; adapters are not divided, and are added up here.
            undivided = [p for p in self.model.parameters() if p.requires_grad and not isinstance(p, DTensor)]
            total = distributed.add_up(self._gradient(mine, n_targets / n, step) / n, undivided)
            for parameter in undivided:
                assert parameter.grad is not None
                parameter.grad /= n
        else:
            total = self._gradient(mine, n_targets, step)
            total = distributed.add_up(total, [p for p in self.model.parameters() if p.requires_grad])
        indices = sorted(index for batch in batches for index in batch.indices)
        if not math.isfinite(total):
            raise NonFiniteLossError(
                f"the loss is {total} at step {step + 1} of {self.n_steps}, on the examples {indices}; "
                "the step was not taken"
            )
        norm = torch.nn.utils.clip_grad_norm_(self.model.parameters(), self.recipe.clip)
        norm = whole(norm)
        if not torch.isfinite(norm):
            raise NonFiniteLossError(
                f"the gradient's norm is {norm.item()} at step {step + 1} of {self.n_steps}, on the examples "
                f"{indices}, where the loss is {total:.6g}; the step was not taken"
            )
        for group in self.optimizer.param_groups:
            group["lr"] = learning_rate
        self.updating = True
        self.optimizer.step()
        self.updating = False
        return total

    def _gradient(self, batches: Sequence[Batch], n_targets: float, step: int) -> float:
        """Leave the gradient of the micro-batches in the parameters; returns what they add to the step's loss.

        Where the memory does not hold a micro-batch, all are cut in half from then on; where it does not hold one
        example, its activations are computed a second time instead of kept.
        """
        while True:
            parts = [part for batch in batches for part in cut(batch, self.n_parts)]
            try:
                return self._accumulate(parts, n_targets, step)
            except torch.OutOfMemoryError:
                largest = max(len(part.indices) for part in parts)
                # With shards, the others wait in the middle of a pass.
                if self.sharded or (largest == 1 and self.model.is_gradient_checkpointing):
                    raise
            if largest == 1:
                self.model.gradient_checkpointing_enable()
                log.warning("out of memory with one example at a time: going on with gradient checkpointing")
            else:
                self.n_parts *= 2
                log.warning(
                    f"out of memory with {largest} examples at a time: going on with micro-batches half as large"
                )

    def _accumulate(self, batches: Sequence[Batch], n_targets: float, step: int) -> float:
        self.optimizer.zero_grad()
        total = 0.0
        for batch in batches:
            # What dropout draws is a matter of the step and the examples, so that nothing has to be kept.
            drawn = np.random.SeedSequence([self.seed, step, min(batch.indices)])
            torch.manual_seed(int(drawn.generate_state(1)[0]))
            with self.fabric.autocast():
                loss = negative_log_likelihood(self.model, self.fabric.to_device(batch)) / n_targets
            if not torch.isfinite(loss) and distributed.n_ranks() == 1:  # of several, all must learn of it together
                raise NonFiniteLossError(
                    f"the loss is {loss.item()} at step {step + 1} of {self.n_steps}, on the examples {batch.indices}; "
                    "the step was not taken"
                )
            loss.backward()
            total += loss.item()
        return total


def optimizer(model: PreTrainedModel, recipe: Adjustment) -> torch.optim.AdamW:
    """AdamW over the parameters that are trained; the learning rate is set at each step."""
    trained = [p for p in model.parameters() if p.requires_grad]
    groups = [
        {"params": [p for p in trained if p.dim() >= 2], "weight_decay": recipe.weight_decay},
        {"params": [p for p in trained if p.dim() < 2], "weight_decay": 0.0},
    ]
    return torch.optim.AdamW(groups, lr=recipe.learning_rate, betas=recipe.betas, eps=recipe.eps)


def negative_log_likelihood(model: PreTrainedModel, batch: Batch) -> Tensor:
    """Summed over all targets of the batch, nats; a scalar."""
    logits = last_logits(model, batch)
    return F.cross_entropy(logits.flatten(0, 1), batch.targets.flatten(), ignore_index=IGNORED, reduction="sum")
