"""The lm-eval backend: lm-eval's requests in, an EvaluationModule's answers out."""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from contextlib import nullcontext
from functools import cached_property
from typing import Any

import pytorch_lightning as pl
from lm_eval.api.instance import Instance
from lm_eval.api.model import TemplateLM
from lm_eval.models.utils import (
    handle_stop_sequences,
    normalize_gen_kwargs,
    postprocess_generated_text,
    resolve_max_length,
)
from lm_eval.utils import get_rolling_token_windows, make_disjoint_window
from torch.utils.data import DataLoader
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from ttt.engine import ranks
from ttt.engine.batches import Batch, Tokens, by_length, collate, pad_prompts
from ttt.engine.device import eval_tokens, lightning_trainer
from ttt.engine.evaluation import EvaluationModule, Prompts
from ttt.engine.forward import n_scored_at_once
from ttt.engine.generation import Waiting, shared_prefix
from ttt.engine.shards import in_step, sharded
from ttt.engine.sharing import Group, Ids, batches, share, stems_of
from ttt.engine.tokens import TokenizedTexts
from ttt.engine.tree import bytes_of_keys_and_values, can_share
from ttt.spec import SpecError, Trainer

KEYS_AND_VALUES_IN_MEMORY = 2**31
"""Bytes that the keys and values of a batch may take."""


