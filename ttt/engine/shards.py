"""Weights that the processes of a launch share (FSDP), for models that do not fit one device.

Each process holds a part of every weight on its device, and a layer is brought together only while it is passed. The
whole model stays in the machine's memory: shards are filled from it, and what they have learnt is written back to it.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from copy import deepcopy
from typing import Any
from weakref import WeakKeyDictionary

import torch
from torch import Tensor
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.fsdp import fully_shard
from torch.distributed.tensor import DTensor, Shard, distribute_tensor
from torch.utils._pytree import tree_map_only
from transformers import PreTrainedModel

from ttt.engine import distributed
from ttt.engine.precision import on_gpu
from ttt.spec import Trainer

_made: WeakKeyDictionary[PreTrainedModel, PreTrainedModel] = WeakKeyDictionary()


def sharded(model: PreTrainedModel, trainer: Trainer) -> PreTrainedModel:
    """This process's shards of the model, on its device, with the values that the model has now.

    Made once a model and filled anew each time. All processes must ask together.
    """
    if model not in _made:
        mesh = init_device_mesh("cuda" if on_gpu(trainer) else "cpu", (distributed.n_ranks(),))
        copy = deepcopy(model)
        blocks = set(getattr(model, "_no_split_modules", None) or ())
        for module in [module for module in copy.modules() if type(module).__name__ in blocks]:
            fully_shard(module, mesh=mesh)
        _made[model] = fully_shard(copy, mesh=mesh, reshard_after_forward=True)  # type: ignore[assignment]
    weights = dict(model.named_parameters())
    with torch.no_grad():
        for name, shard in _made[model].named_parameters():
            assert isinstance(shard, DTensor), name
            of_ranks = weights[name].chunk(distributed.n_ranks())
            if distributed.rank() < len(of_ranks):
                shard.to_local().copy_(of_ranks[distributed.rank()])
    return _made[model]


def write_back(model: PreTrainedModel) -> None:
    """Give the model the values of its shards. All processes must ask together."""
    weights = dict(model.named_parameters())
    with torch.no_grad():
        for name, shard in _made[model].named_parameters():
            weights[name].copy_(whole(shard))


def whole(tree: Any) -> Any:
    """A tree of tensors with those that are shared brought together, on the CPU. All processes must ask together."""
    return tree_map_only(DTensor, lambda shard: shard.full_tensor().cpu(), tree)


def part(tensor: Tensor, like: DTensor) -> DTensor:
    """This process's part of a tensor that every process has whole, laid out as `like` is."""
    tensor = tensor.detach().to(like.device)
    return distribute_tensor(tensor, like.device_mesh, [Shard(0)], src_data_rank=None)


@contextmanager
def in_step(model: PreTrainedModel) -> Iterator[None]:
    """Within the body each process may pass its shards of the model as often as it has work.

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


def _n_at_work(mine: int) -> int:
    total = torch.tensor(mine)
    torch.distributed.all_reduce(total)
    return int(total)
