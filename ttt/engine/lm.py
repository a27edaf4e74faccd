"""The lm-eval backend: lm-eval's requests in, an EvaluationModule's answers out."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import Any

from lm_eval.api.instance import Instance
from lm_eval.models.utils import postprocess_generated_text
from lm_eval.utils import get_rolling_token_windows, make_disjoint_window
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from ttt.engine.batches import Batch, Tokens, by_length, collate, pad_prompts
from ttt.engine.logits import n_scored_at_once
from ttt.engine.precision import eval_tokens
from ttt.engine.scoring.decoding import GreedyPrompts, common_prefix
from ttt.engine.scoring.generation_options import Wanted, changes_greedy_decoding, draw_seed, end_tokens, wanted
from ttt.engine.scoring.groups import Ids, PrefixGroup, grouped_by_prefix, in_batches, stems_of
from ttt.engine.scoring.module import Prompts, predict
from ttt.engine.scoring.prefix_tree import bytes_of_keys_and_values, can_reuse_prefixes
from ttt.engine.text import TextToTokens
from ttt.spec import SpecError, Trainer

KEYS_AND_VALUES_IN_MEMORY = 2**31
"""Bytes that the keys and values of a batch may take."""


class Backend(TextToTokens):
    """An in-memory model as lm-eval sees it.

    Its answers are collective: every process of a launch asks the same, and all get all answers.
    `truncation` is `left` (prompts over the context lose their beginning, counted in `n_truncated`) or `refuse`.
    """

    def __init__(
        self,
        model: PreTrainedModel,
        tokenizer: PreTrainedTokenizerBase,
        trainer: Trainer,
        truncation: str = "left",
    ):
        super().__init__(model, tokenizer)
        self.trainer = trainer
        self.truncation = truncation
        self.seed = 0
        """Of what is drawn, where a task samples its answers."""
        self.n_truncated = 0
        self.n_tokens = 0
        """Tokens that have passed the model, padding not counted."""
        self.by_vllm = trainer.generator == "vllm"
        self._decoder: Any = None
        """What continues prompts in the place of the model, while it does."""

    def loglikelihood(self, requests: list[Instance], disable_tqdm: bool = False) -> list[tuple[float, bool]]:
        self.tokenize_pairs([request.args for request in requests])
        for request in requests:
            self._check_answerable(request)
        return super().loglikelihood(requests, disable_tqdm=True)

    def _check_answerable(self, request: Instance) -> None:
        """SpecError for a continuation that has no tokens of its own, or more than the context holds."""
        prompt, continuation = request.args
        if prompt:
            before, own = self._encode_pair(prompt, continuation)
        else:
            before, own = [self.prefix_token_id], self.tok_encode(continuation, add_special_tokens=False)
            own = own[own[:1] == before :]  # as lm-eval does
        if not own or not before:
            raise SpecError(
                f"{place(request)}: {continuation!r} adds no token to the prompt, which ends in {prompt[-20:]!r}, so "
                "that there is nothing to score; give both a text that stays apart (see the task's `target_delimiter`)"
            )
        if len(own) > self.max_length:
            raise SpecError(
                f"{place(request)}: its {len(own)} tokens do not fit the context of {self.max_length} tokens"
            )
        self._check_room(len(before) + len(own), self.max_length + 1, request)

    def _loglikelihood_tokens(
        self, requests: Sequence[tuple[Any, list[int], list[int]]], disable_tqdm: bool = False, **kwargs: Any
    ) -> list[tuple[float, bool]]:
        room = self.max_length + 1
        pairs: list[tuple[Ids, Ids]] = []
        for _, context, continuation in requests:
            assert 0 < len(continuation) < room  # `_check_answerable`
            ids = tuple(self._fitted(context + continuation, room))
            pairs.append((ids[: -len(continuation)], tuple(continuation)))
        scored = self._predict(self._by_prefix(pairs) if self.reuses_prefixes else self._plain(pairs))
        answers = {index: (logprob, greedy) for index, logprob, greedy in scored}
        return [answers[index] for index in range(len(pairs))]

    @cached_property
    def reuses_prefixes(self) -> bool:
        return can_reuse_prefixes(self.model)

    def _by_prefix(self, pairs: Sequence[tuple[Ids, Ids]]) -> list[PrefixGroup]:
        groups = grouped_by_prefix(stems_of(pairs))
        for group in groups:
            leaves = [leaf for stem in group.stems for leaf in stem.leaves]
            self.n_tokens += len(group.prefix) + sum(len(stem.ids) for stem in group.stems)
            self.n_tokens += sum(len(leaf.ids) - 1 for leaf in leaves)
        n_tokens, n_rows = eval_tokens(self.trainer), n_scored_at_once(self.model)
        return list(in_batches(groups, n_tokens, n_rows, self.n_cached, self.max_length))

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
        """Equal prompts are continued once where that is greedy, and drawn as often as they are asked where not."""
        asked = self._asked(requests)
        queued, batches = self._laid_out(asked)
        continued = dict(self._continued(queued) + self._predict(batches))
        ends = end_tokens(self.model, self.tokenizer)
        texts = [""] * len(requests)
        for (want, _), same in asked.items():
            for index in same:
                new = continued[index if want.samples else same[0]]
                new = new[: next((place for place, token in enumerate(new) if token in ends), len(new))]
                text = self.tokenizer.decode(new, skip_special_tokens=True)
                texts[index] = postprocess_generated_text(text, list(want.until), None)
        self.n_tokens += sum(map(len, continued.values()))
        return texts

    def _asked(self, requests: list[Instance]) -> dict[tuple[Wanted, Ids], list[int]]:
        """The requests' places by what is wanted and by the prompt, which keeps its end if it is too long."""
        eos = str(self.tokenizer.decode(self.eot_token_id, skip_special_tokens=False))
        self.tokenized.add(request.args[0] for request in requests)
        asked: dict[tuple[Wanted, Ids], list[int]] = {}
        for index, request in enumerate(requests):
            prompt, options = request.args
            want, ids = wanted(options, eos), self.tok_encode(prompt)
            room = self.max_length - want.n_new
            if room <= 0:
                raise SpecError(
                    f"{place(request)} asks for {want.n_new} new tokens, the context of the model has "
                    f"{self.max_length} in all"
                )
            self._check_room(len(ids), room, request)
            asked.setdefault((want, tuple(self._fitted(ids, room))), []).append(index)
        return asked

    def _laid_out(self, asked: dict[tuple[Wanted, Ids], list[int]]) -> tuple[list[GreedyPrompts], list[Prompts]]:
        """What the batch that stays full continues, and what transformers' `generate` does."""
        greedy: dict[Wanted, list[Tokens]] = {}
        queued: list[GreedyPrompts] = []
        batches: list[Prompts] = []
        for (want, ids), same in asked.items():
            if not want.samples:
                greedy.setdefault(want, []).append(Tokens(same[0], ids, 0))
                continue
            for repeat, index in enumerate(same):  # each a batch of its own, so that nothing beside it changes it
                batches.append(Prompts(*pad_prompts([Tokens(index, ids, 0)]), want, draw_seed(self.seed, ids, repeat)))
                self.n_tokens += len(ids)
        changed = changes_greedy_decoding(self.model)
        for want, rows in greedy.items():
            self.n_tokens += sum(len(row.ids) for row in rows)
            if changed or want.options != "{}":  # what acts on the tokens before acts on padding too: there is none
                for length in sorted({len(row.ids) for row in rows}):
                    batches += self._padded([row for row in rows if len(row.ids) == length], want)
                continue
            if not (self.reuses_prefixes or self.by_vllm):
                batches += self._padded(rows, want)
                continue
            prompts = [(row.index, row.ids) for row in rows]
            self.n_tokens -= (len(rows) - 1) * len(common_prefix([row.ids for row in rows]))
            longest = max(len(row.ids) for row in rows) + want.n_new
            n_rows, n_tokens = max(1, self.n_cached // longest), eval_tokens(self.trainer)
            queued.append(GreedyPrompts(prompts, want.until, want.n_new, n_rows, n_tokens, self.trainer.progress))
        return queued, batches

    def _padded(self, rows: list[Tokens], want: Wanted) -> list[Prompts]:
        groups = by_length(rows, eval_tokens(self.trainer), len(rows))
        return [Prompts(*pad_prompts(group), want, None) for group in groups]

    def _continued(self, queued: list[GreedyPrompts]) -> list[Any]:
        if not self.by_vllm:
            return self._predict(queued)
        from ttt.engine.scoring.vllm import VllmDecoder

        with VllmDecoder(self.model, self.tokenizer, self.trainer, self.max_length) as self._decoder:
            try:
                return self._predict(queued)
            finally:
                self._decoder = None

    def _check_room(self, n: int, room: int, request: Instance) -> None:
        if n > room and self.truncation == "refuse":
            raise SpecError(
                f"bench.truncation=refuse: {place(request)} has {n} tokens, {room} fit the context; "
                "ask fewer shots (bench.num_fewshot), or let prompts be cut on the left (bench.truncation=left)"
            )

    def _fitted(self, ids: list[int], room: int) -> list[int]:
        self.n_truncated += len(ids) > room
        return ids[-room:]

    def _predict(self, batches: list[Any]) -> list[Any]:
        if not batches:
            return []
        if self._decoder:
            return [answer for work in batches for answer in self._decoder.decode(work)]
        return predict(self.model, self.tokenizer, batches, self.trainer)


def place(request: Instance) -> str:
    """Where a request is from, for people: documents and options are counted from 0, as in the table of items."""
    if request.task_name is None:
        return f"example {request.idx}"
    return f"task '{request.task_name.split('::')[-1]}', document {request.doc_id}, option {request.idx}"
