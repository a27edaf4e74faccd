"""One forward pass: the logits of the last positions of a batch, for scoring and for learning alike."""

from __future__ import annotations

import inspect

from torch import Tensor
from torch.nn import Embedding
from transformers import PreTrainedModel

from ttt.engine.batches import Batch

LOGITS_IN_MEMORY = 2**27
"""Logits computed at a time (float32: 512 MiB)."""


def n_scored_at_once(model: PreTrainedModel) -> int:
    """Positions whose logits may be in memory at once."""
    embeddings = model.get_input_embeddings()
    assert isinstance(embeddings, Embedding)
    return max(1, LOGITS_IN_MEMORY // embeddings.num_embeddings)


def last_logits(model: PreTrainedModel, batch: Batch) -> Tensor:
    """float32 [rows, n_kept, vocabulary]: the logits of the positions that `batch.targets` belong to.

    Only those positions pass the output layer where the architecture allows it.
    """
    accepted = inspect.signature(model.forward).parameters
    options = {"position_ids": batch.position_ids} if "position_ids" in accepted else {}
    n_kept = batch.targets.shape[1]
    if "logits_to_keep" in accepted:
        options["logits_to_keep"] = n_kept  # type: ignore[assignment]
    output = model(input_ids=batch.input_ids, attention_mask=batch.attention_mask, use_cache=False, **options)
    return output.logits[:, -n_kept:].float()
