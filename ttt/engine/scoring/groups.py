"""What scored requests have in common: contexts with several continuations, and contexts that begin alike.

A request is a stem (its context) and a leaf (its continuation). Stems that begin alike are put in groups whose common
prefix goes through the model once; a stem goes through once for all its leaves.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

from ttt.engine.batches import pads_too_much

Ids = tuple[int, ...]

LEAST_PREFIX = 32
"""Tokens: a shorter prefix is not worth a pass of its own."""


@dataclass(frozen=True)
class Leaf:
    index: int
    ids: Ids


@dataclass
class Stem:
    ids: Ids
    leaves: list[Leaf]


@dataclass
class PrefixGroup:
    """Stems that begin with `prefix`; their `ids` are what follows it, at least one token."""

    prefix: Ids
    stems: list[Stem]


def stems_of(requests: Sequence[tuple[Ids, Ids]]) -> list[Stem]:
    """Requests (context, continuation) with equal contexts brought together, in the order of the contexts' tokens."""
    leaves: dict[Ids, list[Leaf]] = {}
    for index, (context, continuation) in enumerate(requests):
        leaves.setdefault(context, []).append(Leaf(index, continuation))
    return [Stem(ids, leaves[ids]) for ids in sorted(leaves)]


def grouped_by_prefix(stems: Sequence[Stem]) -> list[PrefixGroup]:
    """Groups of sorted stems: of cuts by a ladder of prefix lengths, the one that passes the fewest tokens."""
    common = [n_common(a.ids, b.ids) for a, b in pairwise(stems)]
    ladder = [LEAST_PREFIX * 2**power for power in range(12)]
    cuts = [_cut(stems, common, least) for least in (*ladder, 1 << 30)]
    return min(cuts, key=_n_tokens)


def _cut(stems: Sequence[Stem], common: Sequence[int], least: int) -> list[PrefixGroup]:
    groups: list[PrefixGroup] = []
    start = 0
    for end in range(1, len(stems) + 1):
        if end < len(stems) and common[end - 1] >= least:
            continue
        members = stems[start:end]
        n = min(common[start : end - 1], default=0)
        n = min(n, min(len(stem.ids) for stem in members) - 1)  # each keeps a token, whose logits begin its leaves
        n = n if n >= LEAST_PREFIX else 0
        groups.append(PrefixGroup(members[0].ids[:n], [Stem(stem.ids[n:], stem.leaves) for stem in members]))
        start = end
    return groups


def _n_tokens(groups: Sequence[PrefixGroup]) -> int:
    return sum(len(group.prefix) + sum(len(stem.ids) for stem in group.stems) for group in groups)


def n_common(a: Ids, b: Ids) -> int:
    """Tokens that both begin with."""
    return next((i for i, (x, y) in enumerate(zip(a, b, strict=False)) if x != y), min(len(a), len(b)))


def in_batches(
    groups: Sequence[PrefixGroup], n_tokens: int, n_rows: int, n_cached: int, context: int
) -> Iterator[PrefixGroup]:
    """The groups' stems in batches of similar length, longest first; groups without a prefix are pooled.

    A batch holds at most `n_tokens` tokens, padding included, little padding, `n_rows` stems, and keys and values of
    `n_cached` tokens, those of the leaves' copies of the prefix included; but at least one stem. The longest leaf
    behind the longest stem fits the `context`: padded, another would take more positions than some models have.
    """
    pooled = [stem for group in groups if not group.prefix for stem in group.stems]
    for group in (PrefixGroup((), pooled), *(group for group in groups if group.prefix)):
        members: list[Stem] = []
        width = leaf_width = cached = n_own = 0
        for stem in sorted(group.stems, key=lambda stem: (-len(stem.ids), stem.leaves[0].index)):
            width = max(width, len(stem.ids))
            longest = max(len(leaf.ids) for leaf in stem.leaves)
            leaf_width = max(leaf_width, longest)
            n_copies = max(1, sum(len(leaf.ids) > 1 for leaf in stem.leaves))
            need = n_copies * (len(group.prefix) + width + longest)
            n, n_own = len(members) + 1, n_own + len(stem.ids)
            full = n * width > n_tokens or n > n_rows or cached + need > n_cached
            full = full or len(group.prefix) + width + leaf_width - 1 > context
            if members and (full or pads_too_much(n, width, n_own)):
                yield PrefixGroup(group.prefix, members)
                members, width, leaf_width, cached, n_own = [], len(stem.ids), longest, 0, len(stem.ids)
            members.append(stem)
            cached += need
        if members:
            yield PrefixGroup(group.prefix, members)
