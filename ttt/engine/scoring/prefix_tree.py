"""Scoring a group: prefix, stems and leaves pass the model in turn, each once, over cached keys and values."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from transformers import DynamicCache, PreTrainedModel
from transformers.cache_utils import DynamicLayer

from ttt.engine.scoring.groups import Ids, Leaf, PrefixGroup, Stem

Scored = list[tuple[int, float, bool]]
"""(index, log-likelihood in nats of all targets, whether each target is the most likely token)."""


class Prefix:
    """Keys and values of the last prefix that was asked for, which passes the model once."""

    def __init__(self, model: PreTrainedModel):
        self.model = model
        self.ids: Ids = ()
        self.layers: list[Any] = []

    def repeated(self, ids: Ids, n: int) -> Any:
        """A cache of the prefix for `n` rows, which share the memory; None without a prefix."""
        if not ids:
            return None
        if self.ids != ids:
            tokens = torch.tensor([ids], device=self.model.device)
            self.layers = forward(self.model, tokens, torch.ones_like(tokens), None, keep=1)[1].layers
            self.ids = ids
        return DynamicCache([(x.keys.expand(n, -1, -1, -1), x.values.expand(n, -1, -1, -1)) for x in self.layers])


class TreeScorer:
    """Log-likelihoods of groups of stems and leaves."""

    def __init__(self, model: PreTrainedModel):
        self.model = model
        self.prefix = Prefix(model)

    def score(self, group: PrefixGroup, n_scored: int) -> Scored:
        """Every leaf of the group; at most `n_scored` positions' logits at a time."""
        stems, device = group.stems, self.model.device
        ids, mask = padded([stem.ids for stem in stems], left=True, device=device, n_before=len(group.prefix))
        cache = self.prefix.repeated(group.prefix, len(stems))
        several = any(len(leaf.ids) > 1 for stem in stems for leaf in stem.leaves)
        logits, cache = forward(self.model, ids, mask, cache, keep=1, use_cache=several or cache is not None)
        first = logits[:, -1].log_softmax(-1)
        likeliest = first.argmax(-1)
        rows = [(row, leaf) for row, stem in enumerate(stems) for leaf in stem.leaves]
        chosen = first[[row for row, _ in rows], [leaf.ids[0] for _, leaf in rows]]
        greedy = [int(likeliest[row]) == leaf.ids[0] for row, leaf in rows]
        totals = dict(zip((leaf.index for _, leaf in rows), chosen.tolist(), strict=True))
        exact = dict(zip((leaf.index for _, leaf in rows), greedy, strict=True))
        longer = sorted(((row, leaf) for row, leaf in rows if len(leaf.ids) > 1), key=lambda pair: -len(pair[1].ids))
        while longer:
            n = max(1, n_scored // len(longer[0][1].ids))
            for index, logprob, likely in self._score_leaves(longer[:n], mask, cache):
                totals[index] += logprob
                exact[index] = exact[index] and likely
            longer = longer[n:]
        return [(index, totals[index], exact[index]) for index in totals]

    def _score_leaves(self, rows: Sequence[tuple[int, Leaf]], mask: Tensor, cache: Any) -> Scored:
        """The leaves' tokens from the second on, each leaf after its stem's keys and values."""
        stems = torch.tensor([row for row, _ in rows], device=mask.device)
        ids, leaf_mask = padded([leaf.ids for _, leaf in rows], left=False, device=mask.device)
        grown = DynamicCache([(layer.keys[stems], layer.values[stems]) for layer in cache.layers])
        given = torch.cat([mask[stems], leaf_mask[:, 1:]], dim=1)
        logits, _ = forward(self.model, ids[:, :-1], given, grown, keep=0)
        logprobs = logits.log_softmax(-1)
        targets, scored = ids[:, 1:], leaf_mask[:, 1:].bool()
        chosen = logprobs.gather(-1, targets.unsqueeze(-1)).squeeze(-1)
        totals = torch.where(scored, chosen, 0.0).sum(-1).tolist()
        greedy = ((logprobs.argmax(-1) == targets) | ~scored).all(-1).tolist()
        return [(leaf.index, totals[i], greedy[i]) for i, (_, leaf) in enumerate(rows)]


def forward(
    model: PreTrainedModel, ids: Tensor, mask: Tensor, cache: Any, keep: int, use_cache: bool = True
) -> tuple[Tensor, Any]:
    """float32 logits of the last `keep` positions (0: of all), and the grown cache.

    `ids` int64 [rows, new]; `mask` int64 [rows, cached + new]; positions count what the mask lets through.
    """
    positions = (mask.cumsum(-1) - 1).clamp(min=0)[:, -ids.shape[1] :]
    output = model(
        input_ids=ids,
        attention_mask=mask,
        position_ids=positions,
        past_key_values=cache,
        use_cache=use_cache,
        logits_to_keep=keep,
    )
    return output.logits.float(), output.past_key_values


def bytes_of_keys_and_values(model: PreTrainedModel) -> int:
    """Bytes a token takes in the cache of all layers, in the weights' type."""
    config = model.config.get_text_config()
    heads = getattr(config, "num_key_value_heads", None) or config.num_attention_heads
    width = getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads
    return int(2 * config.num_hidden_layers * heads * width * next(model.parameters()).element_size())


def can_reuse_prefixes(model: PreTrainedModel) -> bool:
    """Whether keys and values of a prefix can be used again: by trying, for an architecture's word is not enough.

    Collective where the weights are divided.
    False for models with recurrent states or sliding windows, and wherever the split pass gives other logits.
    """
    if "local" in getattr(model.config, "attention_layers", ()):
        return False  # GPT-Neo counts the padding between a prefix and its stems to its windows, too wide for the trial
    embeddings = model.get_input_embeddings()
    assert isinstance(embeddings, torch.nn.Embedding)
    ids = torch.arange(1, 13, device=model.device) % embeddings.num_embeddings
    tokens = tuple(int(i) for i in ids)
    leaves = [Leaf(0, tokens[8:]), Leaf(1, tokens[8:9])]
    group = PrefixGroup(tokens[:4], [Stem(tokens[4:8], leaves), Stem(tokens[4:6], [Leaf(2, tokens[6:8])])])
    try:
        with torch.no_grad():  # shards that were gathered in inference mode could not be trained
            logprobs = model(input_ids=ids.unsqueeze(0)).logits[0].float().log_softmax(-1)
            scorer = TreeScorer(model)
            scored = {index: value for index, value, _ in scorer.score(group, 100)}
    except (TypeError, AttributeError, ValueError, RuntimeError):
        return False
    plain = [sum(float(logprobs[i - 1, tokens[i]]) for i in places) for places in (range(8, 12), [8], range(6, 8))]
    close = 1e-3 if next(model.parameters()).dtype == torch.float32 else 0.2
    return all(type(layer) is DynamicLayer for layer in scorer.prefix.layers) and all(
        abs(scored[i] - value) < close for i, value in enumerate(plain)
    )


def padded(rows: Sequence[Ids], left: bool, device: torch.device, n_before: int = 0) -> tuple[Tensor, Tensor]:
    """Token ids, int64 [rows, length], and mask, int64 [rows, n_before + length]; `n_before` tokens are cached."""
    length = max(map(len, rows))
    ids = torch.zeros(len(rows), length, dtype=torch.long)
    mask = torch.zeros_like(ids)
    for i, row in enumerate(rows):
        place = slice(length - len(row), length) if left else slice(0, len(row))
        ids[i, place], mask[i, place] = torch.tensor(row), 1
    mask = torch.cat([mask.new_ones(len(rows), n_before), mask], dim=1)
    return ids.to(device), mask.to(device)
