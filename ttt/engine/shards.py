"""Weights that are divided over the processes of a launch (FSDP2), for models that do not fit one device.

Each process holds a part of every weight, its gradient and its optimiser state; a block's weights are gathered only
while it is passed. transformers divides the model as it loads it, file by file, and gathers the weights when it saves
them. Lightning's ModelParallelStrategy is not used: it divides a model that is whole in the memory of each process,
within the `fit` or `predict` of one Trainer, whereas here the same shards are scored and trained in turn.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from torch.distributed.fsdp import FSDPModule
from torch.distributed.tensor import DTensor
from transformers import AutoConfig, AutoModelForCausalLM, PreTrainedModel
from transformers.distributed.configuration_utils import DistributedConfig

from ttt.engine import distributed

# The plans of some architectures name modules that these do not have; ours names those that there are.
logging.getLogger("transformers.distributed.mixin").setLevel(logging.ERROR)

NUMBER = re.compile(r"\.\d+(?=\.|$)")


def sharding(place: str, **options: Any) -> DistributedConfig:
    """How the model in a folder is divided: each block, and each embedding, is gathered by itself and freed again."""
    with torch.device("meta"):
        model = AutoModelForCausalLM.from_config(AutoConfig.from_pretrained(place, **options), **options)
    names = {module: name for name, module in model.named_modules()}
    modules = list(_blocks(model))
    embeddings, head = model.get_input_embeddings(), model.get_output_embeddings()
    if head is not None and head.weight is not embeddings.weight:  # else transformers keeps the two together
        modules += [embeddings, head]
    plan = {NUMBER.sub(".*", names[module]): "free_full_weight" for module in modules}
    return DistributedConfig(fsdp_size=distributed.n_ranks(), fsdp_plan=plan)


def _blocks(module: nn.Module) -> Iterator[nn.Module]:
    """The layers: what stands in the outermost lists of modules."""
    for child in module.children():
        if isinstance(child, nn.ModuleList):
            yield from child
        else:
            yield from _blocks(child)


def is_sharded(model: nn.Module) -> bool:
    return any(isinstance(module, FSDPModule) for module in model.modules())


def whole(tensor: Tensor) -> Tensor:
    """The tensor, gathered if it is a shard. Collective for shards."""
    return tensor.full_tensor() if isinstance(tensor, DTensor) else tensor


def add_to_shard(shard: DTensor, tensor: Tensor) -> None:
    """Add to a shard its part of a tensor that every process has whole."""
    with torch.no_grad():
        rows = tensor.to(shard.device, shard.dtype).chunk(shard.device_mesh.size())
        if distributed.rank() < len(rows):
            shard.to_local().add_(rows[distributed.rank()])


@contextmanager
def in_step(model: PreTrainedModel) -> Iterator[None]:
    """Within the body each process may pass its shards of the model as often as it has work. Collective.

    A pass needs the shards of all: one that has no more work joins in with passes of a single token until none has.
    """

    def before_a_pass(*_: Any) -> None:
        _n_at_work(1)

    hook = model.register_forward_pre_hook(before_a_pass, prepend=True)  # before FSDP's own, which waits for the others
    yield
    hook.remove()
    token = torch.zeros(1, 1, dtype=torch.long, device=model.device)
    with torch.no_grad():
        while _n_at_work(0):
            model(input_ids=token, use_cache=False)
    for module in model.modules():
        if isinstance(module, FSDPModule):
            module.reshard()


def _n_at_work(mine: int) -> int:
    total = torch.tensor(mine)
    torch.distributed.all_reduce(total)
    return int(total)
