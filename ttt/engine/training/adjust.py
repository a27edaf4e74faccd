"""Adjusting a model: the task data as tokens, the adjustment's recipe, full or by low-rank adapters."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from transformers import PreTrainedModel

from ttt.engine.batches import Tokens
from ttt.engine.lm import Backend
from ttt.engine.training.loop import Step, fit
from ttt.engine.training.module import Plan
from ttt.spec import Cell, SpecError, Trainer
from ttt.tasks.task_data import Example

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Adjusted:
    """What adjusting took."""

    n_steps: int
    n_examples: int
    n_tokens: int
    """Tokens that passed the model, padding not counted."""
    n_cut: int
    """Examples that were cut to `max_tokens` or to the model's context."""
    seconds: float


def encode(
    backend: Backend, examples: Mapping[int, Example], max_tokens: int, chat: bool = False, generates: bool = False
) -> tuple[dict[int, Tokens], int]:
    """Examples as tokens, prompt and answer split as in scoring, the answer ended by the end-of-sequence token.

    With `generates` the prompt's tokens are those that generation begins from.

    A longer one keeps its last `max_tokens` tokens, as in the paper's release, or as many as the model has positions;
    returned with how many were cut. Raises SpecError for answers without a token of their own, which scoring refuses
    too.
    """
    room = min(max_tokens, backend.max_length)
    pairs = [(example.prompt, example.answer) for example in examples.values()]
    if chat:
        asked = [[{"role": "user", "content": prompt}] for prompt, _ in pairs]
        pairs = [(backend.apply_chat_template(a), answer.lstrip()) for a, (_, answer) in zip(asked, pairs, strict=True)]
    rows, n_cut = {}, 0
    encoded = backend.encode_continued(pairs) if generates else backend.encode_pairs(pairs)
    if empty := [e for e, (_, answer) in zip(examples.values(), encoded, strict=True) if not answer]:
        raise SpecError(
            f"bench.task_data: the answers of {len(empty):,} examples add no token to their prompts, so that there is "
            f"nothing to learn, such as {empty[0].answer!r} after {empty[0].prompt[-20:]!r}; begin answers with a blank"
        )
    for index, (context, continuation) in zip(examples, encoded, strict=True):
        ids = (*context, *continuation, backend.eot_token_id)
        rows[index] = Tokens(index, ids[-room:], min(len(continuation) + 1, room - 1))
        n_cut += len(ids) > room
    return rows, n_cut


def in_words(n_cut: int, n: int, cell: Cell, backend: Backend) -> str:
    """That some of `n` examples were cut, and why."""
    limit, context = cell.adjustment.max_tokens, backend.max_length
    return (
        f"{cell.label} on {cell.bench.name}: {n_cut:,} of {n:,} examples are longer than {min(limit, context):,} "
        f"tokens (adjustment.max_tokens, and the context of the model, {context:,}) and lose their beginning"
    )


def adjust(
    backend: Backend,
    cell: Cell,
    examples: Sequence[Example],
    trainer: Trainer,
    folder: Path,
    on_step: Callable[[Step], None],
    on_checkpoint: Callable[[Step], None],
    before_saving: Callable[[], None] = lambda: None,
    say: Callable[[str], None] = log.info,
) -> Adjusted:
    """Fine-tune the backend's model in place by the cell's adjustment (`ttt.engine.training.loop.fit`)."""
    adjustment, chat = cell.adjustment, cell.bench.chat_template
    plan = Plan(len(examples), adjustment.n_examples(len(examples)), adjustment.batch_size, cell.seed)
    used = {index: examples[index] for index in plan.used()}
    rows, n_cut = encode(backend, used, adjustment.max_tokens, chat, cell.bench.format == "generate")
    if n_cut:
        say(in_words(n_cut, len(rows), cell, backend))
    if adjustment.method == "lora":
        backend.model = with_lora(backend.model, cell)
    rate = adjustment.rate(cell.model)
    backend.lend()
    took = fit(
        backend.model,
        rows,
        plan,
        adjustment,
        rate,
        trainer,
        folder,
        on_step,
        on_checkpoint,
        before_saving=before_saving,
    )
    if adjustment.method == "lora":
        backend.model = backend.model.merge_and_unload().eval()  # type: ignore[operator]
    return Adjusted(plan.n_steps, plan.n_examples, took.n_tokens, n_cut, took.seconds)


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
