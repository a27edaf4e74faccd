"""EvaluationModule: log-likelihoods and generations of a model, batch by batch."""

from __future__ import annotations

import json
from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import dataclass, replace
from typing import Any

import pytorch_lightning as pl
import torch
from torch import Tensor
from torch.utils.data import DataLoader
from transformers import GenerationConfig, PreTrainedModel, PreTrainedTokenizerBase

from ttt.engine import distributed
from ttt.engine.batches import IGNORED, Batch
from ttt.engine.logits import last_logits, n_scored_at_once
from ttt.engine.precision import lightning_trainer
from ttt.engine.scoring.decoding import GreedyDecoder, GreedyPrompts
from ttt.engine.scoring.generation_options import Wanted, end_tokens
from ttt.engine.scoring.groups import PrefixGroup
from ttt.engine.scoring.prefix_tree import Scored, TreeScorer
from ttt.engine.shards import in_step, is_sharded
from ttt.spec import Trainer


@dataclass
class Prompts:
    """Prompts for transformers' own `generate`: input_ids, attention_mask int64 [rows, length], padded on the left."""

    input_ids: Tensor
    attention_mask: Tensor
    indices: list[int]
    wanted: Wanted
    seed: int | None
    """Of what is drawn; None where nothing is."""


Generated = list[tuple[int, list[int]]]
"""(index, new tokens)."""


class EvaluationModule(pl.LightningModule):
    """Scores `PrefixGroup`s or `Batch`es, and continues `GreedyPrompts` or `Prompts`; the model stays as it is."""

    def __init__(self, model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase):
        super().__init__()
        self.model = model
        self.tokenizer = tokenizer
        self.scorer = TreeScorer(model)

    def transfer_batch_to_device(self, batch: Any, device: torch.device, dataloader_idx: int) -> Any:
        if isinstance(batch, PrefixGroup | GreedyPrompts):
            return batch
        if isinstance(batch, Prompts):
            ids, mask = batch.input_ids.to(device), batch.attention_mask.to(device)
            return replace(batch, input_ids=ids, attention_mask=mask)
        return super().transfer_batch_to_device(batch, device, dataloader_idx)

    def predict_step(
        self, batch: PrefixGroup | Batch | GreedyPrompts | Prompts, batch_idx: int = 0
    ) -> Scored | Generated:
        if isinstance(batch, PrefixGroup):
            return self.scorer.score(batch, n_scored_at_once(self.model))
        if isinstance(batch, GreedyPrompts):
            return GreedyDecoder(self.model, self.tokenizer).decode(batch)
        return self._score(batch) if isinstance(batch, Batch) else self._generate(batch)

    def cpu(self) -> EvaluationModule:
        """Lightning would move the model away when it is done; it is wanted again, and may be in training."""
        return self

    def _score(self, batch: Batch) -> Scored:
        logprobs = last_logits(self.model, batch).log_softmax(-1)
        scored = batch.targets != IGNORED
        targets = batch.targets.clamp(min=0)
        chosen = logprobs.gather(-1, targets.unsqueeze(-1)).squeeze(-1)
        totals = torch.where(scored, chosen, 0.0).sum(-1)
        greedy = ((logprobs.argmax(-1) == targets) | ~scored).all(-1)
        return list(zip(batch.indices, totals.tolist(), greedy.tolist(), strict=True))

    def _generate(self, batch: Prompts) -> Generated:
        if batch.seed is not None:
            torch.manual_seed(batch.seed)
        ends = end_tokens(self.model, self.tokenizer)
        config = GenerationConfig(
            max_new_tokens=batch.wanted.n_new,
            pad_token_id=self.tokenizer.eos_token_id
            if self.tokenizer.pad_token_id is None
            else self.tokenizer.pad_token_id,
            eos_token_id=ends,
            stop_strings=list(batch.wanted.until) or None,
            do_sample=batch.wanted.samples,
            **json.loads(batch.wanted.options),
        )
        output = self.model.generate(  # type: ignore[operator]
            input_ids=batch.input_ids,
            attention_mask=batch.attention_mask,
            generation_config=config,
            tokenizer=self.tokenizer,
            synced_gpus=False,  # ttt.engine.shards sees to it
        )
        new = output[:, batch.input_ids.shape[1] :]
        return list(zip(batch.indices, new.tolist(), strict=True))


def predict(
    model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, batches: Sequence[Any], settings: Trainer
) -> list[Any]:
    """The answers to all batches, in any order. Collective: each process gives all batches, and passes its part."""
    trainer: pl.Trainer = lightning_trainer(settings)
    training = model.training
    module = EvaluationModule(model, tokenizer).eval()
    loader: DataLoader[Any] = DataLoader(distributed.own_part(batches), batch_size=None, collate_fn=_as_is)  # type: ignore[arg-type]
    with in_step(model) if is_sharded(model) else nullcontext():
        answers = trainer.predict(module, loader) or []
    model.train(training)
    return distributed.gather([answer for batch in answers for answer in batch])


def _as_is(batch: Any) -> Any:
    return batch
