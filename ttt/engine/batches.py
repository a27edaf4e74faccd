"""Token sequences in batches, padded on the left, so that what is scored or learnt stands at the end."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

IGNORED = -100
MOST_PADDING = 1 / 8
"""Of a batch's own tokens: with more, two passes are faster than one. At least `LEAST_PADDING` tokens are let pass."""
LEAST_PADDING = 64


def pads_too_much(n_rows: int, width: int, n_own: int) -> bool:
    """Whether rows of `n_own` tokens in all, padded to `width`, had better be two batches."""
    return n_rows * width - n_own > max(LEAST_PADDING, MOST_PADDING * n_own)


@dataclass(frozen=True)
class Tokens:
    """A sequence, the last `n_targets` tokens of which are predicted; `index` is its place in a list."""

    index: int
    ids: tuple[int, ...]
    n_targets: int


@dataclass
class Batch:
    """input_ids, attention_mask, position_ids: int64 [rows, length]; targets: int64 [rows, n_kept], -100 where none.

    The targets are those of the last `n_kept` positions of the input.
    """

    input_ids: Tensor
    attention_mask: Tensor
    position_ids: Tensor
    targets: Tensor
    indices: list[int]


def collate(rows: Sequence[Tokens]) -> Batch:
    length = max(len(row.ids) for row in rows) - 1
    n_kept = max(row.n_targets for row in rows)
    input_ids = torch.zeros(len(rows), length, dtype=torch.long)
    mask = torch.zeros(len(rows), length, dtype=torch.long)
    targets = torch.full((len(rows), n_kept), IGNORED, dtype=torch.long)
    for i, row in enumerate(rows):
        n = len(row.ids) - 1
        input_ids[i, length - n :] = torch.tensor(row.ids[:-1])
        mask[i, length - n :] = 1
        targets[i, n_kept - row.n_targets :] = torch.tensor(row.ids[len(row.ids) - row.n_targets :])
    positions = (mask.cumsum(-1) - 1).clamp(min=0)
    return Batch(input_ids, mask, positions, targets, [row.index for row in rows])


def cut(batch: Batch, n_parts: int) -> list[Batch]:
    """The batch's rows in so many parts at most, each without the padding that all its rows share."""
    size = math.ceil(len(batch.indices) / n_parts)
    parts = [slice(start, start + size) for start in range(0, len(batch.indices), size)]
    if len(parts) == 1:
        return [batch]
    cut = []
    for rows in parts:
        first = int(batch.attention_mask[rows].any(0).to(torch.int).argmax())
        first = min(first, batch.input_ids.shape[1] - batch.targets.shape[1])  # the targets' positions all stay
        ids, mask, positions = (x[rows, first:] for x in (batch.input_ids, batch.attention_mask, batch.position_ids))
        cut.append(Batch(ids, mask, positions, batch.targets[rows], batch.indices[rows]))
    return cut


def by_length(rows: Sequence[Tokens], n_tokens: int, n_scored: int) -> Iterator[list[Tokens]]:
    """The rows in groups of similar length, longest first.

    A group holds at most `n_tokens` tokens, padding included, little padding, and at most `n_scored` scored positions
    (the output layer is what fills the memory), but at least one row.
    """
    group: list[Tokens] = []
    width = scored = n_own = 0
    for row in sorted(rows, key=lambda row: (-len(row.ids), -row.n_targets, row.index)):
        width, scored, n_own = max(width, len(row.ids)), max(scored, row.n_targets), n_own + len(row.ids)
        n = len(group) + 1
        if group and (n * width > n_tokens or n * scored > n_scored or pads_too_much(n, width, n_own)):
            yield group
            group, width, scored, n_own = [], len(row.ids), row.n_targets, len(row.ids)
        group.append(row)
    if group:
        yield group


def pad_prompts(rows: Sequence[Tokens]) -> tuple[Tensor, Tensor, list[int]]:
    """input_ids and attention_mask, int64 [rows, length], and the rows' indices."""
    length = max(len(row.ids) for row in rows)
    input_ids = torch.zeros(len(rows), length, dtype=torch.long)
    mask = torch.zeros(len(rows), length, dtype=torch.long)
    for i, row in enumerate(rows):
        input_ids[i, length - len(row.ids) :] = torch.tensor(row.ids)
        mask[i, length - len(row.ids) :] = 1
    return input_ids, mask, [row.index for row in rows]
