"""Low-rank adapters (LoRA, arXiv 2106.09685): what `adjustment.method=lora` trains in place of all weights."""

from __future__ import annotations

from typing import Any

import torch
from transformers import PreTrainedModel

from ttt.engine.shards import add_to_shard, is_sharded
from ttt.spec import Cell, SpecError


def with_lora(model: PreTrainedModel, cell: Cell) -> Any:
    """The model with low-rank adapters by the cell's adjustment; SpecError if its targets are not in the model."""
    from peft import LoraConfig, get_peft_model  # seconds to import

    lora, targets = cell.adjustment.lora, cell.model.lora_targets
    config = LoraConfig(
        r=lora.r,
        lora_alpha=lora.alpha,
        lora_dropout=lora.dropout,
        target_modules=list(targets) if targets else "all-linear",
        task_type="CAUSAL_LM",
    )
    torch.manual_seed(cell.seed)
    try:
        return get_peft_model(model, config)
    except ValueError as error:
        raise SpecError(f"model.lora_targets: {targets or 'all-linear'}: {error}") from error


def merged(model: Any) -> PreTrainedModel:
    """The model that the adapters were put into, with what they have learnt in its weights."""
    from peft.tuners.lora import LoraLayer

    if not is_sharded(model):
        return model.merge_and_unload()
    for layer in model.modules():  # peft adds whole matrices, which shards are not
        if isinstance(layer, LoraLayer):
            for adapter in layer.active_adapters:
                add_to_shard(layer.get_base_layer().weight, layer.get_delta_weight(adapter))
    return model.unload()
