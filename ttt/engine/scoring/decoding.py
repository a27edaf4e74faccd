"""Continuous batching: greedy decoding in a batch that stays full; finished sequences leave it, queued ones enter."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor
from tqdm import tqdm
from transformers import PreTrainedModel, PreTrainedTokenizerBase
from transformers.cache_utils import Cache, DynamicLayer

from ttt.engine.scoring.generation_options import end_tokens
from ttt.engine.scoring.groups import LEAST_PREFIX, Ids, n_common
from ttt.engine.scoring.prefix_tree import Prefix, forward, padded

ROOM = 64
"""Tokens that the buffers of keys and values have room for beyond those they hold."""


@dataclass
class GreedyPrompts:
    """Prompts to go on from greedily, each until a stop string, the end of the sequence, or `n_new` tokens."""

    prompts: list[tuple[int, Ids]]
    """(index, token ids)."""
    until: tuple[str, ...]
    n_new: int
    n_rows: int
    """Sequences in the batch at most."""
    n_tokens: int
    """Prompt tokens that enter at a time, padding included."""
    progress: bool


@dataclass
class _Sequence:
    index: int
    new: list[int] = field(default_factory=list)


class RoomyLayer(DynamicLayer):
    """Keys and values [rows, heads, length, width] in buffers with room to write the next token to.

    DynamicLayer copies all the earlier tokens for each new one, which takes half of the time of decoding.
    """

    def __init__(self, keys: Tensor, values: Tensor):
        super().__init__()
        self.lazy_initialization(keys, values)
        self.keys, self.values = keys, values
        self._buffers: list[Tensor] = []

    def update(self, key_states: Tensor, value_states: Tensor, *args: Any, **kwargs: Any) -> tuple[Tensor, Tensor]:
        assert self.keys is not None
        assert self.values is not None
        held = self.keys.shape[2]
        length = held + key_states.shape[2]
        if not self._buffers or self._buffers[0].shape[2] < length:
            self._buffers = [_with_room(tensor, length + ROOM) for tensor in (self.keys, self.values)]
        for buffer, states in zip(self._buffers, (key_states, value_states), strict=True):
            buffer[:, :, held:length] = states
        self.keys, self.values = (buffer[:, :, :length] for buffer in self._buffers)
        return self.keys, self.values


def _with_room(tensor: Tensor, length: int) -> Tensor:
    buffer = tensor.new_empty(*tensor.shape[:2], length, tensor.shape[3])
    buffer[:, :, : tensor.shape[2]] = tensor
    return buffer


class GreedyDecoder:
    """Keys and values, padded on the left, of the sequences in the batch; rows come and go, positions are their own."""

    def __init__(self, model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase):
        self.model, self.tokenizer = model, tokenizer
        self.prefix = Prefix(model)
        self.ends = end_tokens(model, tokenizer)

    def decode(self, work: GreedyPrompts) -> list[tuple[int, list[int]]]:
        """(index, new tokens) of every prompt, in the order in which they ended."""
        queue = sorted(work.prompts, key=lambda prompt: (-len(prompt[1]), prompt[0]))
        prefix = common_prefix([ids for _, ids in work.prompts])
        sequences: list[_Sequence] = []
        finished: list[_Sequence] = []
        mask, cache, last = None, None, None
        with tqdm(total=len(queue), desc="Generating", disable=not work.progress) as bar:
            while queue or sequences:
                # Rows enter once half of the places are free: each entry is a pass and a copy of the cache.
                if queue and len(sequences) <= work.n_rows // 2:
                    entering = self._first(queue, work, work.n_rows - len(sequences))
                    queue = queue[len(entering) :]
                    mask, cache, last = self._enter([ids for _, ids in entering], prefix, mask, cache, last)
                    sequences += [_Sequence(index) for index, _ in entering]
                assert last is not None
                assert mask is not None
                for sequence, token in zip(sequences, last.tolist(), strict=True):
                    sequence.new.append(token)
                going = [row for row, sequence in enumerate(sequences) if not self._ended(sequence.new, work)]
                if len(going) < len(sequences):
                    kept = set(going)
                    ended = [sequence for row, sequence in enumerate(sequences) if row not in kept]
                    finished += ended
                    bar.update(len(ended))
                    sequences = [sequences[row] for row in going]
                    if not sequences:
                        mask, cache, last = None, None, None
                        continue
                    rows = torch.tensor(going, device=mask.device)
                    mask, cache, last = _kept(mask, cache, last, rows)
                mask = torch.cat([mask, mask.new_ones(len(sequences), 1)], dim=1)
                logits, cache = forward(self.model, last.unsqueeze(1), mask, cache, keep=1)
                last = logits[:, -1].argmax(-1)
        return [(sequence.index, sequence.new) for sequence in finished]

    def _first(self, queue: Sequence[tuple[int, Ids]], work: GreedyPrompts, free: int) -> list[tuple[int, Ids]]:
        n = max(1, min(free, work.n_tokens // len(queue[0][1])))
        return list(queue[:n])

    def _enter(self, prompts: list[Ids], prefix: Ids, mask: Any, cache: Any, last: Any) -> tuple[Tensor, Any, Tensor]:
        own = [ids[len(prefix) :] for ids in prompts]
        ids, new_mask = padded(own, left=True, device=self.model.device, n_before=len(prefix))
        logits, new_cache = forward(self.model, ids, new_mask, self.prefix.repeated(prefix, len(prompts)), keep=1)
        new_last = logits[:, -1].argmax(-1)
        if mask is None:
            return new_mask, _roomy([(layer.keys, layer.values) for layer in new_cache.layers]), new_last
        length = max(mask.shape[1], new_mask.shape[1])
        both = zip(cache.layers, new_cache.layers, strict=True)
        layers = [
            (_stacked(old.keys, new.keys, length, 2), _stacked(old.values, new.values, length, 2)) for old, new in both
        ]
        return _stacked(mask, new_mask, length, 1), _roomy(layers), torch.cat([last, new_last])

    def _ended(self, new: list[int], work: GreedyPrompts) -> bool:
        if new[-1] in self.ends or len(new) >= work.n_new:
            return True
        # A stop string ends in the newest token; it cannot begin further back than it has characters.
        reach = max((len(stop) for stop in work.until), default=0) + 1
        text = self.tokenizer.decode(new[-reach:], skip_special_tokens=False)
        return any(stop in text for stop in work.until)


def common_prefix(prompts: Sequence[Ids]) -> Ids:
    """What all prompts begin with (fixed few-shot examples), if it is worth a pass of its own; each keeps a token."""
    if len(prompts) < 2:
        return ()
    n = min(n_common(min(prompts), max(prompts)), min(map(len, prompts)) - 1)
    return prompts[0][:n] if n >= LEAST_PREFIX else ()


def _kept(mask: Tensor, cache: Any, last: Tensor, rows: Tensor) -> tuple[Tensor, Any, Tensor]:
    """The given rows, without the padding that all of them share."""
    mask = mask[rows]
    first = int(mask.any(0).to(torch.int).argmax())
    layers = [(layer.keys[rows, :, first:], layer.values[rows, :, first:]) for layer in cache.layers]
    return mask[:, first:], _roomy(layers), last[rows]


def _roomy(layers: Sequence[tuple[Tensor, Tensor]]) -> Cache:
    return Cache(layers=[RoomyLayer(keys, values) for keys, values in layers])


def _stacked(old: Tensor, new: Tensor, length: int, dim: int) -> Tensor:
    """The rows of both, with zeros before them up to `length` along `dim`."""
    return torch.cat([_grown(old, length, dim), _grown(new, length, dim)])


def _grown(tensor: Tensor, length: int, dim: int) -> Tensor:
    """The tensor with zeros before it, up to `length` along `dim`."""
    missing = length - tensor.shape[dim]
    if not missing:
        return tensor
    shape = [*tensor.shape]
    shape[dim] = missing
    return torch.cat([tensor.new_zeros(shape), tensor], dim=dim)