class Backend(TemplateLM):
    """An in-memory model as lm-eval sees it. Text to tokens is done as in lm-eval's own `hf` backend.

    `truncation` is `left` (prompts over the context lose their beginning, counted in `n_truncated`) or `refuse`.
    """

    def __init__(
        self,
        model: PreTrainedModel,
        tokenizer: PreTrainedTokenizerBase,
        trainer: Trainer,
        truncation: str = "left",
    ):
        super().__init__()
        self.model = model
        self.tokenizer = tokenizer
        self.trainer = trainer
        self.truncation = truncation
        self.n_truncated = 0
        self.n_tokens = 0
        """Tokens that have passed the model, padding not counted."""
        self.by_vllm = trainer.generator == "vllm"
        self._decoder: Any = None
        """What continues prompts in the place of the model, while it does."""
        self._lent: Any = None

    @property
    def eot_token_id(self) -> int:
        return int(self.tokenizer.eos_token_id)

    @property
    def prefix_token_id(self) -> int:
        bos = self.tokenizer.bos_token_id
        return self.eot_token_id if bos is None else int(bos)

    @property
    def max_length(self) -> int:
        return int(resolve_max_length(self.model.config, self.tokenizer, default=2048))

    @property
    def tokenizer_name(self) -> str:
        return str(self.tokenizer.name_or_path).replace("/", "__")

    def tok_encode(self, string: str, add_special_tokens: bool | None = None, **kwargs: Any) -> list[int]:
        if add_special_tokens is None:
            return self.tokenized.of(string)
        return list(self.tokenizer.encode(string, add_special_tokens=add_special_tokens))

    @cached_property
    def tokenized(self) -> TokenizedTexts:
        return TokenizedTexts(self.tokenizer, str(self.tokenizer.decode(self.prefix_token_id)))

    def apply_chat_template(self, chat_history: list[dict[str, str]], add_generation_prompt: bool = True) -> str:
        return str(
            self.tokenizer.apply_chat_template(
                chat_history,
                tokenize=False,
                add_generation_prompt=add_generation_prompt,
                continue_final_message=not add_generation_prompt,
            )
        )

    def encode_pairs(self, pairs: Sequence[tuple[str, str]]) -> list[tuple[list[int], list[int]]]:
        """Token ids of prompts and of answers, split where lm-eval splits them; for training and scoring alike."""
        self._tokenize_pairs(pairs)
        return [self._encode_pair(*pair) for pair in pairs]

    def encode_continued(self, pairs: Sequence[tuple[str, str]]) -> list[tuple[list[int], list[int]]]:
        """Token ids of prompts as generation begins from them, and of the answers that follow them there.

        Where tokens of the two together would reach over the border, the answer is tokenised by itself: a model that
        goes on from the prompt cannot write them otherwise.
        """
        self.tokenized.add(text for prompt, answer in pairs for text in (prompt, prompt + answer))
        found = []
        for prompt, answer in pairs:
            given, whole = self.tok_encode(prompt), self.tok_encode(prompt + answer)
            joined = whole[: len(given)] != given
            found.append((given, self.tok_encode(answer, False) if joined else whole[len(given) :]))
        return found

    def _tokenize_pairs(self, pairs: Sequence[tuple[str, str]]) -> None:
        """What `_encode_pair` asks for: both together, and the prompt without the blanks at its end."""
        self.tokenized.add(text for prompt, answer in pairs if prompt for text in (prompt + answer, prompt.rstrip()))

    def loglikelihood(self, requests: list[Instance], disable_tqdm: bool = False) -> list[tuple[float, bool]]:
        self._tokenize_pairs([request.args for request in requests])
        return super().loglikelihood(requests, disable_tqdm=True)

    def _loglikelihood_tokens(
        self, requests: Sequence[tuple[Any, list[int], list[int]]], disable_tqdm: bool = False, **kwargs: Any
    ) -> list[tuple[float, bool]]:
        room = self.max_length + 1
        pairs: list[tuple[Ids, Ids]] = []
        for index, (_, context, continuation) in enumerate(requests):
            if not continuation:
                raise ValueError(f"request {index}: an empty continuation has no likelihood to score")
            if len(continuation) >= room:
                raise ValueError(
                    f"request {index}: its continuation of {len(continuation)} tokens does not fit the context of "
                    f"{self.max_length} tokens"
                )
            ids = tuple(self._fitted(context + continuation, room, f"request {index}"))
            pairs.append((ids[: -len(continuation)], tuple(continuation)))
        scored = self._predict(self._shared(pairs) if self.shares else self._plain(pairs))
        answers = {index: (logprob, greedy) for index, logprob, greedy in scored}
        return [answers[index] for index in range(len(pairs))]

    @cached_property
    def shares(self) -> bool:
        return can_share(self.model)

    def _shared(self, pairs: Sequence[tuple[Ids, Ids]]) -> list[Group]:
        groups = share(stems_of(pairs))
        for group in groups:
            leaves = [leaf for stem in group.stems for leaf in stem.leaves]
            self.n_tokens += len(group.prefix) + sum(len(stem.ids) for stem in group.stems)
            self.n_tokens += sum(len(leaf.ids) - 1 for leaf in leaves)
        return list(batches(groups, eval_tokens(self.trainer), n_scored_at_once(self.model), self.n_cached))

    @property
    def n_cached(self) -> int:
        """Tokens whose keys and values may be in memory at once."""
        return max(1, KEYS_AND_VALUES_IN_MEMORY // bytes_of_keys_and_values(self.model))

    def _plain(self, pairs: Sequence[tuple[Ids, Ids]]) -> list[Batch]:
        """Every request a row of its own, for models whose keys and values cannot be used again."""
        rows = [Tokens(i, context + continuation, len(continuation)) for i, (context, continuation) in enumerate(pairs)]
        self.n_tokens += sum(len(row.ids) - 1 for row in rows)
        return [collate(rows) for rows in by_length(rows, eval_tokens(self.trainer), n_scored_at_once(self.model))]

    def loglikelihood_rolling(self, requests: list[Instance], disable_tqdm: bool = False) -> list[float]:
        windows: list[tuple[None, list[int], list[int]]] = []
        owners: list[int] = []
        for owner, request in enumerate(requests):
            for window in get_rolling_token_windows(
                self.tok_encode(request.args[0]), self.prefix_token_id, self.max_length, context_len=1
            ):
                windows.append((None, *make_disjoint_window(window)))
                owners.append(owner)
        totals = [0.0] * len(requests)
        for owner, (logprob, _) in zip(owners, self._loglikelihood_tokens(windows), strict=True):
            totals[owner] += logprob
        return totals

    def generate_until(self, requests: list[Instance], disable_tqdm: bool = False) -> list[str]:
        eos = self.tokenizer.decode(self.eot_token_id, skip_special_tokens=False)
        groups: dict[str, list[Tokens]] = {}
        options: dict[str, tuple[tuple[str, ...], int, dict[str, Any]]] = {}
        stops: list[tuple[str, ...]] = []
        self.tokenized.add(request.args[0] for request in requests)
        for index, request in enumerate(requests):
            prompt, asked = request.args
            sampling = normalize_gen_kwargs(asked, 256)
            until = tuple(handle_stop_sequences(sampling.pop("until", None), eos=eos))
            n_new = sampling.pop("max_gen_toks")
            if not sampling.pop("do_sample", False):
                sampling = {}
            if n_new >= self.max_length:
                raise SpecError(
                    f"the task asks for {n_new} new tokens, the context of the model has {self.max_length} in all"
                )
            ids = self._fitted(self.tok_encode(prompt), self.max_length - n_new, f"request {index}")
            kind = repr((until, n_new, sorted(sampling.items()), index if sampling else None))
            options[kind] = (until, n_new, sampling)
            stops.append(until)
            groups.setdefault(kind, []).append(Tokens(index, tuple(ids), 0))
        waiting: list[Waiting] = []
        batches: list[Prompts] = []
        for kind, rows in groups.items():
            until, n_new, sampling = options[kind]
            if not sampling and (self.shares or self.by_vllm):
                prompts = [(row.index, row.ids) for row in rows]
                self.n_tokens -= (len(rows) - 1) * len(shared_prefix([row.ids for row in rows]))
                longest = max(len(row.ids) for row in rows) + n_new
                n_rows = max(1, self.n_cached // longest)
                waiting.append(Waiting(prompts, until, n_new, n_rows, eval_tokens(self.trainer), self.trainer.progress))
                continue
            for group in by_length(rows, eval_tokens(self.trainer), len(rows)):
                # What is drawn for a prompt depends on the prompt alone, so a sampled one is a batch of its own.
                seed = zlib.crc32(repr(group[0].ids).encode()) if sampling else None
                batches.append(Prompts(*pad_prompts(group), until, n_new, sampling, seed))
        texts = [""] * len(requests)
        for index, new in self._continued(waiting) + self._predict(batches):
            text = self.tokenizer.decode(new, skip_special_tokens=True)
            texts[index] = postprocess_generated_text(text, list(stops[index]), None)
            self.n_tokens += len(new)
        self.n_tokens += sum(len(row.ids) for rows in groups.values() for row in rows)
        return texts

    def _continued(self, waiting: list[Waiting]) -> list[Any]:
        if not self.by_vllm:
            return self._predict(waiting)
        from ttt.engine.vllm import VllmDecoder

        with VllmDecoder(self.model, self.tokenizer, self.trainer, self.max_length) as self._decoder:
            try:
                return self._predict(waiting)
            finally:
                self._decoder = None

    def _fitted(self, ids: list[int], room: int, what: str) -> list[int]:
        if len(ids) <= room:
            return ids
        if self.truncation == "refuse":
            raise SpecError(
                f"bench.truncation=refuse: {what} has {len(ids)} tokens, {room} fit the context; "
                "ask fewer shots (bench.num_fewshot), or let prompts be cut on the left (bench.truncation=left)"
            )
        self.n_truncated += 1
        return ids[-room:]

    def _predict(self, batches: list[Any]) -> list[Any]:
        if not batches:
            return []
        if self._decoder:
            return [answer for waiting in batches for answer in self._decoder.decode(waiting)]
        self.lend()
        ranks.tell("predict", batches, self.trainer)
        return predict(self.model, self.tokenizer, batches, self.trainer)

    def lend(self) -> None:
        """Give the processes that follow this one the model that is in memory, unless they have it."""
        if self._lent is not self.model:
            ranks.tell("hold", self.model.cpu(), self.tokenizer)
            self._lent = self.model


def predict(
    model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, batches: Sequence[Any], settings: Trainer
) -> list[Any]:
    """The answers to all batches, in any order; where several processes share them, at rank zero alone."""
    trainer: pl.Trainer = lightning_trainer(settings)
    if settings.shard:
        model = sharded(model, settings)
    training = model.training
    module = EvaluationModule(model, tokenizer).eval()
    loader: DataLoader[Any] = DataLoader(ranks.share(batches), batch_size=None, collate_fn=_as_is)  # type: ignore[arg-type]
    with in_step(model) if settings.shard else nullcontext():
        answers = trainer.predict(module, loader) or []
    model.train(training)
    return ranks.gather([answer for batch in answers for answer in batch])


def _as_is(batch: Any) -> Any:
    return batch
